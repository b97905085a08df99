"""Cases that fail, and the command from end to end, with contestants that are made up or tiny."""

import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import minifcn as mf
from minifcn.benchmarks import peers, probe, suite
from minifcn.benchmarks.cases import CASES, ConvCase
from minifcn.benchmarks.machine import Bystanders
from minifcn.benchmarks.measure import Effort, Timing
from minifcn.benchmarks.peers import Contestant, Task
from minifcn.cli import main

Invoke = Callable[..., tuple[int, str, str]]
CASE = ConvCase("conv3x3", "tiny", 2, 3, 5, batch=1)


@pytest.fixture
def options() -> suite.Options:
    return suite.Options(mf.get_num_threads(), Effort(1, 0.0, 1, 0.0), compiled=False)


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Invoke:
    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["minifcn", "bench", *(str(argument) for argument in arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        code = 0
        try:
            main()
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        output, errors = capfd.readouterr()
        return code, output, errors

    return run


def test_a_wrong_result_ends_the_case_and_leaves_no_figures(
    options: suite.Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(task: Task, threads: int) -> list[Contestant]:
        return [Contestant("liar", lambda: None, lambda _: [np.zeros(CASE.y_shape, np.float32)])]

    load = peers.load
    monkeypatch.setattr(
        peers, "load", lambda name: load(name) if name == "engine" else SimpleNamespace(prepare=prepare)
    )
    result = suite.run_case(CASE, options)
    assert result.error is not None
    assert result.error.startswith("WrongResultError: liar: result 0 is off by")
    assert result.timings == {}


def test_without_peers_minifcn_runs_alone(options: suite.Options, monkeypatch: pytest.MonkeyPatch) -> None:
    load = peers.load
    monkeypatch.setattr(peers, "load", lambda name: load(name) if name == "engine" else None)
    result = suite.run_case(CASE, options)
    assert (result.error, list(result.timings), result.ratio) == (None, ["minifcn"], None)


def test_probes_run_in_processes_of_their_own_and_say_why_they_fail() -> None:
    assert 0.0 < probe.run("import", threads=1) < 60.0
    with pytest.raises(RuntimeError, match="bench: probe nonsense failed: KeyError: 'nonsense'"):
        probe.run("nonsense", threads=1)


def test_one_case_from_end_to_end(invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Other runtimes have their own tests; and the machine's limits take seconds.
    monkeypatch.setattr(peers, "PEERS", ("engine", "pytorch"))
    monkeypatch.setattr("minifcn.benchmarks.machine.limits", lambda threads: {"GFLOP/s, numpy": 1.0, "GB/s": 1.0})
    code, output, errors = invoke("conv-other", "--case", "3x3 128 to 128 at 28, forward", "--quick", "--out", tmp_path)
    assert (code, errors) == (0, "")
    assert "3x3 128 to 128 at 28, forward" in output
    assert {path.name for path in tmp_path.iterdir()} == {"results.json", "results.md", "roofline.png"}
    written = json.loads((tmp_path / "results.json").read_text())
    (case,) = written["groups"]["conv-other"]["cases"]
    assert set(case["contestants"]) == {"minifcn", "PyTorch NCHW", "PyTorch channels last"}
    assert case["ratio"] > 0
    assert written["machine"]["PyTorch"].startswith("2.")


def test_interrupted_runs_write_what_there_is(invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minifcn.benchmarks.machine.limits", lambda threads: {"GFLOP/s, numpy": 1.0, "GB/s": 1.0})
    done: list[suite.Result] = []

    def run_case(case: ConvCase, options: suite.Options) -> suite.Result:
        if done:
            raise KeyboardInterrupt
        done.append(suite.Result(case, error="made up"))
        return done[0]

    monkeypatch.setattr(suite, "run_case", run_case)
    code, output, _ = invoke("conv3x3", "--out", tmp_path)
    assert code == 130
    assert "interrupted" in output
    written = json.loads((tmp_path / "results.json").read_text())
    assert [case["error"] for case in written["groups"]["conv3x3"]["cases"]] == ["made up"]


def test_failed_cases_fail_the_command(invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "run_case", lambda case, options: suite.Result(case, error="made up"))
    code, output, _ = invoke("startup", "--out", tmp_path)
    assert code == 1
    assert "made up" in output


def test_listing_measures_nothing(invoke: Invoke, tmp_path: Path) -> None:
    code, output, errors = invoke("--list", "--out", tmp_path / "none")
    assert (code, errors) == (0, "")
    assert output.splitlines() == [case.name for case in CASES]
    assert not (tmp_path / "none").exists()


def test_missing_peers_are_named_with_the_extra(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "versions", lambda: {"minifcn": "1", "PyTorch": None, "OpenVINO": None})
    alone = {"minifcn": Timing.of([0.1])}
    monkeypatch.setattr(suite, "run_case", lambda case, options: suite.Result(case, timings=alone))
    code, output, _ = invoke("startup", "--out", tmp_path)
    assert code == 0
    assert "not installed, so left out: PyTorch, OpenVINO (pip install 'minifcn[bench]' installs every peer)" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("conv4x4",), "bench: no group 'conv4x4'; groups: conv3x3, "),
        (("--case", "9x9"), "bench: no case matches '9x9'; --list shows them"),
        (("--threads", 999, "--case", "7x7*"), "set_num_threads: 999 is not between 1 and "),
    ],
)
def test_mistakes_are_one_line(invoke: Invoke, arguments: tuple[object, ...], message: str, tmp_path: Path) -> None:
    code, output, errors = invoke(*arguments, "--out", tmp_path / "none")
    assert (code, output) == (2, "")
    assert errors.startswith(f"minifcn: error: {message}")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(("patience", "tries"), [(60.0, 3), (0.0, 1)])
def test_disturbed_cases_are_tried_again(
    options: suite.Options, monkeypatch: pytest.MonkeyPatch, patience: float, tries: int
) -> None:
    shares = iter([0.9, 0.5, 0.0])
    measured: list[float] = []

    def pretend(case: ConvCase, options: suite.Options, bystanders: Bystanders) -> suite.Result:
        measured.append(next(shares))
        bystanders.share = measured[-1]
        return suite.Result(case)

    monkeypatch.setattr(suite, "_measured", pretend)
    monkeypatch.setattr(suite, "wait_until_quiet", lambda deadline: None)
    result = suite.run_case(CASE, dataclasses.replace(options, patience=patience))
    assert measured == [0.9, 0.5, 0.0][:tries]
    assert result.bystanders == measured[-1]
