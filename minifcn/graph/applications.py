"""The recorded operations behind an output, in the order in which they were applied."""

from __future__ import annotations

from typing import NamedTuple

from minifcn.autograd import Node, Operation, topological_order
from minifcn.tensor import Tensor

Shape = tuple[int, ...]


class Application(NamedTuple):
    """One operation as it was applied: where its inputs came from, and the shapes of what went in and came out."""

    operation: Operation
    parents: tuple[Node | None, ...]  # None where no gradient flows
    inputs: tuple[Shape, ...]
    output: Shape


def applications(output: Tensor) -> list[Application]:
    """All recorded operations behind ``output``, in the order in which they were applied: parents before children.

    Raises:
        ValueError: nothing was recorded.
    """
    if output.operation is None:
        raise ValueError(
            "graph: no recorded operation made the output; it must be computed by operations on Tensors of which one "
            "requires grad, and not under no_grad()"
        )
    behind = (node for node in topological_order([output.operation]) if isinstance(node, Operation))
    order = sorted(behind, key=lambda operation: operation.place)
    shapes: dict[Node, Shape] = {output.operation: output.shape}
    for node in order:
        shapes |= {
            parent: shape
            for parent, (shape, _) in zip(node.parents, node.input_types, strict=True)
            if parent is not None
        }
    return [
        Application(node, node.parents, tuple(shape for shape, _ in node.input_types), shapes[node]) for node in order
    ]
