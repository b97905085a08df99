"""How the CPU's kernels are compiled: on first use, in parallel, and kept on disk for the next process.

Numba keeps a kernel's machine code for as long as *that kernel's* file is unchanged, helpers it calls from other files
notwithstanding: after an edit of a helper, yesterday's code would run. Here the cache folder's name holds a hash of all
sources in kernels/, so an edit anywhere means a new folder, and stale code cannot be found.
"""

import atexit
import contextlib
import functools
import hashlib
import importlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba

from minifcn.kernels.cpu import compiling  # noqa: F401  # listens to Numba from here on
from minifcn.kernels.cpu.keeping import keep
from minifcn.kernels.cpu.simd import VECTOR_BYTES
from minifcn.kernels.cpu.threads import Kernel


def _wait_politely() -> None:
    """Let a thread that has run out of work sleep 60 times sooner than GNU OpenMP does, which spins 300,000 rounds.

    To wake a thread costs about 75 µs, about what 5,000 rounds take: who waits as long as a wake-up costs never loses
    more than twice what the best choice would have (Karlin et al. 1990). They bridge 50 µs between two kernels, while
    1,000 rounds do not bridge 20 µs. Beside another process that computes, a spinning thread keeps busy the very
    core that the awaited one needs. A step of a small U-Net (base 8, ten images of 32 x 32) on two cores, alone and
    two such processes at once: 14 and 31 ms with 5,000 rounds, 12 and 46 ms with 10,000, 12 and 76 ms with 20,000.

    OpenMP reads the variable once, when it is loaded; afterwards it is restored, so no child process inherits it.
    """
    if "GOMP_SPINCOUNT" in os.environ or "OMP_WAIT_POLICY" in os.environ:
        return
    os.environ["GOMP_SPINCOUNT"] = "5000"
    try:
        with contextlib.suppress(ImportError):  # Numba has other ways to run threads
            importlib.import_module("numba.np.ufunc.omppool")
    finally:
        del os.environ["GOMP_SPINCOUNT"]


_wait_politely()

Function = TypeVar("Function", bound=Callable[..., Any])

#: What LLVM may do to floating point: fuse a·b + c, and drop the sign of zero. Not "nnan" or "ninf": a test for NaN or
#: infinity would be optimised away. Not "reassoc": it makes x − (max + ln Σ) of x − max − ln Σ, and a large maximum
#: swallows the logarithm. A sum along contiguous memory does need it to be vectorised: see `sum_helper`.
FAST_MATH = {"contract", "nsz"}

_OPTIONS = {
    "nogil": True,
    "fastmath": FAST_MATH,
    "error_model": "numpy",  # x / 0 is ±inf or NaN, not an exception, and costs no test
}
_UNUSED_DAYS = 30
_PREFIX = "minifcn-kernels-"


def kernel(function: Callable[..., Any]) -> Any:
    """A function that `prange` spreads over the threads; compiled for the types it is first called with."""
    # Numba reads CACHE_DIR when it decorates. It is restored because other packages' cached functions have their own
    # place, which a reader of the setting must find unchanged.
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(cache_folder())
    try:
        return Kernel(keep(numba.njit(cache=True, parallel=True, **_OPTIONS)(function)))
    finally:
        numba.config.CACHE_DIR = before


def helper(function: Function) -> Function:
    """A function that kernels call; it is compiled into them, so it needs no cache of its own."""
    return numba.njit(**_OPTIONS)(function)


def sum_helper(function: Function) -> Function:
    """A helper whose sums LLVM may reorder, in an order fixed at compile time, so as to add several terms at once."""
    return numba.njit(**_OPTIONS | {"fastmath": FAST_MATH | {"reassoc"}})(function)


@functools.cache
def cache_folder() -> Path:
    """Where compiled kernels are kept: a folder for these sources and this Numba, made on first use.

    It lies in ``$NUMBA_CACHE_DIR`` if that is set, else in the user's cache folder. Where neither can be written to, it
    is a temporary folder that goes away with the process.
    """
    name = _PREFIX + _source_hash()
    root = Path(numba.config.CACHE_DIR) if numba.config.CACHE_DIR else _user_cache()
    try:
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)  # "in use": see _remove_unused
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        # A fresh private folder, not a fixed name in /tmp: what is loaded from it is executed.
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return folder
    _remove_unused(root)
    return folder


def _user_cache() -> Path:
    """What platformdirs.user_cache_path("minifcn") gives on the systems we run on; to import it takes 17 ms."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "minifcn"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "minifcn"


def _source_hash() -> str:
    """A hash of all that decides what a kernel compiles to, but for the processor, which Numba looks at itself."""
    digest = hashlib.sha256(f"{numba.__version__} {VECTOR_BYTES}".encode())
    kernels = Path(__file__).parent.parent
    for path in sorted(kernels.rglob("*.py")):
        if path.parent.name == "meta":  # shapes alone: nothing there is compiled
            continue
        digest.update(path.relative_to(kernels).as_posix().encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _remove_unused(root: Path) -> None:
    """Delete the folders of sources that no process has imported for a month."""
    oldest = time.time() - _UNUSED_DAYS * 24 * 3600
    for folder in root.glob(_PREFIX + "*"):
        with contextlib.suppress(OSError):  # another process may be deleting it too
            if folder.stat().st_mtime < oldest:
                shutil.rmtree(folder)
