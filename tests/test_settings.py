"""What is set for a process, a block or a thread."""

import os
import subprocess
import sys
import threading

import pytest

from minifcn import settings
from minifcn.kernels.cpu.choice import forced

SHOW = "from minifcn import settings; print(settings.conv())"


def test_an_algorithm_is_forced_inside_its_block():
    assert settings.conv() == "auto"
    with settings.override(conv="winograd"):
        assert settings.conv() == forced() == "winograd"
        with settings.override(conv="direct"):
            assert settings.conv() == forced() == "direct"
        assert forced() == "winograd"
    assert forced() == "auto"


def test_an_error_inside_the_block_ends_it():
    with pytest.raises(KeyError), settings.override(conv="direct"):
        raise KeyError
    assert settings.conv() == "auto"


def test_a_block_is_its_threads_own_and_the_setter_everybodys():
    seen = []

    def look():
        thread = threading.Thread(target=lambda: seen.append(settings.conv()))
        thread.start()
        thread.join()

    with settings.override(conv="direct"):
        look()
    try:
        settings.set_conv("winograd")
        look()
        with settings.override(conv="auto"):
            assert settings.conv() == "auto"
    finally:
        settings.set_conv("auto")
    assert seen == ["auto", "winograd"]


@pytest.mark.parametrize("ask", [settings.set_conv, lambda name: settings.override(conv=name)])
def test_unknown_algorithms_are_refused(ask):
    with pytest.raises(ValueError, match="conv='fft': unknown algorithm of convolution; use one of auto, direct, wino"):
        ask("fft")


def run(value):
    environment = os.environ | {"MINIFCN_CONV": value}
    return subprocess.run([sys.executable, "-c", SHOW], env=environment, capture_output=True, text=True, check=False)


def test_the_environment_chooses_for_a_process():
    assert run("direct").stdout == "direct\n"
    failed = run("Direct")
    assert failed.returncode == 1
    assert "MINIFCN_CONV='Direct': unknown algorithm of convolution; use one of auto, direct, winograd" in failed.stderr
