"""What `minifcn.memory` reports, against arithmetic and against what the system says of the process."""

import subprocess
import sys

import numpy as np
import pytest

import minifcn as mf
from minifcn import functional as F
from minifcn import memory
from minifcn.models import UNet

MIB = 2**20


def test_results_gradients_and_the_optimisers_state_are_counted():
    with memory.track() as usage:
        x = mf.ones(1024, 1024, requires_grad=True)  # 4 MiB, as all that follows
        optimizer = mf.optim.Adam([x])
        (x * 3.0).sum().backward()  # the product is freed; the gradient stays
        optimizer.step()  # two moments
    assert usage.kept == 4 * 4 * MIB
    assert usage.kept <= usage.peak <= 5 * 4 * MIB


@pytest.mark.parametrize(
    "compute",
    [
        F.relu,
        F.exp,
        lambda x: F.upsample_nearest(x, scale_factor=2),
        lambda x: F.concatenate([x, x]),
        lambda x: F.pad(x, 1),
        lambda x: x.sum(axis=0),
        lambda x: x.max(axis=0),
        lambda x: x > 0,
        lambda x: x @ np.eye(4, dtype=np.float32),
        lambda x: F.conv2d(x, np.ones((1, 1, 4, 4), np.float32)),
        F.softmax,
    ],
)
def test_what_kernels_return_is_counted(compute):
    x = mf.ones(2, 128, 128, 4)
    with memory.track() as usage:
        y = compute(x)
    assert y.data.nbytes <= usage.kept <= y.data.nbytes + 64


def test_an_outer_block_sees_what_an_inner_one_took():
    with memory.track() as outer:
        with memory.track() as inner:
            mf.zeros(MIB)
        kept = mf.zeros(MIB // 4)
    assert (inner.peak, inner.kept) == (4 * MIB, 0)
    assert (outer.peak, outer.kept) == (4 * MIB, kept.data.nbytes)
    assert memory.peak() >= memory.stats().in_use + 3 * MIB


def test_released_memory_is_no_longer_held():
    memory.release()
    before = memory.stats().held
    mf.zeros(MIB)
    assert memory.stats().held >= before
    memory.release()
    assert memory.stats().held <= before


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the memory of the process")
def test_the_peak_of_a_training_step_is_what_the_process_grew_by():
    done = subprocess.run(
        [sys.executable, "-c", "import test_memory; test_memory.report()"],
        cwd=__file__.rpartition("/")[0],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    counted, grown = (int(number) for number in done.stdout.split())
    assert grown > 80 * MIB  # enough for the figure to mean something
    assert abs(counted - grown) < 0.1 * grown


def report() -> None:
    """Print the peak that the engine counts, and what the process grew by, for steps of a U-Net."""
    _train(base=4, size=64)  # compiles
    memory.release()
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the process's own peak begins anew
    before = _kilobytes("VmRSS")
    with memory.track() as usage:
        _train(base=16, size=256)
    print(usage.peak_held, (_kilobytes("VmHWM") - before) * 1024)


def _train(base: int, size: int) -> None:
    network = UNet(1, 2, base=base)
    optimizer = mf.optim.Adam(network.parameters())
    for _ in range(2):
        optimizer.zero_grad()
        F.cross_entropy(network(mf.zeros(1, size, size, 1)), np.zeros((1, size, size), np.int64)).backward()
        optimizer.step()


def _kilobytes(name: str) -> int:
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name))
