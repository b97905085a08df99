"""``minifcn audit params``."""

from __future__ import annotations

from minifcn.cli.audit import arguments
from minifcn.cli.audit.arguments import OUT, AsJson, Model, Options, Out


def params(model: Model, option: Options = None, out: Out = OUT, as_json: AsJson = False) -> None:
    """Count what a network learns, layer by layer, with the formulas.

    Values play no part, so that also VGG's 134 million numbers are counted at once.
    """
    from minifcn.audit.costs.parameters import parameters

    subject = arguments.open_subject(model, option, channels=None, drawn=False)
    arguments.show(parameters(subject), subject.name, out, as_json)
