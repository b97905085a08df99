"""Gradient clipping against PyTorch's."""

import numpy as np
import pytest
import torch

import minifcn as mf
from minifcn import optim

GRADIENTS = [np.random.default_rng(0).standard_normal(shape) for shape in [(3, 4), (5,)]]


def parameters():
    params = [mf.tensor(np.zeros_like(g), requires_grad=True) for g in [*GRADIENTS, np.zeros(2)]]
    for p, g in zip(params, GRADIENTS, strict=False):
        p.grad = mf.tensor(g)
    return params


@pytest.mark.parametrize("max_norm", [0.0, 0.5, 3.0, 100.0])
def test_twin_of_torch(max_norm):
    mine, others = parameters(), [torch.zeros(g.shape, dtype=torch.float64) for g in GRADIENTS]
    for p, g in zip(others, GRADIENTS, strict=True):
        p.grad = torch.tensor(g)
    norm = optim.clip_grad_norm_(iter(mine), max_norm)
    assert norm == pytest.approx(torch.nn.utils.clip_grad_norm_(others, max_norm).item(), rel=1e-13)
    assert isinstance(norm, float)
    for p, q in zip(mine, others, strict=False):
        np.testing.assert_allclose(p.grad.data, q.grad.numpy(), rtol=1e-13)
    assert mine[2].grad is None


def test_float32_gradients_too_large_to_square():
    p = mf.tensor([0.0], requires_grad=True)
    p.grad = mf.tensor([1e30])
    assert optim.clip_grad_norm(p, 1.0) == pytest.approx(1e30)
    assert p.grad.item() == pytest.approx(1.0)
    assert p.grad.dtype == np.float32


def test_without_gradients():
    assert optim.clip_grad_norm([mf.zeros(2, requires_grad=True)], 1.0) == 0.0


@pytest.mark.parametrize("max_norm", [-1.0, float("nan")])
def test_impossible_norm(max_norm):
    with pytest.raises(ValueError, match="max_norm must be at least 0"):
        optim.clip_grad_norm([], max_norm)
