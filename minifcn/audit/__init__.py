"""What a network is, read from what it does: properties that are measured on the recorded operations.

>>> from minifcn import nn
>>> print(receptive_field(nn.Conv2d(1, 1, 3, padding=1), size=9))
3 pixels, stride 1
"""

from minifcn.audit.costs.cost import Cost, LayerCost, cost
from minifcn.audit.costs.memory import MemoryReport, memory
from minifcn.audit.costs.parameters import LayerParameters, Parameters, parameters
from minifcn.audit.costs.rehearsal import Rehearsal, rehearse
from minifcn.audit.doctor import Diagnosis, Finding, doctor, doctor_source
from minifcn.audit.everything import AUDITS, Overview, ask
from minifcn.audit.facts import NetworkFacts, network_facts, published_options
from minifcn.audit.fields.effective import EffectiveField
from minifcn.audit.fields.effective_report import EffectiveReport, effective_receptive_field
from minifcn.audit.fields.field_report import ReceptiveFieldReport, receptive_field_report
from minifcn.audit.fields.layers import attributed
from minifcn.audit.fields.luo import LuoLaw, luo_law, uniform_deviation
from minifcn.audit.fields.receptive_field import AxisField, ReceptiveField, receptive_field
from minifcn.audit.fields.support import Support, gradient_support
from minifcn.audit.report import Report
from minifcn.audit.shifts.borders import Borders, borders
from minifcn.audit.shifts.equivariance import Equivariance, equivariance
from minifcn.audit.shifts.lecture_table import LectureTable, lecture_table
from minifcn.audit.sizing.size_words import sizes_in_words
from minifcn.audit.sizing.sizes import Sizes, sizes
from minifcn.audit.subject import Subject

__all__ = [
    "AUDITS",
    "AxisField",
    "Borders",
    "Cost",
    "Diagnosis",
    "EffectiveField",
    "EffectiveReport",
    "Equivariance",
    "Finding",
    "LayerCost",
    "LayerParameters",
    "LectureTable",
    "LuoLaw",
    "MemoryReport",
    "NetworkFacts",
    "Overview",
    "Parameters",
    "ReceptiveField",
    "ReceptiveFieldReport",
    "Rehearsal",
    "Report",
    "Sizes",
    "Subject",
    "Support",
    "ask",
    "attributed",
    "borders",
    "cost",
    "doctor",
    "doctor_source",
    "effective_receptive_field",
    "equivariance",
    "gradient_support",
    "lecture_table",
    "luo_law",
    "memory",
    "network_facts",
    "parameters",
    "published_options",
    "receptive_field",
    "receptive_field_report",
    "rehearse",
    "sizes",
    "sizes_in_words",
    "uniform_deviation",
]
