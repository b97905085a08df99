"""PyTorch in both of its memory layouts, and its compiler for networks; whichever is best counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minifcn.benchmarks.cases import ConvCase, NetworkCase
from minifcn.benchmarks.peers import Contestant, Task

NAME = "PyTorch"
PACKAGE = "torch"
_LAYOUTS = {"NCHW": "contiguous_format", "channels last": "channels_last"}


def prepare(task: Task, threads: int) -> list[Contestant]:
    """A contestant for each layout, and a compiled one."""
    import torch

    torch.set_num_threads(threads)
    if isinstance(task.case, ConvCase):
        return [_convolution(task, task.case, layout) for layout in _LAYOUTS]
    make = _step if task.case.mode == "training" else _inference
    contestants = [make(task, task.case, layout) for layout in _LAYOUTS]
    if task.compiled:
        contestants.append(make(task, task.case, "channels last", compiled=True))
    return contestants


def images_to_torch(array: np.ndarray, layout: str) -> Any:
    """(N, H, W, C) -> (N, C, H, W) in one of PyTorch's layouts."""
    import torch

    return torch.from_numpy(array).permute(0, 3, 1, 2).clone(memory_format=getattr(torch, _LAYOUTS[layout]))


def weights_to_torch(array: np.ndarray, layout: str) -> Any:
    """(kh, kw, C, K) -> (K, C, kh, kw)."""
    import torch

    return torch.from_numpy(array).permute(3, 2, 0, 1).clone(memory_format=getattr(torch, _LAYOUTS[layout]))


def convolution(case: ConvCase) -> Callable[[Any, Any], Any]:
    """PyTorch's function of image and weight."""
    from torch.nn import functional as F

    function: Any = F.conv_transpose2d if case.transposed else F.conv2d
    return lambda x, w: function(x, w, stride=case.stride, padding=case.padding, dilation=case.dilation)


def _convolution(task: Task, case: ConvCase, layout: str) -> Contestant:
    import torch

    assert task.inputs is not None
    function = convolution(case)
    x, g = images_to_torch(task.inputs.x, layout), images_to_torch(task.inputs.g, layout)
    w = weights_to_torch(task.inputs.w, layout)
    wanted = [w] if case.first_layer else [w, x]

    def forward() -> list[Any]:
        with torch.inference_mode():
            return [function(x, w)]

    def training() -> list[Any]:
        y = function(x, w)
        return [y, *torch.autograd.grad(y, wanted, g)]

    def arrays(tensors: list[Any]) -> list[np.ndarray]:
        orders = [(0, 2, 3, 1), (2, 3, 1, 0), (0, 2, 3, 1)]
        return [t.detach().numpy().transpose(order) for t, order in zip(tensors, orders, strict=False)]

    if case.mode == "training":
        for tensor in wanted:
            tensor.requires_grad_()
    return Contestant(f"{NAME} {layout}", forward if case.mode == "forward" else training, arrays)


def _step(task: Task, case: NetworkCase, layout: str, compiled: bool = False) -> Contestant:
    import torch

    from minifcn.benchmarks import twin

    model = twin.build(case, task.weights, getattr(torch, _LAYOUTS[layout]))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    images, labels = images_to_torch(task.images, layout), torch.from_numpy(task.labels)

    def evaluate() -> Any:
        return torch.nn.functional.cross_entropy(model(images), labels)

    evaluated: Any = torch.compile(evaluate) if compiled else evaluate

    def step() -> float:
        optimizer.zero_grad()
        loss = evaluated()
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return Contestant(_name(layout, compiled), step, lambda loss: [np.array(loss)], may_fail=compiled)


def _inference(task: Task, case: NetworkCase, layout: str, compiled: bool = False) -> Contestant:
    """With batch normalisation folded into the weights, as its users do; the compiler may pack weights, too."""
    import torch

    from minifcn.benchmarks import twin

    model: Any = twin.fold(twin.build(case, task.weights, getattr(torch, _LAYOUTS[layout])))
    model = model.to(memory_format=getattr(torch, _LAYOUTS[layout])).requires_grad_(False)
    if compiled:
        model = torch.compile(model, options={"freezing": True})
    images = images_to_torch(task.images, layout)

    def forward() -> Any:
        # The compiler packs weights ("freezing") only under no_grad, not in inference mode.
        with torch.no_grad() if compiled else torch.inference_mode():
            return model(images)

    return Contestant(_name(layout, compiled), forward, lambda y: [y.numpy().transpose(0, 2, 3, 1)], may_fail=compiled)


def _name(layout: str, compiled: bool) -> str:
    return f"{NAME} compiled" if compiled else f"{NAME} {layout}"


def layer(case: ConvCase, inputs: Any) -> Any:
    """A convolution as a module, with the weight of ``inputs``."""
    import torch

    kind: Any = torch.nn.ConvTranspose2d if case.transposed else torch.nn.Conv2d
    module = kind(
        case.channels, case.outputs, case.kernel, case.stride, case.padding, dilation=case.dilation, bias=False
    )
    module.weight.data = weights_to_torch(inputs.w, "NCHW")
    return module
