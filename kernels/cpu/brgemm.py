"""The one micro-kernel under every convolution: a batch-reduce matrix product, generated as LLVM code.

    C[i, j] (+)= Σ_t Σ_k  A[start_a + offset_a[t] + i·row_a + k·step_a] · B[start_b + offset_b[t] + k·step_b + j]

A small tile of C, a few rows high and one or two SIMD vectors wide, stays in registers while the sums over t and k run.
With other offsets and strides the same product is a convolution (t: the kernel's taps, k: input channels, rows:
neighbouring pixels; no im2col), its adjoint in the image, and its adjoint in the weight (t: image rows, k: pixels,
rows: channels). This is the "single building block" of Georganas et al. 2020 (doi 10.1109/IPDPS47924.2020.00032).

Loops written in Numba are left to LLVM's vectoriser, which neither keeps the tile in registers nor uses the full width;
hence explicit vector types, as wide as the host's widest.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic

from minifcn.kernels.cpu.simd import VECTOR_BYTES, lanes

#: Heights of tiles, in the order they are tried. With two vectors a row, the tallest fills the registers (32 with
#: AVX-512 and on Arm, 16 with AVX2) but for the two vectors of B and the broadcast element of A.
TILE_ROWS = (6, 4, 2, 1) if VECTOR_BYTES == 32 else (14, 8, 4, 2, 1)


def _make(vectors: int) -> Callable[..., Any]:
    """The micro-kernel for tiles that are ``vectors`` vectors wide."""

    @intrinsic
    def brgemm(
        typing_context: Any,
        rows: Any,
        depth: Any,
        a: Any,
        start_a: Any,
        offset_a: Any,
        row_a: Any,
        step_a: Any,
        b: Any,
        start_b: Any,
        offset_b: Any,
        step_b: Any,
        c: Any,
        start_c: Any,
        row_c: Any,
        accumulate: Any,
    ) -> Any:
        if not a.dtype == b.dtype == c.dtype:
            # One would be read as if it were the other, beyond its end.
            raise TypingError(f"brgemm: the product of {a.dtype} and {b.dtype} cannot be written as {c.dtype}")
        signature = types.void(
            types.intp, types.intp,
            a, types.intp, offset_a, types.intp, types.intp,
            b, types.intp, offset_b, types.intp,
            c, types.intp, types.intp, types.boolean,
        )  # fmt: skip

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            _Emitter(context, builder, signature, arguments, vectors).emit()
            return context.get_dummy_value()

        return signature, generate

    return brgemm


_ARGUMENTS = (
    "rows", "depth",
    "a", "start_a", "offset_a", "row_a", "step_a",
    "b", "start_b", "offset_b", "step_b",
    "c", "start_c", "row_c", "accumulate",
)  # fmt: skip


class _Emitter:
    """Writes the product at the builder's position. Offsets and strides count elements of the arrays' flat memory."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any, vectors: int):
        self.builder, self.vectors = builder, vectors
        self.argument = dict(zip(_ARGUMENTS, arguments, strict=True))
        kinds = dict(zip(_ARGUMENTS, signature.args, strict=True))
        for name in ("a", "offset_a", "b", "offset_b", "c"):
            array = context.make_array(kinds[name])(context, builder, self.argument[name])
            self.argument[name] = array.data
            if name == "offset_a":
                self.taps = cgutils.unpack_tuple(builder, array.shape, 1)[0]
        element = context.get_data_type(kinds["a"].dtype)
        self.align = kinds["a"].dtype.bitwidth // 8
        self.lanes = lanes(self.align)
        self.vector = ir.VectorType(element, self.lanes)
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        self.fma = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{self.lanes}f{8 * self.align}")

    def emit(self) -> None:
        """Tiles from top to bottom, the tallest that still fits first."""
        builder, rows = self.builder, self.argument["rows"]
        done = rows.type(0)
        for height in TILE_ROWS:
            count = builder.sdiv(builder.sub(rows, done), rows.type(height))
            with cgutils.for_range(builder, count) as loop:
                self._tile(builder.add(done, builder.mul(loop.index, rows.type(height))), height)
            done = builder.add(done, builder.mul(count, rows.type(height)))

    def _tile(self, first_row: Any, height: int) -> None:
        """C[first_row : first_row + height], all its columns."""
        builder, argument = self.builder, self.argument
        rows_a = [self._at("a", "start_a", self._times(first_row, i, "row_a")) for i in range(height)]
        rows_c = [self._at("c", "start_c", self._times(first_row, i, "row_c")) for i in range(height)]
        b = builder.gep(argument["b"], [argument["start_b"]])
        # Stack slots to write the sums down in: LLVM turns them into registers.
        tile = [[cgutils.alloca_once(builder, self.vector) for _ in range(self.vectors)] for _ in rows_a]
        self._begin(tile, rows_c)
        with cgutils.for_range(builder, self.taps) as tap:
            offset_a, offset_b = (
                builder.load(builder.gep(argument[name], [tap.index])) for name in ("offset_a", "offset_b")
            )
            with cgutils.for_range(builder, argument["depth"]) as k:
                at_b = builder.gep(b, [builder.add(offset_b, builder.mul(k.index, argument["step_b"]))])
                at_a = builder.add(offset_a, builder.mul(k.index, argument["step_a"]))
                columns = [self._load(at_b, j) for j in range(self.vectors)]
                for row, sums in zip(rows_a, tile, strict=True):
                    element = self._broadcast(builder.load(builder.gep(row, [at_a])))
                    for slot, column in zip(sums, columns, strict=True):
                        builder.store(builder.call(self.fma, [element, column, builder.load(slot)]), slot)
        for sums, row in zip(tile, rows_c, strict=True):
            for j, slot in enumerate(sums):
                store = builder.store(builder.load(slot), self._vector_at(row, j))
                store.align = self.align

    def _begin(self, tile: list[list[Any]], rows_c: list[Any]) -> None:
        """The sums start from C, or from zero."""
        builder = self.builder
        zero = ir.Constant(self.vector, [0.0] * self.lanes)
        flag = self.argument["accumulate"]
        with builder.if_else(builder.icmp_unsigned("!=", flag, flag.type(0))) as (from_c, from_zero):
            with from_c:
                for sums, row in zip(tile, rows_c, strict=True):
                    for j, slot in enumerate(sums):
                        builder.store(self._load(row, j), slot)
            with from_zero:
                for sums in tile:
                    for slot in sums:
                        builder.store(zero, slot)

    def _times(self, first_row: Any, i: int, stride: str) -> Any:
        return self.builder.mul(self.builder.add(first_row, first_row.type(i)), self.argument[stride])

    def _at(self, array: str, start: str, offset: Any) -> Any:
        return self.builder.gep(self.argument[array], [self.builder.add(self.argument[start], offset)])

    def _vector_at(self, pointer: Any, j: int) -> Any:
        """Pointer to the j-th vector from ``pointer``."""
        element = self.builder.gep(pointer, [ir.IntType(64)(j * self.lanes)])
        return self.builder.bitcast(element, self.vector.as_pointer())

    def _load(self, pointer: Any, j: int) -> Any:
        value = self.builder.load(self._vector_at(pointer, j))
        value.align = self.align  # the arrays' alignment, not the vector's
        return value

    def _broadcast(self, scalar: Any) -> Any:
        index = ir.IntType(32)
        single = self.builder.insert_element(ir.Constant(self.vector, ir.Undefined), scalar, index(0))
        everywhere = ir.Constant(ir.VectorType(index, self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(single, ir.Constant(self.vector, ir.Undefined), everywhere)


#: The micro-kernel, by the number of vectors in a row of its tile.
brgemm1 = _make(1)
brgemm2 = _make(2)
