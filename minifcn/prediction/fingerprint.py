"""What decides a prediction's result: where all of it is the same, an unfinished result may be continued."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from minifcn._version import __version__
from minifcn.nn import Module
from minifcn.prediction.predictor import Predictor


def fingerprint(predictor: Predictor, source: Path, kind: str) -> dict[str, Any]:
    """The settings by name, as JSON holds them.

    Args:
        predictor: the network with its weights, its strategy and how it prepares images.
        source: the file it is applied to, which is known by its size and the time at which it was last changed.
        kind: of the results.
    """
    return {
        "version": __version__,
        "input": _file(source),
        "network": _weights(predictor.model),
        "classes": list(predictor.classes),
        "normalise": repr(predictor.normalise),
        "activation": predictor.activation,
        "strategy": repr(predictor.strategy),
        "symmetries": predictor.symmetries,
        "result": kind,
    }


def _file(path: Path) -> str:
    files = [path] if path.is_file() else sorted(path.glob("*.json")) + sorted(path.glob(".z*"))
    known = [f"{file.name} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files]
    return f"{path.resolve()} ({', '.join(known)})"


def _weights(model: object) -> str:
    digest = hashlib.sha256(type(model).__qualname__.encode())
    if isinstance(model, Module):
        digest.update(repr(model).encode())
        for name, array in sorted(model.state_dict().items()):
            values = np.ascontiguousarray(array)
            digest.update(f"{name} {values.dtype} {values.shape}".encode())
            digest.update(values.tobytes())
    return digest.hexdigest()[:16]
