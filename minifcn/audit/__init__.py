"""What a network is, read from what it does: properties that are measured on the recorded operations.

>>> from minifcn import nn
>>> print(receptive_field(nn.Conv2d(1, 1, 3, padding=1), size=9))
3 pixels, stride 1
"""

from minifcn.audit.effective import EffectiveField
from minifcn.audit.effective_report import EffectiveReport, effective_receptive_field
from minifcn.audit.facts import NetworkFacts, network_facts, published_options
from minifcn.audit.field_report import ReceptiveFieldReport, receptive_field_report
from minifcn.audit.layers import attributed
from minifcn.audit.luo import LuoLaw, luo_law, uniform_deviation
from minifcn.audit.receptive_field import AxisField, ReceptiveField, receptive_field
from minifcn.audit.sizes import sizes_in_words
from minifcn.audit.support import Support, gradient_support

__all__ = [
    "AxisField",
    "EffectiveField",
    "EffectiveReport",
    "LuoLaw",
    "NetworkFacts",
    "ReceptiveField",
    "ReceptiveFieldReport",
    "Support",
    "attributed",
    "effective_receptive_field",
    "gradient_support",
    "luo_law",
    "network_facts",
    "published_options",
    "receptive_field",
    "receptive_field_report",
    "sizes_in_words",
    "uniform_deviation",
]
