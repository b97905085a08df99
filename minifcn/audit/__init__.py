"""What a network is, read from what it does: properties that are measured on the recorded operations.

>>> from minifcn import nn
>>> print(receptive_field(nn.Conv2d(1, 1, 3, padding=1), size=9))
3 pixels, stride 1
"""

from minifcn.audit.borders import Borders, borders
from minifcn.audit.equivariance import Equivariance, equivariance
from minifcn.audit.facts import NetworkFacts, network_facts, published_options
from minifcn.audit.lecture_table import LectureTable, lecture_table
from minifcn.audit.receptive_field import AxisField, ReceptiveField, receptive_field
from minifcn.audit.sizes import sizes_in_words

__all__ = [
    "AxisField",
    "Borders",
    "Equivariance",
    "LectureTable",
    "NetworkFacts",
    "ReceptiveField",
    "borders",
    "equivariance",
    "lecture_table",
    "network_facts",
    "published_options",
    "receptive_field",
    "sizes_in_words",
]
