"""The arena: blocks that do not overlap, come back, join, and are counted."""

import gc
import subprocess
import sys
import threading

import numpy as np
import pytest

from minifcn.kernels.cpu import memory
from minifcn.kernels.cpu.memory import ALIGNMENT, SMALL, Arena

BYTE = np.dtype(np.uint8)


def address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def take(arena: Arena, size: int) -> np.ndarray:
    array = arena.take((size,), BYTE, size)
    assert array is not None
    return array


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.stderr, done.returncode) == ("", 0)
    return done.stdout


def test_blocks_keep_their_contents_and_are_counted_whatever_comes_and_goes():
    arena, rng, alive = Arena(), np.random.default_rng(0), {}
    for turn in range(2000):
        if alive and rng.random() < 0.48:
            turn = list(alive)[rng.integers(len(alive))]
            array = alive.pop(turn)
            assert (array == turn % 256).all()
            del array
        else:
            alive[turn] = take(arena, int(rng.integers(1, 5000)))
            alive[turn].fill(turn % 256)
            assert address(alive[turn]) % ALIGNMENT == 0
        assert arena.stats().in_use == sum(-(-a.size // ALIGNMENT) * ALIGNMENT for a in alive.values())
    assert all((array == turn % 256).all() for turn, array in alive.items())
    alive.clear()
    now = arena.stats()
    assert now.in_use == 0 < now.peak <= now.held == now.peak_held < now.reserved
    assert len(arena._by_size) == len(arena._sizes) == len(arena._starts) == 1  # all neighbours have joined


def test_the_last_view_keeps_the_block_and_its_end_gives_it_back():
    gc.disable()  # by reference counts alone
    try:
        arena = Arena()
        array = take(arena, 4096)
        first, view = address(array), array.reshape(64, 64)[3:, ::2].T
        del array
        assert address(take(arena, 4096)) != first
        del view
        assert address(take(arena, 4096)) == first
    finally:
        gc.enable()


def test_the_smallest_sufficient_gap_is_used_and_of_equals_the_lowest():
    arena = Arena()
    blocks = [take(arena, size) for size in (4096, 64, 1024, 64, 2048, 64, 1024, 64)]
    large, low, high = (address(blocks[i]) for i in (0, 2, 6))
    for i in (0, 2, 6):
        blocks[i] = None
    kept = [take(arena, 960) for _ in range(3)]
    assert [address(array) for array in kept] == [low, high, large]


def test_release_gives_back_what_is_free_and_nothing_else():
    arena = Arena()
    below, kept, above = (take(arena, 2**22) for _ in range(3))
    for array in (below, kept, above):
        array.fill(7)
    del below, above, array
    given = arena.release()
    assert 2 * 2**22 - 4 * 4096 <= given <= 2 * 2**22
    assert arena.stats().held == 3 * 2**22 - given
    assert arena.release() == 0
    assert (kept == 7).all()
    assert (take(arena, 2**22)[4096:-4096] == 0).all()  # new pages, in the lower gap
    assert arena.stats().held <= 2 * 2**22 + 4 * 4096


def test_peaks_begin_anew_from_what_is_in_use():
    arena = Arena()
    kept, other = take(arena, 2**20), take(arena, 2**21)
    del other
    assert arena.stats()[:4] == (2**20, 3 * 2**20, 3 * 2**20, 3 * 2**20)
    arena.reset_peak()
    assert arena.stats()[:4] == (2**20, 2**20, 3 * 2**20, 3 * 2**20)
    del kept


def test_threads_share_an_arena():
    wrong, arena = [], Arena()

    def work(number: int) -> None:
        rng = np.random.default_rng(number)
        for _ in range(300):
            arrays = [take(arena, int(size)) for size in rng.integers(1, 3000, 4)]
            for array in arrays:
                array.fill(number)
            wrong.extend(array for array in arrays if not (array == number).all())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert arena.stats().in_use == 0


@pytest.mark.parametrize("shape", [(), 0, 5, (SMALL,), (2, 0, 3), (3, SMALL // 4, 2), [SMALL, 2], np.int64(SMALL)])
@pytest.mark.parametrize("dtype", [np.float32, "float64", bool, np.int64])
def test_arrays_are_like_numpys(shape, dtype):
    for made, expected in [
        (memory.zeros(shape, dtype), np.zeros(shape, dtype)),
        (memory.full(shape, 1, dtype), np.ones(shape, dtype)),
        (memory.empty_like(np.ones(shape, dtype).T), np.ones(shape, dtype).T),
    ]:
        assert (type(made), made.shape, made.dtype) == (np.ndarray, expected.shape, expected.dtype)
        assert made.flags.c_contiguous
        assert made.flags.writeable
    np.testing.assert_array_equal(memory.full(shape, 1, dtype), np.ones(shape, dtype))


def test_an_array_that_is_too_large_is_an_error_that_says_what_is_in_use():
    with pytest.raises(ValueError, match="negative"):
        memory.empty((-SMALL, -SMALL), np.float32)
    with pytest.raises(MemoryError, match=r"no memory for an array of shape .* MiB now, at most .* MiB so far; take"):
        memory.empty((2**25, 2**25), np.uint8)


def test_poison_fills_new_arrays():
    with memory.poison():
        for shape in (3, SMALL):
            assert np.isnan(memory.empty(shape, np.float32)).all()
            assert (memory.empty(shape, np.int32) == -1).all()
            assert not memory.zeros(shape, np.float64).any()


def test_a_forked_child_has_memory_of_its_own():
    output = run("""
import os, sys
import numpy as np
from minifcn.kernels.cpu import memory
kept = memory.full(2**20, 1, np.uint8)
child = os.fork()
if not child:
    kept.fill(2)
    memory.full(2**20, 3, np.uint8)
    os._exit(0 if (kept == 2).all() else 1)
failed = os.waitpid(child, 0)[1]
print(failed, (kept == 1).all(), memory.stats().in_use)
""")
    assert output == f"0 True {2**20}\n"


def test_a_limit_of_addresses_makes_the_arena_grow_by_pieces():
    output = run("""
import resource
import numpy as np
from minifcn.kernels.cpu import memory
resource.setrlimit(resource.RLIMIT_AS, (8 * 2**30, resource.RLIM_INFINITY))
arrays = [memory.full(100 * 2**20, i, np.uint8) for i in range(5)]
print(all((array == i).all() for i, array in enumerate(arrays)), memory.stats().reserved // 2**20)
""")
    assert output == "True 768\n"
