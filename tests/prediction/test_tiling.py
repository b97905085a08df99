"""Tiles part every image, and their windows keep the grid of the network's poolings."""

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prediction_networks import NETWORKS

from minifcn.audit.asked import Asked
from minifcn.models import Network, UNet
from minifcn.prediction import Tile, TileOptions, Tiling, margins
from minifcn.prediction.geometry import Geometry

NAMES = ("unet 1", "unet 3", "valid unet 2", "pang", "odd stride", "ciresan")


@functools.cache
def network(name: str) -> tuple[Network, Geometry]:
    module = NETWORKS[name]()
    asked = module if isinstance(module, Network) else Asked(module)
    return asked, Geometry.of(asked)


VALID = UNet(1, 2, base=1, padding="valid")


@pytest.fixture(scope="module")
def valid():
    return Geometry.of(VALID)


@given(
    st.sampled_from(NAMES),
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
    st.integers(1, 400),
    st.sampled_from((None, "constant", "gaussian")),
    st.data(),
)
def test_every_pixel_is_kept_once(name, size, tile, blend, data):
    model, geometry = network(name)
    try:
        tiling = Tiling(model, *size, TileOptions(tile, blend=blend), geometry)
    except ValueError:  # the tile is too small, as below
        assert tile < 140
        return
    largest = [(axis.usable[1] - axis.usable[0]) // axis.period for axis in (tiling.rows, tiling.columns)]
    if min(largest) > 0 and data.draw(st.booleans()):
        stride = tuple(data.draw(st.integers(1, most)) * tiling.rows.period for most in largest)
        tiling = Tiling(model, *size, TileOptions(tile, stride=stride, blend=blend), geometry)
    weight, count = np.zeros(size), np.zeros(size, int)
    (top, bottom), (left, right) = margins(model, *size)
    assert len(list(tiling)) == len(tiling)
    for at in tiling:
        rows, columns = (slice(*keep) for keep in at.keep)
        count[rows, columns] += 1
        weight[rows, columns] += np.multiply.outer(*tiling.weights(at))
        for axis, before, after, period in (
            (0, top, bottom, geometry.rows.period),
            (1, left, right, geometry.columns.period),
        ):
            (begin, end), (first, last) = at.read[axis], at.keep[axis]
            assert begin >= -before
            assert end <= size[axis] + after
            assert end - begin <= max(tile, 0) or end - begin == before + size[axis] + after
            assert (begin + before) % period == 0
            assert 0 <= first < last <= size[axis]
            assert at.crop[axis] == first - begin - before >= 0
            assert at.crop[axis] + last - first <= model.output_length(end - begin)
    assert count.min() == 1 or blend
    assert count.max() == 1 or blend
    np.testing.assert_allclose(weight, 1.0, rtol=1e-12)


def test_the_valid_unet_of_572_pixels_steps_by_384(valid):
    tiling = Tiling(VALID, 1000, 700, geometry=valid, tile=572)
    assert (tiling.window, tiling.stride, tiling.exact, len(tiling)) == ((572, 572), (384, 384), True, 6)
    assert next(iter(tiling)) == Tile(read=((-92, 480), (-92, 480)), keep=((0, 386), (0, 354)), crop=(0, 0))
    assert tiling.rows.read == [(-92, 480), (292, 864), (532, 1104)]


def test_a_same_padded_unet_is_exact_from_95_pixels_inside_its_tiles():
    _, geometry = network("unet 3")
    assert geometry.rows.period == 8
    begin, end = Geometry.of(UNet(1, 2, base=1)).rows.exact(512, 512)
    assert (begin, end) == (94, 512 - 94)  # from the 95th


def test_sizes_of_the_case_study():
    assert margins(UNet(1, 2, base=1), 1000, 1000) == ((0, 8), (0, 8))
    above, below = margins(VALID, 1000, 1000)[0]
    assert (1000 + above + below, VALID.output_length(1196), 1012 - 1000) == (1196, 1012, 12)
    assert above == 92


def test_tiles_are_large_enough_unless_told():
    for model, side in ((VALID, 3000), (network("pang")[0], 5000)):
        tiling = Tiling(model, side, 20)
        assert 1000 <= tiling.window[0] <= 1024
        assert 2 * tiling.stride[0] >= tiling.window[0]
        assert tiling.columns.read == [(-margins(model, side, 20)[1][0], 20 + margins(model, side, 20)[1][1])]


def test_less_halo_is_not_exact_and_blending_overlaps():
    model, geometry = network("unet 3")
    assert not Tiling(model, 200, 200, TileOptions(64, halo=8), geometry).exact
    tiling = Tiling(model, 200, 200, TileOptions(64, halo=0, blend="gaussian"), geometry)
    assert (tiling.stride, len(tiling)) == ((32, 32), 36)
    rows, _ = tiling.weights(next(iter(tiling)))
    assert rows[0] == 1.0
    assert 0.0 < rows[-1] < 0.01


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"tile": 572, "stride": 388},
            "tile stride 388 is no multiple of the network's total stride 16, .*: take 384$",
        ),
        ({"tile": 572, "stride": 8}, "take 16$"),
        ({"tile": 572, "stride": 400}, "tile stride 400 would leave gaps, as only 388 rows .*: take 384, or larger"),
        ({"tile": 180}, "tiles of 180 pixels are too small: .*; take tile=204 at least, or a smaller halo"),
        ({"tile": 0}, "tile must be a whole number or a pair, at least 1, got 0"),
        ({"tile": (572, 3.5)}, "tile must be a whole number"),
        ({"halo": -1}, "halo must be a whole number or a pair, at least 0, got -1"),
        ({"blend": "cosine"}, "blend must be 'constant', 'gaussian' or None, got 'cosine'"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message, valid):
    with pytest.raises(ValueError, match=message):
        Tiling(VALID, 1000, 1000, geometry=valid, **options)


def test_options_are_given_in_one_way(valid):
    with pytest.raises(ValueError, match="tiles take options or tile, not both"):
        Tiling(VALID, 1000, 1000, TileOptions(), valid, tile=572)
