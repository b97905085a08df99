"""Memory as `minifcn.memory.track` counts it: of one training step, and of one prediction, as they are rehearsed."""

from __future__ import annotations

from minifcn import memory
from minifcn.audit.costs.rehearsal import give_state, new_optimizer
from minifcn.audit.costs.step import step
from minifcn.audit.costs.untouched import untouched
from minifcn.audit.subject import Subject
from minifcn.autograd import enable_grad, no_grad
from minifcn.nn.modes import evaluating
from minifcn.tensor import Tensor


def training_peak(subject: Subject, shape: tuple[int, int, int], optimizer: str) -> int:
    """Bytes, of forward, loss and walk back beside the optimiser's state. (N, H, W); parameters stay as they are.

    The update itself is left out: it works in place.
    """
    module = subject.module
    with untouched(module), enable_grad(), memory.track() as usage:
        state = new_optimizer(subject, optimizer)
        give_state(state)
        step(module, Tensor(memory.full((*shape, subject.channels), 0, subject.dtype)))
        del state
    return usage.peak


def inference_peak(subject: Subject, shape: tuple[int, int, int]) -> int:
    """Bytes, of the network as `minifcn.audit.costs.memory.predicting` makes it. (N, H, W)."""
    with evaluating(subject.module), no_grad(), memory.track() as usage:
        subject.module(Tensor(memory.full((*shape, subject.channels), 0, subject.dtype)))
    return usage.peak
