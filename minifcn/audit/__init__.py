"""What a network is, read from what it does: properties that are measured on the recorded operations.

>>> from minifcn import nn
>>> print(receptive_field(nn.Conv2d(1, 1, 3, padding=1), size=9))
3 pixels, stride 1
"""

from minifcn.audit.cost import Cost, LayerCost, cost
from minifcn.audit.facts import NetworkFacts, network_facts, published_options
from minifcn.audit.memory import MemoryReport, memory
from minifcn.audit.parameters import LayerParameters, Parameters, parameters
from minifcn.audit.receptive_field import AxisField, ReceptiveField, receptive_field
from minifcn.audit.rehearsal import Rehearsal, rehearse
from minifcn.audit.report import Report
from minifcn.audit.size_words import sizes_in_words
from minifcn.audit.sizes import Sizes, sizes
from minifcn.audit.subject import Subject

__all__ = [
    "AxisField",
    "MemoryReport",
    "Cost",
    "LayerCost",
    "LayerParameters",
    "NetworkFacts",
    "Parameters",
    "ReceptiveField",
    "Rehearsal",
    "memory",
    "Report",
    "Sizes",
    "Subject",
    "cost",
    "network_facts",
    "parameters",
    "published_options",
    "receptive_field",
    "rehearse",
    "sizes",
    "sizes_in_words",
]
