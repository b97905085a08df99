"""How each operation carries spans from its inputs to its output: one rule an operation, in one table.

A new operation needs a rule here, under ``@rule(ItsClass)``: a function of the application and of its inputs' spans
(None where an input does not depend on the image) that returns the output's. Rows and columns are followed one after
the other, by the same rules. Only shapes and parameters of operations matter, and no value of any map.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from minifcn.audit.fields.spans import NOTHING, Links, Shift, Span, common_shift, union
from minifcn.graph.applications import Application
from minifcn.kernels.axismap import AxisMap
from minifcn.kernels.shapes import Pair, Window
from minifcn.ops import arrange, classify, conv, elementwise, linear, norm, pool, reduce, resample

Spans = list[Span | None]
Rule = Callable[["Step", Spans], Span]
Function = TypeVar("Function", bound=Rule)

RULES: dict[type, Rule] = {}


class Step(NamedTuple):
    """What a rule is told: the application, and all of its graph."""

    application: Application
    graph: Sequence[Application]

    @property
    def operation(self) -> Any:
        """The operation, with its parameters."""
        return self.application.operation


def rule(*operations: type) -> Callable[[Function], Function]:
    """Register a function as the rule of these classes of operations, and of classes derived from them."""

    def register(function: Function) -> Function:
        RULES.update(dict.fromkeys(operations, function))
        return function

    return register


def follow(step: Step, spans: Spans) -> Span:
    """The output's span, by the rule of the operation.

    Raises:
        NotImplementedError: the operation has no rule.
    """
    for kind in type(step.operation).__mro__:
        if kind in RULES:
            return RULES[kind](step, spans)
    raise NotImplementedError(
        "receptive_field: no rule says which input rows an output row of the operation "
        f"{type(step.operation).__name__} depends on; add one with @rule in minifcn/audit/fields/rules.py"
    )


# --- element by element ----------------------------------------------------------------------------------------------


@rule(*(getattr(elementwise, name) for name in (
    "Add", "Subtract", "Multiply", "Divide", "Power", "Negative", "Exp", "Log", "Sqrt", "Abs", "Maximum", "Where",
    "Clip", "ReLU", "LeakyReLU", "ScaleBySign", "Sigmoid", "Tanh", "Softplus",
)), arrange.Cast, arrange.Move)  # fmt: skip
def _elementwise(step: Step, spans: Spans) -> Span:
    return union(_known(spans))


@rule(norm.BatchNorm)
def _batch_norm(step: Step, spans: Spans) -> Span:
    together = union(_known(spans))
    # With the batch's own statistics, every pixel depends on all.
    return together.over(range(together.ndim - 1)) if step.operation.training else together


@rule(classify.Softmax, classify.LogSoftmax)
def _over_channels(step: Step, spans: Spans) -> Span:
    (span,) = _known(spans)
    return span.over([span.ndim - 1])


# --- windows ---------------------------------------------------------------------------------------------------------


@rule(conv.Conv2d)
def _conv2d(step: Step, spans: Spans) -> Span:
    return _through_windows(step, _mixed(step, spans), step.operation.window, transposed=False)


@rule(conv.ConvTranspose2d)
def _conv_transpose2d(step: Step, spans: Spans) -> Span:
    return _through_windows(step, _mixed(step, spans), step.operation.window, transposed=True)


@rule(pool.MaxPool2d)
def _max_pool2d(step: Step, spans: Spans) -> Span:
    (span,) = _known(spans)
    return _through_windows(step, span, step.operation.window, transposed=False)


@rule(pool.MaxUnpool2d)
def _max_unpool2d(step: Step, spans: Spans) -> Span:
    """A value may go to any place of the window that it was the maximum of: that of the pooling with these indices."""
    indices = step.operation.restored(0)._data
    for other in step.graph:
        made = other.operation.extra
        if isinstance(other.operation, pool.MaxPool2d) and any(np.may_share_memory(indices, array) for array in made):
            (span,) = _known(spans)
            return _through_windows(step, span, other.operation.window, transposed=True)
    raise ValueError(
        "receptive_field: the indices of a max_unpool2d come from no max_pool2d before it, so its windows are unknown; "
        "pass on the indices that max_pool2d(..., return_indices=True) returned"
    )


def _through_windows(step: Step, span: Span, window: Window, transposed: bool) -> Span:
    """Along rows, then along columns, of images (N, H, W, C)."""
    (_, *sizes, _), (_, *output_sizes, _) = step.application.inputs[0], step.application.output
    for axis, (length, output_length) in enumerate(zip(sizes, output_sizes, strict=True)):
        small, large = (length, output_length) if transposed else (output_length, length)
        one, other = _window_links(window, axis, small, large)
        stride, shift = window.stride[axis], span.shift
        if shift is not None and shift.axis == axis + 1:
            shift = shift.stretched(stride) if transposed else shift.strided(stride)
        span = span.linked(axis + 1, length, (other, one) if transposed else (one, other), output_length, shift)
    return span


def _window_links(window: Window, axis: int, windows: int, length: int) -> Links:
    """Window i looks at rows i s + r d − p; those beyond the image are no rows."""
    taps = np.arange(window.kernel_size[axis]) * window.dilation[axis] - window.padding[axis]
    rows = np.arange(windows)[:, None] * window.stride[axis] + taps
    inside = (rows >= 0) & (rows < length)
    return np.nonzero(inside)[0], rows[inside]


def _mixed(step: Step, spans: Spans) -> Span:
    """The image's span after a convolution has mixed its channels: all of them, or those of a group."""
    image, groups, channels = spans[0], step.operation.groups, step.application.output[3]
    if any(span is not None for span in spans[1:]):
        raise NotImplementedError(
            f"receptive_field: the weight of a {type(step.operation).__name__} depends on the image; "
            "no rule covers that"
        )
    assert image is not None
    if groups == 1 or image.first.shape[3] == 1:
        return image.over([3])
    n, h, w, c = image.first.shape
    grouped = image.mapped(lambda array: array.reshape(n, h, w, groups, c // groups), image.shift).over([4])
    return grouped.mapped(lambda array: np.repeat(array[..., 0], channels // groups, axis=3), image.shift)


# --- separable maps --------------------------------------------------------------------------------------------------


@rule(resample.Resample2d)
def _resample2d(step: Step, spans: Spans) -> Span:
    (span,) = _known(spans)
    for axis, matrix in ((1, step.operation.rows), (2, step.operation.columns)):
        used = matrix.weight != 0.0
        to = np.repeat(np.arange(matrix.output_size), np.diff(matrix.start))
        shift = span.shift
        if shift is not None and shift.axis == axis:
            rate = _rate(matrix)
            shift = None if rate is None else shift.strided(rate[0]).stretched(rate[1])
        links = to[used], matrix.source[used]
        span = span.linked(axis, matrix.input_size, links, matrix.output_size, shift)
    return span


def _rate(matrix: AxisMap) -> Pair | None:
    """(u, v): u rows further in the input, the matrix has the same entries v rows further in the output.

    Looked for in the middle half, where there are no borders. None if the entries do not repeat, as those of a bilinear
    interpolation that aligns corners, or if the matrix is too small to tell.
    """
    begin = matrix.output_size // 4
    end = matrix.output_size - begin
    counts, start = np.diff(matrix.start), matrix.start
    for v in range(1, (end - begin) // 2 + 1):
        here, there = slice(start[begin], start[end - v]), slice(start[begin + v], start[end])
        if not np.array_equal(counts[begin : end - v], counts[begin + v : end]) or start[begin] == start[end - v]:
            continue
        steps = matrix.source[there] - matrix.source[here]
        u = int(steps[0])
        if u > 0 and (steps == u).all() and np.allclose(matrix.weight[there], matrix.weight[here], atol=1e-6):
            return u, v
    return None


# --- elements that move ----------------------------------------------------------------------------------------------


@rule(arrange.Concatenate)
def _concatenate(step: Step, spans: Spans) -> Span:
    """Exact for every part: along the joined axis, each keeps its own span."""
    axis, shapes = step.operation.axis, step.application.inputs
    shift = common_shift([span.shift for span in _known(spans)])
    never, before = (np.full((1,) * len(shapes[0]), end, np.int64) for end in NOTHING)
    absent = Span(never, before, shift)
    parts = [absent if span is None else span for span in spans]
    common = np.broadcast_shapes(*(_with_length(span.first.shape, axis, 1) for span in parts))

    def joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
        filled = [
            np.broadcast_to(array, _with_length(common, axis, shape[axis]))
            for array, shape in zip(arrays, shapes, strict=True)
        ]
        return np.concatenate(filled, axis=axis)

    first, last = joined([span.first for span in parts]), joined([span.last for span in parts])
    return Span(first, last, shift if shift is not None and shift.axis != axis else None)


def _with_length(shape: tuple[int, ...], axis: int, length: int) -> tuple[int, ...]:
    return (*shape[:axis], length, *shape[axis + 1 :])


@rule(arrange.Pad)
def _pad(step: Step, spans: Spans) -> Span:
    (span,), shape = _known(spans), step.application.inputs[0]
    for axis, (before, after) in enumerate(step.operation.widths):
        rows = np.arange(shape[axis])
        if before or after:
            span = span.linked(axis, shape[axis], (rows + before, rows), before + shape[axis] + after, span.shift)
    return span


@rule(arrange.Index)
def _index(step: Step, spans: Spans) -> Span:
    (span,), shape, key = _known(spans), step.application.inputs[0], step.operation.key
    shift = _indexed_shift(span.shift, len(shape), key)
    return span.mapped(lambda array: _compact(np.broadcast_to(array, shape)[key]), shift)


def _indexed_shift(shift: Shift | None, ndim: int, key: Any) -> Shift | None:
    """Of x[key]: a slice's step is a stride; other keys than slices, integers and None may do anything."""
    keys = list(key) if isinstance(key, tuple) else [key]
    if shift is None or not all(k is None or k is Ellipsis or isinstance(k, (int, np.integer, slice)) for k in keys):
        return None
    at = next((position for position, k in enumerate(keys) if k is Ellipsis), len(keys))
    missing = ndim - sum(k is not None and k is not Ellipsis for k in keys)
    keys[at : at + 1] = [slice(None)] * missing
    axis = axis_out = 0
    for k in keys:
        if k is not None and axis == shift.axis:
            step = k.step or 1 if isinstance(k, slice) else 0
            moved = shift.moved(axis_out)
            return moved.strided(step) if moved is not None and step > 0 else None
        axis += k is not None
        axis_out += k is None or isinstance(k, slice)
    return None


def _compact(array: np.ndarray) -> np.ndarray:
    """Length 1 for axes along which a broadcast array repeats itself."""
    return array[tuple(slice(0, 1) if stride == 0 else slice(None) for stride in array.strides)]


@rule(arrange.IndexAdd)
def _index_add(step: Step, spans: Spans) -> Span:
    (span,), shape, key = _known(spans), step.operation.shape, step.operation.key

    def placed(array: np.ndarray, ufunc: np.ufunc, empty: int) -> np.ndarray:
        result = np.full(shape, empty, np.int64)
        ufunc.at(result, key, array)
        return result

    return Span(placed(span.first, np.minimum, NOTHING[0]), placed(span.last, np.maximum, NOTHING[1]), None)


@rule(arrange.Transpose)
def _transpose(step: Step, spans: Spans) -> Span:
    (span,), axes = _known(spans), step.operation.axes
    shift = span.shift and span.shift.moved(axes.index(span.shift.axis))
    return span.mapped(lambda array: array.transpose(axes), shift)


@rule(arrange.Reshape)
def _reshape(step: Step, spans: Spans) -> Span:
    """Axes along which the span changes keep their place if they can; if one cannot, all elements are written out."""
    (span,), old, new = _known(spans), step.application.inputs[0], step.application.output
    places = {axis: _same_axis(old, new, axis) for axis in range(len(old)) if span.first.shape[axis] > 1}
    shift = span.shift and span.shift.moved(_same_axis(old, new, span.shift.axis))
    if None in places.values():
        return span.mapped(lambda array: np.broadcast_to(array, old).reshape(new), shift)
    lengths = {place: old[axis] for axis, place in places.items()}
    shape = tuple(lengths.get(axis, 1) for axis in range(len(new)))
    return span.mapped(lambda array: array.reshape(shape), shift)


def _same_axis(old: tuple[int, ...], new: tuple[int, ...], axis: int) -> int | None:
    """The axis of ``new`` that counts the same groups of elements as this axis of ``old``, if there is one."""
    before = int(np.prod(old[:axis], dtype=np.int64))
    matches = (j for j, n in enumerate(new) if n == old[axis] and int(np.prod(new[:j], dtype=np.int64)) == before)
    return next(matches, None)


@rule(reduce.BroadcastTo)
def _broadcast_to(step: Step, spans: Spans) -> Span:
    (span,) = _known(spans)
    return span.widened(len(step.operation.shape))


# --- sums and products -----------------------------------------------------------------------------------------------


@rule(reduce.Sum, reduce.Max)
def _reduce(step: Step, spans: Spans) -> Span:
    (span,), axes = _known(spans), step.operation.axes
    span = span.over(axes)
    if step.operation.keepdims:
        return span
    shift = span.shift and span.shift.moved(span.shift.axis - sum(axis < span.shift.axis for axis in axes))
    return span.mapped(functools.partial(np.squeeze, axis=axes), shift)


@rule(linear.MatMul)
def _matmul(step: Step, spans: Spans) -> Span:
    """Each row of the first factor, with each column of the second."""
    left, right = spans
    factors = [left.over([left.ndim - 1])] if left is not None else []
    return union([*factors, right.over([right.ndim - 2])] if right is not None else factors)


def _known(spans: Spans) -> list[Span]:
    """Of the inputs that depend on the image; one at least does."""
    return [span for span in spans if span is not None]
