"""Training and evaluation mode, for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minifcn.nn.module import Module


@contextlib.contextmanager
def evaluating(module: Module) -> Iterator[None]:
    """Evaluation mode inside the block; afterwards every layer's own mode again."""
    modes = [(layer, layer.training) for layer in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for layer, mode in modes:
            layer.training = mode
