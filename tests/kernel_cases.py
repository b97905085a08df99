"""One table of calls that every device must answer as the reference does. Small: the reference is plain Python."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from minifcn.kernels import axismap
from minifcn.kernels.shapes import Window

#: Ways in which an array can lie in memory.
LAYOUTS = ("contiguous", "every other", "backwards", "transposed")


class Draw:
    """Draws arrays: the same values for every layout, so that one reference result serves all."""

    def __init__(self, dtype: Any, layout: str = "contiguous"):
        self.dtype, self.layout = np.dtype(dtype), layout
        self._random = np.random.default_rng(7)

    def normal(self, *shape: int, scale: float = 1.0) -> np.ndarray:
        return self._laid_out(np.asarray(scale * self._random.standard_normal(shape), self.dtype))

    def positive(self, *shape: int) -> np.ndarray:
        return self._laid_out(self._random.uniform(0.5, 2.0, shape).astype(self.dtype))

    def few(self, *shape: int) -> np.ndarray:
        """Values from {0, 1, 2}: many ties."""
        return self._laid_out(self._random.integers(0, 3, shape).astype(self.dtype))

    def integers(self, below: int, *shape: int, dtype: Any = np.int64) -> np.ndarray:
        return self._laid_out(np.asarray(self._random.integers(0, below, shape), dtype))

    def booleans(self, *shape: int) -> np.ndarray:
        return self.integers(2, *shape, dtype=bool)

    def _laid_out(self, array: np.ndarray) -> np.ndarray:
        if self.layout == "every other":
            spread = np.zeros([2 * n for n in array.shape], array.dtype)
            view = spread[(..., *(slice(None, None, 2) for _ in array.shape))]
        elif self.layout == "backwards":
            view = np.zeros(array.shape, array.dtype)[(..., *(slice(None, None, -1) for _ in array.shape))]
        elif self.layout == "transposed":
            view = np.zeros(array.shape[::-1], array.dtype).T
        else:
            return array
        view[...] = array
        return view


@dataclass(frozen=True)
class Case:
    """A call: ``arguments`` makes them, results are sums of ``terms`` numbers, ``updated`` ones (lists) change.

    ``algorithm`` is the convolution's, and ``growth`` how much larger its errors are than those of the plain sum.
    """

    kernel: str
    arguments: Callable[[Draw], tuple]
    terms: int = 1
    updated: tuple[int, ...] = ()
    label: str = ""
    algorithm: str = "direct"
    growth: float = 1.0

    def __str__(self) -> str:
        return f"{self.kernel} {self.label}".strip()


def elementwise() -> Iterator[Case]:
    for kernel in ("negative", "exp", "absolute", "sign", "sigmoid", "tanh", "softplus", "relu"):
        yield Case(kernel, lambda d: (d.normal(3, 5),))
        yield Case(kernel, lambda d: (d.normal(),), label="0-d")
        yield Case(kernel, lambda d: (d.normal(0, 4),), label="empty")
    for kernel in ("log", "sqrt"):
        yield Case(kernel, lambda d: (d.positive(3, 5),))
    for kernel in ("add", "subtract", "multiply", "divide", "maximum", "minimum"):
        yield Case(kernel, lambda d: (d.normal(3, 1, 5), d.normal(4, 1)), label="broadcast")
        yield Case(kernel, lambda d: (d.normal(), d.normal()), label="0-d")
    for kernel in ("greater", "greater_equal", "equal"):
        yield Case(kernel, lambda d: (d.few(4, 5), d.few(5)))
        yield Case(kernel, lambda d: (d.integers(3, 4, 5), d.integers(3, 4, 5)), label="integers")
    for kernel in ("add", "subtract", "multiply", "maximum", "minimum", "divide"):
        yield Case(kernel, lambda d: (d.integers(9, 4, 5), 1 + d.integers(9, 5)), label="integers")
    yield Case("power", lambda d: (d.positive(3, 5), d.normal(5)))
    yield Case("where", lambda d: (d.booleans(3, 1), d.normal(3, 4), d.normal(4)))
    yield Case("relu", lambda d: (d.integers(9, 4, 5) - 4,), label="integers")
    yield Case("relu", lambda d: (d.normal(70, 70),), label="large")
    for slope in (0.0, 0.1, -0.5):
        yield Case("leaky_relu", lambda d, s=slope: (d.normal(3, 5), s), label=f"slope {slope}")
        yield Case("scale_by_sign", lambda d, s=slope: (d.normal(3, 5), d.normal(3, 5), s), label=f"slope {slope}")
    yield Case("scale_by_sign", lambda d: (d.normal(3, 5), d.normal(5), 0.25), label="broadcast")


def reductions() -> Iterator[Case]:
    for axes in ((), (0,), (1,), (3,), (1, 2), (0, 3), (0, 1, 2), (0, 1, 2, 3)):
        for keepdims in (False, True):
            for kernel in ("sum", "max", "min"):
                yield Case(
                    kernel, lambda d, a=axes, k=keepdims: (d.normal(2, 3, 4, 5), a, k), 120, (), f"{axes} {keepdims}"
                )
    # Large enough for the loops on all threads, whatever is summed.
    for axes in ((0, 1, 2), (1, 2), (1,), (2, 3), (3,), (0, 1, 2, 3)):
        yield Case("sum", lambda d, a=axes: (d.normal(3, 37, 53, 3), a, False), 6000, (), f"large {axes}")
    yield Case("sum", lambda d: (d.normal(2, 0, 3), (1,), False), label="of none")
    yield Case("sum", lambda d: (d.booleans(4, 5), (0,), False), label="booleans")
    yield Case("sum", lambda d: (d.integers(9, 4, 5), (1,), True), label="integers")
    for axis in (0, 1, 2):
        yield Case("argmax", lambda d, a=axis: (d.few(3, 4, 5), a), label=f"axis {axis}")


def arrangement() -> Iterator[Case]:
    keys: dict[str, Callable[[Draw], Any]] = {
        "integer": lambda d: 1,
        "slices": lambda d: (slice(None), slice(None, None, -2)),
        "mixed": lambda d: (..., None, slice(1, 3), -1),
        "integers, repeated": lambda d: d.integers(4, 6),
        "pairs, repeated": lambda d: (d.integers(4, 9), d.integers(5, 9)),
        "mask": lambda d: d.booleans(4, 5),
    }
    shape = (4, 5, 3)
    for label, key in keys.items():
        yield Case("index", lambda d, k=key: (d.normal(*shape), k(d)), label=label)

        def scattered(d: Draw, key: Callable[[Draw], Any] = key) -> tuple:
            chosen = key(d)
            return d.normal(*np.zeros(shape)[chosen].shape), chosen, shape

        yield Case("index_add", scattered, 9, label=label)
    for dtype in (np.float32, np.float64, np.int32):
        yield Case("cast", lambda d, t=dtype: (d.normal(3, 4), t), label=np.dtype(dtype).name)
    yield Case("broadcast_to", lambda d: (d.normal(3, 1), (2, 3, 4)))
    yield Case("broadcast_to", lambda d: (d.normal(), (0, 4)), label="to nothing")
    yield Case("concatenate", lambda d: ((d.normal(2, 3, 1), d.normal(2, 3, 4), d.normal(2, 3, 0)), 2))
    yield Case("pad", lambda d: (d.normal(2, 3), ((1, 0), (2, 3)), -1.5))
    yield Case("matmul", lambda d: (d.normal(5, 7), d.normal(7, 3)), 7)
    yield Case("matmul", lambda d: (d.normal(2, 1, 5, 7), d.normal(3, 7, 4)), 7, label="broadcast")
    yield Case("matmul", lambda d: (d.normal(5, 0), d.normal(0, 3)), label="sum of none")


#: Window, image size, output size, batch, input channels, output channels, groups.
CONVOLUTIONS: dict[str, tuple[Window, tuple, tuple, int, int, int, int]] = {
    "3x3": (Window((3, 3)), (5, 6), (3, 4), 2, 3, 4, 1),
    "1x1": (Window((1, 1)), (3, 4), (3, 4), 1, 5, 2, 1),
    "1x1, stride 2": (Window((1, 1), (2, 2)), (4, 5), (2, 3), 1, 3, 3, 1),
    "same": (Window((3, 3), (1, 1), (1, 1)), (5, 5), (5, 5), 1, 2, 3, 1),
    "even kernel, padding behind": (Window((2, 4), (1, 1), (0, 1)), (4, 5), (4, 5), 1, 2, 2, 1),
    "stride": (Window((3, 2), (2, 3), (1, 0)), (7, 8), (4, 3), 2, 2, 3, 1),
    "stride beyond kernel": (Window((1, 2), (3, 3)), (7, 8), (3, 3), 1, 2, 2, 1),
    "dilation": (Window((3, 2), (1, 1), (2, 1), (2, 3)), (6, 7), (6, 6), 1, 2, 3, 1),
    "stride and dilation": (Window((3, 3), (2, 3), (2, 1), (3, 2)), (9, 10), (4, 3), 1, 2, 2, 1),
    "groups": (Window((3, 3), (1, 1), (1, 1)), (4, 4), (4, 4), 2, 4, 6, 2),
    "depthwise": (Window((3, 3), (2, 1), (1, 1)), (5, 4), (3, 4), 1, 5, 5, 5),
    "depthwise, twice": (Window((2, 2)), (4, 4), (3, 3), 1, 3, 6, 3),
    "output beyond the image": (Window((2, 2), (2, 2), (1, 1)), (3, 3), (5, 4), 1, 2, 2, 1),
    "pixels left over": (Window((2, 2), (2, 2)), (7, 8), (3, 3), 1, 2, 2, 1),
    "one pixel": (Window((3, 3), (1, 1), (1, 1)), (1, 1), (1, 1), 1, 2, 2, 1),
    "kernel beyond the image": (Window((5, 5), (1, 1), (2, 2)), (2, 3), (2, 3), 1, 1, 2, 1),
    "one channel": (Window((3, 3)), (6, 7), (4, 5), 1, 1, 1, 1),
    "16 channels": (Window((3, 3), (1, 1), (1, 1)), (4, 5), (4, 5), 1, 16, 16, 1),
    "17 to 33": (Window((3, 3)), (4, 5), (2, 3), 1, 17, 33, 1),
    "67 to 65": (Window((2, 2)), (3, 3), (2, 2), 1, 67, 65, 1),
    "wide rows": (Window((1, 3), (1, 1), (0, 1)), (2, 70), (2, 70), 1, 2, 3, 1),
    "nothing inside is read, columns": (Window((1, 1), (1, 10), (0, 3)), (5, 1), (5, 1), 1, 3, 8, 1),
    "nothing inside is read, rows": (Window((2, 1), (9, 1), (4, 0)), (2, 5), (1, 5), 1, 3, 2, 1),
    "1x1, one row and column more": (Window((1, 1), dilation=(2, 2)), (6, 7), (5, 6), 1, 4, 3, 1),
    "empty batch": (Window((3, 3)), (5, 6), (3, 4), 0, 3, 4, 1),
}


#: Winograd's algorithm multiplies by numbers up to 8 and 5 and subtracts: the root mean square of its rounding errors,
#: at the worst of 4 × 4 outputs, is that of the direct sum times Π_axes √(Σ_p A²_ip · Σ_r G²_pr · Σ_s B²_ps / 3) = 31.
WINOGRAD_GROWTH = 32.0


def convolutions() -> Iterator[Case]:
    """Each geometry directly, and again by Winograd's algorithm where that applies."""
    for label, (window, size, output_size, N, C, K, groups) in CONVOLUTIONS.items():
        for case in _convolutions(label, window, size, output_size, N, C, K, groups):
            yield case
            if window._replace(padding=(0, 0)) == Window((3, 3)) and groups == 1:
                yield replace(case, label=f"{case.label}, winograd", algorithm="winograd", growth=WINOGRAD_GROWTH)


def _convolutions(
    label: str, window: Window, size: tuple, output_size: tuple, N: int, C: int, K: int, groups: int
) -> Iterator[Case]:
    weight = (*window.kernel_size, C // groups, K)
    taps = window.kernel_size[0] * window.kernel_size[1]
    geometry = (window, groups)
    image, output = (N, *size, C), (N, *output_size, K)
    for bias, relu in ((False, False), (True, False), (False, True), (True, True)):
        ending = f"{', bias' * bias}{', relu' * relu}"
        yield Case(
            "conv2d",
            lambda d, i=image, w=weight, k=K if bias else 0, g=geometry, o=output_size, r=relu: (
                *(d.normal(*i), d.normal(*w), d.normal(k) if k else None),
                *(*g, o, r),
            ),
            taps * C // groups,
            label=f"{label}{ending}",
        )
        yield Case(
            "conv_transpose2d",
            lambda d, y=output, w=weight, c=C if bias else 0, g=geometry, o=size, r=relu: (
                *(d.normal(*y), d.normal(*w), d.normal(c) if c else None),
                *(*g, o, r),
            ),
            taps * K // groups,
            label=f"{label}{ending}",
        )
    yield Case(
        "conv2d_weight",
        lambda d, i=image, y=output, g=geometry: (d.normal(*i), d.normal(*y), *g),
        max(1, N * output_size[0] * output_size[1]),
        label=label,
    )


#: Window, image size, output size.
POOLINGS: dict[str, tuple[Window, tuple, tuple]] = {
    "2x2": (Window((2, 2), (2, 2)), (6, 4), (3, 2)),
    "2x2, odd size": (Window((2, 2), (2, 2)), (5, 7), (2, 3)),
    "2x2, ceil": (Window((2, 2), (2, 2)), (5, 7), (3, 4)),
    "overlapping": (Window((3, 3), (2, 2), (1, 1)), (6, 7), (3, 4)),
    "stride 1": (Window((2, 3)), (4, 5), (3, 3)),
    "dilation": (Window((2, 2), (1, 2), (0, 1), (2, 3)), (5, 6), (3, 3)),
    "windows without pixels": (Window((2, 2), (1, 1), (1, 1), (3, 3)), (2, 2), (1, 1)),
}


def pooling() -> Iterator[Case]:
    for label, (window, size, output_size) in POOLINGS.items():
        for N, C in ((2, 3), (1, 1), (0, 2)):
            yield Case(
                "max_pool2d",
                lambda d, s=(N, *size, C), w=window, o=output_size: (d.few(*s), w, o),
                label=f"{label} {N} {C}",
            )
    window, size, output_size = POOLINGS["overlapping"]
    yield Case("max_pool2d", lambda d: (d.few(1, *size, 67), window, output_size), label="67 channels")
    for C in (8, 16, 17, 32, 40):
        for label in ("2x2", "2x2, odd size"):
            window, size, output_size = POOLINGS[label]
            yield Case(
                "max_pool2d",
                lambda d, s=(2, *size, C), w=window, o=output_size: (d.few(*s), w, o),
                label=f"{label} {C} channels",
            )
    for size in ((6, 4), (7, 5), (9, 8), (3, 2)):  # windows of 2 x 2, then 3 x 4, then of a single pixel
        for C in (1, 3, 8, 16, 33):
            yield Case(
                "max_unpool2d",
                lambda d, c=C, s=size: (d.normal(2, 3, 2, c), tiled(d, (2, 3, 2, c), s), s, (s[0] // 3, s[1] // 2)),
                label=f"tiles in {size} {C}",
            )
    for N, C in ((2, 3), (1, 1), (0, 2), (1, 17), (1, 67)):
        yield Case(
            "gather2d",
            lambda d, n=N, c=C: (d.normal(n, 3, 4, c), d.integers(13, n, 2, 5, c, dtype=np.int32) - 1),
            label=f"{N} {C}",
        )
        yield Case(
            "max_unpool2d",  # ten values on twelve pixels, at random: many collide
            lambda d, n=N, c=C: (d.normal(n, 2, 5, c), d.integers(13, n, 2, 5, c, dtype=np.int32) - 1, (3, 4), None),
            10,
            label=f"{N} {C}",
        )


def tiled(d: Draw, shape: tuple, size: tuple) -> np.ndarray:
    """Indices, each into its own window of a tiling, or −1."""
    high, wide = size[0] // shape[1], size[1] // shape[2]
    rows = np.arange(shape[1])[:, None, None] * high + d.integers(high, *shape)
    columns = np.arange(shape[2])[:, None] * wide + d.integers(wide, *shape)
    indices = d.integers(1, *shape, dtype=np.int32)
    indices[...] = np.where(d.integers(5, *shape) == 0, -1, rows * size[1] + columns)
    return indices


def resampling() -> Iterator[Case]:
    maps = {
        "nearest": (axismap.nearest(3, 7), axismap.nearest(4, 2)),
        "bilinear": (axismap.bilinear(3, 7, align_corners=False), axismap.bilinear(4, 9, align_corners=True)),
        "average": (axismap.sum_window(3, 2, 2, 1, mean="padded"), axismap.sum_window(4, 3, 3, 2, 1, mean="inside")),
        "mirror": (axismap.mirror(3, 2, 1), axismap.replicate(4, 1, 2)),
        "empty rows": (axismap.gather(np.array([2]), 3).transpose().transpose(), axismap.sum_window(4, 3, 1, 4)),
    }
    for label, (rows, columns) in maps.items():
        for N, C in ((2, 3), (1, 1), (0, 2), (1, 67)):
            yield Case(
                "resample2d", lambda d, s=(N, 3, 4, C), m=(rows, columns): (d.normal(*s), *m), 9, (), f"{label} {C}"
            )
        there = rows.transpose(), columns.transpose()
        size = rows.output_size, columns.output_size
        yield Case("resample2d", lambda d, s=size, m=there: (d.normal(1, *s, 2), *m), 30, (), f"{label}, adjoint")


def normalisation() -> Iterator[Case]:
    for N, H, W, C in (
        (2, 3, 4, 1),
        (1, 5, 5, 3),
        (2, 4, 5, 17),
        (1, 3, 3, 67),
        (3, 1, 1, 300),
        (1, 41, 43, 2),
        (2, 47, 89, 1),
    ):
        shape, M = (N, H, W, C), N * H * W
        yield Case("moments", lambda d, s=shape: (d.normal(*s),), M, label=f"{shape}")
        for relu in (False, True):

            def vectors(d: Draw, C: int = C) -> tuple:
                return d.normal(C), d.positive(C), d.normal(C), d.normal(C)

            yield Case(
                "batch_norm",
                lambda d, s=shape, v=vectors, r=relu: (d.normal(*s), *v(d), r),
                label=f"{shape} relu={relu}",
            )
            for training in (False, True):
                yield Case(
                    "batch_norm_gradient",
                    lambda d, s=shape, v=vectors, r=relu, t=training: (d.normal(*s), d.normal(*s), *v(d), r, t),
                    M,
                    label=f"{shape} relu={relu} training={training}",
                )
    yield Case("moments", lambda d: (d.normal(0, 3, 3, 2),), label="of nothing")
    for C in (1, 67):
        for given in ("neither", "mean", "both"):
            yield Case(
                "running_statistics",
                lambda d, c=C, g=given: (
                    *(d.normal(c), d.positive(c)),
                    *(d.normal(c) if g != "neither" else None, d.positive(c) if g == "both" else None),
                    *(0.1, 7, 1e-5),
                ),
                updated={"neither": (), "mean": (2,), "both": (2, 3)}[given],
                label=f"{C} channels, {given} running",
            )
    yield Case("moments", lambda d: (d.normal(5, 2),), 5, label="two axes")
    yield Case("batch_norm", lambda d: (d.normal(0, 3, 3, 2), *(d.positive(2) for _ in range(4)), True), label="empty")
    yield Case(
        "batch_norm_gradient",
        lambda d: (d.normal(0, 3, 2), d.normal(0, 3, 2), *(d.positive(2) for _ in range(4)), True, True),
        label="empty",
    )


def classification() -> Iterator[Case]:
    for shape in ((7, 1), (7, 2), (1300, 2), (2, 3, 4, 21), (40, 33), (3, 67), (0, 5)):
        for kernel in ("softmax", "log_softmax"):
            yield Case(kernel, lambda d, s=shape: (d.normal(*s, scale=5),), shape[-1], label=f"{shape}")
    for M, K in ((1, 1), (7, 2), (1100, 3), (5, 67), (0, 4)):
        yield Case(
            "cross_entropy",
            lambda d, m=M, k=K: (d.normal(m, k, scale=5), d.integers(k, m), d.positive(m)),
            max(M, 1),
            label=f"{M} {K}",
        )
        yield Case(
            "cross_entropy_gradient",
            lambda d, m=M, k=K: (d.normal(), d.normal(m, k, scale=5), d.integers(k, m), d.positive(m)),
            K,
            label=f"{M} {K}",
        )
    yield Case(
        "cross_entropy_gradient",
        lambda d: (
            d.positive(),
            *(np.array([[1, 2], [np.nan, 2], [np.inf, 0]], d.dtype), np.array([0, 255, -100])),
            np.array([1.0, 0.0, 0.0], d.dtype),
        ),
        label="ignored labels",
    )
    yield Case(
        "cross_entropy",
        lambda d: (d.normal(3, 2), np.array([0, 255, -100]), np.array([1.0, 0.0, 0.0], d.dtype)),
        label="ignored labels",
    )


#: More arrays than a bundle holds, among them an empty one and one of more numbers than a thread takes at a time.
PARAMETERS = ((3, 5, 2), *((n % 5, 3) for n in range(16)), (8200,), (4,))


def gradients() -> Iterator[Case]:
    shapes = ((3, 4), (0,), (70,), (1,))
    yield Case("squared_norm", lambda d: ([d.normal(*shape) for shape in shapes],), 83)
    for factor in (0.5, 1.0, np.nan):
        yield Case(
            "scale_all",
            lambda d, f=factor: ([d.normal(*shape) for shape in shapes], np.array(f)),
            updated=(0,),
            label=f"by {factor}",
        )


def optimisers() -> Iterator[Case]:
    def normal(d: Draw) -> list[np.ndarray]:
        return [d.normal(*shape) for shape in PARAMETERS]

    def positive(d: Draw) -> list[np.ndarray]:
        return [d.positive(*shape) for shape in PARAMETERS]

    for weight_decay in (0.0, 0.1):
        yield Case(
            "sgd_step",
            lambda d, w=weight_decay: (normal(d), normal(d), None, 0.1, 0.0, w, False, True),
            updated=(0,),
            label=f"decay {weight_decay}",
        )
        for nesterov in (False, True):
            for first in (False, True):
                yield Case(
                    "sgd_step",
                    lambda d, w=weight_decay, n=nesterov, f=first: (
                        *(normal(d) for _ in range(3)),
                        *(0.1, 0.9, w, n, f),
                    ),
                    updated=(0, 2),
                    label=f"momentum, decay {weight_decay} nesterov={nesterov} first={first}",
                )
        for decoupled in (False, True):
            for step in (1, 1000):
                yield Case(
                    "adam_step",
                    lambda d, w=weight_decay, c=decoupled, t=step: (
                        *(normal(d), normal(d), normal(d), positive(d)),
                        *(0.1, 0.9, 0.999, 1e-8, w, c, t),
                    ),
                    updated=(0, 2, 3),
                    label=f"decay {weight_decay} decoupled={decoupled} step {step}",
                )
        for velocity in (False, True):
            yield Case(
                "rmsprop_step",
                lambda d, w=weight_decay, v=velocity: (
                    *(normal(d), normal(d), positive(d), normal(d) if v else None),
                    *(0.1, 0.99, 1e-8, w, 0.9),
                ),
                updated=(0, 2, 3) if velocity else (0, 2),
                label=f"decay {weight_decay} velocity={velocity}",
            )
    yield Case("sgd_step", lambda d: ([], [], None, 0.1, 0.0, 0.0, False, True), updated=(0,), label="of nothing")


FAMILIES = (
    elementwise,
    reductions,
    arrangement,
    convolutions,
    pooling,
    resampling,
    normalisation,
    classification,
    gradients,
    optimisers,
)
CASES = tuple(case for family in FAMILIES for case in family())
