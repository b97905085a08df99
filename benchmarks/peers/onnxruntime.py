"""ONNX Runtime in float32: inference only."""

from __future__ import annotations

from typing import Any

import numpy as np

from minifcn.benchmarks.peers import Contestant, Task
from minifcn.benchmarks.peers.exchange import first_output, model_for

NAME = "ONNX Runtime"
PACKAGE = "onnxruntime"


def prepare(task: Task, threads: int) -> list[Contestant]:
    """One contestant; its images are NCHW outside and in blocks of channels inside, and the change is its own work."""
    model = model_for(task)
    if model is None:
        return []
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    images = np.ascontiguousarray(task.image_data.transpose(0, 3, 1, 2))
    feed = {session.get_inputs()[0].name: images}

    def forward() -> Any:
        return session.run(None, feed)[0]

    return [Contestant(NAME, forward, first_output)]
