"""The recorded operations between an image and an output, in the order in which they were applied."""

from __future__ import annotations

from typing import NamedTuple

from minifcn.autograd import Node, Operation, _topological_order
from minifcn.tensor import Tensor

Shape = tuple[int, ...]


class Application(NamedTuple):
    """One operation as it was applied: where its inputs came from, and the shapes of what went in and came out."""

    operation: Operation
    parents: tuple[Node | None, ...]  # None where no gradient flows
    inputs: tuple[Shape, ...]
    output: Shape


def applications(output: Tensor) -> list[Application]:
    """All recorded operations behind ``output``, parents before children.

    Raises:
        ValueError: nothing was recorded.
    """
    if output.operation is None:
        raise ValueError(
            "audit: no recorded operation made the output; it must be computed from the image by operations on "
            "Tensors, and not under no_grad()"
        )
    order = [node for node in _topological_order([output.operation]) if isinstance(node, Operation)]
    shapes: dict[Node, Shape] = {output.operation: output.shape}
    for node in order:
        shapes |= {
            parent: shape for parent, (shape, _) in zip(node._parents, node._inputs, strict=True) if parent is not None
        }
    return [Application(node, node._parents, tuple(shape for shape, _ in node._inputs), shapes[node]) for node in order]
