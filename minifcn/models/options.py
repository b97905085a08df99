"""Options of networks, checked in the network's name before anything is built."""

from __future__ import annotations

import operator
from collections.abc import Sequence


def check_positive(network: str, **numbers: int) -> None:
    """Refuse what is not a positive integer; NumPy's integers are as good as Python's.

    >>> check_positive("unet", base=0)
    Traceback (most recent call last):
    ValueError: unet: base must be a positive integer, got 0
    """
    for name, number in numbers.items():
        try:
            fine = not isinstance(number, bool) and operator.index(number) >= 1
        except TypeError:
            fine = False
        if not fine:
            raise ValueError(f"{network}: {name} must be a positive integer, got {number!r}")


def check_choice(network: str, name: str, value: object, choices: Sequence[object]) -> None:
    """Refuse what is none of ``choices``.

    >>> check_choice("unet", "norm", "layer", (None, "batch"))
    Traceback (most recent call last):
    ValueError: unet: norm must be None or 'batch', not 'layer'
    """
    if not any(value is choice or (type(value) is type(choice) and value == choice) for choice in choices):
        raise ValueError(f"{network}: {name} must be {' or '.join(map(repr, choices))}, not {value!r}")
