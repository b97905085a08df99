"""Elementwise kernels: one generator makes them all from the formulas for one element.

Operands are arrays, or numbers of the host, which travel with the launch. Where all arrays are alike and contiguous, or
a single element, the kernel runs along memory; otherwise it finds each element's place from its number. A thread takes
four elements a block apart, and reads all before it writes the first.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minifcn.kernels.cuda import lang
from minifcn.kernels.cuda.array import CudaArray, empty
from minifcn.kernels.cuda.bodies import elementwise as bodies
from minifcn.kernels.cuda.lang import cuda, device_function, u32
from minifcn.kernels.cuda.launching import Kernel, jit, threads_and_blocks
from minifcn.kernels.cuda.striding import advance_of, collapsed, elements, span, walk_of

Operand = Any  # a CudaArray, a Python number, a NumPy number or a 0-d NumPy array

_EACH = 4  # elements a thread
_BOOL = np.dtype(bool)
_ARRAY, _FIRST, _NUMBER = "array", "first", "number"  # how a kernel reads an operand


# --- of one operand ---------------------------------------------------------------------------------------------------


def negative(x: Operand) -> CudaArray:
    """−x."""
    return _applied("negative", _type(x), x)


def exp(x: Operand) -> CudaArray:
    """Exponential."""
    return _applied("exp", _float(x), x)


def log(x: Operand) -> CudaArray:
    """Natural logarithm; −inf at 0, NaN below."""
    return _applied("log", _float(x), x)


def sqrt(x: Operand) -> CudaArray:
    """Square root; NaN below 0."""
    return _applied("sqrt", _float(x), x)


def absolute(x: Operand) -> CudaArray:
    """|x|."""
    return _applied("absolute", _type(x), x)


def sign(x: Operand) -> CudaArray:
    """−1, 0 or 1; NaN stays NaN."""
    return _applied("sign", _type(x), x)


def sigmoid(x: Operand) -> CudaArray:
    """1 / (1 + e^−x), without overflow."""
    return _applied("sigmoid", _real(x), x)


def tanh(x: Operand) -> CudaArray:
    """Hyperbolic tangent."""
    return _applied("tanh", _float(x), x)


def softplus(x: Operand) -> CudaArray:
    """ln(1 + e^x), without overflow: max(x, 0) + ln(1 + e^−|x|)."""
    return _applied("softplus", _real(x), x)


def relu(x: Operand) -> CudaArray:
    """max(x, 0); NaN stays NaN."""
    return _applied("relu", _type(x), x)


def leaky_relu(x: Operand, negative_slope: float) -> CudaArray:
    """x where x > 0, else negative_slope · x."""
    return _applied("leaky_relu", _real(x), x, negative_slope)


def converted(x: CudaArray, dtype: Any) -> CudaArray:
    """x in another dtype, in a new array."""
    kind = np.dtype(dtype)
    if kind == _BOOL:  # 0.5 is true, which its integer is not
        return _applied("same", x.dtype, x, result=kind)
    return _applied("same", kind, x)


# --- of several, which broadcast --------------------------------------------------------------------------------------


def add(a: Operand, b: Operand) -> CudaArray:
    """a + b."""
    return _applied("add", _type(a, b), a, b)


def subtract(a: Operand, b: Operand) -> CudaArray:
    """a − b."""
    return _applied("subtract", _type(a, b), a, b)


def multiply(a: Operand, b: Operand) -> CudaArray:
    """a · b."""
    return _applied("multiply", _type(a, b), a, b)


def divide(a: Operand, b: Operand) -> CudaArray:
    """a / b; division by zero gives ±inf or NaN."""
    common = _type(a, b)
    return _applied("divide", common if common.kind == "f" else np.dtype(np.float64), a, b)


def power(a: Operand, b: Operand) -> CudaArray:
    """a to the power b; NaN where that is not real."""
    common = _type(a, b)
    return _applied("power" if common.kind == "f" else "integer_power", common, a, b)


def maximum(a: Operand, b: Operand) -> CudaArray:
    """The larger; NaN if either is."""
    return _applied("maximum", _type(a, b), a, b)


def minimum(a: Operand, b: Operand) -> CudaArray:
    """The smaller; NaN if either is."""
    return _applied("minimum", _type(a, b), a, b)


def where(condition: Operand, a: Operand, b: Operand) -> CudaArray:
    """a where the boolean ``condition`` holds, else b."""
    return _applied("where", _type(a, b), condition, a, b)


def scale_by_sign(x: Operand, sign: Operand, negative_slope: float) -> CudaArray:
    """x where ``sign`` > 0, else negative_slope · x (0 for a slope of 0, whatever x): the adjoint of ReLU."""
    return _applied("scale_by_sign", _real(x), x, sign, negative_slope)


def greater(a: Operand, b: Operand) -> CudaArray:
    """a > b, boolean."""
    return _applied("greater", _type(a, b), a, b, result=_BOOL)


def greater_equal(a: Operand, b: Operand) -> CudaArray:
    """a ≥ b, boolean."""
    return _applied("greater_equal", _type(a, b), a, b, result=_BOOL)


def equal(a: Operand, b: Operand) -> CudaArray:
    """a = b, boolean."""
    return _applied("equal", _type(a, b), a, b, result=_BOOL)


# --- types ------------------------------------------------------------------------------------------------------------


def _type(*operands: Operand) -> np.dtype:
    """The operands' common type, as NumPy finds it: Python's numbers follow the arrays."""
    first = operands[0]
    if len(operands) == 2 and isinstance(first, CudaArray) and first.dtype == getattr(operands[1], "dtype", None):
        return first.dtype
    return np.result_type(*(x.dtype if isinstance(x, CudaArray) else x for x in operands))


def _real(x: Operand) -> np.dtype:
    """The type of real numbers that hold x, float32 at least."""
    return np.result_type(_type(x), np.float32)


def _float(x: Operand) -> np.dtype:
    """The type of NumPy's functions of real numbers: float64 of integers."""
    kind = _type(x)
    return kind if kind.kind == "f" else np.dtype(np.float64)


def _computed_in(dtype: np.dtype) -> Any:
    """The type that a formula is computed in: integers all in 64 bits."""
    if dtype.kind == "f":
        return np.float64 if dtype == np.float64 else np.float32
    return np.uint64 if dtype == np.uint64 else np.int64


# --- calls ------------------------------------------------------------------------------------------------------------


def _applied(formula: str, dtype: np.dtype, *operands: Operand, result: np.dtype | None = None) -> CudaArray:
    """The formula for each element, computed in ``dtype``."""
    number = _computed_in(dtype)
    arrays = [x for x in operands if isinstance(x, CudaArray)]
    shape = arrays[0].shape if arrays else ()
    if any(x.shape != shape for x in arrays):
        shape = np.broadcast_shapes(*(x.shape for x in arrays))
    y = empty(shape, dtype if result is None else result)
    if y.size == 0:
        return y
    given = [_number_or_array(x, number) for x in operands]
    grid, block = threads_and_blocks(y.size, _EACH)
    if all(x.size == 1 or (x.is_contiguous and x.shape == shape) for x in arrays):
        kinds = tuple(_kind(x, shape) for x in given)
        _flat_kernel(formula, number, kinds).launch(grid, block, *given, y, y.size)
        return y
    _launch_strided(formula, number, given, y)
    return y


def _number_or_array(operand: Operand, number: Any) -> Any:
    """An operand as the kernel gets it."""
    return operand if isinstance(operand, CudaArray) else np.asarray(operand).astype(number)[()]


def _kind(operand: Any, shape: tuple[int, ...]) -> str:
    """How a flat kernel reads an operand."""
    if not isinstance(operand, CudaArray):
        return _NUMBER
    return _FIRST if operand.size == 1 and operand.shape != shape else _ARRAY


def _launch_strided(formula: str, number: Any, given: list[Any], y: CudaArray) -> None:
    """Run the kernel that looks up where each element is."""
    views = {k: x.broadcast_view(y.shape) for k, x in enumerate(given) if isinstance(x, CudaArray)}
    shape, steps = collapsed(y.shape, *(elements(view.strides, view.itemsize) for view in views.values()), _row(y))
    arguments, geometry, kinds = [], [], []
    walked = dict(zip(views, steps, strict=False))
    for k, x in enumerate(given):
        if k in views:
            memory, place = span(views[k])
            arguments.append(memory)
            geometry.append((*walked[k], place))
            kinds.append(_ARRAY)
        else:
            arguments.append(x)
            geometry.append((0,))
            kinds.append(_NUMBER)
    kernel = _strided_kernel(formula, number, tuple(kinds), len(shape))
    grid, block = threads_and_blocks(y.size, _EACH)
    kernel.launch(grid, block, *arguments, y, y.size, shape, advance_of(shape, block), *geometry)


def _row(y: CudaArray) -> tuple[int, ...]:
    """The strides of a contiguous array, in elements."""
    return elements(y.strides, y.itemsize)


# --- kernels ----------------------------------------------------------------------------------------------------------

# mypy: disable-error-code="no-untyped-def"


@device_function
def _element(x, i):
    return x[i]


@device_function
def _first(x, i):
    return x[0]


@device_function
def _number(x, i):
    return x


_READERS = {_ARRAY: _element, _FIRST: _first, _NUMBER: _number}


@functools.cache
def _formula(name: str) -> Callable[..., Any]:
    return device_function(getattr(bodies, name))


def _named(kernel: Kernel, formula: str) -> Kernel:
    """The kernel under its formula's name: profiles show it."""
    kernel.name = formula
    return kernel


@functools.cache
def _flat_kernel(formula: str, number: Any, kinds: tuple[str, ...]) -> Kernel:
    """The kernel that runs along memory."""
    body = _formula(formula)
    readers = [_READERS[kind] for kind in kinds]
    make = (_flat_of_one, _flat_of_two, _flat_of_three)[len(kinds) - 1]
    return _named(make(body, number, *readers), formula)


def _flat_of_one(body: Any, number: Any, read: Any) -> Kernel:
    @jit()
    def kernel(x, y, count):
        first = u32(u32(u32(cuda.blockIdx.x * cuda.blockDim.x) * u32(_EACH)) + cuda.threadIdx.x)
        step = u32(cuda.blockDim.x)
        values = cuda.local.array(_EACH, number)
        if u32(first + u32(u32(_EACH - 1) * step)) < count:
            for k in range(_EACH):
                values[k] = number(read(x, u32(first + u32(u32(k) * step))))
            for k in range(_EACH):
                y[u32(first + u32(u32(k) * step))] = body(number, values[k])
        else:
            for k in range(_EACH):
                e = u32(first + u32(u32(k) * step))
                if e < count:
                    y[e] = body(number, number(read(x, e)))

    return kernel


def _flat_of_two(body: Any, number: Any, read_a: Any, read_b: Any) -> Kernel:
    @jit()
    def kernel(a, b, y, count):
        first = u32(u32(u32(cuda.blockIdx.x * cuda.blockDim.x) * u32(_EACH)) + cuda.threadIdx.x)
        step = u32(cuda.blockDim.x)
        a_values = cuda.local.array(_EACH, number)
        b_values = cuda.local.array(_EACH, number)
        if u32(first + u32(u32(_EACH - 1) * step)) < count:
            for k in range(_EACH):
                e = u32(first + u32(u32(k) * step))
                a_values[k], b_values[k] = number(read_a(a, e)), number(read_b(b, e))
            for k in range(_EACH):
                y[u32(first + u32(u32(k) * step))] = body(number, a_values[k], b_values[k])
        else:
            for k in range(_EACH):
                e = u32(first + u32(u32(k) * step))
                if e < count:
                    y[e] = body(number, number(read_a(a, e)), number(read_b(b, e)))

    return kernel


def _flat_of_three(body: Any, number: Any, read_a: Any, read_b: Any, read_c: Any) -> Kernel:
    @jit()
    def kernel(a, b, c, y, count):
        first = u32(u32(u32(cuda.blockIdx.x * cuda.blockDim.x) * u32(_EACH)) + cuda.threadIdx.x)
        step = u32(cuda.blockDim.x)
        a_values = cuda.local.array(_EACH, number)
        b_values = cuda.local.array(_EACH, number)
        c_values = cuda.local.array(_EACH, number)
        if u32(first + u32(u32(_EACH - 1) * step)) < count:
            for k in range(_EACH):
                e = u32(first + u32(u32(k) * step))
                a_values[k], b_values[k] = number(read_a(a, e)), number(read_b(b, e))
                c_values[k] = number(read_c(c, e))
            for k in range(_EACH):
                y[u32(first + u32(u32(k) * step))] = body(number, a_values[k], b_values[k], c_values[k])
        else:
            for k in range(_EACH):
                e = u32(first + u32(u32(k) * step))
                if e < count:
                    y[e] = body(number, number(read_a(a, e)), number(read_b(b, e)), number(read_c(c, e)))

    return kernel


@functools.cache
def _strided_kernel(formula: str, number: Any, kinds: tuple[str, ...], rank: int) -> Kernel:
    """The kernel that finds the place of each element from its number."""
    body = _formula(formula)
    start, move, place, _ = walk_of(rank)

    @device_function
    def nowhere(where, shape, steps, count):
        return u32(0)

    pairs = [(_READERS[kind], nowhere if kind == _NUMBER else place) for kind in kinds]
    make = (_strided_of_one, _strided_of_two, _strided_of_three)[len(kinds) - 1]
    return _named(make(body, number, start, move, *(function for pair in pairs for function in pair)), formula)


def _strided_of_one(body: Any, number: Any, start: Any, move: Any, read: Any, place: Any) -> Kernel:
    @jit()
    def kernel(x, y, count, shape, advance, steps):
        first = u32(u32(u32(cuda.blockIdx.x * cuda.blockDim.x) * u32(_EACH)) + cuda.threadIdx.x)
        values = cuda.local.array(_EACH, number)
        where = start(first, shape)
        for k in range(_EACH):
            values[k] = number(read(x, place(where, shape, steps, count)))
            where = move(where, shape, advance)
        for k in range(_EACH):
            e = u32(first + u32(u32(k) * cuda.blockDim.x))
            if e < count:
                y[e] = body(number, values[k])

    return kernel


def _strided_of_two(
    body: Any, number: Any, start: Any, move: Any, read_a: Any, place_a: Any, read_b: Any, place_b: Any
) -> Kernel:
    @jit()
    def kernel(a, b, y, count, shape, advance, a_steps, b_steps):
        first = u32(u32(u32(cuda.blockIdx.x * cuda.blockDim.x) * u32(_EACH)) + cuda.threadIdx.x)
        a_values = cuda.local.array(_EACH, number)
        b_values = cuda.local.array(_EACH, number)
        where = start(first, shape)
        for k in range(_EACH):
            a_values[k] = number(read_a(a, place_a(where, shape, a_steps, count)))
            b_values[k] = number(read_b(b, place_b(where, shape, b_steps, count)))
            where = move(where, shape, advance)
        for k in range(_EACH):
            e = u32(first + u32(u32(k) * cuda.blockDim.x))
            if e < count:
                y[e] = body(number, a_values[k], b_values[k])

    return kernel


def _strided_of_three(
    body: Any,
    number: Any,
    start: Any,
    move: Any,
    read_a: Any,
    place_a: Any,
    read_b: Any,
    place_b: Any,
    read_c: Any,
    place_c: Any,
) -> Kernel:
    @jit()
    def kernel(a, b, c, y, count, shape, advance, a_steps, b_steps, c_steps):
        first = u32(u32(u32(cuda.blockIdx.x * cuda.blockDim.x) * u32(_EACH)) + cuda.threadIdx.x)
        a_values = cuda.local.array(_EACH, number)
        b_values = cuda.local.array(_EACH, number)
        c_values = cuda.local.array(_EACH, number)
        where = start(first, shape)
        for k in range(_EACH):
            a_values[k] = number(read_a(a, place_a(where, shape, a_steps, count)))
            b_values[k] = number(read_b(b, place_b(where, shape, b_steps, count)))
            c_values[k] = number(read_c(c, place_c(where, shape, c_steps, count)))
            where = move(where, shape, advance)
        for k in range(_EACH):
            e = u32(first + u32(u32(k) * cuda.blockDim.x))
            if e < count:
                y[e] = body(number, a_values[k], b_values[k], c_values[k])

    return kernel


def kernels_to_check() -> Iterator[tuple[str, Kernel, tuple[Any, ...]]]:
    """Label, kernel and argument types of what is compiled in practice."""
    pair = lang.tuple_type(2)
    count, boolean = lang.scalar_type(np.dtype(np.uint32)), lang.array_type(_BOOL)
    one = ("negative", "exp", "log", "sqrt", "absolute", "sign", "sigmoid", "tanh", "softplus", "relu", "same")
    two = ("add", "subtract", "multiply", "divide", "power", "maximum", "minimum", "leaky_relu")
    comparisons = ("greater", "greater_equal", "equal")
    for dtype in map(np.dtype, (np.float32, np.float64)):
        x, scalar, number = lang.array_type(dtype), lang.scalar_type(dtype), _computed_in(dtype)
        for formula in (*one, *two, *comparisons, "where", "scale_by_sign"):
            operands = 1 if formula in one else 3 if formula in ("where", "scale_by_sign") else 2
            arrays = operands - (formula in ("leaky_relu", "scale_by_sign"))
            kinds = (_ARRAY,) * arrays + (_NUMBER,) * (operands - arrays)
            given = ((boolean,) if formula == "where" else ()) + (x,) * arrays + (scalar,) * (operands - arrays)
            y, given = boolean if formula in comparisons else x, given[:operands]
            yield f"{formula} {dtype}", _flat_kernel(formula, number, kinds), (*given, y, count)
            for rank in (2, 3, 4):
                steps = [lang.tuple_type(rank + 1 if kind == _ARRAY else 1) for kind in kinds]
                kernel = _strided_kernel(formula, number, kinds, rank)
                yield f"{formula}, {rank} axes {dtype}", kernel, (*given, y, count, lang.tuple_type(rank), pair, *steps)
    yield from _integers_to_check()


def _integers_to_check() -> Iterator[tuple[str, Kernel, tuple[Any, ...]]]:
    """Formulas of integers, and changes of the type."""
    count, integers = lang.scalar_type(np.dtype(np.uint32)), lang.array_type(np.dtype(np.int64))
    two = (_ARRAY, _ARRAY)
    for formula in ("add", "multiply", "integer_power", "maximum"):
        yield f"{formula} int64", _flat_kernel(formula, np.int64, two), (integers, integers, integers, count)
    booleans = lang.array_type(_BOOL)
    yield "equal int64", _flat_kernel("equal", np.int64, two), (integers, integers, booleans, count)
    yield "add bool", _flat_kernel("add", np.int64, two), (booleans, booleans, booleans, count)
    kinds = (np.bool_, np.uint8, np.int32, np.int64, np.float32, np.float64)
    for given in map(np.dtype, kinds):
        for made in map(np.dtype, kinds):
            if given != made:
                kernel = _flat_kernel("same", _computed_in(given if made == _BOOL else made), (_ARRAY,))
                yield f"{given} to {made}", kernel, (lang.array_type(given), lang.array_type(made), count)
