"""Stochastic gradient descent."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from minifcn.optim.optimizer import Entry, Optimizer, Params, apart, check_range, gathered


class SGD(Optimizer):
    """Gradient descent with momentum: v = momentum · v + g, p −= lr · v. U-Net's paper: momentum 0.99, batches of one.

    Args:
        params: parameters or groups of them.
        lr: the step's length.
        momentum: how much of the last velocity is kept.
        weight_decay: times p is added to g.
        nesterov: look ahead: p −= lr · (g + momentum · v).

    >>> import minifcn as mf
    >>> p = mf.tensor([1.0], requires_grad=True)
    >>> optimizer = SGD([p], lr=0.5)
    >>> (p * p).sum().backward()
    >>> optimizer.step()
    >>> p
    tensor([0.], requires_grad=True)
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0.0,
        *,  # PyTorch has dampening here, which is left out
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "nesterov": nesterov})

    def check(self, group: dict[str, Any]) -> None:
        """Options in their ranges."""
        for option in ("lr", "momentum", "weight_decay"):
            check_range("SGD", group, option, 0.0)
        if group["nesterov"] and not group["momentum"]:
            raise ValueError("SGD: nesterov=True looks ahead along the velocity, and needs momentum > 0")

    def update(self, kernels: ModuleType, entries: list[Entry], group: dict[str, Any]) -> None:
        """One step; parameters without a velocity yet apart, for their first one is the gradient."""
        momentum = group["momentum"]
        for first, together in apart(entries, lambda entry: "momentum_buffer" not in entry.state):
            if momentum and first:
                for entry in together:
                    entry.state["momentum_buffer"] = kernels.full(entry.parameter.shape, 0, entry.parameter.dtype)
            kernels.sgd_step(
                [entry.parameter for entry in together],
                [entry.gradient for entry in together],
                gathered(together, "momentum_buffer") if momentum else None,
                group["lr"],
                momentum,
                group["weight_decay"],
                group["nesterov"],
                first,
            )
