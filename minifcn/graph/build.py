"""From recorded operations to boxes and arrows, with modules folded."""

from __future__ import annotations

from graphlib import TopologicalSorter
from typing import Any, TypeAlias

import numpy as np

from minifcn.autograd import Node, Operation, _walk
from minifcn.graph.applications import Application, applications
from minifcn.graph.drawing import Box, Graph, Kind
from minifcn.graph.words import norm, number, title
from minifcn.nn.module import Module, Parameter
from minifcn.scope import Call
from minifcn.tensor import Tensor

#: What becomes one box: a leaf, an operation, or one application of a module.
Key: TypeAlias = "Node | Call"
# More boxes than this, and modules are folded.
_READABLE = 40


def draw(tensor: Tensor, depth: int | None = None, gradient: Any = None) -> Graph:
    """The graph behind a tensor; see `Tensor.graph`."""
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

    _walk([tensor], [gradient], True, False, note, watch=watch, hooks=False)
    return sizes


class _Builder:
    """The recorded operations, to be drawn at any depth."""

    def __init__(self, recorded: list[Application], sizes: dict[Node, str]):
        self._recorded = recorded
        self._sizes = sizes
        self._chains = {each.operation: _chain(each.operation) for each in recorded}  # outermost first
        self._paths: dict[Module, str] = {}
        for root in {chain[0].module for chain in self._chains.values() if chain}:
            for _ in root.named_parameters():  # names the parameters
                pass
            self._paths |= {module: path for path, module in root.named_modules()}
        self.deepest = max(map(len, self._chains.values()))

    def graph(self, depth: int) -> Graph:
        """Everything, with what lies more than ``depth`` modules deep folded into the module there."""
        if depth < 0:
            raise ValueError(f"graph: depth must be 0 or more, got {depth}")
        outputs: dict[Key, Application] = {}  # the last operation of each box: what it gives
        folded: dict[Key, int] = {}
        parents: dict[Key, list[Key]] = {}
        shapes: dict[Node, tuple[int, ...]] = {}
        for each in self._recorded:
            key = self._key(each.operation, depth)
            outputs[key] = each
            folded[key] = folded.get(key, 0) + 1
            above = parents.setdefault(key, [])
            for parent, shape in zip(each.parents, each.inputs, strict=True):
                source = None if parent is None else self._source(parent, key, depth)
                if parent is not None and source is not None:
                    above.append(source)
                    if not isinstance(parent, Operation):
                        parents.setdefault(parent, [])
                        shapes[parent] = shape
        order = _order(parents)
        places = {key: place for place, key in enumerate(order)}
        boxes = []
        for key in order:
            above_places = tuple(places[parent] for parent in parents[key])
            if isinstance(key, Tensor):
                boxes.append(self._leaf(key, shapes[key]))
            else:
                boxes.append(self._box(key, outputs[key], folded[key], above_places))
        return Graph(tuple(boxes))

    def _key(self, operation: Operation, depth: int) -> Key:
        chain = self._chains[operation]
        if len(chain) > depth:
            return chain[depth]
        # Layers stay whole until everything is unfolded: some lie deeper than others, and would be so half-way.
        is_layer = depth < self.deepest and chain and next(chain[-1].module.children(), None) is None
        return chain[-1] if is_layer else operation

    def _source(self, parent: Node, key: Key, depth: int) -> Key | None:
        """The box that an arrow to ``key`` starts from; None if it lies within, as a folded module's parameters do."""
        if isinstance(parent, Operation):
            source = self._key(parent, depth)
            return None if source is key else source
        return None if isinstance(key, Call) and isinstance(parent, Parameter) else parent

    def _leaf(self, leaf: Tensor, shape: tuple[int, ...]) -> Box:
        kind: Kind = "parameter" if isinstance(leaf, Parameter) else "input"
        known = number(leaf.item()) if leaf.size == 1 and leaf.is_on_host else ""
        return Box(kind, title(leaf), shape, known, self._sizes.get(leaf, ""))

    def _box(self, key: Operation | Call, last: Application, folded: int, parents: tuple[int, ...]) -> Box:
        operation = last.operation
        size = self._sizes.get(operation, "")
        if isinstance(key, Call):
            path, name = self._paths.get(key.module, ""), type(key.module).__name__
            return Box("module", f"{path} · {name}" if path else name, last.output, "", size, parents, folded)
        known = "" if operation.number is None else number(operation.number.item())
        return Box("operation", title(operation), last.output, known, size, parents)


def _chain(operation: Operation) -> tuple[Call, ...]:
    return () if operation.call is None else tuple(operation.call.chain())[::-1]


def _order(parents: dict[Key, list[Key]]) -> list[Key]:
    """Parents first, and otherwise in the order in which things were applied, which is the order of the keys."""
    sorter = TopologicalSorter(parents)
    sorter.prepare()
    rank = {key: place for place, key in enumerate(parents)}
    ready: list[Key] = []
    order: list[Key] = []
    while sorter.is_active():
        ready += sorter.get_ready()
        ready.sort(key=rank.__getitem__)
        order.append(ready.pop(0))
        sorter.done(order[-1])
    return order
