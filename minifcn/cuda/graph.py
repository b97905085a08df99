"""Forward and backward as one graph of the GPU: recorded once, then started with a single call.

A step of a small U-Net is some 300 kernels. Python and the driver take about 20 µs to start each, the GPU less than
that to run it: so the GPU waits. A graph is the list of launches itself, kept by the driver (CUDA C++ programming
guide, "CUDA Graphs"). It has a price: every array stays where it was while the graph was recorded. So the graph has
memory of its own, inputs are copied to fixed places, and what a step computes from Python numbers never changes again.

In the simulator, the function is simply called each time, after a run that refuses what could not be recorded.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from minifcn import random
from minifcn.kernels import load
from minifcn.nn import Module
from minifcn.tensor import Tensor


class GraphedStep:
    """What `graphed` returns: call it with new inputs.

    Attributes:
        loss: the function's result, at its fixed place; overwritten by the next call.
    """

    def __init__(self, function: Callable[..., Tensor], examples: tuple[Any, ...], module: Module):
        load("cuda")
        from minifcn.kernels.cuda import driver, lang
        from minifcn.kernels.cuda.placing import Keys, keys_from
        from minifcn.kernels.cuda.pool import Pool, taking_from
        from minifcn.kernels.cuda.resample import tables

        self._module, self._pool = module, Pool()
        self._simulated, self._function = lang.SIMULATED, function
        self._executable: Any = None
        self._grads: list[tuple[Tensor, Tensor]] = []
        self._keys = Keys()
        with taking_from(self._pool):
            self._inputs = tuple(Tensor(np.array(_as_array(example)), device="cuda") for example in examples)
            with _unchanged(module), keys_from(self._keys):
                self._run()
                with driver.recording():  # refuses what cannot be recorded, also in the simulator
                    self._run()
                    if not self._simulated:
                        self._capture()
        self._tables = tables()
        # Only now: the runs have made gradients anew, but neither parameters nor buffers.
        self._places = [(tensor, tensor._data) for tensor in (*module.parameters(), *module.buffers())]

    def __call__(self, *inputs: Any) -> Tensor:
        """Run the step on new inputs (NumPy arrays or Tensors) of the examples' shapes; gradients are in ``grad``.

        Raises:
            ValueError: an input has another shape or dtype than its example.
        """
        if any(tensor._data is not array for tensor, array in self._places):
            raise RuntimeError("graphed step: the module was moved or converted since it was recorded; record it again")
        self._set(inputs)
        if self._simulated:
            return self._run()
        from minifcn.kernels.cuda import driver

        self._keys.draw(random.generator())
        driver.call("cuGraphLaunch", self._executable, driver.stream())
        for tensor, gradient in self._grads:
            tensor.grad = gradient
        for buffer in self._module.buffers():
            buffer.bump_version()
        return self.loss

    def __del__(self) -> None:
        if getattr(self, "_executable", None) is not None:
            from minifcn.kernels.cuda import driver

            with contextlib.suppress(Exception):  # at the end of the process, there may be no driver left
                driver.synchronize()
                driver.call("cuGraphExecDestroy", self._executable)

    def _set(self, inputs: tuple[Any, ...]) -> None:
        if len(inputs) != len(self._inputs):
            raise ValueError(f"graphed step: {len(inputs)} inputs, but it was recorded with {len(self._inputs)}")
        for position, (fixed, given) in enumerate(zip(self._inputs, inputs, strict=True)):
            array = given._data if isinstance(given, Tensor) else np.asarray(given)
            if array.shape != fixed.shape or array.dtype != fixed.dtype:
                raise ValueError(
                    f"graphed step: input {position} is {array.dtype} of shape {array.shape}, but the graph was "
                    f"recorded with {fixed.dtype} of shape {fixed.shape}; record another graph for it"
                )
            fixed._data[...] = array

    def _run(self) -> Tensor:
        self._module.zero_grad()
        self._keys.restart()
        self.loss = self._function(*self._inputs).detach()
        return self.loss

    def _capture(self) -> None:
        from minifcn.kernels.cuda import driver

        stream, mode = driver.stream(), driver.enum("CUstreamCaptureMode").CU_STREAM_CAPTURE_MODE_RELAXED
        driver.call("cuStreamBeginCapture", stream, mode)
        try:
            self._run()
        finally:
            graph = driver.call("cuStreamEndCapture", stream)
        self._executable = driver.call("cuGraphInstantiate", graph, 0)
        driver.call("cuGraphDestroy", graph)
        self._grads = [(p, p.grad) for p in self._module.parameters() if p.grad is not None]


def graphed(function: Callable[..., Tensor], *examples: Any, module: Module) -> GraphedStep:
    """Record forward and backward: ``function(*inputs)`` makes a loss with ``module``, walks back, and returns it::

        def both_ways(images, labels):
            loss = F.cross_entropy(net(images), labels)
            loss.backward()
            return loss

        step = mf.cuda.graphed(both_ways, images, labels, module=net)
        for images, labels in batches:
            loss = step(images, labels)
            optimizer.step()

    The optimiser's step stays outside: its learning rate is a Python number. Dropout draws new numbers each time.

    Args:
        function: takes Tensors on the GPU. It must not look at values (``item``, ``if loss > 1``), and uses only
            operations that stay on the GPU; labels are Tensors there, so they are not checked.
        examples: inputs of the shapes and dtypes that all later ones will have, NumPy arrays or Tensors.
        module: whose gradients are kept; its buffers and the random numbers are put back after the recording.

    Raises:
        RuntimeError: the function waits for the GPU, or copies from or to the host, which cannot be recorded.
    """
    return GraphedStep(function, examples, module)


def _as_array(example: Any) -> np.ndarray:
    return example.to("cpu").numpy() if isinstance(example, Tensor) else np.asarray(example)


@contextmanager
def _unchanged(module: Module) -> Iterator[None]:
    """Put buffers (running statistics) and the state of the random numbers back as they were."""
    state = random.get_state()
    before = [(buffer, buffer.to("cpu").data.copy()) for buffer in module.buffers()]
    try:
        yield
    finally:
        random.set_state(state)
        for buffer, values in before:
            buffer._data[...] = values
