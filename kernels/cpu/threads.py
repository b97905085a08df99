"""How many threads kernels run on, and which Python threads may run kernels at once.

Numba keeps the number of threads for each Python thread apart, and a new one starts with all: a server's second request
would not know what the first line of the program set. Here the number belongs to the process. A kernel compares a
number before it starts, which costs some 0.1 µs.

Numba's layers of threads differ in what they stand: with OpenMP and TBB, several Python threads may run kernels at
once; "workqueue", which Numba falls back on, ends the process. Then, and only then, kernels take turns.

NumPy's matrix product has threads of its own (OpenBLAS), which keep spinning for some 20 ms after each product, on the
very cores that our next kernel runs on. `set_num_threads` bounds them too.
"""

import contextlib
import threading
from typing import Any

import numba

#: As many as Numba has, until somebody says how many.
_count: int | None = None
_preparing = threading.Lock()
_turns: contextlib.AbstractContextManager[Any] = contextlib.nullcontext()


class _Here(threading.local):
    """What this Python thread knows."""

    ready = False
    count: int | None = None


_here = _Here()


def get_num_threads() -> int:
    """How many threads kernels use; what they plan by."""
    return int(numba.get_num_threads()) if _count is None else _count


def set_num_threads(count: int) -> None:
    """Use so many threads, at most as many as Numba started with, in kernels and in NumPy's matrix product."""
    global _count
    if count == _count == _here.count:
        return
    from threadpoolctl import threadpool_limits

    _count = count
    _adopt()
    threadpool_limits(count, user_api="blas")


def _adopt() -> None:
    """Make this Python thread use the process's number of threads; find out whether kernels must take turns."""
    global _turns
    count = _count  # another thread may set it meanwhile
    if count is not None and count != _here.count:
        numba.set_num_threads(count)
    numba.get_num_threads()  # starts the threads, which is when Numba chooses their layer
    with _preparing:
        if numba.threading_layer() == "workqueue" and isinstance(_turns, contextlib.nullcontext):
            _turns = threading.Lock()
    _here.ready, _here.count = True, count


class Kernel:
    """A compiled function that runs on the process's number of threads; otherwise Numba's own object."""

    def __init__(self, dispatcher: Any):
        self._dispatcher = dispatcher
        self.__doc__, self.__name__ = dispatcher.__doc__, dispatcher.__name__

    def __call__(self, *arguments: Any) -> Any:
        """Run it."""
        if _here.count != _count or not _here.ready:
            _adopt()
        with _turns:
            return self._dispatcher(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dispatcher, name)
