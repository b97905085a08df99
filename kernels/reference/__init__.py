"""The definition of every kernel: loops that read like the lecture's formulas, slow on purpose.

Other devices are tested against it. Values are Python's floats (64 bits) until the result is stored in its own type.
"""

from minifcn.kernels.reference.arrange import broadcast_to, cast, concatenate, index, index_add, pad
from minifcn.kernels.reference.classify import cross_entropy, cross_entropy_gradient, log_softmax, softmax
from minifcn.kernels.reference.conv import conv2d, conv2d_weight, conv_transpose2d
from minifcn.kernels.reference.elementwise import (
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
from minifcn.kernels.reference.linear import matmul
from minifcn.kernels.reference.norm import batch_norm, batch_norm_gradient, moments, running_statistics
from minifcn.kernels.reference.optimiser import adam_step, rmsprop_step, scale_all, sgd_step, squared_norm
from minifcn.kernels.reference.placing import from_host, full, to_host, uniform
from minifcn.kernels.reference.pool import gather2d, max_pool2d, max_unpool2d
from minifcn.kernels.reference.reduce import argmax, max, min, sum
from minifcn.kernels.reference.resample import resample2d

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
