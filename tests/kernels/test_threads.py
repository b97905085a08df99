"""One number of threads for the whole process, and kernels that several Python threads run at once."""

import os
import subprocess
import sys
import threading

import numba
import numpy as np
import pytest
from threadpoolctl import threadpool_info

import minifcn as mf
from minifcn import kernels
from minifcn.kernels.cpu import threads

AT_ONCE = """
import threading
import numba, numpy as np
import minifcn as mf
from minifcn import kernels
cpu, x = kernels.load("cpu"), np.linspace(-1.0, 1.0, 2**16, dtype=np.float32)
expected, wrong = cpu.softplus(x).tobytes(), []
def work():
    for _ in range(50):
        if cpu.softplus(x).tobytes() != expected:
            wrong.append(1)
pool = [threading.Thread(target=work) for _ in range(4)]
for thread in pool: thread.start()
for thread in pool: thread.join()
print(numba.threading_layer(), len(wrong))
"""


def within_a_thread(function):
    result = []
    thread = threading.Thread(target=lambda: result.append(function()))
    thread.start()
    thread.join()
    return result[0]


@pytest.fixture
def one_thread():
    before = mf.get_num_threads()
    if before == 1:
        pytest.skip("needs two threads to choose from")
    mf.set_num_threads(1)
    yield
    mf.set_num_threads(before)


def test_a_new_thread_uses_the_number_that_another_one_set(one_thread):
    def look():
        kernels.load("cpu").softplus(np.ones(3, np.float32))
        return mf.get_num_threads(), numba.get_num_threads()

    assert within_a_thread(lambda: numba.get_num_threads()) > 1, "Numba's own number is each thread's"
    assert within_a_thread(look) == look() == (1, 1)


def test_a_thread_that_has_run_kernels_follows_too():
    limit, seen = mf.get_num_threads(), []
    if limit == 1:
        pytest.skip("needs two threads to choose from")
    turn, done = threading.Event(), threading.Event()

    def work():
        cpu, x = kernels.load("cpu"), np.ones(3, np.float32)
        cpu.softplus(x)
        done.set()
        turn.wait(60)
        cpu.softplus(x)
        seen.append(numba.get_num_threads())

    thread = threading.Thread(target=work)
    thread.start()
    done.wait(60)
    mf.set_num_threads(1)
    turn.set()
    thread.join()
    mf.set_num_threads(limit)
    assert seen == [1]


def test_numpys_matrix_product_uses_no_more(one_thread):
    assert {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"} == {1}


@pytest.mark.parametrize("layer", ["default", "workqueue"])
def test_kernels_may_run_in_several_threads_at_once(layer):
    environment = os.environ | {"NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", AT_ONCE], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    used, wrong = done.stdout.split()
    assert wrong == "0"
    assert layer in ("default", used)


def test_a_kernel_still_has_numbas_attributes():
    from minifcn.kernels.cpu.elementwise import _softplus

    assert isinstance(_softplus, threads.Kernel)
    assert _softplus.py_func.__name__ == _softplus.__name__ == "_softplus"
