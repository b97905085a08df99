"""What colour each kind of box has: pale, so that black text can be read on it."""

from minifcn.graph.drawing import Kind

FILLS: dict[Kind, str] = {
    "input": "#fff3d6",
    "parameter": "#d9f0e7",
    "operation": "#e3eef8",
    "module": "#eeeeee",
}
