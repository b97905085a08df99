"""What `import minifcn` costs, what is installed, and the names by which kernels/ and benchmarks/ may be imported."""

import configparser
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Imported where they are used, and not before.
HEAVY = {
    *("PIL", "click", "matplotlib", "pandas", "platformdirs", "pooch", "requests", "rich", "safetensors", "scipy"),
    *("skimage", "tifffile", "tomli_w", "torch", "typer", "onnxruntime", "openvino"),
}


def run(code: str, *options: str, cwd: Path) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *options, "-c", code], cwd=cwd, capture_output=True, text=True, check=False)


def test_import_loads_no_heavy_module(tmp_path):
    code = f"import sys, minifcn; print(sorted({HEAVY!r} & set(sys.modules)))"
    done = run(code, "-W", "error", cwd=tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == ("[]\n", "", 0)


def test_every_folder_of_modules_is_installed():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    listed = setup["options"]["packages"].split()
    there = [
        ".".join((top if top == "minifcn" else f"minifcn.{top}", *path.relative_to(ROOT / top).parent.parts))
        for top in ("minifcn", "benchmarks", "kernels")
        for path in (ROOT / top).rglob("__init__.py")
    ]
    assert sorted(listed) == sorted(there)


@pytest.mark.skipif(not (ROOT / "kernels").is_dir(), reason="no source tree")
@pytest.mark.parametrize("name", ["kernels", "benchmarks"])
def test_folders_refuse_their_bare_name(name):
    done = run(f"import {name}", cwd=ROOT)
    assert done.returncode == 1
    assert f"this folder is minifcn.{name}, but it was imported as '{name}'" in done.stderr
    assert f"from minifcn import {name}" in done.stderr
