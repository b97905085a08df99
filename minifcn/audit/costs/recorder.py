"""What a rehearsal writes down: kernels as they are called, arrays as they come and go, and the layer of each."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from minifcn.autograd import Node, Operation
from minifcn.nn import Module
from minifcn.tensor import Tensor

#: Layers that are no modules.
LOSS, OPTIMIZER = "(loss)", "(optimizer)"


class Spec(NamedTuple):
    """Shape and dtype of an array that need not exist."""

    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def bytes(self) -> int:
        """What it would take."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


class Call(NamedTuple):
    """One kernel as it was called."""

    kernel: str  # its name in `minifcn.kernels.contract`
    layer: str  # path of the module that the call is due to, as in `Module.named_modules`; "" is the network itself
    backward: bool  # in the walk back
    arguments: Mapping[str, Any]  # by the contract's names; arrays as Specs
    results: tuple[Spec, ...]


class Allocation(NamedTuple):
    """One array that was made."""

    bytes: int
    kind: str  # "images and labels", "optimizer", "gradients", "kept" (from forward for the walk back), "temporary"
    layer: str  # that made it, as a Call's
    born: int  # how many calls there had been
    counted: bool  # by `minifcn.memory`: arrays from 64 KiB, but for some that NumPy makes


class Label(NamedTuple):
    """What was being done when an array was made."""

    calls: int
    layer: str
    stage: str


class Recorder:
    """The kernels of a rehearsal, which note every call, and the space of its arrays.

    Attributes:
        calls: so far.
        space: where arrays are.
        kernels: to be put in the place of a device's.
    """

    def __init__(self) -> None:
        # With them comes Numba: only those who rehearse need it.
        from minifcn.kernels import meta
        from minifcn.kernels.contract import NAMES, UNCOUNTED
        from minifcn.kernels.meta.space import Space, inside

        self.calls: list[Call] = []
        self.space, self._inside = Space(), inside
        self._uncounted = UNCOUNTED
        self.kernels = SimpleNamespace(**{name: self._noting(name, getattr(meta, name)) for name in NAMES})
        self._stage, self._stack = "", [""]
        self._layers: weakref.WeakKeyDictionary[Node, str] = weakref.WeakKeyDictionary()
        self._kept: set[int] = set()

    @contextmanager
    def watching(self, module: Module) -> Iterator[None]:
        """Inside the block, this thread's kernels make arrays here, and layers are known as they run."""
        with ExitStack() as stack:
            stack.enter_context(self._inside(self.space))
            for path, layer in module.named_modules():
                stack.enter_context(layer.register_forward_pre_hook(functools.partial(self._before, path)))
                stack.enter_context(layer.register_forward_hook(functools.partial(self._after, path)))
                for parameter in layer.parameters(recurse=False):
                    if parameter.requires_grad:
                        stack.callback(parameter.register_hook(functools.partial(self._back_in, path)).remove)
            yield

    def enter(self, stage: str, layer: str = "") -> None:
        """From here on, this is done, in this layer."""
        self._stage, self._stack = stage, [layer]
        self._relabel()

    def finish_forward(self, loss: Tensor) -> None:
        """What exists now is kept for the walk back, which will be followed through the layers of the forward."""
        self._kept = {id(block) for block in self._alive()}
        self._assign(loss, LOSS)
        for node, path in self._layers.items():
            node._hooks = (*node._hooks, functools.partial(self._back_in, path))

    def lives(self, parameters: Iterable[Tensor]) -> tuple[list[Allocation], list[tuple[int, int, bool]]]:
        """All arrays so far, as `Allocation`s, and their births and deaths in order; gradients are the parameters'."""
        from minifcn.kernels.meta.space import block_of

        gradients = {id(block_of(p.grad._data)) for p in parameters if p.grad is not None}
        allocations: list[Allocation] = []
        events: list[tuple[int, int, bool]] = []
        position: dict[int, int] = {}
        for block, label, born in list(self.space.events):
            if born:
                position[id(block)] = len(allocations)
                kind = self._kind(block, gradients)
                allocations.append(Allocation(block.bytes, kind, block.label.layer, block.label.calls, block.counted))
            events.append((position[id(block)], label.calls, born))
        return allocations, events

    def _kind(self, block: Any, gradients: set[int]) -> str:
        if id(block) in gradients:
            return "gradients"
        if block.label.stage in ("optimizer", "images and labels"):
            return str(block.label.stage)
        return "kept" if id(block) in self._kept else "temporary"

    def _alive(self) -> list[Any]:
        alive: dict[int, Any] = {}
        for block, _, born in list(self.space.events):
            if born:
                alive[id(block)] = block
            else:
                del alive[id(block)]
        return list(alive.values())

    # --- kernels ----------------------------------------------------------------------------------------------------

    def _noting(self, name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
        if name in self._uncounted:
            return kernel
        names = list(_parameters(kernel))

        def noted(*arguments: Any) -> Any:
            specs = {key: _as_spec(value) for key, value in zip(names, arguments, strict=True)}
            result = kernel(*arguments)
            results = () if result is None else result if isinstance(result, tuple) else (result,)
            backward = self._stage == "backward"
            self.calls.append(Call(name, self._stack[-1], backward, specs, tuple(map(_as_spec, results))))
            self._relabel()
            return result

        return noted

    def _relabel(self) -> None:
        self.space.label = Label(len(self.calls), self._stack[-1], self._stage)

    # --- layers -----------------------------------------------------------------------------------------------------

    def _before(self, path: str, module: Module, inputs: Any) -> None:
        self._assign(inputs, self._stack[-1])
        self._stack.append(path)
        self._relabel()

    def _after(self, path: str, module: Module, inputs: Any, output: Any) -> None:
        self._stack.pop()
        self._assign(output, path)
        self._relabel()

    def _back_in(self, path: str, gradient: Tensor) -> None:
        self._stack = [path]
        self._relabel()

    def _assign(self, value: Any, path: str) -> None:
        """Say of all operations behind ``value`` that belong to no layer yet that they belong to this one."""
        if isinstance(value, (list, tuple, dict)):
            for part in value.values() if isinstance(value, dict) else value:
                self._assign(part, path)
        if not isinstance(value, Tensor):
            return
        stack: list[Node | None] = [value.operation]
        while stack:
            node = stack.pop()
            if isinstance(node, Operation) and node not in self._layers:
                self._layers[node] = path
                stack += node.parents


def _parameters(function: Callable[..., Any]) -> list[str]:
    return list(function.__code__.co_varnames[: function.__code__.co_argcount])


def _as_spec(value: Any) -> Any:
    """Arrays become Specs, also in lists and tuples; what is no array stays what it is."""
    if isinstance(value, np.ndarray):
        return Spec(value.shape, value.dtype)
    if type(value) in (list, tuple):
        return type(value)(map(_as_spec, value))
    return value
