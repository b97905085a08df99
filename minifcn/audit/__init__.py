"""What a network is, read from what it does: properties that are measured on the recorded operations.

>>> from minifcn import nn
>>> print(receptive_field(nn.Conv2d(1, 1, 3, padding=1), size=9))
3 pixels, stride 1
"""

from minifcn.audit.receptive_field import AxisField, ReceptiveField, receptive_field

__all__ = ["AxisField", "ReceptiveField", "receptive_field"]
