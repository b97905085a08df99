"""OpenVINO in float32: inference only."""

from __future__ import annotations

from typing import Any

import numpy as np

from minifcn.benchmarks.peers import Contestant, Task
from minifcn.benchmarks.peers.exchange import first_output, model_for

NAME = "OpenVINO"
PACKAGE = "openvino"


def prepare(task: Task, threads: int) -> list[Contestant]:
    """A contestant for each layout of the images that go in and come out; inside, the library takes its own."""
    model = model_for(task)
    if model is None:
        return []
    return [_contestant(model, task, threads, layout) for layout in ("NCHW", "NHWC")]


def _contestant(model: bytes, task: Task, threads: int, layout: str) -> Contestant:
    import openvino

    core = openvino.Core()
    network: Any = core.read_model(model, b"")
    if layout == "NHWC":
        change = openvino.preprocess.PrePostProcessor(network)
        for port in (change.input(), change.output()):
            port.tensor().set_layout(openvino.Layout("NHWC"))
            port.model().set_layout(openvino.Layout("NCHW"))
        network = change.build()
    settings = {
        # The default, a hint, may take bfloat16 where the processor has it.
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
    }
    compiled = core.compile_model(network, "CPU", settings)
    request = compiled.create_infer_request()
    images = task.image_data
    request.set_input_tensor(
        openvino.Tensor(np.ascontiguousarray(images.transpose(0, 3, 1, 2) if layout == "NCHW" else images))
    )

    def forward() -> Any:
        request.infer()
        return request.get_output_tensor().data

    return Contestant(f"{NAME} {layout}", forward, first_output if layout == "NCHW" else lambda y: [y.copy()])
