"""minifcn: a deep-learning engine for fully convolutional networks, from scratch on NumPy and Numba.

>>> import minifcn as mf
>>> x = mf.tensor([1.0, 2.0], requires_grad=True)
>>> y = (x**2).sum()
>>> y.backward()
>>> x.grad
tensor([2., 4.])
"""

from typing import TYPE_CHECKING, Any

from minifcn import cuda, functional, memory, models, nn, optim
from minifcn._version import __version__
from minifcn.autograd import Operation, enable_grad, grad, is_grad_enabled, no_grad, set_grad_enabled
from minifcn.create import arange, from_dlpack, full, ones, ones_like, rand, randn, tensor, zeros, zeros_like
from minifcn.gradcheck import gradcheck, gradgradcheck
from minifcn.random import manual_seed
from minifcn.settings import device, get_num_threads, set_num_threads
from minifcn.tensor import Tensor

if TYPE_CHECKING:
    from minifcn.prediction import predict

__all__ = [
    "Operation",
    "Tensor",
    "__version__",
    "arange",
    "cuda",
    "device",
    "enable_grad",
    "from_dlpack",
    "full",
    "functional",
    "get_num_threads",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "is_grad_enabled",
    "manual_seed",
    "memory",
    "models",
    "nn",
    "no_grad",
    "ones",
    "ones_like",
    "optim",
    "predict",
    "rand",
    "randn",
    "set_grad_enabled",
    "set_num_threads",
    "tensor",
    "zeros",
    "zeros_like",
]


def __getattr__(name: str) -> Any:
    # Prediction stands on data sets, images and audits: those who only compute need not wait for them.
    if name == "predict":
        from minifcn.prediction import predict

        return predict
    raise AttributeError(f"module 'minifcn' has no attribute {name!r}")
