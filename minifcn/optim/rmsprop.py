"""RMSprop."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from minifcn.optim.optimizer import Entry, Optimizer, Params, check_range, gathered


class RMSprop(Optimizer):
    """Divide by a running root mean square: v = α v + (1 − α) g², p −= lr · g / (√v + eps). Hinton's lecture 6e, 2012.

    With momentum, b = momentum · b + g / (√v + eps), p −= lr · b.

    Args:
        params: parameters or groups of them.
        lr: the step's length.
        alpha: how slowly the mean square changes.
        eps: keeps the quotient finite.
        weight_decay: times p is added to g.
        momentum: how much of the last step is kept.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
    ):
        options = {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum}
        super().__init__(params, options)

    def check(self, group: dict[str, Any]) -> None:
        """Options in their ranges."""
        for option in ("lr", "alpha", "eps", "weight_decay", "momentum"):
            check_range("RMSprop", group, option, 0.0)

    def update(self, kernels: ModuleType, entries: list[Entry], group: dict[str, Any]) -> None:
        """One step."""
        momentum = group["momentum"]
        for entry in entries:
            if "square_avg" not in entry.state:
                entry.state["square_avg"] = kernels.full(entry.parameter.shape, 0, entry.parameter.dtype)
            if momentum and "momentum_buffer" not in entry.state:
                entry.state["momentum_buffer"] = kernels.full(entry.parameter.shape, 0, entry.parameter.dtype)
        kernels.rmsprop_step(
            [entry.parameter for entry in entries],
            [entry.gradient for entry in entries],
            gathered(entries, "square_avg"),
            gathered(entries, "momentum_buffer") if momentum else None,
            group["lr"],
            group["alpha"],
            group["eps"],
            group["weight_decay"],
            momentum,
        )
