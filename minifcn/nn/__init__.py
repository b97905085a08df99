"""Layers, losses and what holds them together.

>>> import minifcn as mf
>>> from minifcn import nn
>>> net = nn.Sequential(nn.Conv2d(1, 8, 3, padding="same"), nn.ReLU(), nn.Conv2d(8, 2, 1))
>>> net(mf.zeros(1, 28, 28, 1)).shape
(1, 28, 28, 2)
"""

from minifcn.nn import init
from minifcn.nn.activation import Identity, LeakyReLU, LogSoftmax, ReLU, Sigmoid, Softmax, Softplus, Tanh
from minifcn.nn.antialias import antialiased
from minifcn.nn.blur import BlurPool2d, MaxBlurPool2d
from minifcn.nn.containers import ModuleList, Sequential
from minifcn.nn.conv import Conv2d, ConvTranspose2d
from minifcn.nn.coordinates import CoordinateChannels
from minifcn.nn.flatten import Flatten
from minifcn.nn.hooks import RemovableHandle
from minifcn.nn.linear import Linear
from minifcn.nn.loss import (
    BCEWithLogitsLoss,
    CLDiceLoss,
    CrossEntropyLoss,
    DiceLoss,
    FocalLoss,
    JaccardLoss,
    MSELoss,
    SigmoidFocalLoss,
    SumOfLosses,
    TotalVariationLoss,
    TverskyLoss,
)
from minifcn.nn.module import Module, Parameter
from minifcn.nn.norm import BatchNorm2d, Dropout, Dropout2d
from minifcn.nn.pad import ReflectionPad2d, ReplicationPad2d, ZeroPad2d
from minifcn.nn.pool import AvgPool2d, GlobalAvgPool2d, GlobalMaxPool2d, MaxPool2d, MaxUnpool2d, SumPool2d
from minifcn.nn.upsample import Upsample

__all__ = [
    "AvgPool2d",
    "BCEWithLogitsLoss",
    "BatchNorm2d",
    "BlurPool2d",
    "CLDiceLoss",
    "Conv2d",
    "ConvTranspose2d",
    "CoordinateChannels",
    "CrossEntropyLoss",
    "DiceLoss",
    "Dropout",
    "Dropout2d",
    "Flatten",
    "FocalLoss",
    "GlobalAvgPool2d",
    "GlobalMaxPool2d",
    "Identity",
    "JaccardLoss",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "MaxBlurPool2d",
    "MaxPool2d",
    "MaxUnpool2d",
    "Module",
    "ModuleList",
    "Parameter",
    "ReLU",
    "ReflectionPad2d",
    "RemovableHandle",
    "ReplicationPad2d",
    "Sequential",
    "Sigmoid",
    "SigmoidFocalLoss",
    "Softmax",
    "Softplus",
    "SumOfLosses",
    "SumPool2d",
    "Tanh",
    "TotalVariationLoss",
    "TverskyLoss",
    "Upsample",
    "ZeroPad2d",
    "antialiased",
    "init",
]
