"""The multiplications of a warp on tensor cores, in TF32 and in float32, for the kernels of `mma` and `weight`.

"tf32" rounds both operands to 10 bits of mantissa. "float32" splits x = hi + lo, both of TF32, and adds
lo·hi + hi·lo + hi·hi (lo·lo is below the last bit). Tensor cores cut their sums off instead of rounding them, so only
eight terms are added there, from zero; the running sum is an ordinary addition (Ootomo and Yokota 2022). That is as
exact as ordinary float32, and faster: tensor cores have many times the multiplications. Infinite operands give NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from minifcn.kernels.cuda.lang import device_function, f32, high_tf32, mma_tf32, to_tf32

PRECISIONS = ("float32", "tf32")


class Tile(NamedTuple):
    """rows x columns sums a block, by warps in a grid; slabs in shared memory; blocks a multiprocessor has room for."""

    rows: int
    columns: int
    warps_m: int
    warps_n: int
    stages: int
    blocks: int


def multiplier(m: int, n: int, precision: str) -> Callable[..., Any]:
    """A function that multiplies m fragments of 16 x 8 with n of 8 x 8, and adds to m x n of 16 x 8.

    Fragments are spread over the lanes as `mma_tf32` wants them: 4, 2 and 4 numbers of each. The function takes the
    sums, the left and right numbers, and two arrays for their low parts (of one number for "tf32", which has none).
    """
    precise = precision == "float32"
    rounded = high_tf32 if precise else to_tf32  # what high_tf32 loses of NaN, the low part has

    @device_function
    def multiply(sums, left, right, left_low, right_low):  # type: ignore[no-untyped-def]
        for i in range(4 * m):
            number = left[i]
            left[i] = rounded(number)
            if precise:
                left_low[i] = number - left[i]
        for j in range(2 * n):
            number = right[j]
            right[j] = rounded(number)
            if precise:
                right_low[j] = number - right[j]
        for i in range(m):
            a = (left[4 * i], left[4 * i + 1], left[4 * i + 2], left[4 * i + 3])
            for j in range(n):
                p = (i * n + j) * 4
                b = (right[2 * j], right[2 * j + 1])
                if precise:
                    low = (left_low[4 * i], left_low[4 * i + 1], left_low[4 * i + 2], left_low[4 * i + 3])
                    d = mma_tf32((f32(0), f32(0), f32(0), f32(0)), low, b)
                    d = mma_tf32(d, a, (right_low[2 * j], right_low[2 * j + 1]))
                    d = mma_tf32(d, a, b)
                    sums[p] += d[0]
                    sums[p + 1] += d[1]
                    sums[p + 2] += d[2]
                    sums[p + 3] += d[3]
                else:
                    d = mma_tf32((sums[p], sums[p + 1], sums[p + 2], sums[p + 3]), a, b)
                    sums[p], sums[p + 1], sums[p + 2], sums[p + 3] = d[0], d[1], d[2], d[3]

    return multiply
