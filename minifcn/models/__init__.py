"""The lecture's networks.

>>> from minifcn import models
>>> type(models.create("unet", in_channels=1, classes=2, base=4))
<class 'minifcn.models.unet.UNet'>
"""

from minifcn.models.ciresan import CiresanN3, CiresanN4
from minifcn.models.convolutionalize import convolutionalize
from minifcn.models.fcn import FCN8s, FCN16s, FCN32s
from minifcn.models.network import Network
from minifcn.models.pang import PangCNN
from minifcn.models.registry import REGISTRY, create
from minifcn.models.sliding import Dilated, Fragments, PatchClassifier, ShiftAndStitch, SlidingWindow
from minifcn.models.segnet import SegNet, SegNetBasic
from minifcn.models.unet import UNet

__all__ = [
    "REGISTRY",
    "CiresanN3",
    "CiresanN4",
    "Dilated",
    "Fragments",
    "Network",
    "PatchClassifier",
    "ShiftAndStitch",
    "SlidingWindow",
    "UNet",
    "convolutionalize",
    "FCN8s",
    "FCN16s",
    "FCN32s",
    "PangCNN",
    "SegNet",
    "SegNetBasic",
    "create",
]
