"""Learning rates that change with time; each a pure function of the step, so that a resumed run follows it exactly."""

from __future__ import annotations

import math
from typing import Any

from minifcn.optim.optimizer import Optimizer


class Schedule:
    """The base of all schedules: every group's ``lr`` becomes ``self.lr(step, base_lr)``, at once and at each `step`.

    ``base_lr`` is the learning rate that the optimiser was created with; it is kept in the group as ``initial_lr``.

    >>> import minifcn as mf
    >>> from minifcn import optim
    >>> optimizer = optim.SGD([mf.zeros(1, requires_grad=True)], lr=1.0)
    >>> schedule = optim.StepLR(optimizer, step_size=2, gamma=0.5)
    >>> for _ in range(4):
    ...     optimizer.step()
    ...     schedule.step()
    >>> schedule.get_last_lr()
    [0.25]
    """

    def __init__(self, optimizer: Optimizer):
        self.optimizer = optimizer
        #: Steps done.
        self.last_step = 0
        self._set()

    def lr(self, step: int, base_lr: float) -> float:
        """The learning rate after ``step`` steps."""
        raise NotImplementedError(f"{type(self).__name__}.lr")

    def step(self) -> None:
        """Go one step on; after the optimiser's step."""
        self.last_step += 1
        self._set()

    def get_last_lr(self) -> list[float]:
        """Every group's current learning rate."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Steps done, and the groups' base learning rates."""
        return {"last_step": self.last_step, "base_lrs": [g["initial_lr"] for g in self.optimizer.param_groups]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a `state_dict`, and set the learning rates to what they were.

        Raises:
            ValueError: it belongs to another number of groups.
        """
        groups, base_lrs = self.optimizer.param_groups, state_dict["base_lrs"]
        if len(base_lrs) != len(groups):
            raise ValueError(f"load_state_dict: a schedule of {len(base_lrs)} groups, an optimiser of {len(groups)}")
        for group, base_lr in zip(groups, base_lrs, strict=True):
            group["initial_lr"] = base_lr
        self.last_step = int(state_dict["last_step"])
        self._set()

    def _set(self) -> None:
        for group in self.optimizer.param_groups:
            base_lr = group.setdefault("initial_lr", group["lr"])
            group["lr"] = self.lr(self.last_step, base_lr)


class StepLR(Schedule):
    """Multiply by ``gamma`` every ``step_size`` steps: base · γ^⌊t / step_size⌋."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1):
        self.step_size, self.gamma = _positive("StepLR", "step_size", step_size), gamma
        super().__init__(optimizer)

    def lr(self, step: int, base_lr: float) -> float:
        """The learning rate after ``step`` steps."""
        return base_lr * self.gamma ** (step // self.step_size)


class CosineAnnealingLR(Schedule):
    """Half a cosine from the base to ``eta_min`` in ``T_max`` steps (Loshchilov & Hutter 2017); beyond, it rises again.

    eta_min + (base − eta_min) (1 + cos(π t / T_max)) / 2.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0):
        self.T_max, self.eta_min = _positive("CosineAnnealingLR", "T_max", T_max), eta_min
        super().__init__(optimizer)

    def lr(self, step: int, base_lr: float) -> float:
        """The learning rate after ``step`` steps."""
        return self.eta_min + (base_lr - self.eta_min) * (1.0 + math.cos(math.pi * step / self.T_max)) / 2.0


class PolynomialLR(Schedule):
    """Fall to zero in ``total_iters`` steps, and stay there: base · (1 − t / total_iters)^power."""

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0):
        self.total_iters, self.power = _positive("PolynomialLR", "total_iters", total_iters), power
        super().__init__(optimizer)

    def lr(self, step: int, base_lr: float) -> float:
        """The learning rate after ``step`` steps."""
        return base_lr * (1.0 - min(step, self.total_iters) / self.total_iters) ** self.power


class LinearWarmup(Schedule):
    """Rise from ``start_factor`` · base to the base in ``warmup_steps`` steps, then follow another schedule.

    Args:
        optimizer: whose learning rates to set.
        warmup_steps: of the rise.
        after: the schedule that follows, of the same optimiser (step this one, not that); None keeps the base.
        start_factor: where the rise starts.

    >>> import minifcn as mf
    >>> from minifcn import optim
    >>> optimizer = optim.SGD([mf.zeros(1, requires_grad=True)], lr=1.0)
    >>> schedule = LinearWarmup(optimizer, 4, after=StepLR(optimizer, 1, gamma=0.5))
    >>> [schedule.lr(step, 1.0) for step in range(7)]
    [0.0, 0.25, 0.5, 0.75, 1.0, 0.5, 0.25]
    """

    def __init__(
        self, optimizer: Optimizer, warmup_steps: int, after: Schedule | None = None, start_factor: float = 0.0
    ):
        self.warmup_steps = _positive("LinearWarmup", "warmup_steps", warmup_steps)
        if not 0.0 <= start_factor <= 1.0:
            raise ValueError(f"LinearWarmup: start_factor must be in [0, 1], got {start_factor}")
        if after is not None and after.optimizer is not optimizer:
            raise ValueError("LinearWarmup: the schedule that follows belongs to another optimiser")
        self.after, self.start_factor = after, start_factor
        super().__init__(optimizer)

    def lr(self, step: int, base_lr: float) -> float:
        """The learning rate after ``step`` steps."""
        if step < self.warmup_steps:
            return base_lr * (self.start_factor + (1.0 - self.start_factor) * step / self.warmup_steps)
        return base_lr if self.after is None else self.after.lr(step - self.warmup_steps, base_lr)


def _positive(name: str, option: str, value: int) -> int:
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{name}: {option} must be a positive integer, got {value!r}")
    return value
