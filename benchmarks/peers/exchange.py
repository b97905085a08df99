"""A task in the Open Neural Network Exchange format (ONNX), which inference runtimes read. PyTorch writes it."""

from __future__ import annotations

import importlib.util
import logging
import warnings
from typing import Any

import numpy as np

from minifcn.benchmarks.cases import ConvCase
from minifcn.benchmarks.peers import Task
from minifcn.benchmarks.peers.pytorch import images_to_torch, layer

_WRITERS = ("torch", "onnx", "onnxscript")


def model_for(task: Task) -> bytes | None:
    """The model, images (N, C, H, W) in and out; None for training, or where a package to write it is missing."""
    if task.case.mode == "training":
        return None
    missing = [package for package in _WRITERS if importlib.util.find_spec(package) is None]
    if missing:
        task.notes.append(f"no ONNX model: {', '.join(missing)} not installed")
        return None
    if task.onnx is None:
        task.onnx = _export(task)
    return task.onnx


def first_output(y: np.ndarray) -> list[np.ndarray]:
    """(N, C, H, W) -> [(N, H, W, C)], a copy: a runtime may reuse its memory."""
    return [y.transpose(0, 2, 3, 1).copy()]


def _export(task: Task) -> bytes:
    import torch

    from minifcn.benchmarks import twin

    model: Any = (
        layer(task.case, task.inputs)
        if isinstance(task.case, ConvCase)
        else twin.build(task.case, task.weights, torch.contiguous_format)
    )
    x = images_to_torch(task.image_data, "NCHW")
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporter, about other packages
            exported: Any = torch.onnx.export(model.eval(), (x,), verbose=False, dynamo=True)
    finally:
        logger.setLevel(level)
    return exported.model_proto.SerializeToString()
