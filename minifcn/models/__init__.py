"""The lecture's networks.

>>> from minifcn import models
>>> type(models.create("unet", in_channels=1, classes=2, base=4))
<class 'minifcn.models.unet.UNet'>
"""

from minifcn.models.ciresan import CiresanN3, CiresanN4
from minifcn.models.convolutionalize import convolutionalize
from minifcn.models.encoder import Encoder
from minifcn.models.fcn import FCN8s, FCN16s, FCN32s
from minifcn.models.network import Network
from minifcn.models.pang import PangCNN
from minifcn.models.registry import REGISTRY, create
from minifcn.models.resnet import ResNet
from minifcn.models.segnet import SegNet, SegNetBasic
from minifcn.models.sliding import Dilated, Fragments, PatchClassifier, ShiftAndStitch, SlidingWindow
from minifcn.models.unet import UNet
from minifcn.models.unet_backbone import BackboneUNet
from minifcn.models.vgg import VGG

__all__ = [
    "REGISTRY",
    "VGG",
    "BackboneUNet",
    "CiresanN3",
    "CiresanN4",
    "Dilated",
    "Encoder",
    "FCN8s",
    "FCN16s",
    "FCN32s",
    "Fragments",
    "Network",
    "PangCNN",
    "PatchClassifier",
    "ResNet",
    "SegNet",
    "SegNetBasic",
    "ShiftAndStitch",
    "SlidingWindow",
    "UNet",
    "convolutionalize",
    "create",
]
