"""Functions of real numbers for bodies: the compiler's, or in the simulator NumPy's, which raise no exceptions."""

import math

from minifcn.kernels.cuda.lang import SIMULATED

if SIMULATED:
    from minifcn.kernels.cuda.lang.emulation import exp, log, log1p, power, sqrt, tanh
else:
    exp, log, log1p, power, sqrt, tanh = math.exp, math.log, math.log1p, math.pow, math.sqrt, math.tanh

__all__ = ["exp", "log", "log1p", "power", "sqrt", "tanh"]
