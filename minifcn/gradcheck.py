"""Derivatives checked against finite differences.

A gradient is compared in one random direction: with J the Jacobian, u and v random vectors, uᵀ J v computed by the
backward pass must equal the central difference (uᵀ f(x + h v) − uᵀ f(x − h v)) / 2h. One number tests every entry at
once, and two evaluations of f suffice, whatever the size of x.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from minifcn.autograd import grad
from minifcn.functional.reduce import sum as total
from minifcn.tensor import Tensor

Function = Callable[..., Tensor]


def gradcheck(
    function: Function,
    inputs: Tensor | Sequence[Tensor],
    eps: float = 1e-6,
    atol: float = 1e-6,
    rtol: float = 1e-5,
    directions: int = 3,
    seed: int = 0,
) -> bool:
    """Whether the gradients of ``function`` agree with finite differences, in float64.

    Args:
        function: maps Tensors to one floating-point Tensor.
        inputs: its arguments; those that require grad are checked, and must be float64.
        eps: the step h of the central difference. Rounding costs about 1e-16 / h, curvature h².
        atol: largest absolute difference.
        rtol: largest difference relative to the finite difference.
        directions: how many random directions to check for each input.
        seed: of the directions.

    Returns:
        True.

    Raises:
        AssertionError: a gradient is wrong; the message names the input and both numbers.
        TypeError: an input that requires grad is not float64.

    >>> import minifcn as mf
    >>> gradcheck(mf.functional.tanh, mf.randn(3, dtype="float64", requires_grad=True))
    True
    """
    tensors = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    checked = [position for position, tensor in enumerate(tensors) if tensor.requires_grad]
    if not checked:
        raise ValueError("gradcheck: no input requires grad; give one requires_grad=True")
    for position in checked:
        if tensors[position].dtype != np.float64:
            raise TypeError(f"gradcheck: input {position} is {tensors[position].dtype}; differences need float64")
    generator = np.random.default_rng(seed)
    for _ in range(directions):
        output = function(*tensors)
        u = generator.standard_normal(output.shape)
        gradients = grad(output, [tensors[p] for p in checked], Tensor(u, device=output.device), allow_unused=True)
        for position, gradient in zip(checked, gradients, strict=True):
            v = generator.standard_normal(tensors[position].shape)
            expected = _difference(function, tensors, position, u, v, eps)
            actual = 0.0 if gradient is None else float(np.sum(gradient.data * v))
            if not abs(actual - expected) <= atol + rtol * abs(expected):
                raise AssertionError(
                    f"gradcheck: the gradient of input {position}, shape {tensors[position].shape}, is wrong: in a "
                    f"random direction backward gives {actual:.10g}, the finite difference is {expected:.10g}"
                )
    return True


def gradgradcheck(
    function: Function,
    inputs: Tensor | Sequence[Tensor],
    eps: float = 1e-6,
    atol: float = 1e-6,
    rtol: float = 1e-5,
    directions: int = 3,
    seed: int = 0,
) -> bool:
    """Whether the gradients of the gradients of ``function`` agree with finite differences; arguments as `gradcheck`.

    >>> import minifcn as mf
    >>> gradgradcheck(mf.functional.tanh, mf.randn(3, dtype="float64", requires_grad=True))
    True
    """
    tensors = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    wanted = [position for position, tensor in enumerate(tensors) if tensor.requires_grad]
    if not wanted:
        raise ValueError("gradgradcheck: no input requires grad; give one requires_grad=True")
    generator = np.random.default_rng(seed + 1)
    output = function(*tensors)
    u = Tensor(generator.standard_normal(output.shape), requires_grad=True, device=output.device)
    projections = [Tensor(generator.standard_normal(tensors[p].shape), device=tensors[p].device) for p in wanted]

    def first_derivative(*arguments: Tensor) -> Tensor:
        *originals, seed_gradient = arguments
        result = function(*originals)
        gradients = grad(result, [originals[p] for p in wanted], seed_gradient, create_graph=True, allow_unused=True)
        parts = [total(g * v) for g, v in zip(gradients, projections, strict=True) if g is not None]
        first = total(seed_gradient) * 0.0  # in the graph even where the gradients are constant, or there is none
        for part in parts:
            first = first + part
        return first

    return gradcheck(first_derivative, [*tensors, u], eps, atol, rtol, directions, seed)


def _difference(
    function: Function, tensors: Sequence[Tensor], position: int, u: np.ndarray, v: np.ndarray, eps: float
) -> float:
    """The central difference of uᵀ f in direction v of one input."""

    def shifted(step: float) -> float:
        moved = [Tensor(t.data, t.requires_grad, t.device) for t in tensors]
        moved[position] = Tensor(tensors[position].data + step * v, True, tensors[position].device)
        return float(np.sum(u * function(*moved).data))

    return (shifted(eps) - shifted(-eps)) / (2 * eps)
