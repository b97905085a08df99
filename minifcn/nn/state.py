"""Loading saved arrays into a module: all or nothing, and an error that names what does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from minifcn.autograd import no_grad
from minifcn.tensor import Tensor


class IncompatibleKeys(NamedTuple):
    """Names that only one side has: what ``load_state_dict(strict=False)`` passed over."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def first_of(lines: list[str], most: int = 12) -> list[str]:
    """The first of many complaints, and how many more there are: weights of another network give hundreds.

    >>> first_of(["  a", "  b", "  c"], most=1)
    ['  a', '  ... and 2 more']
    """
    return lines if len(lines) <= most + 1 else [*lines[:most], f"  ... and {len(lines) - most} more"]


def load_into(owner: str, own: Mapping[str, Tensor], given: Mapping[str, Any], strict: bool) -> IncompatibleKeys:
    """Overwrite the Tensors of ``own`` with the arrays of the same name in ``given``; see `Module.load_state_dict`."""
    missing = [name for name in own if name not in given]
    unexpected = [name for name in given if name not in own]
    misshapen = [name for name in own if name in given and np.shape(given[name]) != own[name].shape]
    if misshapen or (strict and (missing or unexpected)):
        lines = [
            *(f"  missing: {name} {own[name].shape}" for name in missing if strict),
            *(f"  unexpected: {name} {np.shape(given[name])}" for name in unexpected if strict),
            *(f"  wrong shape: {name} is {own[name].shape}, got {np.shape(given[name])}" for name in misshapen),
        ]
        raise ValueError("\n".join([f"load_state_dict: the state does not fit into {owner}", *first_of(lines)]))
    with no_grad():
        for name in own:
            if name in given:
                own[name].copy_(given[name])
    return IncompatibleKeys(missing, unexpected)
