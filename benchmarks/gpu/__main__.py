"""``python -m minifcn.benchmarks.gpu --out FOLDER``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from minifcn.benchmarks.gpu.parts import PARTS, select
from minifcn.benchmarks.gpu.run import run


def main() -> int:
    """0 if every part ran and computed what it should; how fast it was does not matter here."""
    parser = argparse.ArgumentParser(prog="python -m minifcn.benchmarks.gpu", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for report.md and the figures (JSON)")
    parser.add_argument("--parts", help="comma-separated, prefixes allowed: " + ", ".join(part.name for part in PARTS))
    parser.add_argument("--budget", type=float, default=420.0, help="seconds for everything (420)")
    parser.add_argument("--tiny", action="store_true", help="tiny shapes: tries the script itself, in the simulator")
    options = parser.parse_args()
    try:
        parts = select(options.parts)
    except ValueError as error:
        parser.error(str(error))
    return 0 if run(options.out, parts, options.budget, options.tiny) else 1


if __name__ == "__main__":
    sys.exit(main())
