"""``minifcn audit borders``."""

from __future__ import annotations

from typing import Annotated

import typer

from minifcn.cli.audit.arguments import OUT, AsJson, Channels, Model, Options, Out, open_subject, show
from minifcn.cli.audit.equivariance import tracked
from minifcn.cli.audit.images import Image, RandomWeights, draws_weights, prepared_image


def borders(
    model: Model,
    options: Options = None,
    channels: Channels = None,
    image: Image = None,
    random_weights: RandomWeights = None,
    seed: Annotated[int, typer.Option(help="Of the noise and of weights that are drawn.", min=0)] = 0,
    out: Out = OUT,
    as_json: AsJson = False,
) -> None:
    """How far from an image's border does padding change the output, and by how much?

    The network on a window of a larger image is compared with the network on all of it, in float64: with the padding of
    its own layers, and with mirrored pixels, repeated pixels or zeros around the window.
    """
    from minifcn import audit

    subject = open_subject(model, options, channels, narrow=True)
    report = audit.borders(
        subject,
        image=prepared_image(image, subject, model),
        seed=seed,
        random_weights=draws_weights(random_weights, model),
        track=tracked,
    )
    show(report, subject.name, out, as_json)
