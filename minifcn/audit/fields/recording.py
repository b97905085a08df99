"""A network's operations as they were recorded on one blank image, and the spans of rows or columns behind each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from minifcn.audit.fields.layers import attributed
from minifcn.audit.fields.rules import Step, follow
from minifcn.audit.fields.spans import Shift, Span
from minifcn.audit.subject import Subject, dtype_of
from minifcn.autograd import Node, Operation
from minifcn.graph.applications import Application, applications
from minifcn.nn import Module
from minifcn.nn.modes import evaluating
from minifcn.tensor import Tensor

#: (H, W, C)
ImageShape = tuple[int, int, int]


class Recording(NamedTuple):
    """A network as it was applied to one blank image."""

    shape: ImageShape
    image: Tensor
    output: Tensor
    graph: list[Application]
    layers: dict[Operation, str]  # the path of the layer that each is due to


def record(network: Module | Subject, shape: ImageShape) -> Recording:
    """Record a network's operations on one blank image (H, W, C), in evaluation mode.

    Raises:
        ValueError: the network does not take it, returns no Tensor, or records nothing.
    """
    module = network.module if isinstance(network, Subject) else network
    dtype = dtype_of(module)
    image = Tensor(np.zeros((1, *shape), dtype), requires_grad=True)
    with evaluating(module), np.errstate(all="ignore"):  # weights may hold anything
        output, layers = attributed(module, image)
    if not isinstance(output, Tensor):
        raise ValueError(f"receptive_field: the network must return one Tensor, not a {type(output).__name__}")
    return Recording(shape, image, output, applications(output), layers)


def spans_along(recording: Recording, axis: int) -> dict[Node, Span]:
    """Carry the spans of rows (``axis`` 0) or columns (1) through all recorded operations.

    Raises:
        ValueError: the output does not depend on the image.
        NotImplementedError: an operation has no rule.
    """
    length, graph = recording.shape[axis], recording.graph
    rows = np.arange(length).reshape((1, length, 1, 1) if axis == 0 else (1, 1, length, 1))
    spans: dict[Node, Span] = {recording.image: Span(rows, rows, Shift(axis + 1, 1, 1))}
    for application in graph:
        incoming = [None if parent is None else spans.get(parent) for parent in application.parents]
        if any(span is not None for span in incoming):  # the others depend on parameters alone
            spans[application.operation] = follow(Step(application, graph), incoming)
    if graph[-1].operation not in spans:
        raise ValueError("receptive_field: the output does not depend on the image by any recorded operation")
    return spans
