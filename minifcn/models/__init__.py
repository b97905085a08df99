"""The lecture's networks.

>>> from minifcn import models
>>> type(models.create("unet", in_channels=1, classes=2, base=4))
<class 'minifcn.models.unet.UNet'>
"""

from minifcn.models.encoder import Encoder
from minifcn.models.network import Network
from minifcn.models.registry import REGISTRY, create
from minifcn.models.resnet import ResNet
from minifcn.models.unet import UNet
from minifcn.models.unet_backbone import BackboneUNet
from minifcn.models.vgg import VGG

__all__ = ["REGISTRY", "VGG", "BackboneUNet", "Encoder", "Network", "ResNet", "UNet", "create"]
