"""A graph as an SVG document: to the right if it is short, downwards if it is long."""

from __future__ import annotations

import itertools
from html import escape

from minifcn.graph.drawing import Box, Graph
from minifcn.graph.layout import Point, layout
from minifcn.graph.palette import FILLS

_FONT, _LINE, _CHARACTER = 12.0, 15.0, 6.9  # height of letters and lines, and width of a letter, in pixels
_PADDING, _MARGIN, _HEAD = 8.0, 12.0, 7.0
# Deeper graphs would be wider than a page if they went to the right.
_SHORT = 7


def svg(graph: Graph) -> str:
    """The whole drawing."""
    downwards = _depth(graph) > _SHORT
    sizes = [_size(box) for box in graph.boxes]
    turned = [(height, width) if downwards else (width, height) for width, height in sizes]
    found = layout([box.parents for box in graph.boxes], turned, 26.0 if downwards else 34.0, 16.0)

    def place(point: Point) -> Point:
        return (point[1], point[0]) if downwards else point

    centres = [place(point) for point in found.centres]
    left = min(x - w / 2 for (x, _), (w, _) in zip(centres, sizes, strict=True))
    top = min(y - h / 2 for (_, y), (_, h) in zip(centres, sizes, strict=True))
    ways = {ends: [place(point) for point in way] for ends, way in found.arrows.items()}
    bends = [point for way in ways.values() for point in way]
    right = max([x + w / 2 for (x, _), (w, _) in zip(centres, sizes, strict=True)] + [x for x, _ in bends])
    bottom = max([y + h / 2 for (_, y), (_, h) in zip(centres, sizes, strict=True)] + [y for _, y in bends])
    left, top = min([left] + [x for x, _ in bends]), min([top] + [y for _, y in bends])
    arrows = [_arrow(way, sizes[start], sizes[end], downwards) for (start, end), way in ways.items()]
    boxes = [_box(box, centre, size) for box, centre, size in zip(graph.boxes, centres, sizes, strict=True)]
    width, height = right - left + 2 * _MARGIN, bottom - top + 2 * _MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="{left - _MARGIN:.1f} {top - _MARGIN:.1f} {width:.1f} {height:.1f}" '
            f'style="max-width:100%;height:auto" font-family="sans-serif" font-size="{_FONT:g}">',
            *arrows,
            *boxes,
            "</svg>",
        ]
    )


def _depth(graph: Graph) -> int:
    """Boxes on the longest way."""
    depths: list[int] = []
    for box in graph.boxes:
        depths.append(1 + max((depths[parent] for parent in box.parents), default=0))
    return max(depths)


def _size(box: Box) -> tuple[float, float]:
    """Width and height of a box around its text."""
    return max(map(len, box.lines)) * _CHARACTER + 2 * _PADDING, len(box.lines) * _LINE + 2 * _PADDING - 3


def _box(box: Box, centre: Point, size: tuple[float, float]) -> str:
    (x, y), (width, height) = centre, size
    round_corners = 3 if box.kind in ("input", "parameter") else 9
    lines = [
        f'<rect x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'rx="{round_corners}" fill="{FILLS[box.kind]}" stroke="#777"/>'
    ]
    for row, line in enumerate(box.lines):
        baseline = y - height / 2 + _PADDING + _LINE * (row + 1) - 5
        weight = ' font-weight="bold"' if row == 0 else ""
        colour = "#b34700" if line == box.gradient and line else "#111"
        lines.append(
            f'<text x="{x:.1f}" y="{baseline:.1f}" text-anchor="middle" fill="{colour}"{weight}>{_text(line)}</text>'
        )
    return f"<g>{''.join(lines)}</g>"


def _text(line: str) -> str:
    """As XML allows it: a name may hold anything."""
    return escape("".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line))


def _arrow(way: list[Point], start: tuple[float, float], end: tuple[float, float], downwards: bool) -> str:
    """From the edge of one box to that of the other, in curves through the bends between them."""
    axis = 1 if downwards else 0
    points = [list(point) for point in way]
    points[0][axis] += start[axis] / 2
    points[-1][axis] -= end[axis] / 2 + 1
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        middle = (y0 + y1) / 2 if downwards else (x0 + x1) / 2
        first, second = ((x0, middle), (x1, middle)) if downwards else ((middle, y0), (middle, y1))
        path += f"C{first[0]:.1f} {first[1]:.1f} {second[0]:.1f} {second[1]:.1f} {x1:.1f} {y1:.1f}"
    (x, y), (along, across) = points[-1], (_HEAD, _HEAD / 2)
    corners = (
        [(x - across, y - along), (x + across, y - along)]
        if downwards
        else [(x - along, y - across), (x - along, y + across)]
    )
    # No marker: its id would have to differ from those of all other drawings on the page.
    head = " ".join(f"{a:.1f},{b:.1f}" for a, b in [(x, y), *corners])
    return f'<path d="{path}" fill="none" stroke="#777"/><polygon points="{head}" fill="#777"/>'
