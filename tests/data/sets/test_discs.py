"""Two discs: what they look like, and that only a network that knows where it is can tell them apart."""

import numpy as np
import pytest
from scipy import ndimage

import minifcn as mf
from minifcn import functional as F
from minifcn import optim
from minifcn.data import TwoDiscs
from minifcn.models import UNet


def test_an_image_depends_on_seed_and_index_alone():
    few, many = TwoDiscs(2, size=32), TwoDiscs(9, size=32)
    many[8]
    for ours, theirs in zip(few[-1], many[1], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    images = [TwoDiscs(2, size=32, seed=seed)[index][0].tobytes() for seed in (0, 1) for index in (0, 1)]
    assert len(set(images)) == 4


@pytest.mark.parametrize("size", [16, 33, 64])
def test_one_disc_left_of_the_middle_and_its_like_on_the_right(size):
    for image, label in TwoDiscs(8, size=size):
        assert (image.shape, image.dtype, label.shape, label.dtype) == ((size, size, 1), np.float32, (size, size), int)
        assert 0 <= image.min() < image.max() <= 1
        assert ndimage.label(label)[1] == 1
        assert label[:, : size // 2].any()
        assert not label[:, size // 2 :].any()


def test_the_discs_look_alike():
    inside = {"left": [], "right": []}
    for image, label in TwoDiscs(40):
        bright, count = ndimage.label(ndimage.gaussian_filter(image[..., 0], 1.5) > 0.5)
        assert count == 2
        for number in (1, 2):
            disc = bright == number
            side = "left" if label[disc].any() else "right"
            inside[side].append((image[disc, 0].mean(), disc.sum()))
    left, right = (np.mean(inside[side], axis=0) for side in ("left", "right"))
    np.testing.assert_allclose(left, right, rtol=0.03)


def test_discs_keep_away_from_each_other_and_from_borders():
    for image, label in TwoDiscs(20):
        bright = np.nonzero(ndimage.gaussian_filter(image[..., 0], 1.5).max(axis=0) > 0.5)[0]
        assert bright.min() > 0.18 * 64
        assert bright.max() < 0.82 * 64
        assert np.diff(bright).max() > 0.18 * 64
        assert np.nonzero(label)[0].min() > 0.18 * 64


def test_impossible_sets():
    for options in ({"count": -1}, {"count": 1, "size": 15}):
        with pytest.raises(ValueError, match="discs: expected count >= 0 and size >= 16; got"):
            TwoDiscs(**options)
    with pytest.raises(IndexError, match="discs: index 2"):
        TwoDiscs(2)[2]


# --- what it is for ---------------------------------------------------------------------------------------------------


@pytest.fixture
def one_thread():
    threads = mf.get_num_threads()
    mf.set_num_threads(1)
    yield
    mf.set_num_threads(threads)


def batch(count, seed):
    samples = list(TwoDiscs(count, seed=seed))
    return np.stack([image for image, _ in samples]) - np.float32(0.4), np.stack([label for _, label in samples])


def trained(coordinates):
    """A tiny U-Net after 120 steps; what is sought weighs five times as much, so that none of it is given up."""
    mf.manual_seed(3)
    net, (images, labels) = UNet(1, 2, base=4, depth=1, coordinates=coordinates), batch(16, seed=3)
    optimizer = optim.Adam(net.parameters(), lr=2e-2)
    for step in range(120):
        rows = slice(4 * (step % 4), 4 * (step % 4) + 4)
        loss = F.cross_entropy(net(mf.tensor(images[rows])), labels[rows], weight=mf.tensor([1.0, 5.0]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net


@pytest.mark.usefixtures("one_thread")
def test_only_a_network_that_knows_where_it_is_can_tell_left_from_right():
    scores, (images, labels) = {}, batch(8, seed=99)
    for coordinates in (False, True):
        found = trained(coordinates)(mf.tensor(images)).data.argmax(axis=3)
        scores[coordinates] = (found & labels).sum() / (found | labels).sum()
    assert scores[False] < 0.55, "the best that equivariance allows is to find both discs"
    assert scores[True] > 0.8


def test_the_comparison_is_honest():
    """No pixel of a disc sees the other disc, nor the border: each lies 12 pixels away."""
    x = mf.rand(1, 64, 64, 1, requires_grad=True)
    net = UNet(1, 2, base=4, depth=1)
    for row in (32, 33):  # the receptive field depends on the phase of max-pooling
        with mf.settings.override(conv="direct"):  # zeros, where Winograd's algorithm leaves rounding errors
            (gradient,) = mf.grad(net(x)[0, row, row].sum(), [x])
        rows = np.nonzero(gradient.data)[1]
        assert max(row - rows.min(), rows.max() - row) <= 12
