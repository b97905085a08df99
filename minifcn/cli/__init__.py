"""The command line: ``minifcn train | predict | evaluate | warmup | info``."""

from minifcn.cli.app import main

__all__ = ["main"]
