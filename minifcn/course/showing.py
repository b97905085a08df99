"""Showing something at once: rich where a notebook listens, as text anywhere else."""

from __future__ import annotations

import sys
from typing import Any

#: The key of what our outputs say of themselves, in a notebook's metadata.
METADATA = "minifcn"


def in_notebook() -> bool:
    """Whether a notebook's kernel runs this; a terminal, IPython's included, shows text alone."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    shell = get_ipython()
    return shell is not None and getattr(shell, "kernel", None) is not None


def show(text: str, html: str, said: dict[str, Any]) -> None:
    """Show ``html`` in a notebook, with ``said`` as the output's metadata; print ``text`` anywhere else."""
    if not in_notebook():
        print(text)
        return
    from IPython.display import publish_display_data

    publish_display_data({"text/plain": text, "text/html": html}, {METADATA: said})
