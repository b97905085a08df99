"""The contestants: one file each, all with the same interface.

A peer's module has a ``NAME``, a ``PACKAGE`` (as pip knows it), and ``prepare(task, threads)``, which makes the
contestants for a task, none if the library does not do such a thing. What it needs to prepare (weights, layouts of
data, compiling) is not timed.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np

from minifcn.benchmarks.cases import ConvCase, NetworkCase
from minifcn.benchmarks.truth import Inputs

#: Modules of this package, in the order of the tables; minifcn is first.
PEERS = ("engine", "pytorch", "onnxruntime", "openvino")


@dataclass(frozen=True)
class Contestant:
    """Something to be timed.

    ``run`` does the work once, in the contestant's own layout of data; ``arrays`` turns what it returned into minifcn's
    layout, for comparison: [y, gradient of w, gradient of x] of a convolution, [scores] of a network, [loss] of a step.
    """

    name: str
    run: Callable[[], Any]
    arrays: Callable[[Any], list[np.ndarray]]
    may_fail: bool = False  #: it is left out, with a note, if its first call raises


@dataclass
class Task:
    """A case with its data.

    ``weights`` of a network is minifcn's state_dict; labels are empty for inference. Peers add to ``notes`` what they
    could not offer. ``compiled``: whether PyTorch may spend a minute on torch.compile.
    """

    case: ConvCase | NetworkCase
    inputs: Inputs | None = None
    images: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))
    labels: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    weights: dict[str, np.ndarray] = field(default_factory=dict)
    compiled: bool = True
    notes: list[str] = field(default_factory=list)
    onnx: bytes | None = None

    @property
    def image_data(self) -> np.ndarray:
        """What goes in: (N, H, W, C)."""
        return self.images if self.inputs is None else self.inputs.x


def load(peer: str) -> ModuleType | None:
    """The module of a peer, or None if its library is not installed."""
    module = importlib.import_module(f"{__name__}.{peer}")
    return module if importlib.util.find_spec(module.PACKAGE) else None


def versions() -> dict[str, str | None]:
    """Each peer's version; None if it is not installed."""
    found: dict[str, str | None] = {}
    for peer in PEERS:
        module = importlib.import_module(f"{__name__}.{peer}")
        try:
            found[module.NAME] = importlib.metadata.version(module.PACKAGE)
        except importlib.metadata.PackageNotFoundError:
            found[module.NAME] = None
    return found
