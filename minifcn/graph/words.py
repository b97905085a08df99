"""How operations and numbers are written, in drawings and explanations alike."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from minifcn.autograd import Operation

# So many numbers are written out; of more, shape and size are.
_FEW = 4


def operation_name(operation: Operation) -> str:
    """The public function's name, as the class has it.

    >>> from minifcn.ops.pool import MaxPool2d
    >>> operation_name(MaxPool2d.__new__(MaxPool2d))
    'max_pool2d'
    """
    return re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", "_", type(operation).__name__).lower()


def number(value: Any) -> str:
    """A number in four digits.

    >>> number(np.float32(1) / 3), number(-0.0), number(1234567.0)
    ('0.3333', '0', '1.235e+06')
    """
    return format(float(value) + 0.0, ".4g")  # + 0: no minus before a zero


def numbers(values: np.ndarray) -> str:
    """One number, a few, or the shape and Euclidean norm of many.

    >>> numbers(np.array([1.0, 2.5])), numbers(np.ones((4, 4)))
    ('[1, 2.5]', '(4, 4), norm 4')
    """
    if values.size == 1:
        return number(values.reshape(-1)[0])
    if values.size <= _FEW:
        return "[" + ", ".join(map(number, values.reshape(-1))) + "]"
    return f"{values.shape}, norm {number(norm(values))}"


def norm(values: np.ndarray) -> float:
    """Euclidean norm, added up in float64."""
    return float(np.sqrt(np.sum(np.square(values, dtype=np.float64))))
