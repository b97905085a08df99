"""Which module is being applied: what each recorded operation remembers of where it comes from.

Modules say when they are entered and left; operations ask. So a graph can be drawn folded by module, and a layer's
operations be found, without the layers knowing anything of it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minifcn.nn.module import Module


class Call:
    """One application of a module, and the application (or None) inside which it happened.

    A module that is applied twice has two calls.
    """

    __slots__ = ("module", "outer")

    def __init__(self, module: Module, outer: Call | None):
        self.module = module
        self.outer = outer

    def chain(self) -> Iterator[Call]:
        """This call and all around it, innermost first."""
        call: Call | None = self
        while call is not None:
            yield call
            call = call.outer


class _Inside(threading.local):
    call: Call | None = None


_inside = _Inside()


def current() -> Call | None:
    """The innermost application in progress in this thread."""
    return _inside.call


def enter(module: Module) -> Call:
    """Begin an application; to be ended by `leave`, whatever happens in between."""
    _inside.call = call = Call(module, _inside.call)
    return call


def leave(call: Call) -> None:
    """End an application."""
    _inside.call = call.outer
