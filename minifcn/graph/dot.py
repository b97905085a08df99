"""A graph in DOT, for those who have Graphviz."""

from __future__ import annotations

from minifcn.graph.drawing import Graph
from minifcn.graph.palette import FILLS

_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\""})


def dot(graph: Graph) -> str:
    """Boxes and arrows; the layout is Graphviz's."""
    lines = ["digraph {", "  rankdir=LR;", '  node [shape=box, style="rounded,filled", fontname="sans-serif"];']
    for place, box in enumerate(graph.boxes):
        label = r"\n".join(line.translate(_ESCAPED) for line in box.lines)
        lines.append(f'  n{place} [label="{label}", fillcolor="{FILLS[box.kind]}"];')
    for place, box in enumerate(graph.boxes):
        lines += [f"  n{parent} -> n{place};" for parent in dict.fromkeys(box.parents)]
    return "\n".join([*lines, "}", ""])
