"""Tables for people, as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """Rows of cells below headings; columns of numbers are aligned at the right, but for the first ``names`` columns.

    >>> print(Table(("layer", "parameters"), [("conv", "80"), ("all", "1,321")]))
    layer  parameters
    conv           80
    all         1,321
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    names: int = 0

    def __str__(self) -> str:
        lines = [list(self.headings), *map(list, self.rows)]
        columns = list(zip(*lines, strict=True))
        widths = [max(map(len, column)) for column in columns]
        right = [
            place >= self.names and all(cell[:1].isdigit() or cell[:1] in "+-−." for cell in column[1:] if cell)
            for place, column in enumerate(columns)
        ]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if is_right else cell.ljust(width)
                for cell, width, is_right in zip(line, widths, right, strict=True)
            ).rstrip()
            for line in lines
        )
