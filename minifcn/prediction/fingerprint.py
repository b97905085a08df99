"""What decides a prediction's result: where all of it is the same, an unfinished result may be continued."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from minifcn import settings
from minifcn._version import __version__
from minifcn.io.stamps import stamp
from minifcn.nn import Module
from minifcn.prediction.predictor import Predictor
from minifcn.prediction.strategies import Auto, Pad, Resize, Strategy, TileBy, Whole

_NAMES: dict[type, str] = {Auto: "auto", Pad: "pad", TileBy: "tile", Resize: "resize", Whole: "whole"}


def fingerprint(predictor: Predictor, source: Path, kind: str) -> dict[str, str]:
    """The settings by name, in words that can be shown.

    Args:
        predictor: the network with its weights, its strategy and how it prepares images.
        source: the file it is applied to, which is known by its size and the time at which it was last changed; a Zarr
            store by those of all files in it.
        kind: of the results.
    """
    return {
        "version": __version__,
        "input": f"{source.resolve()} ({stamp(source)})",
        "network": _weights(predictor.model),
        "classes": ", ".join(predictor.classes),
        "normalisation": repr(predictor.normalise),
        "activation": predictor.activation,
        **_strategy(predictor.strategy),
        "symmetries": "on" if predictor.symmetries else "off",
        "result": kind,
        "convolution": settings.conv(),
    }


def _strategy(strategy: Strategy) -> dict[str, str]:
    """The strategy and its options, by the names that the user gives them.

    >>> _strategy(Resize((64, 48)))
    {'strategy': 'resize', 'size': '64 x 48'}
    """
    if type(strategy) not in _NAMES:
        return {"strategy": repr(strategy)}
    options: Any = getattr(strategy, "options", strategy)
    shown = {field.name: _shown(getattr(options, field.name)) for field in dataclasses.fields(options)}
    return {"strategy": _NAMES[type(strategy)], **shown}


def _shown(value: Any) -> str:
    if value is None:
        return "not given"
    return " x ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _weights(model: object) -> str:
    digest = hashlib.sha256(type(model).__qualname__.encode())
    if isinstance(model, Module):
        digest.update(repr(model).encode())
        for name, array in sorted(model.state_dict().items()):
            values = np.ascontiguousarray(array)
            digest.update(f"{name} {values.dtype} {values.shape}".encode())
            digest.update(values.tobytes())
    return digest.hexdigest()[:16]
