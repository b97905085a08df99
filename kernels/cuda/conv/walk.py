"""What the convolution kernels share: where a block works, how it walks along the contraction, how it ends.

`sizes` are numbers of a launch, by these positions; see `minifcn.kernels.cuda.conv.launch`.
"""

from __future__ import annotations

from minifcn.kernels.cuda.conv.geometry import PHASE_SIZE
from minifcn.kernels.cuda.lang import device_function, u32

#: Images; the input's rows, columns, channels, and channels of a group; the output's likewise; columns of the kernel.
IMAGES, H, W, C, CG, P, Q, K, KG, KW = range(10)
#: Groups, phases along rows and columns, tiles of output channels and of pixels, shares of the contraction.
GROUPS, ROW_PHASES, COLUMN_PHASES, N_TILES, M_TILES, SHARES = range(10, 16)
#: Slabs of the contraction to a share, whether to add a bias, whether to rectify.
SLABS, BIAS, RELU = range(16, 19)


@device_function
def task(block, sizes):  # type: ignore[no-untyped-def]
    """(tile of channels, tile of pixels, group, phase of rows, phase of columns, share) of a block.

    Blocks that start together have the same pixels: what they read of the image, the larger operand, is read once.
    """
    rest = u32(block // sizes[N_TILES])
    n_tile = u32(block - u32(rest * sizes[N_TILES]))
    above = u32(rest // sizes[M_TILES])
    m_tile = u32(rest - u32(above * sizes[M_TILES]))
    rest = u32(above // sizes[GROUPS])
    group = u32(above - u32(rest * sizes[GROUPS]))
    above = u32(rest // sizes[ROW_PHASES])
    row_phase = u32(rest - u32(above * sizes[ROW_PHASES]))
    rest = u32(above // sizes[COLUMN_PHASES])
    column_phase = u32(above - u32(rest * sizes[COLUMN_PHASES]))
    return n_tile, m_tile, group, row_phase, column_phase, rest


@device_function
def read_phase(table, number):  # type: ignore[no-untyped-def]
    """(taps, first tap, tap step, first row, row step, stride, first output, output step)."""
    i = u32(number * u32(PHASE_SIZE))
    return (
        u32(table[i]),
        u32(table[u32(i + u32(1))]),
        u32(table[u32(i + u32(2))]),
        u32(table[u32(i + u32(3))]),
        u32(table[u32(i + u32(4))]),
        u32(table[u32(i + u32(5))]),
        u32(table[u32(i + u32(6))]),
        u32(table[u32(i + u32(7))]),
    )


@device_function
def positions(phase, size):  # type: ignore[no-untyped-def]
    """Output rows of a phase, of ``size`` in all."""
    return u32(u32(size + u32(phase[7] - u32(u32(1) + phase[6]))) // phase[7])


@device_function
def pixel(m, rows, columns):  # type: ignore[no-untyped-def]
    """(image, row, column) of pixel m of a phase."""
    line = u32(m // columns)
    n = u32(line // rows)
    return n, u32(line - u32(n * rows)), u32(m - u32(line * columns))


@device_function
def tap_of(k, channels, columns):  # type: ignore[no-untyped-def]
    """(a, b, c) of the k-th number of the contraction: k = (a · columns + b) · channels + c."""
    tap = u32(k // channels)
    a = u32(tap // columns)
    return a, u32(tap - u32(a * columns)), u32(k - u32(tap * channels))


@device_function
def advanced(a, b, c, step, channels, columns):  # type: ignore[no-untyped-def]
    """`tap_of` of what lies ``step`` further on."""
    c = u32(c + step)
    while c >= channels:
        c = u32(c - channels)
        b = u32(b + u32(1))
        if b == columns:
            b = u32(0)
            a = u32(a + u32(1))
    return a, b, c


@device_function
def finished(value, offset, relu, zero):  # type: ignore[no-untyped-def]
    """The value plus its bias, rectified if asked; NaN stays NaN. ``zero`` is one of the value's type."""
    value = value + offset
    if relu != u32(0) and value <= zero:
        return zero
    return value
