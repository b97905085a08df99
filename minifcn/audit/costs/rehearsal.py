"""A rehearsal: a network run on shapes alone, so that what it would do and take is known before it does.

The kernels are replaced by ones that compute output shapes and nothing else (`minifcn.kernels.meta`). Everything above
them is the code that really runs: modules, operations, what they save, and the walk back. So any module can be
rehearsed, at any size, in milliseconds, and nothing has to be kept in step with it by hand.

What a module computes with NumPy, rather than with operations on Tensors, is computed: on zeros, and in its own time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minifcn import kernels, memory, optim, random
from minifcn.audit.costs.recorder import LOSS, OPTIMIZER, Allocation, Call, Recorder, Spec
from minifcn.audit.costs.step import rehearsed_loss
from minifcn.audit.costs.untouched import untouched
from minifcn.audit.subject import Subject
from minifcn.autograd import enable_grad, no_grad
from minifcn.kernels.shapes import Pair
from minifcn.nn import Module, Parameter
from minifcn.tensor import Tensor

__all__ = ["Allocation", "Call", "Rehearsal", "Spec", "rehearse"]

#: Optimisers by name; what they remember is what takes memory.
OPTIMIZERS: Mapping[str, Callable[[list[Parameter]], optim.Optimizer]] = {
    "adam": lambda parameters: optim.Adam(parameters, lr=0.0),
    "adamw": lambda parameters: optim.AdamW(parameters, lr=0.0),
    "sgd": lambda parameters: optim.SGD(parameters, lr=0.0, momentum=0.9),
}


@dataclass(frozen=True, eq=False)
class Rehearsal:
    """What a network would do with a batch of images.

    Attributes:
        images: (N, H, W, C).
        output: shape of the result.
        training: whether it walked back.
        calls: every kernel, in order; of training, those of one step when the optimiser has its state already.
        allocations: every array, in the order of birth.
        events: (position in ``allocations``, calls that there had been, whether born or dead), in order.
        forward: how many calls the forward took, without the loss.
        held: bytes that arrays made on the way occupy at most, and gaps between them; without parameters, which exist.
    """

    images: tuple[int, ...]
    output: tuple[int, ...]
    training: bool
    calls: list[Call]
    allocations: list[Allocation] = field(default_factory=list)
    events: list[tuple[int, int, bool]] = field(default_factory=list)
    forward: int = 0
    held: int = 0


def rehearse(
    subject: Module | Subject,
    size: Pair | tuple[int, int, int],
    training: bool = False,
    loss: Callable[[Tensor], Tensor] | None = None,
    optimizer: str | None = None,
) -> Rehearsal:
    """Run a network on shapes alone: forward, or a training step of forward, loss, walk back and update.

    The module is not changed. Nothing takes memory, whatever the size, except what the module makes with NumPy.

    Args:
        subject: a module from images (N, H, W, C) to one Tensor.
        size: (H, W) or (N, H, W).
        training: a step instead of a forward without recording in evaluation mode.
        loss: of the output, a scalar; None is cross-entropy over the last axis of maps (N, P, Q, K), and the sum of
            any other output.
        optimizer: None (gradients only), "adam", "adamw" or "sgd" (with momentum).

    Raises:
        ValueError: the size or optimiser is impossible, the module does not take the size, returns no Tensor, or has
            nothing to learn.

    >>> from minifcn import nn
    >>> rehearsal = rehearse(nn.Conv2d(1, 8, 3), size=(20_000, 20_000))
    >>> rehearsal.output, [call.kernel for call in rehearsal.calls]
    ((1, 19998, 19998, 8), ['conv2d'])
    """
    subject = Subject.of(subject)
    shape = _shape(subject, size)
    update = new_optimizer(subject, optimizer) if training and optimizer is not None else None
    module, recorder = subject.module, Recorder()
    with ExitStack() as stack:
        # They refer to the recorder; without that circle its addresses are free at once, also after an error.
        stack.callback(recorder.kernels.__dict__.clear)
        stack.enter_context(untouched(module))
        stack.enter_context(recorder.watching(module))
        stack.enter_context(kernels.replaced("cpu", recorder.kernels))
        stack.enter_context(memory.replaced(recorder.space))
        stack.enter_context(random.replaced(_NoNumbers()))
        stack.enter_context(enable_grad() if training else no_grad())
        module.train(training)
        if update is not None:
            recorder.enter("optimizer")
            give_state(update)
            recorder.calls.clear()
        recorder.enter("images and labels")
        images = Tensor(memory.empty(shape, subject.dtype))
        recorder.enter("forward")
        output = module(images)
        if not isinstance(output, Tensor):
            raise ValueError(f"{subject.name}: must return one Tensor to be rehearsed, not a {type(output).__name__}")
        forward = len(recorder.calls)
        if training:
            _walk_back(recorder, output, loss or rehearsed_loss, update, subject)
        allocations, events = recorder.lives(list(module.parameters()))
        held = recorder.space.stats().peak_held
    return Rehearsal(shape, output.shape, training, recorder.calls, allocations, events, forward, held)


@contextmanager
def on_shapes(module: Module) -> Iterator[None]:
    """Inside the block, in this thread, CPU kernels compute shapes alone, and the module is not changed.

    Tensors that are made there have no values: nothing may look at them.
    """
    recorder = Recorder()
    with ExitStack() as stack:
        stack.callback(recorder.kernels.__dict__.clear)
        stack.enter_context(untouched(module))
        stack.enter_context(kernels.replaced("cpu", recorder.kernels))
        stack.enter_context(memory.replaced(recorder.space))
        stack.enter_context(random.replaced(_NoNumbers()))
        yield


class _NoNumbers:
    """A generator that draws nothing where an array is given to be filled; otherwise the engine's."""

    def __init__(self) -> None:
        self._engine = random.generator()

    def random(self, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Any:
        return self._engine.random(size, dtype) if out is None else out

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


def _walk_back(
    recorder: Recorder,
    output: Tensor,
    loss: Callable[[Tensor], Tensor],
    update: optim.Optimizer | None,
    subject: Subject,
) -> None:
    recorder.enter("forward", LOSS)
    value = loss(output)
    if not value.requires_grad:
        raise ValueError(f"{subject.name}: no parameter that requires grad leads to the output: nothing to train")
    recorder.finish_forward(value)
    recorder.enter("backward", LOSS)
    value.backward()
    recorder.enter("update", OPTIMIZER)
    if update is not None:
        update.step()


def new_optimizer(subject: Subject, name: str) -> optim.Optimizer:
    """One by name, at a rate of 0: of zero gradients or finite ones it makes its state, and changes no parameter.

    Raises:
        ValueError: there is no such optimiser, or nothing to learn.
    """
    learnt = [parameter for parameter in subject.module.parameters() if parameter.requires_grad]
    if name not in OPTIMIZERS:
        raise ValueError(f"unknown optimizer {name!r}; one of {', '.join(OPTIMIZERS)}")
    if not learnt:
        raise ValueError(f"{subject.name}: has no parameter that requires grad: nothing to train")
    return OPTIMIZERS[name](learnt)


def give_state(optimizer: optim.Optimizer) -> None:
    """Make what the first of all steps makes and later ones find, by a step with gradients of zero."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = Tensor(memory.zeros_like(parameter._data))
    optimizer.step()
    optimizer.zero_grad()


def _shape(subject: Subject, size: Any) -> tuple[int, int, int, int]:
    sides = tuple(size) if isinstance(size, (tuple, list)) else ()
    if len(sides) not in (2, 3) or not all(isinstance(side, (int, np.integer)) and side > 0 for side in sides):
        raise ValueError(f"rehearse: size must be (H, W) or (N, H, W), all positive, got {size!r}")
    n, height, width = (1, *sides)[-3:]
    return int(n), int(height), int(width), subject.channels
