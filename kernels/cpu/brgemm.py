"""The one micro-kernel under every convolution: a batch-reduce matrix product, generated as LLVM code.

    C[i, j] = D[i, j] + Σ_t Σ_k  A[start_a + offset_a[t] + i·row_a + k·step_a] · B[start_b + offset_b[t] + k·step_b + j]

A small tile of C, a few rows high and one or two SIMD vectors wide, stays in registers while the sums over t and k run.
With other offsets and strides the same product is a convolution (t: the kernel's rows, k: its columns and the input
channels, rows: neighbouring pixels; no im2col), its adjoint in the image, its adjoint in the weight (t: image rows, k:
pixels, rows: channels), and the 36 products of Winograd's algorithm. This is the "single building block" of Georganas
et al. 2020 (doi 10.1109/IPDPS47924.2020.00032).

*Cost.* For every k, a tile of h rows and 2 vectors loads 2 vectors and h numbers for 2·h fused multiply-adds. On a core
that starts two a cycle and finishes each after four, those take h cycles if h is at least 4; the loads take less. So
the product runs at the core's peak as long as A and B come from its caches. C is written once.

The addend D is what C starts from: C itself (to accumulate), one row for all (a bias: its row stride is 0), or nothing.

Loops written in Numba are left to LLVM's vectoriser, which neither keeps the tile in registers nor uses the full width;
hence explicit vectors (`simd`), as wide as the host's widest.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic

from minifcn.kernels.cpu import simd
from minifcn.kernels.cpu.simd import REGISTERS, VECTOR_BYTES

#: Heights of tiles, in the order they are tried. With two vectors a row, the tallest fills the registers but for the
#: two vectors of B and the broadcast element of A. Vectors of 32 bytes are AVX2's, which has 16 of them.
TILE_ROWS = (6, 4, 3, 2, 1) if VECTOR_BYTES == 32 or REGISTERS == 16 else (14, 8, 4, 3, 2, 1)
_FEW_ROWS = 4  # below, a tile has too few sums in flight to hide how long each takes

_ARGUMENTS = (
    "rows", "depth",
    "a", "start_a", "offset_a", "row_a", "step_a",
    "b", "start_b", "offset_b", "step_b",
    "c", "start_c", "row_c",
    "d", "start_d", "row_d",
    "add", "relu", "columns",
)  # fmt: skip
_ARRAYS = ("a", "offset_a", "b", "offset_b", "c", "d")
_FLAGS = ("add", "relu")


def _make(vectors: int, partial: bool) -> Callable[..., Any]:
    """The micro-kernel for tiles that are ``vectors`` vectors wide; ``partial``, the last holds ``columns`` numbers."""

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
        d: Any,
        start_d: Any,
        row_d: Any,
        add: Any,
        relu: Any,
        columns: Any,
    ) -> Any:
        if not a.dtype == b.dtype == c.dtype == d.dtype:
            # One would be read as if it were the other, beyond its end.
            raise TypingError(f"brgemm: {a.dtype}, {b.dtype}, {c.dtype} and {d.dtype} do not go into one product")
        arrays = {"a": a, "offset_a": offset_a, "b": b, "offset_b": offset_b, "c": c, "d": d}
        kinds = [arrays.get(name, types.boolean if name in _FLAGS else types.intp) for name in _ARGUMENTS]

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            _Emitter(context, builder, signature, arguments, vectors, partial).emit()
            return context.get_dummy_value()

        return types.void(*kinds), generate

    return brgemm


class _Emitter:
    """Writes the product at the builder's position. Offsets and strides count elements of the arrays' flat memory."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any, vectors: int, partial: bool):
        self.builder, self.vectors = builder, vectors
        self.argument = dict(zip(_ARGUMENTS, arguments, strict=True))
        kinds = dict(zip(_ARGUMENTS, signature.args, strict=True))
        for name in _ARRAYS:
            array = context.make_array(kinds[name])(context, builder, self.argument[name])
            self.argument[name] = array.data
            if name == "offset_a":
                self.taps = cgutils.unpack_tuple(builder, array.shape, 1)[0]
        self.align = kinds["a"].dtype.bitwidth // 8
        self.vector = simd.llvm_vector(context.get_data_type(kinds["a"].dtype), kinds["a"].dtype)
        self.mask = simd.first_lanes(builder, self.vector, self.argument["columns"]) if partial else None

    def emit(self) -> None:
        """Tiles from top to bottom, the tallest that still fits first."""
        builder, rows = self.builder, self.argument["rows"]
        done = rows.type(0)
        for height in TILE_ROWS:
            count = builder.sdiv(builder.sub(rows, done), rows.type(height))
            if height == TILE_ROWS[0]:
                count = builder.sub(count, self._one_if_few_are_left(rows, height, count))
            with cgutils.for_range(builder, count) as loop:
                self._tile(builder.add(done, builder.mul(loop.index, rows.type(height))), height)
            done = builder.add(done, builder.mul(count, rows.type(height)))

    def _one_if_few_are_left(self, rows: Any, height: int, count: Any) -> Any:
        """1 if the tallest tiles would leave a few rows only: they are better shared with the last of those tiles."""
        builder = self.builder
        rest = builder.srem(rows, rows.type(height))
        few = builder.and_(
            builder.icmp_signed(">", rest, rows.type(0)), builder.icmp_signed("<", rest, rows.type(_FEW_ROWS))
        )
        return builder.zext(builder.and_(few, builder.icmp_signed(">", count, rows.type(0))), rows.type)

    def _tile(self, first_row: Any, height: int) -> None:
        """C[first_row : first_row + height], all its columns."""
        builder, argument = self.builder, self.argument
        a = self._at("a", "start_a", self._times(first_row, 0, "row_a"))
        rows_c = [self._at("c", "start_c", self._times(first_row, i, "row_c")) for i in range(height)]
        b = builder.gep(argument["b"], [argument["start_b"]])
        # Stack slots to write the sums down in: LLVM turns them into registers.
        tile = [[cgutils.alloca_once(builder, self.vector) for _ in range(self.vectors)] for _ in rows_c]
        self._begin(tile, first_row)
        for row in rows_c:
            for j in range(self.vectors):
                simd.ask(builder, self._vector_at(row, j), write=True)
        with cgutils.for_range(builder, self.taps) as tap:
            offset_a, offset_b = (
                builder.load(builder.gep(argument[name], [tap.index])) for name in ("offset_a", "offset_b")
            )
            with cgutils.for_range(builder, argument["depth"]) as k:
                at_b = builder.gep(b, [builder.add(offset_b, builder.mul(k.index, argument["step_b"]))])
                at_a = builder.add(offset_a, builder.mul(k.index, argument["step_a"]))
                columns = [self._load(at_b, j) for j in range(self.vectors)]
                for row, sums in zip(self._rows(builder.gep(a, [at_a]), height), tile, strict=True):
                    element = simd.broadcast(builder, self.vector, builder.load(row))
                    for slot, column in zip(sums, columns, strict=True):
                        builder.store(simd.fused_multiply_add(builder, element, column, builder.load(slot)), slot)
        self._finish(tile, rows_c)

    def _rows(self, pointer: Any, height: int) -> list[Any]:
        """``pointer`` and the same place of the rows below: each fourth by an addition, three by addressing from there.

        The first is hidden from the optimiser. LLVM would else keep one pointer a row and step them all: 14 registers
        more than there are, and a quarter of the speed.
        """
        builder, rows = self.builder, [self._opaque(pointer)]
        stride = self.argument["row_a"]
        for i in range(1, height):
            back = 4 if i % 4 == 0 else i % 4
            rows.append(builder.gep(rows[i - back], [builder.mul(stride, stride.type(back))]))
        return rows

    def _opaque(self, pointer: Any) -> Any:
        """The same pointer, of which the optimiser knows nothing."""
        kind = ir.FunctionType(pointer.type, [pointer.type])
        return self.builder.asm(kind, "", "=r,0", [pointer], side_effect=False)

    def _begin(self, tile: list[list[Any]], first_row: Any) -> None:
        """The sums start from D, or from zero."""
        builder = self.builder
        with builder.if_else(self._is_set("add")) as (from_d, from_zero):
            with from_d:
                for i, sums in enumerate(tile):
                    row = self._at("d", "start_d", self._times(first_row, i, "row_d"))
                    for j, slot in enumerate(sums):
                        builder.store(self._load(row, j), slot)
            with from_zero:
                for sums in tile:
                    for slot in sums:
                        builder.store(simd.zero(self.vector), slot)

    def _finish(self, tile: list[list[Any]], rows_c: list[Any]) -> None:
        """Rectify the sums if asked, and write them down."""
        builder = self.builder
        with builder.if_then(self._is_set("relu")):
            for sums in tile:
                for slot in sums:
                    builder.store(simd.rectify(builder, builder.load(slot)), slot)
        for sums, row in zip(tile, rows_c, strict=True):
            for j, slot in enumerate(sums):
                if self._is_partial(j):
                    simd.masked_store(builder, builder.load(slot), self._vector_at(row, j), self.mask)
                else:
                    builder.store(builder.load(slot), self._vector_at(row, j)).align = self.align

    def _times(self, first_row: Any, i: int, stride: str) -> Any:
        return self.builder.mul(self.builder.add(first_row, first_row.type(i)), self.argument[stride])

    def _at(self, array: str, start: str, offset: Any) -> Any:
        return self.builder.gep(self.argument[array], [self.builder.add(self.argument[start], offset)])

    def _is_set(self, flag: str) -> Any:
        value = self.argument[flag]
        return self.builder.icmp_unsigned("!=", value, value.type(0))

    def _is_partial(self, j: int) -> bool:
        return self.mask is not None and j == self.vectors - 1

    def _vector_at(self, pointer: Any, j: int) -> Any:
        """Pointer to the j-th vector from ``pointer``."""
        element = self.builder.gep(pointer, [ir.IntType(64)(j * self.vector.count)])
        return self.builder.bitcast(element, self.vector.as_pointer())

    def _load(self, pointer: Any, j: int) -> Any:
        if self._is_partial(j):
            return simd.masked_load(self.builder, self.vector, self._vector_at(pointer, j), self.mask)
        value = self.builder.load(self._vector_at(pointer, j))
        value.align = self.align  # the arrays' alignment, not the vector's
        return value


#: The micro-kernel, for tiles of one vector, of two, and of the first ``columns`` numbers of one.
brgemm1 = _make(1, partial=False)
brgemm2 = _make(2, partial=False)
brgemm_part = _make(1, partial=True)
