"""The vocabulary: every kernel's name, signature and meaning. A device is a module that provides them all.

Images are (N, H, W, C): batch, rows, columns, channels. Sizes are (height, width) pairs. A convolution's weight is
(kh, kw, C // groups, K), for C input and K output channels. Kernels return new arrays and leave their inputs alone,
except the optimiser steps, whose whole purpose is to update in place. Arguments have been checked before a kernel runs.

`tests/kernels/test_contract.py` holds every device against this file: same names, same parameters.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from minifcn.kernels.axismap import AxisMap
from minifcn.kernels.shapes import Pair, Window

#: An n-dimensional array of a device's library: numpy.ndarray on "cpu" and "reference".
Array = Any


class Kernels(Protocol):
    """What a device must provide."""

    # --- memory -----------------------------------------------------------------------------------------------------

    def from_host(self, array: Any) -> Array:
        """A NumPy array as one of the device's: itself where the device uses the host's memory, else a copy."""

    def to_host(self, array: Array) -> Any:
        """An array of the device as a NumPy array: itself where it is one, else a copy, which waits for the device."""

    def full(self, shape: Any, value: float, dtype: Any) -> Array:
        """A new array of one value."""

    def uniform(self, shape: tuple[int, ...], generator: Any) -> Array:
        """Random float32 in [0, 1). All that is random comes from NumPy's ``generator``, directly or as a key."""

    # --- elementwise; arguments broadcast against each other --------------------------------------------------------

    def add(self, a: Array, b: Array) -> Array:
        """a + b."""

    def subtract(self, a: Array, b: Array) -> Array:
        """a − b."""

    def multiply(self, a: Array, b: Array) -> Array:
        """a · b."""

    def divide(self, a: Array, b: Array) -> Array:
        """a / b; division by zero gives ±inf or NaN, without a warning."""

    def power(self, a: Array, b: Array) -> Array:
        """a to the power b; NaN where that is not real."""

    def negative(self, x: Array) -> Array:
        """−x."""

    def exp(self, x: Array) -> Array:
        """Exponential."""

    def log(self, x: Array) -> Array:
        """Natural logarithm; −inf at 0, NaN below."""

    def sqrt(self, x: Array) -> Array:
        """Square root; NaN below 0."""

    def absolute(self, x: Array) -> Array:
        """|x|."""

    def sign(self, x: Array) -> Array:
        """−1, 0 or 1; NaN stays NaN."""

    def maximum(self, a: Array, b: Array) -> Array:
        """The larger; NaN if either is."""

    def minimum(self, a: Array, b: Array) -> Array:
        """The smaller; NaN if either is."""

    def where(self, condition: Array, a: Array, b: Array) -> Array:
        """a where the boolean ``condition`` holds, else b."""

    def sigmoid(self, x: Array) -> Array:
        """1 / (1 + e^−x), without overflow."""

    def tanh(self, x: Array) -> Array:
        """Hyperbolic tangent."""

    def softplus(self, x: Array) -> Array:
        """ln(1 + e^x), without overflow: max(x, 0) + ln(1 + e^−|x|)."""

    def relu(self, x: Array) -> Array:
        """max(x, 0); NaN stays NaN."""

    def leaky_relu(self, x: Array, negative_slope: float) -> Array:
        """x where x > 0, else negative_slope · x."""

    def scale_by_sign(self, x: Array, sign: Array, negative_slope: float) -> Array:
        """x where ``sign`` > 0, else negative_slope · x (0 for a slope of 0, whatever x): the adjoint of ReLU."""

    def greater(self, a: Array, b: Array) -> Array:
        """a > b, boolean."""

    def greater_equal(self, a: Array, b: Array) -> Array:
        """a ≥ b, boolean."""

    def equal(self, a: Array, b: Array) -> Array:
        """a = b, boolean."""

    # --- reductions; ``axes`` is a tuple of non-negative axes, () reduces nothing -----------------------------------

    def sum(self, x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
        """Sum over axes; of integers and booleans, in int64."""

    def max(self, x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
        """Largest over axes; NaN if any is."""

    def min(self, x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
        """Smallest over axes; NaN if any is."""

    def argmax(self, x: Array, axis: int) -> Array:
        """Index (int64) of the first largest along an axis; the first NaN counts as largest."""

    # --- arrangement ------------------------------------------------------------------------------------------------

    def cast(self, x: Array, dtype: Any) -> Array:
        """The same values in another dtype, in a new array."""

    def broadcast_to(self, x: Array, shape: tuple[int, ...]) -> Array:
        """Repeat to fill ``shape``, in a new array: the adjoint of `sum`."""

    def index(self, x: Array, key: Any) -> Array:
        """``x[key]`` for integers, slices, integer and boolean arrays, as NumPy indexes; may share memory."""

    def index_add(self, x: Array, key: Any, shape: tuple[int, ...]) -> Array:
        """Zeros of ``shape``, plus ``x`` at ``key``, repeated positions adding up: the adjoint of `index`."""

    def concatenate(self, arrays: tuple[Array, ...], axis: int) -> Array:
        """Join along an existing axis."""

    def pad(self, x: Array, widths: tuple[Pair, ...], value: float) -> Array:
        """Surround with ``value``: ``widths[a]`` elements before and after along axis a."""

    # --- linear -----------------------------------------------------------------------------------------------------

    def matmul(self, a: Array, b: Array) -> Array:
        """(..., M, K) times (..., K, N) -> (..., M, N); leading axes broadcast."""

    # --- convolution: one bilinear form, three ways to read it ------------------------------------------------------
    #
    # With p = i·s + r·d − padding (rows; columns alike), and zero outside the image:
    #   y[n, i, j, k] = Σ_{r, t, c} x[n, p, q, c] · w[r, t, c, k]
    # conv2d solves it for y, conv_transpose2d is its adjoint in x, conv2d_weight its adjoint in w.

    def conv2d(
        self, x: Array, weight: Array, bias: Array | None, window: Window, groups: int, output_size: Pair, relu: bool
    ) -> Array:
        """(N, H, W, C) -> (N, *output_size, K): y, plus ``bias`` (K,) if given; then ReLU if asked (NaN stays NaN)."""

    def conv_transpose2d(
        self, y: Array, weight: Array, bias: Array | None, window: Window, groups: int, output_size: Pair, relu: bool
    ) -> Array:
        """(N, P, Q, K) -> (N, *output_size, C): the adjoint of conv2d in x, plus ``bias`` (C,); then ReLU if asked."""

    def conv2d_weight(self, x: Array, y: Array, window: Window, groups: int) -> Array:
        """(N, H, W, C) and (N, P, Q, K) -> (kh, kw, C // groups, K): the adjoint of conv2d in w."""

    # --- pooling ----------------------------------------------------------------------------------------------------

    def max_pool2d(self, x: Array, window: Window, output_size: Pair) -> tuple[Array, Array]:
        """Largest in each window, and where it was: an int32 index h·W + w into the image's plane.

        The first maximum in row order wins; NaN counts as largest; padding counts as −inf and is never chosen.
        A window that holds no pixel at all (dilation can step over a small image) gives −inf and the index −1.
        """

    def gather2d(self, x: Array, indices: Array) -> Array:
        """(N, H, W, C) -> (N, P, Q, C), the shape of ``indices``: the pixel that each index points at; 0 for −1."""

    def max_unpool2d(self, y: Array, indices: Array, output_size: Pair, tile: Pair | None) -> Array:
        """(N, P, Q, C) -> (N, *output_size, C): zeros, plus each value where its index points; −1 is nowhere.

        With a ``tile`` (th, tw), the caller knows that every index of position (i, j) points into the window of th x tw
        pixels that begins at pixel (i·th, j·tw), and that all P x Q windows lie inside the image. It changes no result.
        """

    # --- resampling -------------------------------------------------------------------------------------------------

    def resample2d(self, x: Array, rows: AxisMap, columns: AxisMap) -> Array:
        """y[n, i, j, c] = Σ_p Σ_q rows[i, p] · columns[j, q] · x[n, p, q, c].

        Upsampling, average pooling, mirrored borders and their adjoints are all of this form; see `axismap`.
        """

    # --- normalisation; C is the last axis, everything before it is one long axis of M pixels -----------------------

    def moments(self, x: Array) -> tuple[Array, Array]:
        """Mean and biased variance (÷ M) of every channel, (C,) each; without cancellation."""

    def running_statistics(
        self,
        mean: Array,
        var: Array,
        running_mean: Array | None,
        running_var: Array | None,
        momentum: float,
        pixels: int,
        eps: float,
    ) -> Array:
        """1 / √(var + eps), (C,); and running = (1 − momentum) · running + momentum · batch, in place, where given.

        ``running_var`` moves towards the unbiased variance, var · pixels / (pixels − 1).
        """

    def batch_norm(self, x: Array, mean: Array, inverse_std: Array, weight: Array, bias: Array, relu: bool) -> Array:
        """(x − mean) · inverse_std · weight + bias, all (C,); then ReLU if asked."""

    def batch_norm_gradient(
        self,
        gradient: Array,
        x: Array,
        mean: Array,
        inverse_std: Array,
        weight: Array,
        bias: Array,
        relu: bool,
        training: bool,
    ) -> tuple[Array, Array, Array]:
        """Gradients to x, weight and bias of `batch_norm`; with ``training``, mean and std depended on x.

        With x̂ = (x − mean) · inverse_std, and g the gradient (zeroed where ReLU was off):
        gb = Σ g, gw = Σ g·x̂, gx = weight · inverse_std · (g − [training] (gb + x̂ · gw) / M).
        """

    # --- classification; classes are the last axis ------------------------------------------------------------------

    def softmax(self, x: Array) -> Array:
        """e^x / Σ e^x along the last axis, shifted by the maximum so that nothing overflows."""

    def log_softmax(self, x: Array) -> Array:
        """ln softmax(x) along the last axis: x − max − ln Σ e^(x − max)."""

    def cross_entropy(self, logits: Array, labels: Array, weight: Array) -> Array:
        """Σ_m weight[m] · (ln Σ_k e^logits[m, k] − logits[m, labels[m]]), for logits (M, K), labels and weight (M,).

        A 0-d array. A row whose weight is 0 is not looked at, so its label may be any number.
        """

    def cross_entropy_gradient(self, gradient: Array, logits: Array, labels: Array, weight: Array) -> Array:
        """Gradient to the logits, (M, K): gradient · weight[m] · (softmax(logits[m])[k] − [k = labels[m]]).

        ``gradient`` is 0-d. A row whose weight is 0 gives 0, whatever it holds.
        """

    # --- of all gradients together ----------------------------------------------------------------------------------

    def squared_norm(self, arrays: Sequence[Array]) -> Array:
        """Σ x² over the elements of all arrays, a 0-d float64 array."""

    def scale_all(self, arrays: Sequence[Array], factor: Array) -> None:
        """Multiply every array by the 0-d float64 array ``factor``, in place; nothing changes if that is 1."""

    # --- optimiser steps, in place; lists of as many arrays, one for each parameter ---------------------------------

    def sgd_step(
        self,
        parameters: Sequence[Array],
        gradients: Sequence[Array],
        velocities: Sequence[Array] | None,
        lr: float,
        momentum: float,
        weight_decay: float,
        nesterov: bool,
        first: bool,
    ) -> None:
        """g = gradient + weight_decay·p; v = g if ``first`` else momentum·v + g; p −= lr · v.

        With ``nesterov``, p −= lr · (g + momentum·v). Without velocities, p −= lr · g.
        """

    def adam_step(
        self,
        parameters: Sequence[Array],
        gradients: Sequence[Array],
        first_moments: Sequence[Array],
        second_moments: Sequence[Array],
        lr: float,
        beta1: float,
        beta2: float,
        eps: float,
        weight_decay: float,
        decoupled: bool,
        step: int,
    ) -> None:
        """Adam (Kingma & Ba 2015, algorithm 1), bias-corrected for ``step`` = 1, 2, ...

        Weight decay is added to the gradient, or, ``decoupled``, multiplies p by 1 − lr·weight_decay (AdamW).
        p −= lr · (m / (1 − β1^t)) / (√(v / (1 − β2^t)) + eps).
        """

    def rmsprop_step(
        self,
        parameters: Sequence[Array],
        gradients: Sequence[Array],
        square_averages: Sequence[Array],
        velocities: Sequence[Array] | None,
        lr: float,
        alpha: float,
        eps: float,
        weight_decay: float,
        momentum: float,
    ) -> None:
        """g = gradient + weight_decay·p; v = α·v + (1 − α)·g²; p −= lr · g / (√v + eps).

        With velocities, velocity = momentum·velocity + g / (√v + eps); p −= lr · velocity.
        """


#: Kernels that make room, or look at vectors of channels: no work worth counting.
UNCOUNTED = frozenset({"from_host", "to_host", "full", "uniform", "running_statistics"})

#: Every kernel's name.
NAMES = tuple(name for name in vars(Kernels) if not name.startswith("_"))
