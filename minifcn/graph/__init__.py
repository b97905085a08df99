"""The computation graph, to be looked at: drawn, folded by module, and walked back step by step.

>>> import minifcn as mf
>>> a, b = mf.tensor(2.0, requires_grad=True), mf.tensor(3.0, requires_grad=True)
>>> a.name, b.name = "a", "b"
>>> print((a * b + a).graph())
a         ()  = 2  ∂ = 4
b         ()  = 3  ∂ = 2
multiply  ()  = 6  ∂ = 1  <- a, b
add       ()  = 8  ∂ = 1  <- multiply, a
"""

from minifcn.graph.build import draw
from minifcn.graph.drawing import Box, Graph
from minifcn.graph.explanation import Explanation, Sent, Step, explained

__all__ = ["Box", "Explanation", "Graph", "Sent", "Step", "draw", "explained"]
