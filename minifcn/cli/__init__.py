"""The command line: ``minifcn train | predict | evaluate | models | warmup | bench | info``."""

from minifcn.cli.app import main

__all__ = ["main"]
