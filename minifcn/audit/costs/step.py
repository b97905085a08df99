"""What a step of training is, where its cost is asked: forward in training mode, a loss, and the walk back.

The loss is the cross-entropy over the last axis of maps (N, P, Q, K), all of whose pixels are of class 0; of any other
output, the sum.
"""

from __future__ import annotations

import numpy as np

from minifcn import functional as F
from minifcn import memory
from minifcn.nn import Module
from minifcn.ops.classify import CrossEntropy
from minifcn.tensor import Tensor


def step(module: Module, images: Tensor) -> None:
    """Run one; gradients and measured statistics stay behind."""
    module.train()
    output = module(images)
    if output.ndim == 4:
        loss = F.cross_entropy(output, Tensor(memory.full(output.shape[:3], 0, np.int64)))
    else:
        loss = F.sum(output)
    with np.errstate(all="ignore"):  # weights may hold anything
        loss.backward()


def rehearsed_loss(output: Tensor) -> Tensor:
    """The same loss without `minifcn.functional.cross_entropy`'s looks at every label, which a rehearsal has not."""
    if output.ndim != 4:
        return F.sum(output)
    pixels = output.size // output.shape[-1]
    labels = memory.empty((pixels,), np.int64)
    weight = np.broadcast_to(np.ones((), output.dtype), (pixels,))
    return CrossEntropy(labels, weight)(F.reshape(output, (pixels, output.shape[-1]))) * (1.0 / pixels)
