"""Adam and AdamW."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from minifcn.optim.optimizer import Entry, Optimizer, Params, apart, check_range, gathered


class Adam(Optimizer):
    """Adaptive moments. Kingma & Ba 2015, algorithm 1.

    m = β1 m + (1 − β1) g, v = β2 v + (1 − β2) g²; p −= lr · (m / (1 − β1^t)) / (√(v / (1 − β2^t)) + eps).

    Args:
        params: parameters or groups of them.
        lr: about the largest change of a parameter in one step.
        betas: (β1, β2).
        eps: keeps the quotient finite.
        weight_decay: times p is added to g.

    >>> import minifcn as mf
    >>> p = mf.tensor([1.0], requires_grad=True)
    >>> optimizer = Adam([p], lr=0.25)
    >>> (8.0 * p).sum().backward()
    >>> optimizer.step()
    >>> p
    tensor([0.75], requires_grad=True)
    """

    decoupled = False

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    def check(self, group: dict[str, Any]) -> None:
        """Options in their ranges."""
        name = type(self).__name__
        for option in ("lr", "eps", "weight_decay"):
            check_range(name, group, option, 0.0)
        if len(group["betas"]) != 2:
            raise ValueError(f"{name}: betas must be two numbers, got {group['betas']!r}")
        check_range(name, group, "betas", 0.0, 1.0)

    def update(self, kernels: ModuleType, entries: list[Entry], group: dict[str, Any]) -> None:
        """One step; parameters that have been updated as often together, for the bias correction is theirs."""
        for entry in entries:
            if not entry.state:
                zeros = [kernels.full(entry.parameter.shape, 0, entry.parameter.dtype) for _ in range(2)]
                entry.state.update(step=0, exp_avg=zeros[0], exp_avg_sq=zeros[1])
            entry.state["step"] += 1
        for step, together in apart(entries, lambda entry: entry.state["step"]):
            kernels.adam_step(
                [entry.parameter for entry in together],
                [entry.gradient for entry in together],
                gathered(together, "exp_avg"),
                gathered(together, "exp_avg_sq"),
                group["lr"],
                *group["betas"],
                group["eps"],
                group["weight_decay"],
                self.decoupled,
                step,
            )


class AdamW(Adam):
    """`Adam` whose weight decay does not pass through the moments: p is first multiplied by 1 − lr · weight_decay.

    Loshchilov & Hutter 2019.
    """

    decoupled = True

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ):
        super().__init__(params, lr, betas, eps, weight_decay)
