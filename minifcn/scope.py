"""Which module is being applied: what each recorded operation remembers of where it comes from.

`Module.__call__` says what it applies, operations ask. So a graph can be drawn folded by module, and a layer's
operations be found, without the layers knowing anything of it.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minifcn.nn.module import Module


class Call:
    """One application of a module, and the application (or None) inside which it happened.

    A module that is applied twice has two calls. A call does not keep its module alive, so that an output does not keep
    the network; and it is left behind when its operation is copied or pickled.
    """

    __slots__ = ("_module", "outer")

    def __init__(self, module: Module, outer: Call | None):
        self._module = weakref.ref(module)
        self.outer = outer

    @property
    def module(self) -> Module | None:
        """What was applied; None if it no longer exists."""
        return self._module()

    def chain(self) -> Iterator[Call]:
        """This call and all around it, innermost first."""
        call: Call | None = self
        while call is not None:
            yield call
            call = call.outer

    def __reduce__(self) -> tuple[Any, ...]:
        return _none, ()


def _none() -> None:
    """What a copied or pickled call becomes."""


class _Inside(threading.local):
    call: Call | None = None


#: The innermost application in progress in this thread, as ``inside.call``; for `Module.__call__` to set.
inside = _Inside()
