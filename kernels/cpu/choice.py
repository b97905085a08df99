"""Which algorithm convolutions use: the one that suits their shape ("auto"), unless somebody says which.

Said for a block of code (a `ContextVar`: other threads and tasks are not concerned), else for the whole process, else
by the environment variable MINIFCN_CONV. A convolution that the forced algorithm cannot compute is computed directly.
"""

import contextlib
import os
from collections.abc import Iterator
from contextvars import ContextVar

ALGORITHMS = ("auto", "direct", "winograd")
VARIABLE = "MINIFCN_CONV"


def checked(name: str, source: str = "conv") -> str:
    """``name``, if it is that of an algorithm.

    Raises:
        ValueError: it is not.
    """
    if name not in ALGORITHMS:
        raise ValueError(f"{source}={name!r}: unknown algorithm of convolution; use one of {', '.join(ALGORITHMS)}")
    return name


_process = checked(os.environ.get(VARIABLE, "auto"), VARIABLE)
_block: ContextVar[str | None] = ContextVar("minifcn_conv", default=None)


def forced() -> str:
    """The algorithm that is asked for here and now."""
    return _block.get() or _process


def force(name: str) -> None:
    """Ask for an algorithm in the whole process, wherever no block of code asks for another."""
    global _process
    _process = checked(name)


@contextlib.contextmanager
def forcing(name: str) -> Iterator[None]:
    """Ask for an algorithm inside the block."""
    token = _block.set(checked(name))
    try:
        yield
    finally:
        _block.reset(token)
