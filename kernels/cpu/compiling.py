"""Saying that kernels are being compiled: whoever waits wants to know what for, and that it is once.

Numba tells its listeners when it compiles a function, and a function that it calls inside it; only the outermost, and
only ours, count here.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

from numba.core import event

_PATIENCE = 2.0  # seconds of compiling that need no explanation
_OURS = __name__.split(".cpu.")[0]


class Watch(event.Listener):  # type: ignore[misc]  # Numba has no type hints
    """What this process has compiled, and how long that took.

    Attributes:
        kernels: names, in order.
        seconds: in all.
        always: tell even where nobody may be looking: the error stream is no terminal.
        began: called with a kernel's name when its compilation begins, instead of the notice.
    """

    def __init__(self) -> None:
        self.kernels: list[str] = []
        self.seconds = 0.0
        self.always = False
        self.began: Callable[[str], object] | None = None
        self._open: list[Any] = []  # functions being compiled, outermost first
        self._since = 0.0
        self._told = False

    def on_start(self, event: Any) -> None:
        """A compilation begins; Numba's lock lets one thread compile at a time."""
        function = event.data["dispatcher"].py_func
        self._open.append(function)
        if len(self._open) == 1 and function.__module__.startswith(_OURS):
            self._since = time.monotonic()
            if self.began is not None:
                self.began(function.__name__)
            self._tell()

    def on_end(self, event: Any) -> None:
        """A compilation ends, one way or the other."""
        function = self._open.pop()
        if not self._open and function.__module__.startswith(_OURS):
            self.seconds += time.monotonic() - self._since
            self.kernels.append(function.__name__)
            self._tell()

    def _tell(self) -> None:
        if self._told or self.began is not None or self.seconds < _PATIENCE or sys.stderr is None:
            return
        if self.always or sys.stderr.isatty():
            self._told = True
            done = ", ".join(dict.fromkeys(self.kernels))
            print(
                f"compiling kernels for this machine, once: {done}, {self.seconds:.0f} s so far; "
                "`minifcn warmup` does it ahead of time",
                file=sys.stderr,
            )


#: Listens from when the first kernel is defined.
watch = Watch()
event.register("numba:compile", watch)
