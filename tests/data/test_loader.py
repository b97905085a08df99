import gc
import subprocess
import sys
import textwrap
import threading
import time
import traceback

import numpy as np
import pytest

from minifcn.data import ArrayDataset, Compose, Dataset, Loader, RandomCrop, RandomFlip, RandomRot90


def noise(count=10, size=12):
    rng = np.random.default_rng(0)
    images = rng.random((count, size, size), np.float32)
    return ArrayDataset(images, rng.integers(0, 2, (count, size, size)), ("a", "b"), name="noise")


augment = Compose(RandomCrop(8), RandomFlip(), RandomRot90())


def loader_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("minifcn-loader")]


def wait_for_no_threads():
    end = time.monotonic() + 5
    while loader_threads() and time.monotonic() < end:
        time.sleep(0.01)
    return not loader_threads()


def assert_same(batches, others):
    batches, others = list(batches), list(others)
    assert len(batches) == len(others) > 0
    for batch, other in zip(batches, others, strict=True):
        for ours, theirs in zip(batch, other, strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("settings", [{"prefetch": 1}, {"prefetch": 2}, {"prefetch": 5, "workers": 3}])
def test_threads_change_nothing(settings):
    plain = Loader(noise(), 4, transform=augment, seed=7, prefetch=0)
    threaded = Loader(noise(), 4, transform=augment, seed=7, **settings)
    assert_same(plain.batches(0, 9), threaded.batches(0, 9))


def test_a_resumed_run_sees_what_an_uninterrupted_one_sees():
    loader = Loader(noise(), 4, transform=augment)
    whole = list(loader.batches(0, 10))
    assert_same(Loader(noise(), 4, transform=augment).batches(4, 10), whole[4:])
    assert_same([loader.batch(step) for step in (9, 2, 0)], [whole[step] for step in (9, 2, 0)])


def test_batches_are_contiguous_and_typed():
    for images, labels in Loader(noise(), 4, transform=augment):
        assert (images.dtype, labels.dtype) == (np.float32, np.int64)
        assert images.flags.c_contiguous
        assert labels.flags.c_contiguous
        assert images.shape[1:] == (8, 8, 1)
        assert labels.shape == images.shape[:3]


@pytest.mark.parametrize(("drop_last", "sizes"), [(False, [4, 4, 2]), (True, [4, 4])])
def test_an_epoch(drop_last, sizes):
    loader = Loader(noise(), 4, drop_last=drop_last)
    assert len(loader) == len(sizes)
    assert [len(images) for images, _ in loader] == sizes
    seen = np.concatenate([loader.indices(step) for step in range(len(loader))])
    assert len(set(seen.tolist())) == sum(sizes)


def test_every_epoch_is_shuffled_anew():
    loader = Loader(noise(), 5)
    epochs = [np.concatenate([loader.indices(2 * epoch), loader.indices(2 * epoch + 1)]).tolist() for epoch in range(3)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert Loader(noise(), 10, seed=1).indices(0).tolist() != Loader(noise(), 10, seed=2).indices(0).tolist()


def test_without_shuffling_the_order_is_the_datasets():
    data = noise()
    loader = Loader(data, 4, shuffle=False)
    assert loader.indices(1).tolist() == loader.indices(4).tolist() == [4, 5, 6, 7]
    np.testing.assert_array_equal(loader.batch(1)[0][2], data[6][0])


def test_indices_name_the_samples_of_a_shuffled_batch():
    data = noise()
    loader = Loader(data, 3)
    for index, image in zip(loader.indices(5), loader.batch(5)[0], strict=True):
        np.testing.assert_array_equal(image, data[index][0])


def test_a_sample_is_augmented_differently_in_every_epoch_and_place():
    same = ArrayDataset(np.tile(np.arange(64.0).reshape(8, 8), (4, 1, 1)), np.zeros((4, 8, 8), int), "a")
    loader = Loader(same, 4, transform=RandomCrop(2))
    corners = [tuple(loader.batch(step)[0][:, 0, 0, 0]) for step in range(6)]
    assert len(set(corners)) == 6
    assert max(len(set(corner)) for corner in corners) > 1


def test_labels_of_one_number_an_image():
    data = ArrayDataset(np.zeros((4, 5, 5)), np.array([3, 1, 2, 0]), "abcd")
    images, labels = Loader(data, 4, shuffle=False).batch(0)
    assert images.shape == (4, 5, 5, 1)
    assert labels.tolist() == [3, 1, 2, 0]


def test_shapes_that_do_not_go_together():
    data = ArrayDataset(
        [np.zeros((4, 5)), np.zeros((6, 5))], [np.zeros((4, 5), int), np.zeros((6, 5), int)], "a", name="x"
    )
    message = r"image 0 of x is \(4, 5, 1\), image 1 is \(6, 5, 1\): a batch needs one shape; use batch_size=1"
    with pytest.raises(ValueError, match=message):
        Loader(data, 2, shuffle=False).batch(0)
    assert Loader(data, 2, transform=RandomCrop(4)).batch(0)[0].shape == (2, 4, 4, 1)


class Broken(Dataset):
    """Sample 5 cannot be read."""

    name, classes, channels = "broken", ("a",), 1

    def __len__(self):
        return 8

    def __getitem__(self, index):
        if index == 5:
            self.fail_here()
        return np.zeros((2, 2, 1), np.float32), np.zeros((2, 2), np.int64)

    def fail_here(self):
        raise OSError("disk on fire")


@pytest.mark.parametrize("prefetch", [0, 3])
def test_errors_arrive_when_their_batch_is_due_with_their_traceback(prefetch):
    batches = iter(Loader(Broken(), 2, shuffle=False, prefetch=prefetch))
    next(batches)
    next(batches)
    with pytest.raises(OSError, match="disk on fire") as caught:
        next(batches)
    assert "fail_here" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert caught.value.__notes__ == ["while loading image 5 of broken"]
    assert wait_for_no_threads()


def test_leaving_the_loop_ends_the_threads():
    for _ in Loader(noise(), 2, prefetch=3, workers=2).batches():
        assert loader_threads()
        break
    gc.collect()
    assert wait_for_no_threads()


def test_dropping_or_closing_the_iterator_ends_the_threads():
    for end in (lambda batches: batches.close(), lambda batches: None):
        batches = Loader(noise(), 2).batches()
        next(batches)
        end(batches)
        del batches
        gc.collect()
        assert wait_for_no_threads()


def test_no_more_than_prefetch_is_drawn_ahead():
    drawn = []

    def spy(image, label, rng):
        drawn.append(1)
        return image, label

    batches = Loader(noise(), 1, transform=spy, prefetch=3).batches()
    next(batches)
    time.sleep(0.1)
    assert len(drawn) <= 4
    batches.close()


@pytest.mark.parametrize("ending", ["raise KeyboardInterrupt", "sys.exit(3)", "pass"])
def test_the_interpreter_exits_with_batches_in_the_making(ending):
    script = f"""
        import sys, time
        import numpy as np
        from minifcn.data import ArrayDataset, Loader

        def slow(image, label, rng):
            time.sleep(0.05)
            return image, label

        data = ArrayDataset(np.zeros((8, 4, 4)), np.zeros((8, 4, 4), int), "a")
        batches = Loader(data, 1, transform=slow, prefetch=4, workers=2).batches()
        next(batches)
        {ending}
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=30)
    expected = {"raise KeyboardInterrupt": "KeyboardInterrupt", "sys.exit(3)": "", "pass": ""}[ending]
    assert (done.stderr.strip().splitlines() or [""])[-1] == expected
    assert (done.returncode != 0) == (ending != "pass")


@pytest.mark.parametrize(
    "arguments", [{"batch_size": 0}, {"batch_size": 1, "prefetch": -1}, {"batch_size": 1, "workers": 0}]
)
def test_arguments_out_of_range(arguments):
    with pytest.raises(ValueError, match="loader: expected batch_size >= 1, prefetch >= 0, workers >= 1"):
        Loader(noise(), **arguments)


def test_a_loader_without_a_batch():
    with pytest.raises(ValueError, match=r"noise holds 0 images: not one batch of 2$"):
        Loader(ArrayDataset([], [], "a", name="noise"), 2)
    with pytest.raises(
        ValueError, match="noise holds 3 images: not one batch of 4, and drop_last leaves out the smaller"
    ):
        Loader(noise(3), 4, drop_last=True)


def test_steps_out_of_range():
    loader = Loader(noise(), 4)
    for ask in (loader.batch, loader.indices):
        with pytest.raises(ValueError, match="expected a step >= 0, got -1"):
            ask(-1)
    for start, stop in ((-1, 3), (5, 3)):
        with pytest.raises(ValueError, match="expected 0 <= start <= stop"):
            loader.batches(start, stop)
    assert list(loader.batches(3, 3)) == []
