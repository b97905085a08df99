"""Kernels that compute shapes and dtypes alone: what a network would do is known before it does it.

Their arrays have addresses, strides and a dtype, but no memory: see `space`. What an element holds means nothing, so
this is no device for Tensors to live on; it takes the place of one for a while, by `minifcn.kernels.replaced`. Beside
its results, a kernel takes the room that the CPU's takes while it computes, so that peaks of memory come out right.
"""

from minifcn.kernels.meta.arrange import broadcast_to, cast, concatenate, index, index_add, pad
from minifcn.kernels.meta.classify import cross_entropy, cross_entropy_gradient, log_softmax, softmax
from minifcn.kernels.meta.conv import conv2d, conv2d_weight, conv_transpose2d
from minifcn.kernels.meta.elementwise import (
    absolute,
    add,
    divide,
    equal,
    exp,
    greater,
    greater_equal,
    leaky_relu,
    log,
    maximum,
    minimum,
    multiply,
    negative,
    power,
    relu,
    scale_by_sign,
    sigmoid,
    sign,
    softplus,
    sqrt,
    subtract,
    tanh,
    where,
)
from minifcn.kernels.meta.linear import matmul
from minifcn.kernels.meta.norm import batch_norm, batch_norm_gradient, moments, running_statistics
from minifcn.kernels.meta.optimiser import adam_step, rmsprop_step, scale_all, sgd_step, squared_norm
from minifcn.kernels.meta.placing import from_host, full, to_host, uniform
from minifcn.kernels.meta.pool import gather2d, max_pool2d, max_unpool2d
from minifcn.kernels.meta.reduce import argmax, max, min, sum
from minifcn.kernels.meta.resample import resample2d

__all__ = [
    "absolute",
    "adam_step",
    "add",
    "argmax",
    "batch_norm",
    "batch_norm_gradient",
    "broadcast_to",
    "cast",
    "concatenate",
    "conv2d",
    "conv2d_weight",
    "conv_transpose2d",
    "cross_entropy",
    "cross_entropy_gradient",
    "divide",
    "equal",
    "exp",
    "from_host",
    "full",
    "gather2d",
    "greater",
    "greater_equal",
    "index",
    "index_add",
    "leaky_relu",
    "log",
    "log_softmax",
    "matmul",
    "max",
    "max_pool2d",
    "max_unpool2d",
    "maximum",
    "min",
    "minimum",
    "moments",
    "multiply",
    "negative",
    "pad",
    "power",
    "relu",
    "resample2d",
    "rmsprop_step",
    "running_statistics",
    "scale_all",
    "scale_by_sign",
    "sgd_step",
    "sigmoid",
    "sign",
    "softmax",
    "softplus",
    "sqrt",
    "squared_norm",
    "subtract",
    "sum",
    "tanh",
    "to_host",
    "uniform",
    "where",
]
