"""Whether a file, or a folder of files, is still what it was, without reading it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def stamp(path: Path) -> str:
    """Sizes and times of the last change: of a file, or of all files in a folder, at any depth, with their names.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a").write_text("one")
    ...     before = stamp(Path(folder))
    ...     _ = Path(folder, "b").write_text("two")
    ...     before == stamp(Path(folder)), stamp(Path(folder)).split(",")[0]
    (False, '6 bytes')
    """
    files = [path] if path.is_file() else sorted(Path(root, name) for root, _, names in os.walk(path) for name in names)
    digest, size = hashlib.sha256(), 0
    for file in files:
        status = file.stat()
        size += status.st_size
        digest.update(f"{file.relative_to(path)} {status.st_size} {status.st_mtime_ns}\n".encode())
    return f"{size} bytes, {digest.hexdigest()[:16]}"
