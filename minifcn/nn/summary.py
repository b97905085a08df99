"""What a network consists of, as a table."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np

from minifcn import settings
from minifcn.autograd import no_grad
from minifcn.nn.modes import evaluating
from minifcn.nn.module import Module
from minifcn.tensor import Tensor

Row = tuple[str, str, str, str]
HEADER: Row = ("layer", "type", "output shape", "parameters")


def summary(module: Module, input_shape: tuple[int, ...]) -> str:
    """A table of all modules with output shapes and parameter counts, from a forward pass of zeros.

    The pass runs in evaluation mode and is not recorded; nothing in the module changes.

    Args:
        module: the network.
        input_shape: (H, W, C), to which a batch of one is added, or the whole shape, such as (N, H, W, C).

    >>> from minifcn import nn
    >>> print(nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU()).summary((28, 28, 1)))
    layer  type        output shape    parameters
    ---------------------------------------------
           Sequential  (1, 26, 26, 8)
    0      Conv2d      (1, 26, 26, 8)          80
    1      ReLU        (1, 26, 26, 8)
    ---------------------------------------------
    parameters: 80, trainable: 80
    """
    shapes = _output_shapes(module, (1, *input_shape) if len(input_shape) == 3 else tuple(input_shape))
    rows: list[Row] = []
    for name, layer in module.named_modules():
        unused = "not used" if next(layer.children(), None) is None else ""  # a list of modules is not called itself
        own = sum(parameter.size for parameter in layer.parameters(recurse=False))
        rows.append((name, type(layer).__name__, shapes.get(layer, unused), f"{own:,}" if own else ""))
    parameters = list(module.parameters())
    total, trainable = (sum(p.size for p in ps) for ps in (parameters, [p for p in parameters if p.requires_grad]))
    return _table(rows, f"parameters: {total:,}, trainable: {trainable:,}")


def _output_shapes(module: Module, input_shape: tuple[int, ...]) -> dict[Module, str]:
    """Shape of what every module returned, in its last call."""
    shapes: dict[Module, str] = {}

    def record(layer: Module, inputs: tuple[Any, ...], output: Any) -> None:
        outputs = output if isinstance(output, tuple) else (output,)
        shapes[layer] = ", ".join(str(out.shape) for out in outputs if isinstance(out, Tensor))

    first = next(iter(module.parameters()), None)
    dtype, device = (np.dtype(np.float32), settings.device()) if first is None else (first.dtype, first.device)
    with contextlib.ExitStack() as stack:
        stack.enter_context(evaluating(module))
        stack.enter_context(no_grad())
        for layer in module.modules():
            stack.enter_context(layer.register_forward_hook(record))
        module(Tensor(np.zeros(input_shape, dtype)).to(device))
    return shapes


def _table(rows: list[Row], footer: str) -> str:
    widths = [max(len(row[column]) for row in [HEADER, *rows]) for column in range(len(HEADER))]

    def line(row: Row) -> str:
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        return "  ".join([*cells, row[-1].rjust(widths[-1])]).rstrip()

    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    return "\n".join([line(HEADER), rule, *map(line, rows), rule, footer])
