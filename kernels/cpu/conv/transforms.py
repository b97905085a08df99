"""Winograd's F(4×4, 3×3): the four small matrices, as sums of vectors, and what they do to tiles.

Four outputs of a correlation of six inputs with three taps need 12 multiplications, or 6 (Winograd 1980; Lavin & Gray
2016, §4.3):

    y = Aᵀ [(G w) ⊙ (Bᵀ d)],   and in two dimensions   Y = Aᵀ [(G w Gᵀ) ⊙ (Bᵀ d B)] A:   36 instead of 144.

The points of interpolation are 0, 1, −1, 2, −2 and ∞. Each function below multiplies one of the matrices with a column
of vectors, which hold the same place of a tile for as many channels as a register has lanes. `minifcn` needs A, Aᵀ, G,
Gᵀ and Bᵀ: the gradient to the weight is the transposed formula, w = Gᵀ [(A y) ⊙ (Bᵀ d)].
"""

from typing import Any

from minifcn.kernels.contract import Array
from minifcn.kernels.cpu.jit import helper
from minifcn.kernels.cpu.simd import load, load_first, relu, store, store_first

Vector = Any


# --- products with the matrices --------------------------------------------------------------------------------------


@helper
def times_b_transposed(d0: Vector, d1: Vector, d2: Vector, d3: Vector, d4: Vector, d5: Vector) -> tuple[Vector, ...]:
    """Bᵀ d: six inputs as the values that the products take."""
    even, odd = d4 - 4.0 * d2, d3 - 4.0 * d1
    near, far = d4 - d2, 2.0 * (d3 - d1)
    return 4.0 * d0 - 5.0 * d2 + d4, even + odd, even - odd, near + far, near - far, 4.0 * d1 - 5.0 * d3 + d5


@helper
def times_g(w0: Vector, w1: Vector, w2: Vector) -> tuple[Vector, ...]:
    """G w: three weights at the six points."""
    outer, inner = (-1.0 / 6.0) * (w0 + w2), (1.0 / 6.0) * w1
    wide, step = (1.0 / 24.0) * w0 + (1.0 / 6.0) * w2, (1.0 / 12.0) * w1
    return 0.25 * w0, outer - inner, outer + inner, wide + step, wide - step, w2


@helper
def times_g_transposed(
    m0: Vector, m1: Vector, m2: Vector, m3: Vector, m4: Vector, m5: Vector
) -> tuple[Vector, Vector, Vector]:
    """Gᵀ m: six products as the gradient of three weights."""
    near, far = (-1.0 / 6.0) * (m1 + m2), (1.0 / 24.0) * (m3 + m4)
    slope = (1.0 / 6.0) * (m2 - m1) + (1.0 / 12.0) * (m3 - m4)
    return 0.25 * m0 + near + far, slope, near + 4.0 * far + m5


@helper
def times_a(y0: Vector, y1: Vector, y2: Vector, y3: Vector) -> tuple[Vector, ...]:
    """A y: four gradients of outputs as those of six products."""
    even, odd = y0 + y2, y1 + y3
    wide, step = y0 + 4.0 * y2, 2.0 * y1 + 8.0 * y3
    return y0, even + odd, even - odd, wide + step, wide - step, y3


@helper
def times_a_transposed(
    m0: Vector, m1: Vector, m2: Vector, m3: Vector, m4: Vector, m5: Vector
) -> tuple[Vector, Vector, Vector, Vector]:
    """Aᵀ m: six products as four outputs."""
    sum1, difference1, sum2, difference2 = m1 + m2, m1 - m2, m3 + m4, m3 - m4
    return (
        m0 + sum1 + sum2,
        difference1 + 2.0 * difference2,
        sum1 + 4.0 * sum2,
        difference1 + 8.0 * difference2 + m5,
    )


# --- tiles -----------------------------------------------------------------------------------------------------------
#
# ``at`` is where a tile's first pixel is, ``row`` and ``pixel`` how far apart its rows and columns are. ``count`` is
# None, or how many lanes of the vector exist. Place (i, j) of a transformed tile goes to ``to + (6 i + j) · step``.


@helper
def fetch(x: Array, at: int, count: int | None) -> Vector:
    """A vector, or the first ``count`` lanes of it: decided when compiled."""
    if count is None:
        return load(x, at)
    return load_first(x, at, count)


@helper
def put(x: Array, at: int, value: Vector, count: int | None) -> None:
    """Write a vector, or the first ``count`` lanes of it: decided when compiled."""
    if count is None:
        store(x, at, value)
    else:
        store_first(x, at, value, count)


@helper
def put_six(v: Array, to: int, step: int, values: tuple[Vector, ...]) -> None:
    """Write six vectors, ``step`` apart."""
    store(v, to, values[0])
    store(v, to + step, values[1])
    store(v, to + 2 * step, values[2])
    store(v, to + 3 * step, values[3])
    store(v, to + 4 * step, values[4])
    store(v, to + 5 * step, values[5])


@helper
def _input_row(x: Array, at: int, pixel: int, count: int | None) -> tuple[Vector, ...]:
    return times_b_transposed(
        fetch(x, at, count), fetch(x, at + pixel, count), fetch(x, at + 2 * pixel, count),
        fetch(x, at + 3 * pixel, count), fetch(x, at + 4 * pixel, count), fetch(x, at + 5 * pixel, count),
    )  # fmt: skip


@helper
def transform_input(x: Array, at: int, row: int, pixel: int, count: int | None, v: Array, to: int, step: int) -> None:
    """Bᵀ d B: a 6 × 6 tile of the image."""
    r0, r1 = _input_row(x, at, pixel, count), _input_row(x, at + row, pixel, count)
    r2, r3 = _input_row(x, at + 2 * row, pixel, count), _input_row(x, at + 3 * row, pixel, count)
    r4, r5 = _input_row(x, at + 4 * row, pixel, count), _input_row(x, at + 5 * row, pixel, count)
    put_six(v, to, 6 * step, times_b_transposed(r0[0], r1[0], r2[0], r3[0], r4[0], r5[0]))
    put_six(v, to + step, 6 * step, times_b_transposed(r0[1], r1[1], r2[1], r3[1], r4[1], r5[1]))
    put_six(v, to + 2 * step, 6 * step, times_b_transposed(r0[2], r1[2], r2[2], r3[2], r4[2], r5[2]))
    put_six(v, to + 3 * step, 6 * step, times_b_transposed(r0[3], r1[3], r2[3], r3[3], r4[3], r5[3]))
    put_six(v, to + 4 * step, 6 * step, times_b_transposed(r0[4], r1[4], r2[4], r3[4], r4[4], r5[4]))
    put_six(v, to + 5 * step, 6 * step, times_b_transposed(r0[5], r1[5], r2[5], r3[5], r4[5], r5[5]))


@helper
def _weight_row(w: Array, at: int, tap: int, count: int | None) -> tuple[Vector, ...]:
    return times_g(fetch(w, at, count), fetch(w, at + tap, count), fetch(w, at + 2 * tap, count))


@helper
def transform_weight(w: Array, at: int, tap: int, count: int | None, u: Array, to: int, step: int) -> None:
    """G w Gᵀ: the nine taps of one input channel, ``tap`` apart (negative: the kernel turned by 180°)."""
    r0, r1 = _weight_row(w, at, tap, count), _weight_row(w, at + 3 * tap, tap, count)
    r2 = _weight_row(w, at + 6 * tap, tap, count)
    put_six(u, to, 6 * step, times_g(r0[0], r1[0], r2[0]))
    put_six(u, to + step, 6 * step, times_g(r0[1], r1[1], r2[1]))
    put_six(u, to + 2 * step, 6 * step, times_g(r0[2], r1[2], r2[2]))
    put_six(u, to + 3 * step, 6 * step, times_g(r0[3], r1[3], r2[3]))
    put_six(u, to + 4 * step, 6 * step, times_g(r0[4], r1[4], r2[4]))
    put_six(u, to + 5 * step, 6 * step, times_g(r0[5], r1[5], r2[5]))


@helper
def _product_column(m: Array, at: int, step: int) -> tuple[Vector, Vector, Vector, Vector]:
    return times_a_transposed(
        load(m, at), load(m, at + 6 * step), load(m, at + 12 * step),
        load(m, at + 18 * step), load(m, at + 24 * step), load(m, at + 30 * step),
    )  # fmt: skip


@helper
def _output_row(
    values: tuple[Vector, Vector, Vector, Vector],
    y: Array,
    at: int,
    pixel: int,
    count: int | None,
    bias: Vector,
    first: bool,
    rectified: bool,
) -> None:
    a, b, c, d = values
    if first:
        a, b, c, d = a + bias, b + bias, c + bias, d + bias
    else:
        a, b = a + fetch(y, at, count), b + fetch(y, at + pixel, count)
        c, d = c + fetch(y, at + 2 * pixel, count), d + fetch(y, at + 3 * pixel, count)
    if rectified:
        a, b, c, d = relu(a), relu(b), relu(c), relu(d)
    put(y, at, a, count)
    put(y, at + pixel, b, count)
    put(y, at + 2 * pixel, c, count)
    put(y, at + 3 * pixel, d, count)


@helper
def transform_output(
    m: Array,
    at_m: int,
    step: int,
    y: Array,
    at: int,
    row: int,
    pixel: int,
    count: int | None,
    bias: Vector,
    first: bool,
    rectified: bool,
) -> None:
    """Aᵀ m A, a 4 × 4 tile of the result: plus the bias if it is the ``first`` sum to arrive, else what is there."""
    c0, c1 = _product_column(m, at_m, step), _product_column(m, at_m + step, step)
    c2, c3 = _product_column(m, at_m + 2 * step, step), _product_column(m, at_m + 3 * step, step)
    c4, c5 = _product_column(m, at_m + 4 * step, step), _product_column(m, at_m + 5 * step, step)
    end = (pixel, count, bias, first, rectified)
    _output_row(times_a_transposed(c0[0], c1[0], c2[0], c3[0], c4[0], c5[0]), y, at, *end)
    _output_row(times_a_transposed(c0[1], c1[1], c2[1], c3[1], c4[1], c5[1]), y, at + row, *end)
    _output_row(times_a_transposed(c0[2], c1[2], c2[2], c3[2], c4[2], c5[2]), y, at + 2 * row, *end)
    _output_row(times_a_transposed(c0[3], c1[3], c2[3], c3[3], c4[3], c5[3]), y, at + 3 * row, *end)


@helper
def _gradient_row(y: Array, at: int, pixel: int, count: int | None) -> tuple[Vector, ...]:
    return times_a(
        fetch(y, at, count),
        fetch(y, at + pixel, count),
        fetch(y, at + 2 * pixel, count),
        fetch(y, at + 3 * pixel, count),
    )


@helper
def transform_gradient(
    y: Array, at: int, row: int, pixel: int, count: int | None, v: Array, to: int, step: int
) -> None:
    """A y Aᵀ: a 4 × 4 tile of the result's gradient."""
    r0, r1 = _gradient_row(y, at, pixel, count), _gradient_row(y, at + row, pixel, count)
    r2, r3 = _gradient_row(y, at + 2 * row, pixel, count), _gradient_row(y, at + 3 * row, pixel, count)
    put_six(v, to, 6 * step, times_a(r0[0], r1[0], r2[0], r3[0]))
    put_six(v, to + step, 6 * step, times_a(r0[1], r1[1], r2[1], r3[1]))
    put_six(v, to + 2 * step, 6 * step, times_a(r0[2], r1[2], r2[2], r3[2]))
    put_six(v, to + 3 * step, 6 * step, times_a(r0[3], r1[3], r2[3], r3[3]))
    put_six(v, to + 4 * step, 6 * step, times_a(r0[4], r1[4], r2[4], r3[4]))
    put_six(v, to + 5 * step, 6 * step, times_a(r0[5], r1[5], r2[5], r3[5]))


@helper
def _sum_column(m: Array, at: int, step: int) -> tuple[Vector, Vector, Vector]:
    return times_g_transposed(
        load(m, at), load(m, at + 6 * step), load(m, at + 12 * step),
        load(m, at + 18 * step), load(m, at + 24 * step), load(m, at + 30 * step),
    )  # fmt: skip


@helper
def transform_sums(m: Array, at_m: int, step: int, w: Array, to: int, tap: int, count: int | None) -> None:
    """Gᵀ m G: the gradient of nine taps, ``tap`` apart."""
    c0, c1 = _sum_column(m, at_m, step), _sum_column(m, at_m + step, step)
    c2, c3 = _sum_column(m, at_m + 2 * step, step), _sum_column(m, at_m + 3 * step, step)
    c4, c5 = _sum_column(m, at_m + 4 * step, step), _sum_column(m, at_m + 5 * step, step)
    r0 = times_g_transposed(c0[0], c1[0], c2[0], c3[0], c4[0], c5[0])
    r1 = times_g_transposed(c0[1], c1[1], c2[1], c3[1], c4[1], c5[1])
    r2 = times_g_transposed(c0[2], c1[2], c2[2], c3[2], c4[2], c5[2])
    put(w, to, r0[0], count)
    put(w, to + tap, r0[1], count)
    put(w, to + 2 * tap, r0[2], count)
    put(w, to + 3 * tap, r1[0], count)
    put(w, to + 4 * tap, r1[1], count)
    put(w, to + 5 * tap, r1[2], count)
    put(w, to + 6 * tap, r2[0], count)
    put(w, to + 7 * tap, r2[1], count)
    put(w, to + 8 * tap, r2[2], count)
