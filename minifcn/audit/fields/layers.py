"""Which layer each recorded operation is due to: operations remember the module that applied them (`minifcn.scope`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from minifcn.autograd import Operation, enable_grad
from minifcn.nn import Module
from minifcn.tensor import Tensor


def attributed(module: Module, *inputs: Any) -> tuple[Any, dict[Operation, str]]:
    """Apply a module, recorded; with its output, each operation and the path of the innermost module that applied it.

    Paths are those of `Module.named_modules`: "" is the module itself. What the inputs were computed by is left out.
    Operations come in the order in which they were applied. A layer that is applied twice has the operations of both.
    Only what is recorded counts: give an image that requires a gradient to see all that depends on it. The mode
    (training or evaluation) is the module's own.

    >>> import minifcn as mf
    >>> from minifcn import nn
    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    >>> output, layers = attributed(net, mf.zeros(1, 8, 8, 1))
    >>> [(type(operation).__name__, path) for operation, path in layers.items()]
    [('Conv2d', '0'), ('ReLU', '1')]
    """
    with enable_grad():
        output = module(*inputs)
    paths = {layer: path for path, layer in module.named_modules()}
    return output, {operation: _path(operation, paths) for operation in _between(inputs, output)}


def _between(inputs: Any, outputs: Any) -> list[Operation]:
    """The operations from inputs to outputs, in the order in which they were applied."""
    found = {tensor.operation for tensor in tensors_in(inputs) if tensor.operation is not None}
    stack = [tensor.operation for tensor in tensors_in(outputs) if tensor.operation is not None]
    behind: list[Operation] = []
    while stack:
        operation = stack.pop()
        if operation not in found:
            found.add(operation)
            behind.append(operation)
            stack += [parent for parent in operation.parents if isinstance(parent, Operation)]
    return sorted(behind, key=lambda operation: operation.place)


def _path(operation: Operation, paths: dict[Module, str]) -> str:
    chain = operation.call.chain() if operation.call is not None else ()
    return next((paths[call.module] for call in chain if call.module is not None and call.module in paths), "")


def tensors_in(values: Any) -> Iterator[Tensor]:
    """Those in a Tensor, or in tuples, lists and dictionaries of them."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, (tuple, list)):
        for value in values:
            yield from tensors_in(value)
    elif isinstance(values, dict):
        yield from tensors_in(list(values.values()))
