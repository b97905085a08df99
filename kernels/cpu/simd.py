"""SIMD vectors as values: as wide as the host's registers, in kernels that are written in Python.

LLVM's vectoriser turns loops over arrays into vector code when it can prove that it may, and then prefers half of the
machine's width. A kernel whose speed must not hang on that says what it wants:

    a, b = load(x, i), load(x, i + lanes)      # two registers full of x
    store(y, i, 4.0 * a - b)                   # two instructions on all lanes

Arrays are contiguous; positions count elements of their flat memory. `load_first` and `store_first` touch only the
first ``count`` lanes, for rows whose length is no multiple of the vector's. Products and sums contract to fused ones.
"""

import operator
import os
from collections.abc import Callable
from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global
from numba.extending import intrinsic, lower_builtin, models, register_model

_VARIABLE = "MINIFCN_VECTOR_BYTES"
#: Products may be fused with sums, as elsewhere in the kernels; nothing else is relaxed.
_FLAGS = ("contract", "nsz")
_INDEX = ir.IntType(32)


def _vector_bytes() -> int:
    features = llvmlite.binding.get_host_cpu_features()
    widest = 64 if features.get("avx512f") else 32 if features.get("avx2") and features.get("fma") else 16
    forced = os.environ.get(_VARIABLE, str(widest))
    if forced not in ("16", "32", "64") or int(forced) > widest:
        raise ValueError(f"{_VARIABLE}={forced}: must be 16, 32 or 64, and at most this machine's {widest}")
    return int(forced)


#: Width of a vector: 64 bytes with AVX-512, 32 with AVX2, 16 otherwise. The environment variable MINIFCN_VECTOR_BYTES
#: makes it narrower, so that one machine can test the code of all.
VECTOR_BYTES = _vector_bytes()


#: Vector registers: 32 with AVX-512 (for narrower vectors, too) and on Arm, 16 on other processors.
REGISTERS = 32 if any(llvmlite.binding.get_host_cpu_features().get(name) for name in ("avx512vl", "neon")) else 16


def lanes(itemsize: int) -> int:
    """Numbers in a vector."""
    return VECTOR_BYTES // itemsize


# --- the type --------------------------------------------------------------------------------------------------------


class Vector(types.Type):  # type: ignore[misc]  # Numba has no type hints
    """Numba's type of a register full of ``dtype``."""

    def __init__(self, dtype: Any):
        self.dtype = dtype
        super().__init__(name=f"Vector({dtype}, {VECTOR_BYTES} bytes)")


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Vector):
        super().__init__(manager, kind, llvm_vector(manager.lookup(kind.dtype).get_data_type(), kind.dtype))


def llvm_vector(element: Any, dtype: Any) -> ir.VectorType:
    """LLVM's type of a register full of ``dtype``."""
    return ir.VectorType(element, lanes(dtype.bitwidth // 8))


# --- memory ----------------------------------------------------------------------------------------------------------


@intrinsic
def load(typing_context: Any, array: Any, at: Any) -> Any:
    """The vector that begins at ``array[at]``."""
    kind = Vector(array.dtype)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value = builder.load(_pointer(context, builder, signature, arguments))
        value.align = array.dtype.bitwidth // 8  # the array's alignment, not the vector's
        return value

    return kind(array, types.intp), generate


@intrinsic
def load_first(typing_context: Any, array: Any, at: Any, count: Any) -> Any:
    """``count`` numbers from ``array[at]`` on, then zeros; memory behind them is not touched."""
    kind = Vector(array.dtype)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = context.get_value_type(kind)
        return masked_load(
            builder,
            vector,
            _pointer(context, builder, signature, arguments),
            first_lanes(builder, vector, arguments[2]),
        )

    return kind(array, types.intp, types.intp), generate


@intrinsic
def store(typing_context: Any, array: Any, at: Any, value: Any) -> Any:
    """Write a vector to ``array[at]`` and behind."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        written = builder.store(arguments[2], _pointer(context, builder, signature, arguments))
        written.align = array.dtype.bitwidth // 8
        return context.get_dummy_value()

    return types.void(array, types.intp, Vector(array.dtype)), generate


@intrinsic
def store_first(typing_context: Any, array: Any, at: Any, value: Any, count: Any) -> Any:
    """Write the first ``count`` lanes of a vector to ``array[at]`` and behind."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, signature, arguments)
        masked_store(builder, arguments[2], pointer, first_lanes(builder, arguments[2].type, arguments[3]))
        return context.get_dummy_value()

    return types.void(array, types.intp, Vector(array.dtype), types.intp), generate


@intrinsic
def prefetch(typing_context: Any, array: Any, at: Any) -> Any:
    """Ask for the cache line of ``array[at]``, to be there later, in the second-level cache."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        ask(builder, _pointer(context, builder, signature, arguments), write=False)
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


def _pointer(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Where the vector at (array, at), the first two arguments, lies."""
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    vector = llvm_vector(array.data.type.pointee, signature.args[0].dtype)
    return builder.bitcast(builder.gep(array.data, [arguments[1]]), vector.as_pointer())


def ask(builder: Any, pointer: Any, write: bool) -> None:
    """Ask for the cache line at ``pointer``: to write to it at once, or to find it in the second-level cache later."""
    pointer = builder.bitcast(pointer, ir.IntType(8).as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [pointer.type, _INDEX, _INDEX, _INDEX])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    builder.call(function, [pointer, _INDEX(int(write)), _INDEX(3 if write else 2), _INDEX(1)])


def first_lanes(builder: Any, vector: ir.VectorType, count: Any) -> Any:
    """The mask of a vector's first ``count`` lanes."""
    numbers = ir.Constant(ir.VectorType(_INDEX, vector.count), list(range(vector.count)))
    return builder.icmp_signed("<", numbers, broadcast(builder, numbers.type, builder.trunc(count, _INDEX)))


def masked_load(builder: Any, vector: ir.VectorType, pointer: Any, mask: Any) -> Any:
    """The lanes of ``mask`` from memory, the others zero."""
    kind = ir.FunctionType(vector, [pointer.type, _INDEX, mask.type, vector])
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.load.{_suffix(vector)}.p0")
    return builder.call(function, [pointer, _alignment(vector), mask, zero(vector)])


def masked_store(builder: Any, value: Any, pointer: Any, mask: Any) -> None:
    """Write the lanes of ``mask`` to memory."""
    kind = ir.FunctionType(ir.VoidType(), [value.type, pointer.type, _INDEX, mask.type])
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.store.{_suffix(value.type)}.p0")
    builder.call(function, [value, pointer, _alignment(value.type), mask])


def broadcast(builder: Any, vector: ir.VectorType, scalar: Any) -> Any:
    """A vector whose lanes are all ``scalar``."""
    single = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, _INDEX(0))
    everywhere = ir.Constant(ir.VectorType(_INDEX, vector.count), [0] * vector.count)
    return builder.shuffle_vector(single, ir.Constant(vector, ir.Undefined), everywhere)


def zero(vector: ir.VectorType) -> ir.Constant:
    """A vector of zeros."""
    return ir.Constant(vector, [0.0] * vector.count)


def fused_multiply_add(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """a · b + c, rounded once."""
    kind = ir.FunctionType(a.type, [a.type] * 3)
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.{_suffix(a.type)}"), [a, b, c])


def rectify(builder: Any, value: Any) -> Any:
    """max(value, 0); written so that NaN stays NaN."""
    return builder.select(builder.fcmp_ordered("<=", value, zero(value.type)), zero(value.type), value)


def _suffix(vector: ir.VectorType) -> str:
    return f"v{vector.count}f{_bits(vector)}"


def _bits(vector: ir.VectorType) -> int:
    return 32 if isinstance(vector.element, ir.FloatType) else 64


def _alignment(vector: ir.VectorType) -> ir.Constant:
    return _INDEX(_bits(vector) // 8)


# --- arithmetic ------------------------------------------------------------------------------------------------------


class _Arithmetic(AbstractTemplate):  # type: ignore[misc]
    """Vector ∘ Vector, number ∘ Vector: a number stands on all lanes."""

    def generic(self, arguments: Any, keywords: Any) -> Any:
        a, b = arguments
        if isinstance(b, Vector) and (a == b or isinstance(a, types.Number)):
            return b(a, b)
        return None


def _define(function: Callable[..., Any], instruction: str) -> None:
    """Teach Numba one operator."""
    infer_global(function)(type(f"_{instruction}", (_Arithmetic,), {}))

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a, b = arguments
        if not isinstance(signature.args[0], Vector):
            number = context.cast(builder, a, signature.args[0], signature.args[1].dtype)
            a = broadcast(builder, b.type, number)
        return getattr(builder, instruction)(a, b, flags=_FLAGS)

    lower_builtin(function, types.Any, Vector)(generate)


for _function, _instruction in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul")):
    _define(_function, _instruction)


@intrinsic
def relu(typing_context: Any, value: Any) -> Any:
    """max(value, 0) on all lanes; NaN stays NaN."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return rectify(builder, arguments[0])

    return value(value), generate
