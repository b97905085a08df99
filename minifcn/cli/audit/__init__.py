"""``minifcn audit``: one file a command."""

from __future__ import annotations

import typer

from minifcn.cli.audit.borders import borders
from minifcn.cli.audit.equivariance import equivariance

audit = typer.Typer(
    help="Ask a network what it sees, costs and needs; the answers are computed from its operations.",
    no_args_is_help=True,
)
audit.command("equivariance")(equivariance)
audit.command("borders")(borders)
