"""The engine's random numbers: one explicit generator, which initialisation and dropout draw from.

>>> import minifcn as mf
>>> mf.manual_seed(1)
>>> a = mf.randn(2)
>>> mf.manual_seed(1)
>>> bool((mf.randn(2) == a).min())
True
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

_generator = np.random.Generator(np.random.PCG64(0))
_replacement: ContextVar[Any] = ContextVar("minifcn_generator", default=None)


def generator() -> np.random.Generator:
    """The generator."""
    return _replacement.get() or _generator


@contextmanager
def replaced(generator: Any) -> Iterator[None]:
    """Inside the block, in this thread alone, draw from another generator; for rehearsals."""
    token = _replacement.set(generator)
    try:
        yield
    finally:
        _replacement.reset(token)


def manual_seed(seed: int) -> None:
    """Start the generator anew."""
    _generator.bit_generator.state = np.random.PCG64(seed).state


def get_state() -> dict[str, Any]:
    """The generator's state: a dictionary of strings and integers, ready for JSON."""
    return dict(_generator.bit_generator.state)


def set_state(state: dict[str, Any]) -> None:
    """Continue from a state that `get_state` returned."""
    _generator.bit_generator.state = state
