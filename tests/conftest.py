"""How all tests run: Hypothesis' profile, PyTorch on one thread, and no test may leave global state changed."""

import os

import pytest
import torch
from hypothesis import HealthCheck, settings

import minifcn as mf
from minifcn import random

settings.register_profile(
    "minifcn",
    deadline=None,  # kernels compile on first use
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
    print_blob=False,
)
settings.load_profile("minifcn")


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
    left = (mf.is_grad_enabled(), mf.device(), mf.get_num_threads())
    mf.set_num_threads(threads)
    mf.set_grad_enabled(True).__enter__()
    assert left == (True, "cpu", threads), "the test left grad mode, default device or thread count changed"
