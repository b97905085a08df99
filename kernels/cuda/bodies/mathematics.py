"""Functions of real numbers for bodies: the compiler's, or in the simulator NumPy's.

Where it is interpreted, `math` would make float64 of float32, and raise exceptions where hardware gives inf and NaN.
Numba knows NumPy's functions of numbers too, so that a test can compile bodies for the CPU in either case.
"""

import math
from typing import Any

import numpy as np

from minifcn.kernels.cuda.lang import SIMULATED

exp: Any = np.exp if SIMULATED else math.exp
log: Any = np.log if SIMULATED else math.log
log1p: Any = np.log1p if SIMULATED else math.log1p
power: Any = np.power if SIMULATED else math.pow
sqrt: Any = np.sqrt if SIMULATED else math.sqrt
tanh: Any = np.tanh if SIMULATED else math.tanh

__all__ = ["exp", "log", "log1p", "power", "sqrt", "tanh"]
