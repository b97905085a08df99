"""ONNX Runtime and OpenVINO: skipped where they are not installed (the extra `bench`)."""

import importlib.util

import numpy as np
import pytest

import minifcn as mf
from minifcn.benchmarks import peers, suite, tasks
from minifcn.benchmarks.cases import ConvCase, NetworkCase
from minifcn.benchmarks.peers import Contestant, Task, engine, pytorch

RUNTIMES = {"onnxruntime": ["ONNX Runtime"], "openvino": ["OpenVINO NCHW", "OpenVINO NHWC"]}
TASKS = {
    "convolution": ConvCase("conv3x3", "", 16, 24, 9, batch=2),
    "transposed": ConvCase("conv-other", "", 16, 8, 9, 2, 2, 0, transposed=True, batch=2),
    "network": NetworkCase("inference", "", 4, 16, 1, depth=2, mode="forward"),
}


@pytest.fixture(params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> str:
    for package in (request.param, "onnx", "onnxscript"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: pip install -e '.[bench]'")
    return str(request.param)


def _contestants(task: Task, runtime: str) -> list[Contestant]:
    module = peers.load(runtime)
    assert module is not None
    return [*engine.prepare(task, mf.get_num_threads()), *pytorch.prepare(task, 1), *module.prepare(task, 1)]


@pytest.mark.filterwarnings("ignore")  # of other packages
@pytest.mark.parametrize("case", TASKS.values(), ids=TASKS)
def test_results_are_right(runtime: str, case: ConvCase | NetworkCase) -> None:
    rng = np.random.default_rng(0)
    task = tasks.conv_task(case, rng) if isinstance(case, ConvCase) else tasks.network_task(case, rng, compiled=False)
    contestants = _contestants(task, runtime)
    assert [c.name for c in contestants[3:]] == RUNTIMES[runtime]
    assert suite.check(task, contestants) == contestants
    assert task.notes == []


def test_they_do_not_train(runtime: str) -> None:
    task = tasks.conv_task(ConvCase("conv3x3", "", 2, 2, 5, mode="training", batch=1), np.random.default_rng(0))
    assert _contestants(task, runtime)[3:] == []


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from minifcn.benchmarks.peers import exchange

    monkeypatch.setattr(exchange, "_WRITERS", ("torch", "no_such_package"))
    task = tasks.conv_task(TASKS["convolution"], np.random.default_rng(0))  # type: ignore[arg-type]
    assert exchange.model_for(task) is None
    assert task.notes == ["no ONNX model: no_such_package not installed"]
