"""What a network consists of, as a table."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np

from minifcn import settings
from minifcn.audit.fields.layers import tensors_in
from minifcn.audit.fields.module_fields import module_fields
from minifcn.autograd import no_grad
from minifcn.nn.modes import evaluating
from minifcn.nn.module import Module
from minifcn.tables import Table
from minifcn.tensor import Tensor


def summary(module: Module, input_shape: tuple[int, ...]) -> str:
    """A table of all modules with output shapes, receptive fields and parameter counts, from a forward pass of zeros.

    The pass runs in evaluation mode and is not recorded; nothing in the module changes. Receptive fields, in pixels of
    the image, come from rehearsals of the module on images of other sizes, on shapes alone; a module that does not make
    maps of images has none. Of a layer that is applied several times, the last application is shown.

    Args:
        module: the network.
        input_shape: (H, W, C), to which a batch of one is added, or the whole shape, such as (N, H, W, C).

    >>> from minifcn import nn
    >>> net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 1, 3))
    >>> print(net.summary((28, 28, 1)))
    layer  type        output shape    receptive field  parameters
    --------------------------------------------------------------
           Sequential  (1, 11, 11, 1)                8
    0      Conv2d      (1, 26, 26, 8)                3          80
    1      ReLU        (1, 26, 26, 8)                3
    2      MaxPool2d   (1, 13, 13, 8)                4
    3      Conv2d      (1, 11, 11, 1)                8          73
    --------------------------------------------------------------
    parameters: 153, trainable: 153
    """
    shape = (1, *input_shape) if len(input_shape) == 3 else tuple(input_shape)
    shapes = _output_shapes(module, shape)
    fields = _receptive_fields(module, shape)
    rows: list[tuple[str, ...]] = []
    for name, layer in module.named_modules():
        unused = "not used" if next(layer.children(), None) is None else ""  # a list of modules is not called itself
        own = sum(parameter.size for parameter in layer.parameters(recurse=False))
        seen = (fields.get(name, ""),) if fields else ()
        rows.append((name, type(layer).__name__, shapes.get(layer, unused), *seen, f"{own:,}" if own else ""))
    parameters = list(module.parameters())
    total, trainable = (sum(p.size for p in ps) for ps in (parameters, [p for p in parameters if p.requires_grad]))
    headings = ("layer", "type", "output shape", *(("receptive field",) if fields else ()), "parameters")
    return _ruled(Table(headings, rows, names=3), f"parameters: {total:,}, trainable: {trainable:,}")


def _receptive_fields(module: Module, shape: tuple[int, ...]) -> dict[str, str]:
    """By path; none of a module that does not turn images into maps, or that no rule explains."""
    if len(shape) != 4:
        return {}
    try:
        return module_fields(module, shape[-1])
    except (ValueError, NotImplementedError):  # what module_fields raises of such a module
        return {}


def _output_shapes(module: Module, input_shape: tuple[int, ...]) -> dict[Module, str]:
    """Shape of what every module returned, in its last call."""
    shapes: dict[Module, str] = {}

    def record(layer: Module, inputs: tuple[Any, ...], output: Any) -> None:
        shapes[layer] = ", ".join(str(tensor.shape) for tensor in tensors_in(output))

    first = next(iter(module.parameters()), None)
    dtype, device = (np.dtype(np.float32), settings.device()) if first is None else (first.dtype, first.device)
    with contextlib.ExitStack() as stack:
        stack.enter_context(evaluating(module))
        stack.enter_context(no_grad())
        for layer in module.modules():
            stack.enter_context(layer.register_forward_hook(record))
        module(Tensor(np.zeros(input_shape, dtype)).to(device))
    return shapes


def _ruled(table: Table, footer: str) -> str:
    head, *lines = str(table).split("\n")
    rule = "-" * max(len(line) for line in (head, *lines))
    return "\n".join([head, rule, *lines, rule, footer])
