"""Compiled kernels on disk, safe where Numba's own way is not.

Numba writes its index first and the code after it, and numbers files by what its index says. Two processes that save
different versions of one kernel at the same moment can end with an index that names the other's code: so one process at
a time saves. And a disk that is full, or a file that was cut short, is no reason to fail: the kernel is compiled again.
"""

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numba.core.caching import FunctionCache

_LOCK = ".lock"


class KernelCache(FunctionCache):  # type: ignore[misc]  # Numba has no type hints
    """The cache of one kernel."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled kernel for a signature, or None; damaged files are as good as none."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # whatever unpickling arbitrary bytes may raise
            with contextlib.suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a compiled kernel; where that is impossible, say so once and go on."""
        try:
            with _alone(Path(self.cache_path)):
                super().save_overload(sig, data)
        except OSError as error:
            _warn_once(Path(self.cache_path), error.strerror or str(error))


def keep(dispatcher: Any) -> Any:
    """Give one of Numba's cached functions this cache; returns it."""
    dispatcher._cache = KernelCache(dispatcher.py_func)
    return dispatcher


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes from saving meanwhile; the lock ends with the process, however it ends."""
    import fcntl

    with (folder / _LOCK).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


_warned: set[Path] = set()


def _warn_once(folder: Path, reason: str) -> None:
    if folder not in _warned:
        _warned.add(folder)
        warnings.warn(
            f"compiled kernels cannot be kept in {folder} ({reason}): every process will compile them again; make "
            "room, or name another folder with NUMBA_CACHE_DIR",
            RuntimeWarning,
            stacklevel=2,
        )
