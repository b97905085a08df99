"""Instructions of the GPU that Numba has no function for, as inline PTX (NVIDIA's portable assembly language).

`emulation` has the same functions for the simulator, with their meaning. NVIDIA, PTX ISA 9.0, section 9.7.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import cuda
from numba.cuda import cgutils, types
from numba.cuda import shfl_down_sync as _shfl_down_sync
from numba.cuda import shfl_xor_sync as _shfl_xor_sync
from numba.cuda.extending import intrinsic

_I32, _I64, _F32 = ir.IntType(32), ir.IntType(64), ir.FloatType()
_FOUR = types.UniTuple(types.float32, 4)
_SHARED = 3  # the address space
_ALL_LANES = 0xFFFFFFFF


def _assembly(builder: Any, result: Any, arguments: list[Any], code: str, constraints: str) -> Any:
    """A call of inline PTX that is neither removed nor moved past other memory accesses."""
    function = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(ir.InlineAsm(function, code, constraints, side_effect=True), arguments)


def _pure(builder: Any, result: Any, arguments: list[Any], code: str, constraints: str) -> Any:
    """A call of inline PTX that computes, and may be moved."""
    function = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(ir.InlineAsm(function, code, constraints, side_effect=False), arguments)


def _address(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    """The 64-bit address of an element."""
    data = context.make_array(array_type)(context, builder, array).data
    wide = index if index.type == _I64 else builder.zext(index, _I64)
    return builder.gep(data, [wide])


def _shared_address(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    """The 32-bit address of an element of a shared array."""
    pointer = _address(context, builder, array_type, array, index)
    pointee = getattr(pointer.type, "pointee", None)
    space = ir.PointerType(pointee, _SHARED) if pointee is not None else ir.PointerType(addrspace=_SHARED)
    return builder.ptrtoint(builder.addrspacecast(pointer, space), _I32)


def _packed(builder: Any, struct: Any, count: int) -> Any:
    return cgutils.pack_array(builder, [builder.extract_value(struct, i) for i in range(count)])


def _unpacked(builder: Any, values: Any, count: int) -> list[Any]:
    return [builder.extract_value(values, i) for i in range(count)]


def _four_of(struct: Any) -> Any:
    return ir.LiteralStructType([struct] * 4)


@intrinsic
def load4(typing_context, array, index):  # type: ignore[no-untyped-def]
    """Four neighbouring float32 or int32 of an array in global memory."""
    integers = array.dtype == types.int32
    number, suffix, register = (_I32, "s32", "=r") if integers else (_F32, "f32", "=f")

    def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
        address = _address(context, builder, signature.args[0], *args)
        constraints = ",".join([register] * 4) + ",l,~{memory}"
        loaded = _assembly(
            builder, _four_of(number), [address], f"ld.global.v4.{suffix} {{$0,$1,$2,$3}}, [$4];", constraints
        )
        return _packed(builder, loaded, 4)

    return types.UniTuple(array.dtype, 4)(array, types.uint32), code


@intrinsic
def store4(typing_context, array, index, values):  # type: ignore[no-untyped-def]
    """Write four neighbouring float32 of an array in global memory."""

    def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
        address = _address(context, builder, signature.args[0], args[0], args[1])
        _assembly(
            builder,
            ir.VoidType(),
            [address, *_unpacked(builder, args[2], 4)],
            "st.global.v4.f32 [$0], {$1,$2,$3,$4};",
            "l,f,f,f,f,~{memory}",
        )
        return context.get_dummy_value()

    return types.void(array, types.uint32, _FOUR), code


@intrinsic
def shared_load4(typing_context, array, index):  # type: ignore[no-untyped-def]
    """Four neighbouring float32 of a shared array."""

    def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
        address = _shared_address(context, builder, signature.args[0], *args)
        loaded = _assembly(
            builder, _four_of(_F32), [address], "ld.shared.v4.f32 {$0,$1,$2,$3}, [$4];", "=f,=f,=f,=f,r,~{memory}"
        )
        return _packed(builder, loaded, 4)

    return _FOUR(array, types.uint32), code


def _pointer_at(context: Any, builder: Any, address: Any, index: Any, kind: Any) -> Any:
    base = builder.inttoptr(address, ir.PointerType(context.get_data_type(kind)))
    return builder.gep(base, [builder.zext(index, _I64)])


@intrinsic
def load_at(typing_context, address, index, like):  # type: ignore[no-untyped-def]
    """Element ``index`` of an array that begins at ``address``, of the type that ``like`` has."""

    def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.load(_pointer_at(context, builder, args[0], args[1], signature.args[2]))

    return like(types.uint64, types.uint32, like), code


@intrinsic
def store_at(typing_context, address, index, value):  # type: ignore[no-untyped-def]
    """Write element ``index`` of an array that begins at ``address``."""

    def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
        builder.store(args[2], _pointer_at(context, builder, args[0], args[1], signature.args[2]))
        return context.get_dummy_value()

    return types.void(types.uint64, types.uint32, value), code


def _asynchronous_copy(size: int, kind: str) -> Any:
    @intrinsic
    def copy(typing_context, shared, shared_index, array, index, count):  # type: ignore[no-untyped-def]
        def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
            target = _shared_address(context, builder, signature.args[0], args[0], args[1])
            source = _address(context, builder, signature.args[2], args[2], args[3])
            size_read = builder.shl(args[4], ir.Constant(_I32, 2))
            _assembly(
                builder,
                ir.VoidType(),
                [target, source, size_read],
                f"cp.async.{kind}.shared.global [$0], [$1], {size}, $2;",
                "r,l,r,~{memory}",
            )
            return context.get_dummy_value()

        return types.void(shared, types.uint32, array, types.uint32, types.uint32), code

    return copy


cp_async16 = _asynchronous_copy(16, "cg")
cp_async4 = _asynchronous_copy(4, "ca")


@intrinsic
def cp_async_commit(typing_context):  # type: ignore[no-untyped-def]
    """End a group of asynchronous copies."""

    def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
        _assembly(builder, ir.VoidType(), [], "cp.async.commit_group;", "~{memory}")
        return context.get_dummy_value()

    return types.void(), code


@intrinsic
def cp_async_wait(typing_context, groups):  # type: ignore[no-untyped-def]
    """Wait until at most ``groups`` (a literal) groups of copies are still under way."""
    if not isinstance(groups, types.IntegerLiteral):
        return None
    count = groups.literal_value

    def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
        _assembly(builder, ir.VoidType(), [], f"cp.async.wait_group {count};", "~{memory}")
        return context.get_dummy_value()

    return types.void(groups), code


@intrinsic
def ldmatrix_x4(typing_context, array, index):  # type: ignore[no-untyped-def]
    """Four matrices of 8 rows of 4 numbers from shared memory, spread over the lanes."""

    def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
        address = _shared_address(context, builder, signature.args[0], *args)
        loaded = _assembly(
            builder,
            _four_of(_I32),
            [address],
            "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {$0,$1,$2,$3}, [$4];",
            "=r,=r,=r,=r,r,~{memory}",
        )
        numbers = [builder.bitcast(value, _F32) for value in _unpacked(builder, loaded, 4)]
        return cgutils.pack_array(builder, numbers)

    return _FOUR(array, types.uint32), code


@intrinsic
def to_tf32(typing_context, x):  # type: ignore[no-untyped-def]
    """Rounded to TF32, to nearest, ties away from zero."""

    def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.bitcast(_pure(builder, _I32, [args[0]], "cvt.rna.tf32.f32 $0, $1;", "=r,f"), _F32)

    return types.float32(types.float32), code


@intrinsic
def high_tf32(typing_context, x):  # type: ignore[no-untyped-def]
    """The larger part, of TF32, of a number: as `to_tf32`, with two instructions less, but NaN may become 0."""

    def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
        bits = builder.add(builder.bitcast(args[0], _I32), ir.Constant(_I32, 0x1000))
        return builder.bitcast(builder.and_(bits, ir.Constant(_I32, 0xFFFFE000)), _F32)

    return types.float32(types.float32), code


@intrinsic
def mma_tf32(typing_context, d, a, b):  # type: ignore[no-untyped-def]
    """D + A B of a warp: mma.sync.m16n8k8. The last 13 bits of A and B are not looked at."""

    def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
        bits = [builder.bitcast(v, _I32) for v in (*_unpacked(builder, args[1], 4), *_unpacked(builder, args[2], 2))]
        result = _pure(
            builder,
            _four_of(_F32),
            [*bits, *_unpacked(builder, args[0], 4)],
            "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
            "{$0,$1,$2,$3}, {$4,$5,$6,$7}, {$8,$9}, {$10,$11,$12,$13};",
            "=f,=f,=f,=f,r,r,r,r,r,r,f,f,f,f",
        )
        return _packed(builder, result, 4)

    return _FOUR(_FOUR, _FOUR, types.UniTuple(types.float32, 2)), code


@cuda.jit(device=True, forceinline=True)
def shfl_down(value, delta):  # type: ignore[no-untyped-def]
    """The value of the lane ``delta`` further on; of the last lanes, their own."""
    return _shfl_down_sync(_ALL_LANES, value, delta)


@cuda.jit(device=True, forceinline=True)
def shfl_xor(value, mask):  # type: ignore[no-untyped-def]
    """The value of the lane whose number differs by the bits of ``mask``."""
    return _shfl_xor_sync(_ALL_LANES, value, mask)
