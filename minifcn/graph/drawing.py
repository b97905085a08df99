"""A drawing of a graph: boxes with arrows between them, as text, SVG and DOT."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from minifcn.io.atomic import write_text

Kind = Literal["input", "parameter", "operation", "module"]


@dataclass(frozen=True)
class Box:
    """One leaf, operation or folded module.

    Attributes:
        kind: which of them; a leaf is a "parameter" or another "input".
        title: what it is called.
        shape: of what it gives.
        value: of what it gives, if that is a single number; otherwise "".
        gradient: the derivative with respect to what it gives: ``∂ = 6``, or ``|∂| = 0.5``, the Euclidean norm; "" if
            nobody computed it.
        parents: places, in `Graph.boxes`, of what it is computed from.
        operations: how many are folded into it.
    """

    kind: Kind
    title: str
    shape: tuple[int, ...]
    value: str = ""
    gradient: str = ""
    parents: tuple[int, ...] = ()
    operations: int = 1

    @property
    def lines(self) -> list[str]:
        """Everything that is written into it."""
        given = f"= {self.value}" if self.value else f"{self.shape}"
        inside = f"{self.operations} operations" if self.operations > 1 else ""
        return [line for line in (self.title, given, self.gradient, inside) if line]


@dataclass(frozen=True, repr=False)
class Graph:
    """Boxes, each behind all that it is computed from. A notebook shows the drawing; ``print`` the list."""

    boxes: tuple[Box, ...]

    def __str__(self) -> str:
        width = max(len(box.title) for box in self.boxes)
        return "\n".join(self._line(box, width) for box in self.boxes)

    def __repr__(self) -> str:
        return f"<Graph of {len(self.boxes)} boxes; print it, or save it as .svg or .dot>"

    def _line(self, box: Box, width: int) -> str:
        parts = [box.title.ljust(width), str(box.shape), f"= {box.value}" if box.value else "", box.gradient]
        if box.operations > 1:
            parts.append(f"{box.operations} operations")
        if box.parents:
            parts.append("<- " + ", ".join(self.boxes[parent].title for parent in box.parents))
        return "  ".join(part for part in parts if part)

    def dot(self) -> str:
        """The graph in DOT, the language of Graphviz."""
        from minifcn.graph.dot import dot

        return dot(self)

    def svg(self) -> str:
        """The drawing as an SVG document."""
        from minifcn.graph.svg import svg

        return svg(self)

    def _repr_svg_(self) -> str:
        return self.svg()

    def save(self, path: str | Path) -> Path:
        """Write the drawing (``.svg``) or the graph for Graphviz (``.dot``, ``.gv``); return the path.

        Raises:
            ValueError: the name ends in something else.
        """
        path = Path(path)
        written = {".svg": self.svg, ".dot": self.dot, ".gv": self.dot}.get(path.suffix.lower())
        if written is None:
            raise ValueError(f"graph: {path.name} must end in .svg, .dot or .gv; other formats are Graphviz's to write")
        write_text(path, written())
        return path
