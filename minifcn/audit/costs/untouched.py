"""A module that is run to see what it does, and is afterwards what it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from minifcn import random
from minifcn.nn import Module
from minifcn.tensor import Tensor


@contextmanager
def untouched(module: Module) -> Iterator[None]:
    """Inside the block, parameters have no gradients; what a training step changes is undone after it.

    That is gradients, buffers such as running statistics, modes, and the state of the random numbers. The numbers of
    parameters are left to whoever updates them.
    """
    modes = [(layer, layer.training) for layer in module.modules()]
    parameters = list(module.parameters())
    gradients = [parameter.grad for parameter in parameters]
    buffers = [(buffer, buffer._data, buffer._data.copy()) for buffer in module.buffers()]
    versions = [(tensor, list(tensor._version)) for tensor in (*parameters, *(buffer for buffer, _, _ in buffers))]
    state = random.get_state()
    module.zero_grad()
    try:
        yield
    finally:
        for layer, mode in modes:
            layer.training = mode
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        for buffer, array, numbers in buffers:
            _restore(buffer, array, numbers)
        for tensor, version in versions:
            tensor._version[:] = version
        random.set_state(state)


def _restore(buffer: Tensor, array: np.ndarray, numbers: np.ndarray) -> None:
    array[...] = numbers
    buffer._data = array
