"""What the tests draw (arrays in awkward layouts, geometry of windows), and how they ask PyTorch for the truth."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from hypothesis import assume
from hypothesis import strategies as st
from tolerances import assert_close, tolerance

from minifcn import Operation, Tensor, grad

# --- arrays ----------------------------------------------------------------------------------------------------------

LAYOUTS = ("backwards", "every other", "transposed", "contiguous")


def laid_out(array: np.ndarray, layout: str) -> np.ndarray:
    """The same values, lying in memory in another way."""
    if array.ndim == 0:
        return array
    if layout == "backwards":
        view = np.empty(array.shape, array.dtype)[(slice(None, None, -1),) * array.ndim]
    elif layout == "every other":
        view = np.zeros([2 * n for n in array.shape], array.dtype)[(slice(None, None, 2),) * array.ndim]
    elif layout == "transposed":
        view = np.empty(array.shape[::-1], array.dtype).T
    else:
        return array
    view[...] = array
    return view


@dataclass
class Numbers:
    """Random arrays, none of them contiguous unless ``layout`` says so."""

    seed: int = 0
    layout: str = "backwards"
    dtype: Any = np.float64

    def __post_init__(self) -> None:
        self.dtype = np.dtype(self.dtype)
        self.random = np.random.default_rng(self.seed)

    def normal(self, *shape: int) -> np.ndarray:
        return self._of(self.random.standard_normal(shape))

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> np.ndarray:
        return self._of(self.random.uniform(low, high, shape))

    def away_from_zero(self, *shape: int) -> np.ndarray:
        """±(0.2 to 2): functions with a kink at 0 are smooth here, also for finite differences."""
        return self._of(self.random.choice([-1.0, 1.0], shape) * self.random.uniform(0.2, 2.0, shape))

    def distinct(self, *shape: int) -> np.ndarray:
        """A permutation of equally spaced numbers: no ties, and no near ties."""
        size = int(np.prod(shape))
        return self._of((self.random.permutation(size).reshape(shape) - size / 2) / max(size, 1))

    def few(self, *shape: int) -> np.ndarray:
        """Values from {0, 1, 2}: many ties."""
        return self._of(self.random.integers(0, 3, shape))

    def integers(self, high: int, *shape: int, dtype: Any = np.int64) -> np.ndarray:
        return laid_out(self.random.integers(0, high, shape).astype(dtype), self.layout)

    def _of(self, values: np.ndarray) -> np.ndarray:
        return laid_out(np.asarray(values, self.dtype), self.layout)


numbers = st.builds(
    Numbers, st.integers(0, 9999), st.sampled_from(LAYOUTS), st.sampled_from([np.dtype("f4"), np.dtype("f8")])
)


def leaf(array: np.ndarray) -> Tensor:
    return Tensor(array, requires_grad=True)


def vector(*values: float, dtype: Any = np.float64) -> Tensor:
    return leaf(np.array(values, dtype))


class Double(Operation):
    """The operation 2 x; what its backward returns can be set."""

    def __init__(self, gradient_of: Callable = lambda gradient: 2.0 * gradient):
        self.gradient_of = gradient_of

    def forward(self, x: Any) -> Any:
        return 2.0 * x

    def backward(self, gradient: Tensor) -> Any:
        return self.gradient_of(gradient)


# --- geometry --------------------------------------------------------------------------------------------------------


def pairs(low: int, high: int) -> st.SearchStrategy:
    """One number for both axes, or two."""
    number = st.integers(low, high)
    return st.one_of(number, st.tuples(number, number))


def both(value: Any) -> tuple:
    return tuple(value) if isinstance(value, tuple) else (value, value)


@dataclass
class Convolution:
    """Shapes that go together, and the arguments of the convolution."""

    x: tuple[int, int, int, int]
    weight: tuple[int, int, int, int]
    arguments: dict[str, Any]

    @property
    def terms(self) -> int:
        """More numbers than any sum in the value or a gradient adds up."""
        return int(np.prod(self.x[1:]) * np.prod(self.weight[:2]) * max(self.x[0], 1)) + 1


@st.composite
def convolutions(draw: Callable, named_padding: bool = True) -> Convolution:
    """Any convolution that fits; channels up to more than two SIMD vectors of float32 in a group."""
    groups = draw(st.integers(1, 3))
    inputs, outputs = (draw(st.sampled_from([1, 2, 3, 5, 8, 17, 35])) for _ in range(2))
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride, dilation = draw(pairs(1, 3)), draw(pairs(1, 3))
    padding = draw(pairs(0, 4))
    if named_padding and draw(st.integers(0, 4)) == 0:
        padding = draw(st.sampled_from(["same", "valid"]))
        stride = 1 if padding == "same" else stride
    size = []
    for axis in range(2):
        extent = both(dilation)[axis] * (kernel[axis] - 1) + 1
        border = {"same": extent, "valid": 0}[padding] if isinstance(padding, str) else 2 * both(padding)[axis]
        smallest = max(1, extent - border)
        size.append(draw(st.integers(smallest, smallest + 6)))
    return Convolution(
        (draw(st.integers(0, 3)), *size, inputs * groups),
        (*kernel, inputs, outputs * groups),
        {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups},
    )


@st.composite
def transposed_convolutions(draw: Callable) -> Convolution:
    """Any transposed convolution with an output; ``weight`` is that of the convolution it transposes."""
    groups = draw(st.integers(1, 3))
    inputs, outputs = (draw(st.sampled_from([1, 2, 3, 5, 8, 17, 35])) for _ in range(2))
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride, dilation, padding = draw(pairs(1, 3)), draw(pairs(1, 3)), draw(pairs(0, 3))
    size = draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    extra = tuple(draw(st.integers(0, max(both(stride)[a], both(dilation)[a]) - 1)) for a in range(2))
    for a in range(2):
        extent = both(dilation)[a] * (kernel[a] - 1) + 1
        assume(both(stride)[a] * (size[a] - 1) + extent - 2 * both(padding)[a] + extra[a] >= 1)
    return Convolution(
        (draw(st.integers(0, 3)), *size, inputs * groups),
        (*kernel, outputs, inputs * groups),
        {"stride": stride, "padding": padding, "output_padding": extra, "dilation": dilation, "groups": groups},
    )


@st.composite
def poolings(draw: Callable, dilated: bool = True, ceil: bool = True) -> tuple[tuple[int, ...], dict[str, Any]]:
    """An image's shape, and the arguments of a pooling that fits."""
    kernel = draw(pairs(1, 4))
    padding = tuple(draw(st.integers(0, k // 2)) for k in both(kernel))
    arguments: dict[str, Any] = {"kernel_size": kernel, "padding": padding}
    arguments["stride"] = draw(st.one_of(st.none(), pairs(1, 4)))
    dilation = draw(pairs(1, 2)) if dilated else 1
    if dilated:
        arguments["dilation"] = dilation
    if ceil:
        arguments["ceil_mode"] = draw(st.booleans())
    size = []
    for k, d, p in zip(both(kernel), both(dilation), padding, strict=True):
        # At least as large as the dilation: smaller, a window could step over the whole image.
        smallest = max(d, d * (k - 1) + 1 - 2 * p)
        size.append(draw(st.integers(smallest, smallest + 7)))
    return (draw(st.integers(0, 3)), *size, draw(st.sampled_from([1, 2, 3, 16, 19]))), arguments


images = st.tuples(st.integers(0, 3), st.integers(1, 8), st.integers(1, 8), st.sampled_from([1, 2, 3, 17]))


# --- PyTorch's layouts -----------------------------------------------------------------------------------------------


def image(x: np.ndarray) -> torch.Tensor:
    """(N, H, W, C) -> (N, C, H, W)."""
    return plain(x.transpose(0, 3, 1, 2))


def weight(w: np.ndarray) -> torch.Tensor:
    """(kh, kw, I, O) -> (O, I, kh, kw); for a transposed convolution (kh, kw, O, I) -> (I, O, kh, kw)."""
    return plain(w.transpose(3, 2, 0, 1))


def plain(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(x, order="C"))


def _back(to_torch: Callable, result: torch.Tensor) -> np.ndarray:
    axes = {image: (0, 2, 3, 1), weight: (2, 3, 1, 0)}.get(to_torch)
    array = result.detach().numpy()
    return array.transpose(axes) if axes else array


def quietly(function: Callable, *args: Any, **kwargs: Any) -> Any:
    """PyTorch warns of what costs it time; that is not what is tested."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)


def assert_as_torch(
    ours: Callable,
    theirs: Callable,
    arrays: Sequence[np.ndarray],
    kinds: Sequence[Callable] | Callable = plain,
    result: Callable = plain,
    terms: int = 1,
    scale: float = 1.0,
) -> None:
    """Values, and gradients with respect to all ``arrays``, are PyTorch's; the arrays are left as they were."""
    kinds = [kinds] * len(arrays) if callable(kinds) else kinds
    before = [array.copy() for array in arrays]
    leaves = [leaf(array) for array in arrays]
    theirs_in = [kind(array).requires_grad_() for kind, array in zip(kinds, arrays, strict=True)]
    y, expected = ours(*leaves), quietly(theirs, *theirs_in)
    assert_close(y.data, _back(result, expected), terms, scale, "value")
    seed = Numbers(11, "backwards", y.dtype).normal(*y.shape)
    y.backward(Tensor(seed))
    quietly(expected.backward, result(seed))
    for position, (mine, other, kind) in enumerate(zip(leaves, theirs_in, kinds, strict=True)):
        assert_close(mine.grad.data, _back(kind, other.grad), terms, scale, f"gradient {position}")
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)


# --- adjoints --------------------------------------------------------------------------------------------------------


def assert_adjoint(forward: Callable, adjoint: Callable, x: np.ndarray, y: np.ndarray) -> None:
    """<A x, y> = <x, A' y> in float64, and the backward pass of each is the other."""
    tx, ty = leaf(x), leaf(y)
    ax, aty = forward(tx), adjoint(ty)
    assert ax.shape == y.shape
    assert aty.shape == x.shape
    close = tolerance(np.float64, terms=x.size + y.size, scale=float(np.abs(x).sum() + 1))
    np.testing.assert_allclose(np.sum(ax.data * y), np.sum(x * aty.data), **close)
    (back,) = grad(ax, tx, Tensor(y))
    np.testing.assert_allclose(back.data, aty.data, **close)
    (back,) = grad(aty, ty, Tensor(x))
    np.testing.assert_allclose(back.data, ax.data, **close)
