"""The table of kernels: what is counted, and by whom."""

import threading

import numpy as np
import pytest

import minifcn as mf
from minifcn import cuda
from minifcn import functional as F
from minifcn.kernels import load

pytestmark = pytest.mark.skipif(not cuda.is_available(), reason=str(cuda.unavailable_because()))


def on_gpu(*shape):
    return mf.Tensor(np.ones(shape, np.float32), device="cuda")


def row(table, kernel):
    (found,) = [row for row in table.rows if row.kernel == kernel]
    return found


def test_calls_bytes_and_operations():
    a, b = on_gpu(3, 4), on_gpu(4, 5)
    with cuda.profile() as table:
        for _ in range(3):
            F.matmul(a, b)
        F.relu(a)
    product, relu = row(table, "matmul"), row(table, "relu")
    assert (product.calls, relu.calls) == (3, 1)
    assert product.operations == 3 * 2 * 3 * 4 * 5
    assert product.bytes == 3 * 4 * (12 + 20 + 15)
    assert relu.bytes == 2 * 4 * 12
    assert relu.operations == 0


def test_times():
    with cuda.profile() as table:
        F.relu(on_gpu(8))
        F.exp(on_gpu(8))
    rows = table.rows
    assert all(row.seconds > 0 for row in rows)
    assert [row.seconds for row in rows] == sorted((row.seconds for row in rows), reverse=True)
    assert sum(row.share for row in rows) == pytest.approx(1.0)
    assert sum(row.seconds for row in rows) <= table.seconds


def test_the_walk_back_and_the_update_are_seen():
    weight = mf.Tensor(np.ones((1, 1, 1, 2), np.float32), requires_grad=True, device="cuda")
    with cuda.profile() as table:
        F.conv2d(on_gpu(1, 2, 2, 1), weight).sum().backward()
        mf.optim.SGD([weight], lr=0.1).step()
    kernels = {row.kernel for row in table.rows}
    assert {"conv2d", "sum", "conv2d_weight", "sgd_step"} <= kernels


def test_the_table_is_printed():
    with cuda.profile() as table:
        F.relu(on_gpu(8))
    lines = str(table).splitlines()
    assert lines[0].split() == ["kernel", "calls", "ms", "share", "GB/s", "TFLOP/s", "of", "limit"]
    assert any(line.split()[:2] == ["relu", "1"] for line in lines[1:])
    assert "from begin to end" in str(table)


def test_kernels_before_after_and_in_other_threads_are_not_counted():
    x, module = on_gpu(8), load("cuda")
    F.relu(x)
    with cuda.profile() as table:
        thread = threading.Thread(target=lambda: F.exp(x))
        thread.start()
        thread.join()
        F.sigmoid(x)
    F.relu(x)
    assert [row.kernel for row in table.rows] == ["sigmoid"]
    assert load("cuda") is module


def test_a_block_that_fails_leaves_the_kernels_as_they_were():
    x, module = on_gpu(2), load("cuda")
    with pytest.raises(ValueError, match="do not fit shape"), cuda.profile() as table:
        F.relu(x).reshape(5)
    assert load("cuda") is module
    assert row(table, "relu").calls == 1


def test_the_table_is_complete_after_the_block():
    with cuda.profile() as table, pytest.raises(RuntimeError, match="when its block has ended"):
        table.rows  # noqa: B018
    assert table.rows == []
    assert "0.000 ms in kernels" in str(table)
