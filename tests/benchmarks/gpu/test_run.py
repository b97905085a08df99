"""The loop of the GPU check: with parts that are made up, which fail in all ways."""

import json
import sys
import types
from pathlib import Path

import pytest

from minifcn.benchmarks.gpu import child, report, run
from minifcn.benchmarks.gpu.parts import PARTS, Part, select
from minifcn.benchmarks.gpu.record import Record, load

#: A child that runs parts of these names, without a GPU: as `child.main`, in as few lines.
CHILD = """
import os, sys, time
sys.path.insert(0, {path!r})
from pathlib import Path
from minifcn.benchmarks.gpu.record import Record
out = Path(sys.argv[1])
for word in sys.argv[3:]:
    name = word.rsplit(":", 1)[0]
    print("@begin", name, flush=True)
    record = Record(out, name, 1.0)
    record.add("figures", what=name, value=1.0)
    if name.startswith("dies"):
        record.save()
        os._exit(9)
    if name.startswith("hangs"):
        record.save()
        time.sleep(60)
    if name.startswith("raises"):
        record.fail("ValueError: no")
        record.finish("crashed")
        print("@end", name, flush=True)
        sys.exit(1)
    record.add("targets", what=name, value=0.9, target=0.8)
    record.finish("done")
    print("@end", name, flush=True)
"""


@pytest.fixture
def parts_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs made-up parts: {name: together}."""
    script = tmp_path / "child.py"
    script.write_text(CHILD.format(path=str(tmp_path)))
    real = run.subprocess.Popen

    def started(command, **options):
        # -P: a checkout's root, where the check is run, has a folder minifcn without minifcn.kernels.
        assert command[1:4] == ["-P", "-m", "minifcn.benchmarks.gpu.child"]
        return real([command[0], str(script), *command[4:]], **options)

    monkeypatch.setattr(run.subprocess, "Popen", started)
    monkeypatch.setattr(run, "_GRACE", 0.5)
    monkeypatch.setattr(run, "_LEAST", 0.5)

    def go(budget: float = 30.0, **together: bool):
        parts = [Part(name, "", name.title(), side, 0.0 if side else 0.1, 2.0) for name, side in together.items()]
        well = run.run(tmp_path / "out", parts, budget, True)
        return well, {part.name: load(tmp_path / "out" / f"{part.name}.json") for part in parts}

    return go


def test_parts_that_fail_leave_the_others_alone(parts_run, tmp_path: Path, capsys) -> None:
    well, saved = parts_run(good=True, dies1=True, raises1=True, raises2=False, dies2=False, last=False)
    assert not well
    assert {name: part["status"] for name, part in saved.items()} == {
        "good": "done",
        "dies1": "killed",
        "raises1": "crashed",
        "raises2": "crashed",
        "dies2": "killed",
        "last": "done",
    }
    assert saved["dies2"]["tables"]["figures"] == [{"what": "dies2", "value": 1.0}]  # what it had is kept
    assert "its process died" in saved["dies2"]["failures"][0]
    text = (tmp_path / "out" / "report.md").read_text()
    assert "## Last" in text
    assert "ValueError: no" in text
    assert "PASS last: 0.90 (target 0.8)" in capsys.readouterr().out


def test_a_part_that_hangs_is_killed_and_the_next_one_runs(parts_run) -> None:
    well, saved = parts_run(4.0, hangs=False, last=False)
    assert not well
    assert saved["hangs"]["status"] == "killed"
    assert "killed after" in saved["hangs"]["failures"][0]
    assert saved["last"]["status"] == "done"


def test_all_well_and_a_part_without_time_is_left_out(parts_run) -> None:
    assert parts_run(good=True, last=False)[0]
    well, saved = parts_run(0.1, good=True)
    assert saved["good"]["status"] == "left out"
    assert not well, "what is right or wrong must not be left out"


def test_a_part_that_raises_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("minifcn.benchmarks.gpu.made_up")

    def broken(record: Record, tiny: bool) -> None:
        record.add("figures", value=float("nan"), what="a")
        raise RuntimeError("CUDA_ERROR_ILLEGAL_ADDRESS")

    module.run = broken  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert not child.run_part(Part("made-up", "made_up", "Made up"), Record(tmp_path, "made-up", 1.0), True)
    saved = json.loads((tmp_path / "made-up.json").read_text())
    assert saved["status"] == "crashed"
    assert "CUDA_ERROR_ILLEGAL_ADDRESS" in saved["failures"][0]
    assert saved["tables"]["figures"] == [{"value": "nan", "what": "a"}]


def test_summary_says_pass_and_miss(tmp_path: Path) -> None:
    part = Part("fast", "", "Fast")
    record = Record(tmp_path, "fast", 1.0)
    record.add(report.TARGETS, what="a", value=0.81, target=0.8)
    record.add(report.TARGETS, what="b", value=0.5, target=0.8)
    record.finish("done")
    lines = report.summary(tmp_path, [part]).splitlines()
    assert lines[1:] == ["PASS a: 0.81 (target 0.8)", "MISS b: 0.50 (target 0.8)"]
    assert report.all_well(tmp_path, [part]), "how fast it is does not decide"


def test_parts_are_named_uniquely_and_their_modules_exist() -> None:
    assert len({part.name for part in PARTS}) == len(PARTS)
    folder = Path(report.__file__).parent
    assert all((folder / f"{part.module}.py").exists() for part in PARTS)
    assert sum(part.share for part in PARTS) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="no part 'speed'; parts: versions"):
        select("limits,speed")
