"""The command line: ``minifcn train | predict | evaluate | info | bench``."""

from minifcn.cli.app import main

__all__ = ["main"]
