"""Output sizes of convolution, transposed convolution, pooling and unpooling: their one home.

Sizes are (height, width) pairs. A `Window` says how a kernel slides over an image; what lies beyond the image is
padding, of which only the part *before* the first row and column needs a number: the output size implies the rest.
"""

from typing import NamedTuple

Pair = tuple[int, int]


class Window(NamedTuple):
    """How a kernel slides: from ``padding`` before the image, by ``stride``, with its taps ``dilation`` apart."""

    kernel_size: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)

    @property
    def extent(self) -> Pair:
        """Rows and columns from a window's first tap to its last: d (k − 1) + 1.

        >>> Window((3, 3), dilation=(2, 1)).extent
        (5, 3)
        """
        return _pair(d * (k - 1) + 1 for k, d in zip(self.kernel_size, self.dilation, strict=True))


def conv_size(size: Pair, window: Window, padding_after: Pair | None = None) -> Pair:
    """Output size of a convolution or a pooling: ⌊(n + p + p' − e) / s⌋ + 1, with e the window's extent.

    ``padding_after`` (p') is ``window.padding`` (p) unless given. A result below 1 means that the window does not fit.

    >>> conv_size((5, 28), Window((3, 3), stride=(2, 1), padding=(1, 1)))
    (3, 28)
    """
    after = window.padding if padding_after is None else padding_after
    return _pair(
        (n + before + behind - e) // s + 1
        for n, before, behind, e, s in zip(size, window.padding, after, window.extent, window.stride, strict=True)
    )


def conv_transpose_size(size: Pair, window: Window, output_padding: Pair = (0, 0)) -> Pair:
    """Output size of a transposed convolution: s (n − 1) + e − 2p + output_padding.

    The smallest input size (plus ``output_padding``) that a convolution with this window maps to ``size``.

    >>> conv_transpose_size((14, 14), Window((2, 2), stride=(2, 2)))
    (28, 28)
    """
    return _pair(
        s * (n - 1) + e - 2 * p + extra
        for n, s, e, p, extra in zip(size, window.stride, window.extent, window.padding, output_padding, strict=True)
    )


def same_padding(window: Window) -> tuple[Pair, Pair]:
    """Padding before and after that keeps the size at stride 1; an even extent puts the odd row and column after.

    >>> same_padding(Window((3, 2)))
    ((1, 0), (1, 1))
    """
    total = [e - 1 for e in window.extent]
    return _pair(t // 2 for t in total), _pair(t - t // 2 for t in total)


def pool_size(size: Pair, window: Window, ceil_mode: bool = False) -> Pair:
    """Output size of a pooling; ``ceil_mode`` keeps a last window that starts inside the image or its left padding.

    >>> pool_size((5, 4), Window((2, 2), (2, 2))), pool_size((5, 4), Window((2, 2), (2, 2)), ceil_mode=True)
    ((2, 2), (3, 2))
    """
    if not ceil_mode:
        return conv_size(size, window)
    sizes = []
    for n, p, e, s in zip(size, window.padding, window.extent, window.stride, strict=True):
        count = -((n + 2 * p - e) // -s) + 1
        sizes.append(count - 1 if (count - 1) * s >= n + p else count)
    return _pair(sizes)


def unpool_size(size: Pair, window: Window) -> Pair:
    """Default output size of max-unpooling: s (n − 1) + e − 2p, the smallest image that pools to ``size``.

    >>> unpool_size((2, 2), Window((2, 2), (2, 2)))
    (4, 4)
    """
    return conv_transpose_size(size, window)


def _pair(values) -> Pair:  # type: ignore[no-untyped-def]  # any iterable of two ints
    first, second = values
    return int(first), int(second)
