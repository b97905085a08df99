"""Which layer each recorded operation is due to.

Hooks around every module look at the graph as it grows. When a module is entered, what its inputs were computed by and
nobody has claimed yet is due to the module around it; when it is left, what its outputs were computed by and its own
layers have not claimed is due to itself. So each operation goes to the innermost module that applied it, and a layer
needs to know nothing of it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from minifcn.autograd import Operation, enable_grad
from minifcn.nn import Module
from minifcn.tensor import Tensor


def attributed(module: Module, *inputs: Any) -> tuple[Any, dict[Operation, str]]:
    """Apply a module, recorded; with its output, each operation and the path of the innermost module that applied it.

    Paths are those of `Module.named_modules`: "" is the module itself. Operations are in the order in which modules
    were left, and within each, parents before children. A layer that is applied twice has the operations of both.
    Only what is recorded counts: give an image that requires a gradient to see all that depends on it. The mode
    (training or evaluation) is the module's own.

    >>> import minifcn as mf
    >>> from minifcn import nn
    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    >>> output, layers = attributed(net, mf.zeros(1, 8, 8, 1))
    >>> [(type(operation).__name__, path) for operation, path in layers.items()]
    [('Conv2d', '0'), ('ReLU', '1')]
    """
    claims: dict[Operation, str] = {}
    around: list[str] = []  # paths of the modules that are being applied, outermost first
    with contextlib.ExitStack() as stack:
        stack.enter_context(enable_grad())
        for path, layer in module.named_modules():

            def enter(_: Module, given: tuple[Any, ...], path: str = path) -> None:
                _claim(given, around[-1] if around else "", claims)
                around.append(path)

            def leave(_: Module, given: tuple[Any, ...], output: Any) -> None:
                _claim(output, around.pop(), claims)

            stack.enter_context(layer.register_forward_pre_hook(enter))
            stack.enter_context(layer.register_forward_hook(leave))
        return module(*inputs), claims


def _claim(values: Any, path: str, claims: dict[Operation, str]) -> None:
    """Put down to ``path`` whatever is behind the Tensors of ``values`` and not yet in ``claims``."""
    stack = [(tensor.operation, False) for tensor in _tensors(values) if tensor.operation is not None]
    while stack:
        operation, finished = stack.pop()
        if finished:
            claims.setdefault(operation, path)
        elif operation not in claims:
            stack.append((operation, True))
            stack += [(parent, False) for parent in operation._parents if isinstance(parent, Operation)]


def _tensors(values: Any) -> Iterator[Tensor]:
    """Those in a Tensor, or in tuples, lists and dictionaries of them."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, (tuple, list)):
        for value in values:
            yield from _tensors(value)
    elif isinstance(values, dict):
        yield from _tensors(list(values.values()))
