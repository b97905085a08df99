"""From recorded operations to boxes and arrows, with modules folded."""

from __future__ import annotations

from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from typing import Any, TypeAlias

import numpy as np

from minifcn.autograd import Node, Operation, walk
from minifcn.graph.applications import Application, Shape, applications
from minifcn.graph.drawing import Box, Graph, Kind
from minifcn.graph.names import Names, numbered, own_parameters
from minifcn.graph.words import norm, number
from minifcn.nn.module import Module, Parameter
from minifcn.scope import Call
from minifcn.tensor import Tensor

#: What becomes one box: a leaf, an operation, or one application of a module.
Key: TypeAlias = "Node | Call"
# More boxes than this, and modules are folded.
_READABLE = 40


def draw(tensor: Tensor, depth: int | None = None, gradient: Any = None) -> Graph:
    """The graph behind a tensor; see `Tensor.graph`."""
    if not (depth is None or isinstance(depth, int)):
        raise TypeError(f"graph: depth counts modules, and cannot be {depth!r}")
    recorded = applications(tensor)
    sizes = {} if gradient is None and tensor.size != 1 else _gradient_sizes(tensor, gradient)
    builder = _Builder(recorded, sizes)
    if depth is not None:
        return builder.graph(depth)
    for deep in range(builder.deepest, 0, -1):
        graph = builder.graph(deep)
        if len(graph.boxes) <= _READABLE:
            return graph
    return builder.graph(0)


def _gradient_sizes(tensor: Tensor, gradient: Any) -> dict[Node, str]:
    """The gradient of every node, as text; nothing is freed, no ``grad`` touched, and no hook called."""
    sizes: dict[Node, str] = {}

    def note(node: Node, arrived: Tensor) -> None:
        values = np.asarray(arrived.detach().to("cpu").data)
        sizes[node] = f"∂ = {number(values.item())}" if values.size == 1 else f"|∂| = {number(norm(values))}"

    def watch(operation: Operation, arrived: Tensor, sent: list[tuple[Node, Tensor]]) -> None:
        note(operation, arrived)

    walk([tensor], [gradient], True, False, note, watch=watch, hooks=False)
    return sizes


class _Builder:
    """The recorded operations, to be drawn at any depth."""

    def __init__(self, recorded: list[Application], sizes: dict[Node, str]):
        self._recorded = recorded
        self._sizes = sizes
        self._names = Names(recorded)
        self._chains = {each.operation: _chain(each.operation) for each in recorded}  # outermost first
        self._held: dict[Module, set[Parameter]] = {}
        self.deepest = max(map(len, self._chains.values()))

    def graph(self, depth: int) -> Graph:
        """Everything, with what lies more than ``depth`` modules deep folded into the module there."""
        if depth < 0:
            raise ValueError(f"graph: depth must be 0 or more, got {depth}")
        keys = {each.operation: self._key(each.operation, depth) for each in self._recorded}
        parents: dict[Key, list[Key]] = {}
        leaves: dict[Key, Shape] = {}
        for each in self._recorded:
            key = keys[each.operation]
            above = parents.setdefault(key, [])
            for parent, shape in zip(each.parents, each.inputs, strict=True):
                if isinstance(parent, Operation):
                    above += [keys[parent]] if keys[parent] is not key else []
                elif parent is not None and not self._within(parent, key):
                    above.append(parent)
                    leaves[parent] = shape
                    parents.setdefault(parent, [])
        order = _order(parents, depth)
        places = {key: place for place, key in enumerate(order)}
        members = self._members(keys)
        boxes = [
            replace(
                self._leaf(key, leaves[key]) if isinstance(key, Tensor) else self._box(key, *members[key]),
                parents=tuple(places[parent] for parent in parents[key]),
            )
            for key in order
        ]
        names = numbered(box.title for box in boxes)
        return Graph(tuple(replace(box, title=name) for box, name in zip(boxes, names, strict=True)))

    def _key(self, operation: Operation, depth: int) -> Key:
        chain = self._chains[operation]
        if len(chain) > depth:
            return chain[depth]
        # Layers stay whole until everything is unfolded: some lie deeper than others, and would be so half-way.
        layer = chain[-1].module if chain and depth < self.deepest else None
        return chain[-1] if layer is not None and next(layer.children(), None) is None else operation

    def _within(self, leaf: Tensor, key: Key) -> bool:
        """Whether a leaf is hidden in a folded module: its own parameters are."""
        module = key.module if isinstance(key, Call) else None
        if module is None or not isinstance(leaf, Parameter):
            return False
        if module not in self._held:
            self._held[module] = {each for layer in module.modules() for _, each in own_parameters(layer)}
        return leaf in self._held[module]

    def _members(self, keys: dict[Operation, Key]) -> dict[Key, tuple[list[Application], int]]:
        """Of each box, the operations whose results others use, or nobody, and how many operations it holds."""
        outlets = {self._recorded[-1].operation}
        counts: dict[Key, int] = {}
        for each in self._recorded:
            key = keys[each.operation]
            counts[key] = counts.get(key, 0) + 1
            outlets |= {up for up in each.parents if isinstance(up, Operation) and keys[up] is not key}
        found: dict[Key, tuple[list[Application], int]] = {}
        for each in self._recorded:
            key = keys[each.operation]
            outgoing, _ = found.setdefault(key, ([], counts[key]))
            if each.operation in outlets:
                outgoing.append(each)
        return found

    def _leaf(self, leaf: Tensor, shape: Shape) -> Box:
        kind: Kind = "parameter" if isinstance(leaf, Parameter) else "input"
        known = number(leaf.item()) if leaf.size == 1 and leaf.is_on_host else ""
        return Box(kind, self._names.title(leaf), shape, known, self._sizes.get(leaf, ""))

    def _box(self, key: Operation | Call, outgoing: list[Application], folded: int) -> Box:
        last = outgoing[-1]
        # Of several results, none can stand for the others: their gradients are left out.
        size = self._sizes.get(last.operation, "") if len(outgoing) == 1 else ""
        if isinstance(key, Operation):
            known = "" if key.number is None else number(key.number.item())
            return Box("operation", self._names.title(key), last.output, known, size)
        module = key.module
        path, name = ("", "module") if module is None else (self._names.modules.get(module, ""), type(module).__name__)
        return Box("module", f"{path} · {name}" if path else name, last.output, "", size, (), folded)


def _chain(operation: Operation) -> tuple[Call, ...]:
    return () if operation.call is None else tuple(operation.call.chain())[::-1]


def _order(parents: dict[Key, list[Key]], depth: int) -> list[Key]:
    """Parents first, and otherwise in the order in which things were applied, which is the order of the keys."""
    sorter = TopologicalSorter(parents)
    try:
        sorter.prepare()
    except CycleError:
        raise ValueError(
            f"graph: folded at depth {depth}, modules depend on each other in a circle, because something was applied "
            "beside them (in another thread) while they were; unfold them with a larger depth"
        ) from None
    rank = {key: place for place, key in enumerate(parents)}
    ready: list[Key] = []
    order: list[Key] = []
    while sorter.is_active():
        ready += sorter.get_ready()
        ready.sort(key=rank.__getitem__)
        order.append(ready.pop(0))
        sorter.done(order[-1])
    return order
