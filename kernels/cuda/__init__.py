"""The GPU's kernels, in Numba-CUDA. To import them takes a GPU, its driver and numba-cuda, or Numba's simulator."""

from minifcn.kernels.cuda import driver

driver.start()  # what is missing is said here, not at the first kernel

from minifcn.kernels.cuda.arrange import broadcast_to, cast, concatenate, index, index_add, pad  # noqa: E402
from minifcn.kernels.cuda.classify import cross_entropy, cross_entropy_gradient, log_softmax, softmax  # noqa: E402
from minifcn.kernels.cuda.conv import conv2d, conv2d_weight, conv_transpose2d  # noqa: E402
from minifcn.kernels.cuda.elementwise import (  # noqa: E402
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
from minifcn.kernels.cuda.gradients import scale_all, squared_norm  # noqa: E402
from minifcn.kernels.cuda.linear import matmul  # noqa: E402
from minifcn.kernels.cuda.norm import batch_norm, batch_norm_gradient, moments, running_statistics  # noqa: E402
from minifcn.kernels.cuda.optimiser import adam_step, rmsprop_step, sgd_step  # noqa: E402
from minifcn.kernels.cuda.placing import from_host, full, to_host, uniform  # noqa: E402
from minifcn.kernels.cuda.pooling import gather2d, max_pool2d, max_unpool2d  # noqa: E402
from minifcn.kernels.cuda.reduce import argmax, max, min, sum  # noqa: E402
from minifcn.kernels.cuda.resample import resample2d  # noqa: E402

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
