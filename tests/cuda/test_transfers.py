"""Copies that nobody waits for are in order all the same, however late or early the GPU does them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba.cuda", reason="numba-cuda is not installed")
pytest.importorskip("cuda.bindings", reason="cuda-bindings is not installed")


@pytest.mark.parametrize("mode", ["late", "early"])
def test_uploads_and_downloads_keep_their_order(mode):
    script = Path(__file__).with_name("late_driver.py")
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "0"}
    done = subprocess.run([sys.executable, script, mode], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "all in order\n", done.stderr
