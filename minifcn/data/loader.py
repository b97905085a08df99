"""Batches of a dataset, drawn ahead of time by background threads, and reproducible whatever the threads do.

The batch of training step s is a pure function of (dataset, transform, seed, s): no generator is carried from one
sample to the next. That is why a resumed training sees exactly what an uninterrupted one sees, and why the number of
threads cannot change a result.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count

import numpy as np
from numpy.typing import NDArray

from minifcn.data.augment.transforms import Transform
from minifcn.data.dataset import Dataset, Image, Label, Sample
from minifcn.data.targets import stacked

Batch = tuple[Image, Label]


class Loader:
    """Cut a dataset into batches: images float32 (N, H, W, C), labels with a first axis of N, contiguous.

    Iterating gives epoch 0, every sample once. Training takes `batches(start, stop)`, which counts steps across epochs,
    each of them shuffled anew; step s is batch s mod len(loader) of epoch s div len(loader).

    Args:
        dataset: any `Dataset`; it and the transform are called from several threads at once.
        batch_size: N, at least 1.
        shuffle: a new order every epoch; otherwise the dataset's.
        transform: applied to each sample, see `minifcn.data.augment.transforms`.
        seed: sample k of epoch e is transformed with a generator seeded by (seed, e, k).
        drop_last: leave out the last batch of an epoch where it is smaller than the others.
        prefetch: number of batches drawn ahead; 0 draws each when it is asked for, without threads.
        workers: number of threads that draw them; more of them than `prefetch` would have nothing to do.

    Raises:
        ValueError: an argument out of range, or a dataset without a single batch.

    >>> from minifcn.data import RandomCrop, SyntheticMembranes
    >>> loader = Loader(SyntheticMembranes(8, size=64), batch_size=4, transform=RandomCrop(48))
    >>> for images, labels in loader.batches(start=10, stop=12):
    ...     print(images.shape, labels.shape)
    (4, 48, 48, 1) (4, 48, 48)
    (4, 48, 48, 1) (4, 48, 48)
    >>> bool((loader.batch(11)[0] == images).all())
    True
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int,
        *,
        shuffle: bool = True,
        transform: Transform | None = None,
        seed: int = 0,
        drop_last: bool = False,
        prefetch: int = 2,
        workers: int = 1,
    ) -> None:
        if batch_size < 1 or prefetch < 0 or workers < 1:
            given = f"{batch_size}, {prefetch}, {workers}"
            raise ValueError(f"loader: expected batch_size >= 1, prefetch >= 0, workers >= 1; got {given}")
        self.dataset, self.batch_size, self.shuffle, self.transform = dataset, batch_size, shuffle, transform
        self.seed, self.drop_last, self.prefetch, self.workers = seed, drop_last, prefetch, workers
        if len(self) == 0:
            raise ValueError(
                f"loader: {dataset.name} holds {len(dataset)} images: not one batch of {batch_size}"
                + (", and drop_last leaves out the smaller one" if len(dataset) else "")
            )

    def __len__(self) -> int:
        """Return the number of batches an epoch."""
        full, rest = divmod(len(self.dataset), self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Batch]:
        return self.batches(0, len(self))

    def batch(self, step: int) -> Batch:
        """Return the batch of one step, drawn here and now.

        Raises:
            ValueError: the samples differ in shape, or `step` is negative.
        """
        epoch, first, indices = self._locate(step)
        samples = [self._sample(epoch, first + i, index) for i, index in enumerate(indices.tolist())]
        images, labels = zip(*samples, strict=True)
        return self._stack("image", images, indices), stacked(labels, lambda maps: self._stack("label", maps, indices))

    def batches(self, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        """Yield the batches of steps start, start + 1, ..., stop - 1, drawn ahead; without `stop`, for ever.

        What fails while a batch is drawn is raised when that batch is asked for, with the traceback of where it failed.
        Leaving the loop early, for whatever reason, ends the threads.
        """
        if start < 0 or (stop is not None and stop < start):
            raise ValueError(f"loader: expected 0 <= start <= stop, got start {start}, stop {stop}")
        steps = iter(count(start) if stop is None else range(start, stop))
        return self._ahead(steps) if self.prefetch else map(self.batch, steps)

    def indices(self, step: int) -> NDArray[np.int64]:
        """Return the dataset indices of the samples in the batch of `step`, in the batch's order."""
        return self._locate(step)[2]

    def _ahead(self, steps: Iterator[int]) -> Iterator[Batch]:
        """Keep `prefetch` batches in the making. A task ends by itself, so no thread can outlive its few last ones."""
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="minifcn-loader")
        pending: deque[Future[Batch]] = deque()
        try:
            for step in steps:
                pending.append(pool.submit(self.batch, step))
                if len(pending) > self.prefetch:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            # Reached at the end, on an error, and when the generator is closed or collected. It must not wait:
            # Ctrl-C should not take as long as a batch.
            pool.shutdown(wait=False, cancel_futures=True)

    def _locate(self, step: int) -> tuple[int, int, NDArray[np.int64]]:
        """Return the epoch of a step, the position of its first sample in the epoch, and its dataset indices."""
        if step < 0:
            raise ValueError(f"loader: expected a step >= 0, got {step}")
        epoch, batch = divmod(step, len(self))
        first = batch * self.batch_size
        order = np.arange(len(self.dataset))
        if self.shuffle:
            order = self._generator(epoch).permutation(len(self.dataset))
        return epoch, first, order[first : first + self.batch_size]

    def _sample(self, epoch: int, position: int, index: int) -> Sample:
        try:
            image, label = self.dataset[index]
            if self.transform is not None:
                image, label = self.transform(image, label, self._generator(epoch, position))
        except Exception as error:
            error.add_note(f"while loading image {index} of {self.dataset.name}")
            raise
        return image, label

    def _generator(self, *key: int) -> np.random.Generator:
        # A spawn key keeps (epoch,) and (epoch, 0) apart; entropy given as a list would be padded with zeros.
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))

    def _stack(self, what: str, arrays: Sequence[NDArray], indices: NDArray[np.int64]) -> NDArray:
        for array, index in zip(arrays, indices, strict=True):
            if array.shape != arrays[0].shape:
                raise ValueError(
                    f"loader: {what} {indices[0]} of {self.dataset.name} is {arrays[0].shape}, {what} {index} is "
                    f"{array.shape}: a batch needs one shape; use batch_size=1, or transform=RandomCrop(size), "
                    "BalancedCrop(size) or RandomWarp(..., crop=RandomCrop(size))"
                )
        # Left to itself, stack keeps the memory order of its inputs, which may be turned or flipped views.
        return np.stack(arrays, out=np.empty((len(arrays), *arrays[0].shape), arrays[0].dtype))
