"""minifcn itself, through its public functions."""

from __future__ import annotations

from typing import Any

import numpy as np

import minifcn as mf
from minifcn import functional as F
from minifcn import optim
from minifcn.benchmarks import networks
from minifcn.benchmarks.cases import ConvCase, NetworkCase
from minifcn.benchmarks.peers import Contestant, Task

NAME = "minifcn"
PACKAGE = "minifcn"


def prepare(task: Task, threads: int) -> list[Contestant]:
    """One contestant."""
    mf.set_num_threads(threads)
    if isinstance(task.case, ConvCase):
        return [_convolution(task, task.case)]
    return [_step(task, task.case) if task.case.mode == "training" else _inference(task, task.case)]


def _convolution(task: Task, case: ConvCase) -> Contestant:
    assert task.inputs is not None
    x, w, g = mf.Tensor(task.inputs.x), mf.Tensor(task.inputs.w), mf.Tensor(task.inputs.g)
    function: Any = F.conv_transpose2d if case.transposed else F.conv2d
    options = {"stride": case.stride, "padding": case.padding, "dilation": case.dilation}
    wanted = [w] if case.first_layer else [w, x]

    def forward() -> list[Any]:
        with mf.no_grad():
            return [function(x, w, **options)]

    def training() -> list[Any]:
        y = function(x, w, **options)
        return [y, *mf.grad(y, wanted, g)]

    if case.mode == "training":
        for tensor in wanted:
            tensor.requires_grad = True
    return Contestant(NAME, forward if case.mode == "forward" else training, lambda tensors: [t.data for t in tensors])


def network(task: Task, case: NetworkCase) -> Any:
    """The network with the task's weights."""
    model = networks.build(case)
    model.load_state_dict(task.weights)
    return model


def _step(task: Task, case: NetworkCase) -> Contestant:
    model = network(task, case)
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    images, labels = mf.Tensor(task.images), task.labels

    def step() -> float:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return Contestant(NAME, step, lambda loss: [np.array(loss)])


def _inference(task: Task, case: NetworkCase) -> Contestant:
    model = network(task, case).eval()
    fold = getattr(model, "fold_batch_norm", None)
    if fold is not None:
        model = fold()
        model.eval()
    images = mf.Tensor(task.images)

    def forward() -> Any:
        with mf.no_grad():
            return model(images)

    return Contestant(NAME, forward, lambda y: [y.data])
