"""Where a program's time on the GPU goes: each kernel of the contract, and how close it comes to what the GPU can do.

A kernel can take no less than its bytes over the memory's bandwidth, and no less than its multiplications over the
rate of the arithmetic units (the roofline of Williams, Waterman & Patterson 2009). Both limits are measured here, by a
copy and by a large matrix product.
"""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from minifcn.kernels import DEVICES, load, replaced

#: Kernels that copy between host and GPU: the GPU's memory is not their limit.
_OVER_THE_BUS = frozenset({"from_host", "to_host"})


class Limits(NamedTuple):
    """What the GPU was measured to do, a second: bytes read and written, and floating-point operations."""

    bytes: float
    operations: float


@dataclass(frozen=True)
class Row:
    """All calls of one kernel.

    Attributes:
        kernel: its name in `minifcn.kernels.contract`.
        calls: how many.
        seconds: on the GPU, of all calls.
        share: of the time of all kernels.
        bytes: that have to be read and written, each once.
        operations: floating-point ones: two for each multiplication of the definition.
        of_limit: shortest possible time / seconds; None in the simulator, and of copies to and from the host.
    """

    kernel: str
    calls: int
    seconds: float
    share: float
    bytes: int
    operations: int
    of_limit: float | None


class Table:
    """What `profile` yields; complete when its block has ended. ``print`` shows it."""

    def __init__(self) -> None:
        self._calls: list[_Timed] = []
        self._span: tuple[Any, Any] | None = None

    @property
    def rows(self) -> list[Row]:
        """One for each kernel, the one that took longest first; waits for the GPU."""
        from minifcn.audit.costs.work import work_of

        if self._span is None:
            raise RuntimeError("profile: the table is complete when its block has ended; look at it after that")
        limit = limits()
        groups: dict[str, list[tuple[float, int, int]]] = {}
        for timed in self._calls:
            work = work_of(timed.call)
            seconds = timed.end.seconds_since(timed.begin)
            groups.setdefault(timed.call.kernel, []).append((seconds, work.bytes, 2 * work.multiplications))
        total = sum(seconds for calls in groups.values() for seconds, _, _ in calls)
        rows = [_row(kernel, calls, total, limit) for kernel, calls in groups.items()]
        return sorted(rows, key=lambda row: -row.seconds)

    @property
    def seconds(self) -> float:
        """From the block's begin to the end of its last kernel, on the GPU; kernels filled a part of it."""
        if self._span is None:
            raise RuntimeError("profile: the block has not ended")
        begin, end = self._span
        return float(end.seconds_since(begin))

    def __str__(self) -> str:
        rows, span, limit = self.rows, self.seconds, limits()
        busy = sum(row.seconds for row in rows)
        lines = [f"{'kernel':24}{'calls':>7}{'ms':>10}{'share':>8}{'GB/s':>9}{'TFLOP/s':>9}{'of limit':>10}"]
        for row in rows:
            seconds = max(row.seconds, 1e-12)
            of_limit = "–" if row.of_limit is None else f"{row.of_limit:.0%}"
            lines.append(
                f"{row.kernel:24}{row.calls:>7}{row.seconds * 1e3:>10.3f}{row.share:>8.1%}"
                f"{row.bytes / seconds * 1e-9:>9.0f}{row.operations / seconds * 1e-12:>9.2f}{of_limit:>10}"
            )
        lines.append(f"{busy * 1e3:.3f} ms in kernels, of {span * 1e3:.3f} ms from begin to end")
        if limit is not None:
            lines.append(
                f"limits, measured here: a copy moves {limit.bytes * 1e-9:,.0f} GB/s, a large matrix product does "
                f"{limit.operations * 1e-12:.1f} TFLOP/s"
            )
        return "\n".join(lines)


class _Timed(NamedTuple):
    """One call: what, and the events around it."""

    call: Any
    begin: Any
    end: Any


@contextmanager
def profile() -> Iterator[Table]:
    """Time every kernel that this thread runs on "cuda" inside the block::

        with mf.cuda.profile() as table:
            train_step()
        print(table)

    The GPU's own clock is read before and after each call, so Python may run ahead as usual. Where it does not, because
    kernels are shorter than it takes to start them, their time includes waiting for a start. What a recorded graph
    replays is not seen. In the simulator, times are those of the simulator.

    Raises:
        DeviceUnavailableError: there is no GPU.
    """
    module, table = load("cuda"), Table()
    from minifcn.kernels.contract import NAMES
    from minifcn.kernels.cuda import driver
    from minifcn.kernels.cuda.events import Event

    watched = {name: _timing(name, getattr(module, name), table._calls) for name in NAMES if hasattr(module, name)}
    begin = Event(timed=True).record()
    try:
        with replaced("cuda", SimpleNamespace(**{**vars(module), **watched})):
            yield table
    finally:
        end = Event(timed=True).record()
        driver.synchronize()
        table._span = begin, end


def _timing(name: str, kernel: Callable[..., Any], calls: list[_Timed]) -> Callable[..., Any]:
    """The kernel with events around it, which notes its call."""
    from minifcn.audit.costs.recorder import Call
    from minifcn.kernels.cuda.array import CudaArray
    from minifcn.kernels.cuda.events import Event

    names = list(inspect.signature(kernel).parameters)

    @functools.wraps(kernel)
    def timed(*arguments: Any, **named: Any) -> Any:
        if name == "from_host" and arguments and isinstance(arguments[0], CudaArray):
            return kernel(*arguments)  # it is there already
        # Before the call: what is updated in place, or dropped, keeps its shape, but nothing here keeps an array.
        given = {key: _spec(value) for key, value in {**dict(zip(names, arguments, strict=False)), **named}.items()}
        begin = Event(timed=True).record()
        result = kernel(*arguments, **named)
        end = Event(timed=True).record()
        results = result if isinstance(result, tuple) else () if result is None else (result,)
        calls.append(_Timed(Call(name, "", False, given, tuple(map(_spec, results))), begin, end))
        return result

    return timed


def _spec(value: Any) -> Any:
    """Arrays become Specs, also in lists and tuples; what is no array stays what it is."""
    from minifcn.audit.costs.recorder import Spec
    from minifcn.kernels.cuda.array import CudaArray

    if isinstance(value, (CudaArray, np.ndarray)):
        return Spec(value.shape, value.dtype)
    if type(value) in (list, tuple):
        return type(value)(map(_spec, value))
    return value


def _row(kernel: str, calls: list[tuple[float, int, int]], total: float, limit: Limits | None) -> Row:
    seconds, size, operations = (sum(column) for column in zip(*calls, strict=True))
    of_limit = None
    if limit is not None and kernel not in _OVER_THE_BUS:
        # Call by call: each is bound by one or the other.
        shortest = sum(max(moved / limit.bytes, done / limit.operations) for _, moved, done in calls)
        of_limit = shortest / max(seconds, 1e-12)
    return Row(kernel, len(calls), seconds, seconds / max(total, 1e-12), int(size), int(operations), of_limit)


# --- the limits -------------------------------------------------------------------------------------------------------


def limits() -> Limits | None:
    """Measured once for a process (and for each setting of `minifcn.settings.allow_tf32`); None in the simulator."""
    from minifcn import settings
    from minifcn.kernels.cuda import lang

    return None if lang.SIMULATED else _measured(settings.allow_tf32())


@functools.cache
def _measured(tf32: bool) -> Limits:
    """Of memory, and of arithmetic as matrix products may use it with this setting."""
    from minifcn.kernels.cuda.pool import Pool, taking_from

    pool = Pool()  # its own, so that all of it can be given back
    with taking_from(pool):
        measured = Limits(_copy_rate(2**28), _product_rate(4096))
    pool.release()
    return measured


def _copy_rate(size: int) -> float:
    from minifcn.kernels.cuda import driver
    from minifcn.kernels.cuda.array import full

    source, target = (full((size,), 0, np.uint8) for _ in range(2))
    return 2 * size / _best(lambda: driver.copy_on_device(target.pointer, source.pointer, size))


def _product_rate(n: int) -> float:
    from minifcn.kernels.cuda.array import from_host

    kernels = import_module(DEVICES["cuda"])  # not `load`, which may give the ones that are timed
    # Random, because equal numbers take less power, and a chip that is cooler is faster.
    square = from_host(np.random.default_rng(0).random((n, n), np.float32))
    return 2 * n**3 / _best(lambda: kernels.matmul(square, square))


def _best(work: Callable[[], Any], times: int = 10) -> float:
    """Seconds of the quickest of some runs, of which the first ones compile and warm up."""
    from minifcn.kernels.cuda.events import Event

    seconds = []
    deadline = time.monotonic() + 2.0
    for _ in range(times):
        begin = Event(timed=True).record()
        work()
        end = Event(timed=True).record()
        end.wait()
        seconds.append(end.seconds_since(begin))
        if time.monotonic() > deadline and len(seconds) > 2:
            break
    return min(seconds)
