"""How all tests run: Hypothesis' profile, PyTorch on one thread, and no test may leave global state changed."""

import ctypes
import os
from pathlib import Path


def _has_gpu() -> bool:
    """Whether NVIDIA's driver is there and sees a GPU."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0


# Before Numba is imported, which reads it then and never again: without a GPU, its simulator runs the GPU's kernels.
if not _has_gpu():
    os.environ.setdefault("NUMBA_ENABLE_CUDASIM", "1")

import pytest  # noqa: E402
import torch  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

import minifcn as mf  # noqa: E402
from minifcn import random  # noqa: E402

settings.register_profile(
    "minifcn",
    deadline=None,  # kernels compile on first use
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
    print_blob=False,
)
settings.load_profile("minifcn")


REPOSITORY = Path(__file__).parents[1]
# Looked up on import: tests that name another home of the data change the environment.
REAL_DATA = REPOSITORY / os.environ.get("MINIFCN_TEST_DATA", "../shared/data")


@pytest.fixture(scope="session")
def real_data():
    """A function: name of a real dataset -> its folder; it skips the test where that is absent."""

    def folder(name: str) -> Path:
        path = REAL_DATA / name
        if not path.is_dir():
            pytest.skip(f"no {name} in {REAL_DATA} (set MINIFCN_TEST_DATA)")
        return path

    return folder


@pytest.fixture(autouse=True, scope="session")
def _torch_on_one_thread():
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _nothing_left_changed():
    """Seed the engine's generator before a test; after it, fail one that changed grad mode or the default device."""
    mf.manual_seed(0)
    threads = mf.get_num_threads()
    yield
    random.manual_seed(0)
    left = (mf.is_grad_enabled(), mf.device(), mf.settings.conv(), mf.get_num_threads())
    mf.set_num_threads(threads)
    mf.set_grad_enabled(True).__enter__()
    mf.settings.set_conv("auto")
    assert left == (True, "cpu", "auto", threads), "the test left grad mode, device, algorithm or thread count changed"
