"""``minifcn audit``: one file a command."""

from __future__ import annotations

import typer

from minifcn.cli.audit.effective import effective_receptive_field
from minifcn.cli.audit.receptive_field import receptive_field

audit = typer.Typer(
    help="Ask a network what it sees, costs and needs; the answers are computed from its operations.",
    no_args_is_help=True,
)

audit.command("receptive-field")(receptive_field)
audit.command("effective-receptive-field")(effective_receptive_field)
