"""Truth is true, roundings pass, and wrong results do not."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import minifcn as mf
from minifcn.benchmarks import suite, tasks, truth
from minifcn.benchmarks.cases import ConvCase, NetworkCase
from minifcn.benchmarks.peers import Contestant, Task, engine, pytorch

TINY = {
    "plain": ConvCase("conv3x3", "", 3, 4, 7, mode="training", batch=2),
    "stride": ConvCase("conv-other", "", 3, 4, 9, 3, 2, 1, mode="training", batch=2),
    "dilation": ConvCase("conv-other", "", 3, 4, 9, 3, 1, 2, 2, mode="training", batch=2),
    "first": ConvCase("conv-other", "", 1, 4, 6, 5, 1, 2, first_layer=True, mode="training", batch=2),
    "transposed": ConvCase("conv-other", "", 4, 3, 5, 2, 2, 0, transposed=True, mode="training", batch=2),
    "forward": ConvCase("conv-other", "", 4, 3, 6, 1, 1, 0, batch=2),
}


def _prepared(task: Task) -> list[Contestant]:
    """With as many threads as tests run with."""
    return [*engine.prepare(task, mf.get_num_threads()), *pytorch.prepare(task, 1)]


@pytest.mark.parametrize("case", TINY.values(), ids=TINY)
def test_truth_agrees_with_pytorch_in_float64(case: ConvCase) -> None:
    inputs = truth.Inputs(case, np.random.default_rng(0))
    x, w, g = (torch.from_numpy(a.astype(np.float64)) for a in (inputs.x, inputs.w, inputs.g))
    x, w, g = x.permute(0, 3, 1, 2).requires_grad_(), w.permute(3, 2, 0, 1).requires_grad_(), g.permute(0, 3, 1, 2)
    function = F.conv_transpose2d if case.transposed else F.conv2d
    y = function(x, w, stride=case.stride, padding=case.padding, dilation=case.dilation)
    gw, gx = torch.autograd.grad(y, (w, x), g)
    expected = [y.permute(0, 2, 3, 1), gw.permute(2, 3, 1, 0), gx.permute(0, 2, 3, 1)][: case.passes]
    actual = truth.convolution(case, inputs)
    assert len(actual) == case.passes
    for a, e in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, e.detach().numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("case", TINY.values(), ids=TINY)
def test_contestants_pass(case: ConvCase) -> None:
    task = tasks.conv_task(case, np.random.default_rng(0))
    contestants = _prepared(task)
    assert [c.name for c in contestants] == ["minifcn", "PyTorch NCHW", "PyTorch channels last"]
    assert suite.check(task, contestants) == contestants


def _wrong(contestant: Contestant, result: int, change: float) -> Contestant:
    def arrays(returned: object) -> list[np.ndarray]:
        found = [array.copy() for array in contestant.arrays(returned)]
        found[result].flat[-1] += change
        return found

    return Contestant(contestant.name, contestant.run, arrays)


@pytest.mark.parametrize("result", range(3))
@pytest.mark.parametrize("change", [0.01, np.nan])
def test_one_wrong_number_is_noticed(result: int, change: float) -> None:
    task = tasks.conv_task(TINY["plain"], np.random.default_rng(0))
    contestant = _prepared(task)[0]
    with pytest.raises(truth.WrongResultError, match=f"minifcn: result {result} is off by"):
        suite.check(task, [_wrong(contestant, result, change)])


def test_bfloat16_is_noticed() -> None:
    """What a runtime does that was not told to keep float32."""
    case = ConvCase("conv3x3", "", 64, 64, 16, batch=1)
    inputs = truth.Inputs(case, np.random.default_rng(0))
    expected = truth.convolution(case, inputs)
    inputs.x = torch.from_numpy(inputs.x).bfloat16().float().numpy()
    inputs.w = torch.from_numpy(inputs.w).bfloat16().float().numpy()
    with pytest.raises(truth.WrongResultError, match="is off by"):
        truth.check("rounded", truth.convolution(case, inputs), expected, case.terms)


def test_missing_results_and_wrong_shapes_are_noticed() -> None:
    y = np.ones((2, 3))
    with pytest.raises(truth.WrongResultError, match="1 results, expected 2"):
        truth.check("a", [y], [y, y], [1, 1])
    with pytest.raises(truth.WrongResultError, match=r"shape \(3, 2\), expected \(2, 3\)"):
        truth.check("a", [y.T], [y], [1])


@pytest.mark.parametrize("norm", ["batch", None])
@pytest.mark.parametrize("mode", ["training", "forward"])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_networks_agree_and_a_wrong_one_is_noticed(norm: str, mode: str, padding: str) -> None:
    size = 16 if padding == "same" else 28
    case = NetworkCase("small", "", 2, size, 2, depth=1, norm=norm, padding=padding, mode=mode)  # type: ignore[arg-type]
    task = tasks.network_task(case, np.random.default_rng(0), compiled=False)
    contestants = _prepared(task)
    assert suite.check(task, contestants) == contestants
    contestants = _prepared(task)
    with pytest.raises(truth.WrongResultError):
        suite.check(task, [_wrong(contestants[0], 0, 0.1), *contestants[1:]])


def test_a_wrong_update_is_noticed() -> None:
    """Losses after the first depend on the gradients and on the optimiser."""
    case = NetworkCase("small", "", 2, 16, 2, depth=1, norm=None)
    task = tasks.network_task(case, np.random.default_rng(0), compiled=False)
    ours, *theirs = _prepared(task)
    first: list[list[np.ndarray]] = []

    def never_learns(returned: object) -> list[np.ndarray]:
        first.append(ours.arrays(returned))
        return first[0]

    with pytest.raises(truth.WrongResultError, match=r"minifcn: loss \S+ in step 2, PyTorch NCHW has"):
        suite.check(task, [Contestant("minifcn", ours.run, never_learns), *theirs])


def test_constant_networks_agree() -> None:
    case = NetworkCase("small", "", 4, 16, 2, depth=2, norm=None, constant=True)
    task = tasks.network_task(case, np.random.default_rng(0), compiled=False)
    assert {array.shape[3] for array in task.weights.values() if array.ndim == 4} == {2, 4}
    contestants = _prepared(task)
    assert suite.check(task, contestants) == contestants
