"""Tiny arrays on one thread: beside other test processes, threads would spend their time waiting for each other."""

import pytest

import minifcn as mf


@pytest.fixture(autouse=True)
def _one_thread():
    threads = mf.get_num_threads()
    mf.set_num_threads(1)
    yield
    mf.set_num_threads(threads)
