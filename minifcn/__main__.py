"""``python -m minifcn`` is the command line."""

from minifcn.cli import main

main()
