"""Linear maps along one image axis, as sparse matrices.

Replication, bilinear interpolation, sum and average pooling, mirrored and replicated borders treat rows and columns
alone: each is a pair of small sparse matrices, one an axis, that the kernel `resample2d` applies. The adjoint of the
operation is the same kernel with both matrices transposed, so one kernel serves all of them, forward and backward.

A function here makes the matrix of one axis.
"""

import math
from typing import NamedTuple

import numpy as np


class AxisMap(NamedTuple):
    """A sparse (output size × ``input_size``) matrix by rows.

    Row i holds ``weight[k]`` at column ``source[k]`` for k from ``start[i]`` to ``start[i + 1] - 1``.
    """

    start: np.ndarray  # (output size + 1,) int64
    source: np.ndarray  # (entries,) int64
    weight: np.ndarray  # (entries,) float64
    input_size: int

    @property
    def output_size(self) -> int:
        """Number of rows."""
        return len(self.start) - 1

    def transpose(self) -> "AxisMap":
        """The adjoint map, from this one's output to its input.

        >>> sum_window(4, 2, kernel=2, stride=2).transpose().dense().astype(int).tolist()
        [[1, 0], [1, 0], [0, 1], [0, 1]]
        """
        rows = np.repeat(np.arange(self.output_size), np.diff(self.start))
        order = np.argsort(self.source, kind="stable")  # stable: the order of a sum is fixed, so are its bits
        counts = np.bincount(self.source, minlength=self.input_size)
        start = np.concatenate(([0], np.cumsum(counts)))
        return AxisMap(start, rows[order], self.weight[order], self.output_size)

    def dense(self) -> np.ndarray:
        """The matrix itself, (output size, input size): for tests and for looking at."""
        matrix = np.zeros((self.output_size, self.input_size))
        rows = np.repeat(np.arange(self.output_size), np.diff(self.start))
        np.add.at(matrix, (rows, self.source), self.weight)
        return matrix


def gather(index: np.ndarray, input_size: int) -> AxisMap:
    """Output i is input ``index[i]``.

    >>> gather(np.array([1, 0, 0]), 2).dense().astype(int).tolist()
    [[0, 1], [1, 0], [1, 0]]
    """
    index = np.asarray(index, np.int64)
    return AxisMap(np.arange(len(index) + 1), index, np.ones(len(index)), input_size)


def nearest(input_size: int, output_size: int, step: float | None = None) -> AxisMap:
    """Replication: output i is input ⌊i · step⌋, with ``step`` = input size / output size unless given.

    >>> nearest(2, 5).source.tolist()
    [0, 0, 0, 1, 1]
    """
    i = np.arange(output_size)
    # Integers where they will do: i * (3 / 7) rounded in floating point can fall one pixel short.
    source = i * input_size // output_size if step is None else np.floor(i * step).astype(np.int64)
    return gather(np.minimum(source, input_size - 1), input_size)


def bilinear(input_size: int, output_size: int, align_corners: bool, step: float | None = None) -> AxisMap:
    """Linear interpolation between the two nearest input pixels.

    Pixel centres: with ``align_corners`` the first and last centres of input and output coincide; without, the outer
    *edges* do, and an output centre lies at (i + ½) · step − ½, clamped to the image.

    >>> bilinear(2, 3, align_corners=True).dense().tolist()
    [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]
    """
    i = np.arange(output_size)
    if align_corners:
        position = i * ((input_size - 1) / max(output_size - 1, 1))
    else:
        position = np.maximum((i + 0.5) * (input_size / output_size if step is None else step) - 0.5, 0.0)
    low = np.minimum(np.floor(position).astype(np.int64), input_size - 1)
    high = np.minimum(low + 1, input_size - 1)
    fraction = position - low
    index = np.stack([low, high], axis=1).ravel()
    weight = np.stack([1.0 - fraction, fraction], axis=1).ravel()
    return AxisMap(np.arange(0, 2 * output_size + 1, 2), index, weight, input_size)


def sum_window(
    input_size: int, output_size: int, kernel: int, stride: int, padding: int = 0, mean: str | None = None
) -> AxisMap:
    """Sum over windows of ``kernel`` inputs, ``stride`` apart, the first one starting ``padding`` before the image.

    ``mean="padded"`` divides by the window's size, padding included (but not what ``ceil_mode`` adds beyond it);
    ``mean="inside"`` by the number of real inputs in it.

    >>> sum_window(3, 2, kernel=2, stride=2).dense().astype(int).tolist()
    [[1, 1, 0], [0, 0, 1]]
    """
    begin = np.arange(output_size) * stride - padding
    low, high = np.maximum(begin, 0), np.minimum(begin + kernel, input_size)
    counts = np.maximum(high - low, 0)
    start = np.concatenate(([0], np.cumsum(counts)))
    index = np.arange(start[-1]) + np.repeat(low - start[:-1], counts)
    divisor = np.ones(output_size)
    if mean == "padded":
        divisor = np.minimum(begin + kernel, input_size + padding) - begin
    elif mean == "inside":
        divisor = np.maximum(counts, 1)
    return AxisMap(start, index, np.repeat(1.0 / divisor, counts), input_size)


def mirror(input_size: int, before: int, after: int) -> AxisMap:
    """Reflect about the first and last pixels, which are not repeated: c b | a b c | b a.

    >>> mirror(3, 2, 2).source.tolist()
    [2, 1, 0, 1, 2, 1, 0]
    """
    position = np.abs(np.arange(-before, input_size + after))
    last = input_size - 1
    return gather(last - np.abs(last - position), input_size)


def replicate(input_size: int, before: int, after: int) -> AxisMap:
    """Repeat the first and last pixels: a a | a b c | c c.

    >>> replicate(3, 1, 2).source.tolist()
    [0, 0, 1, 2, 2, 2]
    """
    return gather(np.clip(np.arange(-before, input_size + after), 0, input_size - 1), input_size)


def scaled_size(size: int, scale_factor: float) -> int:
    """Output size of an upsampling by ``scale_factor``: ⌊n · factor⌋.

    >>> scaled_size(5, 1.5)
    7
    """
    return math.floor(size * scale_factor)
