"""Comparing a network with its twin in PyTorch, in float64: same weights, same output, same gradients and statistics.

A twin has the same names for the same layers; images and weights change their layout on the way.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import minifcn as mf


class NormReLU(nn.BatchNorm2d):
    """Batch normalisation with the ReLU that is fused into it."""

    def forward(self, x):
        return F.relu(super().forward(x))


def to_torch(array):
    """(kh, kw, C, K) -> (K, C, kh, kw), for convolutions of both directions; vectors stay."""
    return torch.tensor(array.transpose(3, 2, 0, 1) if array.ndim == 4 else array)


def from_torch(tensor):
    """The way back."""
    array = tensor.detach().numpy()
    return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array


def images_to_torch(array):
    """(N, H, W, C) -> (N, C, H, W)."""
    return torch.tensor(np.ascontiguousarray(array.transpose(0, 3, 1, 2)))


def images_from_torch(tensor):
    """The way back."""
    return tensor.detach().numpy().transpose(0, 2, 3, 1)


def assert_near(actual, expected, context):
    """To 1e-10 of the largest number of the array."""
    assert actual.shape == expected.shape, context
    scale = max(1.0, np.abs(expected).max(initial=0.0))
    assert np.abs(actual - expected).max(initial=0.0) <= 1e-10 * scale, context


def assert_twins(net, twin, shape):
    """A network and its twin agree on images of this shape: output, all gradients, and what was recorded on the way.

    Both get new parameters, because biases of 0, and scores that start at 0, would show nothing.
    """
    net = net.astype(np.float64)
    for parameter in net.parameters():
        parameter.data += 0.1 * np.random.default_rng(parameter.size).standard_normal(parameter.shape)
    twin = twin.double().train(net.training)
    state = {name: to_torch(array) for name, array in net.state_dict().items()}
    missing, unexpected = twin.load_state_dict(state, strict=False)
    assert not unexpected
    assert all(name.endswith("num_batches_tracked") for name in missing)

    rng = np.random.default_rng(1)
    images = rng.standard_normal(shape)
    x, z = mf.tensor(images, requires_grad=True), images_to_torch(images).requires_grad_()
    y, expected = net(x), twin(z)
    assert_near(y.data, images_from_torch(expected), "output")
    weights = rng.standard_normal(y.shape)
    (y * weights).sum().backward()
    (expected * images_to_torch(weights)).sum().backward()
    assert z.grad.any(), "nothing came back to the images: there is nothing to compare"
    assert_near(x.grad.data, images_from_torch(z.grad), "gradient of the images")
    others = dict(twin.named_parameters())
    for name, parameter in net.named_parameters():
        assert_near(parameter.grad.data, from_torch(others[name].grad), f"gradient of {name}")
    statistics = dict(twin.named_buffers())
    for name, buffer in net.named_buffers():
        assert_near(buffer.data, statistics[name].numpy(), name)
