"""A backward pass, told step by step: what arrives at an operation, its local gradients, and what it sends on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from minifcn import autograd
from minifcn.autograd import Node, Operation
from minifcn.graph.applications import applications
from minifcn.graph.names import titles
from minifcn.graph.words import number, numbers
from minifcn.tables import Table
from minifcn.tensor import Tensor

# A local gradient is a matrix of the output's size times the input's; up to so many numbers it is computed.
_LARGEST = 2048
_HEADINGS = ("step", "operation", "gradient that arrives", "goes to", "local gradient", "gradient sent there")


@dataclass(frozen=True)
class Sent:
    """What one step sends to one of the operation's inputs.

    Attributes:
        to: what the input is called.
        local: the local gradient ∂output/∂input, of the output's shape followed by the input's; None if it has no
            numbers, or more than 2048: written out, it would be of no use.
        gradient: the local gradient applied to what arrived, which is the input's share of the chain rule.
    """

    to: str
    local: np.ndarray | None
    gradient: np.ndarray

    def local_in_words(self) -> str:
        """A number, the diagonal if the operation goes element by element, or the matrix's size."""
        if self.local is None or not self.local.size:
            return ""
        matrix = self.local.reshape(-1, self.gradient.size)
        if matrix.size == 1:
            return number(matrix[0, 0])
        if matrix.shape[0] == matrix.shape[1] and not np.any(matrix[~np.eye(len(matrix), dtype=bool)]):
            values = np.diagonal(matrix)
            return numbers(values[:1] if np.all(values == values[0]) else values) + ", each element"
        if matrix.shape[0] == 1 and np.all(matrix == matrix[0, 0]):
            return f"{number(matrix[0, 0])} for each element"
        return f"{matrix.shape[0]} x {matrix.shape[1]} matrix"


@dataclass(frozen=True)
class Step:
    """One operation's turn in the walk back.

    Attributes:
        operation: what it is called.
        rule: what it computes and how it is differentiated, in the words of its class.
        arrived: the gradient of the final quantity with respect to the operation's output.
        sent: what goes on to each input that wants a gradient.
    """

    operation: str
    rule: str
    arrived: np.ndarray
    sent: tuple[Sent, ...]

    def __str__(self) -> str:
        lines = [f"{self.operation}: {self.rule}", f"  arrives: {numbers(self.arrived)}"]
        for each in self.sent:
            local = each.local_in_words()
            lines.append(f"  to {each.to}: {f'{local}, so ' if local else ''}{numbers(each.gradient)}")
        return "\n".join(lines)


@dataclass(frozen=True, repr=False)
class Explanation:
    """All steps of a backward pass, in order; print it, or go through it: ``for step in explanation``."""

    steps: tuple[Step, ...]

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __getitem__(self, place: int) -> Step:
        return self.steps[place]

    def table(self) -> Table:
        """A row for each gradient sent."""
        rows = []
        for place, step in enumerate(self.steps, 1):
            own: tuple[str, ...] = (str(place), step.operation, numbers(step.arrived))
            for each in step.sent:
                rows.append((*own, each.to, each.local_in_words(), numbers(each.gradient)))
                own = ("", "", "")
        return Table(_HEADINGS, rows)

    def __str__(self) -> str:
        return str(self.table())

    def __repr__(self) -> str:
        return f"<Explanation of {len(self.steps)} steps; print it, or look at explanation[0]>"

    def _repr_html_(self) -> str:
        table = self.table()
        style = "style='text-align:left;padding:.15em .8em'"
        head = "".join(f"<th {style}>{escape(heading)}</th>" for heading in table.headings)
        rows = ["".join(f"<td {style}>{escape(cell)}</td>" for cell in row) for row in table.rows]
        return f"<table><thead><tr>{head}</tr></thead><tbody><tr>{'</tr><tr>'.join(rows)}</tr></tbody></table>"


def explained(tensor: Tensor, gradient: Any, retain_graph: bool, create_graph: bool) -> Explanation:
    """Walk back, as `Tensor.backward` does, and tell what happened.

    >>> import minifcn as mf
    >>> x = mf.tensor([1.0, 2.0], requires_grad=True)
    >>> x.name = "x"
    >>> print((x * 3.0).sum().backward(explain=True))
    step  operation  gradient that arrives  goes to       local gradient  gradient sent there
       1  sum        1                      multiply  1 for each element  [1, 1]
       2  multiply   [1, 1]                 x            3, each element  [3, 3]
    >>> x.grad
    tensor([3., 3.])
    """
    names = {} if tensor.operation is None else titles(applications(tensor))
    steps: list[Step] = []

    def watch(operation: Operation, arrived: Tensor, sent: list[tuple[Node, Tensor]]) -> None:
        local = _local_gradients(operation, arrived, sent)
        parts = [
            Sent(names[parent], matrix, _values(partial)) for (parent, partial), matrix in zip(sent, local, strict=True)
        ]
        rule = (type(operation).__doc__ or "").strip().split("\n")[0]
        steps.append(Step(names[operation], rule, _values(arrived), tuple(parts)))

    autograd.backward(tensor, gradient, retain_graph, create_graph, watch)
    return Explanation(tuple(steps))


def _local_gradients(operation: Operation, arrived: Tensor, sent: list[tuple[Node, Tensor]]) -> list[np.ndarray | None]:
    """∂output/∂input for each input that is sent something, row by row: one walk for each number of the output."""
    unknown: list[np.ndarray | None] = [None] * len(sent)
    if not 0 < arrived.size * max((partial.size for _, partial in sent), default=0) <= _LARGEST:
        return unknown
    parents = [parent for parent, _ in sent]
    rows: list[list[np.ndarray]] = []
    with autograd.no_grad():
        for row in np.eye(arrived.size, dtype=arrived.dtype):
            one = Tensor(row.reshape(arrived.shape)).to(arrived.device)
            found = list(operation.input_gradients(one))
            if [parent for parent, _ in found] != parents:  # a rule that leaves out gradients as it sees fit
                return unknown
            rows.append([_values(partial) for _, partial in found])
    shapes = [(*arrived.shape, *partial.shape) for _, partial in sent]
    return [np.reshape(matrix, shape) for matrix, shape in zip(zip(*rows, strict=True), shapes, strict=True)]


def _values(tensor: Tensor) -> np.ndarray:
    return np.array(tensor.detach().to("cpu").data)
