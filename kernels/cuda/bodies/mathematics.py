"""Functions of real numbers for bodies: the compiler's, or in the simulator NumPy's.

Where it is interpreted, `math` would make float64 of float32, and raise exceptions where hardware gives inf and NaN.
Numba knows NumPy's functions of numbers too, so that a test can compile bodies for the CPU in either case.
"""

import math

import numpy as np

from minifcn.kernels.cuda.lang import SIMULATED

if SIMULATED:
    exp, log, log1p, power, sqrt, tanh = np.exp, np.log, np.log1p, np.power, np.sqrt, np.tanh
else:
    exp, log, log1p, power, sqrt, tanh = math.exp, math.log, math.log1p, math.pow, math.sqrt, math.tanh

__all__ = ["exp", "log", "log1p", "power", "sqrt", "tanh"]
