"""Batches that are copied ahead: the same batches, in order, on the device; errors and early ends as without."""

import numpy as np
import pytest

from minifcn import cuda
from minifcn.cuda import prefetched
from minifcn.data.targets import WeightedLabel

pytestmark = pytest.mark.skipif(not cuda.is_available(), reason=str(cuda.unavailable_because()))


def batch(i, size=3):
    images = np.full((2, size, 4, 1), i, np.float32)
    return images, np.full((2, size, 4), i)


def values(tensor):
    return tensor.to("cpu").data


def test_batches_come_in_order_and_lie_on_the_device():
    given = [batch(i) for i in range(5)]
    seen = list(prefetched(iter(given)))
    assert len(seen) == 5
    for (images, labels), (expected, target) in zip(seen, given, strict=True):
        assert images.device == "cuda"
        assert images.dtype == np.float32
        assert labels is target
        np.testing.assert_array_equal(values(images), expected)


def test_batches_of_other_shapes_and_memory_orders():
    given = [(np.arange(n * 6.0).reshape(n, 2, 3)[:, :, ::-1], np.zeros(n, int)) for n in (3, 1, 5, 2)]
    for (images, _), (expected, _) in zip(prefetched(given), given, strict=True):
        np.testing.assert_array_equal(values(images), expected)


def test_what_the_caller_does_to_a_batch_changes_none_on_the_device():
    def reused():
        images = np.empty((1, 2, 2, 1), np.float32)
        for i in range(6):
            images[...] = i
            yield images, np.array([i])

    assert [values(images).max() for images, _ in prefetched(reused())] == [0, 1, 2, 3, 4, 5]


def test_labels_go_to_the_device_if_asked():
    ((_, labels),) = prefetched([batch(7)], labels=True)
    assert labels.device == "cuda"
    assert values(labels).tolist() == batch(7)[1].tolist()


def test_weights_go_with_their_labels():
    target = WeightedLabel(np.array([[[1, 0]]]), np.array([[[0.5, 2.0]]], np.float32))
    ((_, labels),) = prefetched([(np.zeros((1, 1, 2, 1), np.float32), target)], labels=True)
    assert isinstance(labels, WeightedLabel)
    assert values(labels.classes).tolist() == [[[1, 0]]]
    assert values(labels.weight).tolist() == [[[0.5, 2.0]]]
    ((_, labels),) = prefetched([(np.zeros((1, 1, 2, 1), np.float32), target)])
    assert labels is target


def test_no_batches():
    assert list(prefetched([])) == []


def test_one_batch_is_drawn_ahead_and_no_more():
    drawn = []

    def source():
        for i in range(4):
            drawn.append(i)
            yield batch(i)

    batches = prefetched(source())
    assert drawn == []
    next(batches)
    assert drawn == [0, 1]
    next(batches)
    assert drawn == [0, 1, 2]
    batches.close()


def test_an_error_comes_when_its_batch_is_asked_for():
    def source():
        yield batch(0)
        yield batch(1)
        raise OSError("no image 2")

    batches = prefetched(source())
    assert values(next(batches)[0]).max() == 0
    assert values(next(batches)[0]).max() == 1
    with pytest.raises(OSError, match="no image 2"):
        next(batches)
    assert next(batches, None) is None


def test_leaving_early_ends_the_source():
    ended = []

    def source():
        try:
            for i in range(4):
                yield batch(i)
        finally:
            ended.append(True)

    for _ in prefetched(source()):
        break
    batches = prefetched(source())
    next(batches)
    batches.close()
    assert ended == [True, True]


def test_a_batch_is_not_kept_once_the_next_is_asked_for():
    from minifcn.kernels.cuda.pool import Pool, bucket, taking_from

    pool = Pool()
    with taking_from(pool):
        for images, _ in prefetched(batch(i, size=1000) for i in range(6)):
            size = bucket(images.size * 4)
            del images
            assert pool.stats().in_use == size or pool.stats().in_use == 0  # the next one, or none at the end
        del _
    assert pool.stats().peak <= 2 * size
    pool.release()


def test_on_the_host_nothing_changes_but_the_type():
    images, target = batch(3)
    ((tensor, labels),) = prefetched([(images, target)], device="cpu")
    assert np.shares_memory(tensor.data, images)
    assert labels is target


def test_an_unknown_device_is_refused_at_once():
    with pytest.raises(ValueError, match="unknown device"):
        prefetched([], device="gpu")
