"""``minifcn audit``: one file a command."""

from __future__ import annotations

import typer

from minifcn.cli.audit.borders import borders
from minifcn.cli.audit.cost import cost
from minifcn.cli.audit.doctor import doctor
from minifcn.cli.audit.effective import effective_receptive_field
from minifcn.cli.audit.equivariance import equivariance
from minifcn.cli.audit.everything import everything
from minifcn.cli.audit.memory import memory
from minifcn.cli.audit.parameters import params
from minifcn.cli.audit.receptive_field import receptive_field
from minifcn.cli.audit.sizes import sizes

audit = typer.Typer(
    help="Ask a network what it sees, costs and needs; the answers are computed from its operations.",
    no_args_is_help=True,
)

for name, command in (
    ("params", params),
    ("receptive-field", receptive_field),
    ("effective-receptive-field", effective_receptive_field),
    ("equivariance", equivariance),
    ("borders", borders),
    ("sizes", sizes),
    ("memory", memory),
    ("cost", cost),
    ("doctor", doctor),
    ("all", everything),
):
    audit.command(name)(command)
