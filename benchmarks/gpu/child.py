"""A process that runs parts, one after the other; the parent (`run`) reads from its output which one is on.

It ends with the first part that raises: after an error of the GPU, every later call of the process would fail too.
"""

from __future__ import annotations

import sys
import traceback
from importlib import import_module
from pathlib import Path

from minifcn.benchmarks.gpu.parts import Part, select
from minifcn.benchmarks.gpu.record import Record


def main(arguments: list[str]) -> int:
    """Arguments: folder, "tiny" or "full", then name:seconds of each part."""
    out, tiny = Path(arguments[0]), arguments[1] == "tiny"
    for word in arguments[2:]:
        name, seconds = word.rsplit(":", 1)
        (part,) = (part for part in select(name) if part.name == name)
        print(f"@begin {name}", flush=True)
        right = run_part(part, Record(out, name, float(seconds)), tiny)
        print(f"@end {name}", flush=True)
        if not right:
            return 1
    return 0


def run_part(part: Part, record: Record, tiny: bool) -> bool:
    """Run one part; what it raises becomes a failure in its record. Returns whether it raised nothing."""
    try:
        module = import_module(f"minifcn.benchmarks.gpu.{part.module}")
        if part.argument:
            module.run(record, tiny, part.argument)
        else:
            module.run(record, tiny)
    except Exception:
        record.fail(traceback.format_exc(limit=-8))
        record.finish("crashed")
        return False
    record.finish("done")
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
