"""Batches copied to the GPU while it works on the one before.

A step waits for its images, and to copy a batch of 16 photographs takes as long as many kernels. GPUs copy and compute
at once, if the copies are in a stream of their own and the host's memory is pinned. Events keep the order: the copy
waits for what used its memory before, the step waits for the copy.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minifcn.data.targets import Target, mapped
from minifcn.kernels import HOST, load
from minifcn.tensor import Tensor

if TYPE_CHECKING:
    from minifcn.kernels.cuda.transfers import Upload


def prefetched(
    batches: Iterable[tuple[Any, Target]], device: str = "cuda", labels: bool = False
) -> Iterator[tuple[Tensor, Any]]:
    """Yield each batch with its images as a Tensor on ``device``, the next batch already being copied there.

    It holds two batches in the GPU's memory, the one that was yielded and the next. What goes wrong with a batch is
    raised when that batch is asked for. Closing the iterator early closes ``batches`` too, if they can be.

    Args:
        batches: (images, target) as `minifcn.data.Loader` gives them: NumPy arrays, targets also `WeightedLabel`.
        device: where to; on the host's devices nothing is copied.
        labels: put targets there too, as Tensors in the place of their arrays; else they stay as they are, on the host.

    Raises:
        DeviceUnavailableError: there is no such device here.

    >>> for images, target in prefetched([(np.zeros((1, 2, 2, 1), np.float32), np.array([3]))], device="cpu"):
    ...     print(images.shape, target)
    (1, 2, 2, 1) [3]
    """
    load(device)  # which may fail: now, not at the first batch
    return _on_host(batches, device, labels) if device in HOST else _on_gpu(batches, device, labels)


def _on_host(batches: Iterable[tuple[Any, Target]], device: str, labels: bool) -> Iterator[tuple[Tensor, Any]]:
    for images, target in batches:
        yield _tensors(_arrays(images, target, labels), target, device)


def _on_gpu(batches: Iterable[tuple[Any, Target]], device: str, labels: bool) -> Iterator[tuple[Tensor, Any]]:
    from minifcn.kernels.cuda.transfers import Uploader

    source, uploader = iter(batches), Uploader()
    under_way: deque[tuple[Upload, Target]] = deque()  # popped when yielded: nothing here keeps a batch in memory
    failure: Exception | None = None
    try:
        while True:
            started = len(under_way)
            try:
                batch = next(source, None)
                if batch is not None:
                    under_way.append((uploader.start(_arrays(*batch, labels)), batch[1]))
            except Exception as error:  # of the next batch: this one comes first
                failure = error
            if started:
                yield _arrived(*under_way.popleft(), device)
            if failure is not None:
                raise failure
            if not under_way:
                return
    finally:
        uploader.close()  # before its memory, and that of a batch which nobody wants, is used for something else
        if hasattr(source, "close"):
            source.close()


def _arrays(images: Any, target: Target, labels: bool) -> list[np.ndarray]:
    """What is to be copied: the images, and with ``labels`` all maps of the target."""
    found = [np.asarray(images)]

    def add(array: np.ndarray, kind: str) -> np.ndarray:
        found.append(array)
        return array

    if labels:
        mapped(target, add)
    return found


def _arrived(upload: Upload, target: Target, device: str) -> tuple[Tensor, Any]:
    return _tensors(upload.arrive(), target, device)


def _tensors(arrays: Sequence[Any], target: Target, device: str) -> tuple[Tensor, Any]:
    """Images and target as Tensors: the target too if its maps are among the arrays."""
    images, *maps = [Tensor(array, device=device) for array in arrays]
    rest = iter(maps)
    return images, mapped(target, lambda array, kind: next(rest)) if maps else target  # type: ignore[arg-type]
