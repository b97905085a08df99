"""Compiled kernels are kept from one process to the next, but never beyond an edit of the sources."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numba
import pytest

from minifcn import kernels
from minifcn.kernels.cpu import jit

HELPER = """
from minifcn.kernels.cpu.jit import helper

@helper
def answer():
    return {answer}
"""
KERNEL = """
from numba import prange
from minifcn.kernels.cpu.jit import kernel
from minifcn.kernels.cpu.probe_helper import answer

@kernel
def ask():
    total = 0
    for _ in prange(1):
        total += answer()
    return total
"""
ASK = "from minifcn.kernels.cpu.probe import ask; print(ask(), sum(ask.stats.cache_hits.values()))"


@pytest.fixture
def tree(tmp_path):
    """A copy of the kernels, to edit: a package of its own, with a kernel and its helper in two files."""
    package = tmp_path / "minifcn"
    shutil.copytree(Path(kernels.__file__).parent, package / "kernels", ignore=shutil.ignore_patterns("__pycache__"))
    (package / "__init__.py").touch()
    (package / "kernels/cpu/probe.py").write_text(KERNEL)
    (package / "kernels/cpu/probe_helper.py").write_text(HELPER.format(answer=41))
    return tmp_path


def run(tree, code, cache="cache"):
    """What a fresh process that uses the tree prints."""
    environment = os.environ | {"PYTHONPATH": str(tree), "NUMBA_CACHE_DIR": str(tree / cache)}
    command = [sys.executable, "-B", "-c", code]
    return subprocess.run(command, env=environment, cwd=tree, check=True, capture_output=True, text=True).stdout.strip()


def test_an_edited_helper_in_another_file_takes_effect(tree):
    assert run(tree, ASK) == "41 0"
    assert run(tree, ASK) == "41 1", "the second process should find the compiled kernel"
    (tree / "minifcn/kernels/cpu/probe_helper.py").write_text(HELPER.format(answer=42))
    assert run(tree, ASK) == "42 0"


def test_each_version_of_the_sources_has_its_own_folder(tree):
    show = "from minifcn.kernels.cpu.jit import cache_folder; print(cache_folder())"
    before = Path(run(tree, show))
    assert before.is_dir()
    assert before.parent == tree / "cache"
    source = tree / "minifcn/kernels/shapes.py"
    source.write_text(source.read_text() + "\n")
    assert Path(run(tree, show)).name != before.name


def test_a_temporary_folder_serves_where_nothing_can_be_written(tree):
    (tree / "a file").touch()
    answer, folder = run(
        tree,
        "from minifcn.kernels.cpu.probe import ask; from minifcn.kernels.cpu.jit import cache_folder;"
        "print(ask(), cache_folder())",
        cache="a file",
    ).split(" ", 1)
    assert answer == "41"
    assert not Path(folder).exists(), "it should go away with its process"


KINDS = """
import sys, numpy as np
from minifcn.kernels.cpu.probe_kinds import double
print(double(np.ones(2, sys.argv[1])).dtype)
"""
DOUBLE = """
from numba import prange
from minifcn.kernels.cpu.jit import kernel

@kernel
def double(x):
    y = x.copy()
    for i in prange(x.size):
        y[i] = 2 * x[i]
    return y
"""


def test_processes_that_save_at_once_do_not_mix_up_their_kernels(tree):
    (tree / "minifcn/kernels/cpu/probe_kinds.py").write_text(DOUBLE)
    environment = os.environ | {"PYTHONPATH": str(tree), "NUMBA_CACHE_DIR": str(tree / "cache")}
    for again in range(2):  # the second time, everything is there
        pool = [
            subprocess.Popen(
                [sys.executable, "-B", "-c", KINDS, kind], env=environment, cwd=tree, stdout=subprocess.PIPE, text=True
            )
            for kind in ("float32", "float64")
        ]
        assert [process.communicate()[0].strip() for process in pool] == ["float32", "float64"], again
    assert len(list((tree / "cache").rglob("*double-*.nbc"))) == 2


def test_damaged_files_are_compiled_again(tree):
    assert run(tree, ASK) == "41 0"
    for ending in ("nbi", "nbc"):
        (damaged,) = (tree / "cache").rglob(f"*ask-*.{ending}")
        damaged.write_bytes(damaged.read_bytes()[:10])
        assert run(tree, ASK) == "41 0", ending
        assert run(tree, ASK) == "41 1", ending


FULL = """
import errno, warnings
from minifcn.kernels.cpu import keeping
from minifcn.kernels.cpu.probe import ask
def refuse(*arguments):
    raise OSError(errno.ENOSPC, "No space left on device")
keeping.FunctionCache.save_overload = refuse
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    print(ask(), *(warning.message for warning in caught), sep=": ")
"""


def test_a_full_disk_is_reported_and_survived(tree):
    answer = run(tree, FULL)
    assert answer.startswith("41: compiled kernels cannot be kept in ")
    assert "(No space left on device): every process will compile them again; make room, or name another" in answer


def test_folders_unused_for_a_month_are_removed(tmp_path):
    day = 24 * 3600
    for name, days in (("minifcn-kernels-old", 31), ("minifcn-kernels-new", 29), ("somebody-elses", 99)):
        (tmp_path / name).mkdir()
        used = time.time() - days * day
        os.utime(tmp_path / name, (used, used))
    jit._remove_unused(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["minifcn-kernels-new", "somebody-elses"]


def test_other_packages_find_numbas_setting_unchanged():
    before = numba.config.CACHE_DIR
    jit.kernel(lambda: None)
    assert before == numba.config.CACHE_DIR


def test_children_do_not_inherit_how_threads_wait(tree):
    show = "import os, minifcn.kernels.cpu.jit; print(os.environ.get('GOMP_SPINCOUNT'))"
    assert run(tree, show) == "None"


def test_the_users_own_way_of_waiting_is_kept(tree, monkeypatch):
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    assert run(tree, "import os, minifcn.kernels.cpu.jit; print(os.environ['GOMP_SPINCOUNT'])") == "7"
