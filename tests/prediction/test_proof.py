"""Tiles differ from the whole by 0.0, for every kind of network; and by a lot where they leave the grid."""

import json

import numpy as np
import pytest
from prediction_networks import NETWORKS, shaken

from minifcn import nn
from minifcn.models import UNet
from minifcn.prediction import Predictor, prove
from minifcn.prediction.strategies import Resize

NOISE = np.random.default_rng(3).random((61, 47))
#: Tiles that keep little, so that the sample is small; None: of which half is kept.
SIDES = {"segnet": 448, "fcn32s": 512, "backbone": 288, "unet 4": 224, "ciresan": 72}


@pytest.mark.parametrize("name", list(NETWORKS))
def test_tiles_are_the_whole_bit_for_bit(name):
    proof = prove(shaken(NETWORKS[name]()), NOISE, tile=SIDES.get(name))
    assert proof.largest == 0.0
    assert proof.seamless
    assert proof.tiles >= 4
    assert proof.scale > 1e-3
    assert proof.reach <= proof.usable[0]
    assert (proof.wrong > 1e-3 * proof.scale) == (max(proof.period) > 1)


@pytest.mark.parametrize("name", ["unet 2", "odd stride", "pang"])
def test_edges_are_felt_just_as_far_as_the_field_reaches(name):
    proof = prove(shaken(NETWORKS[name]()), NOISE)
    # Never further; and no less by more than a maximum or a ReLU can hide in a whole row.
    assert proof.usable[0] - 2 <= proof.reach <= proof.usable[0]


def test_388_instead_of_384_leaves_the_grid():
    proof = prove(shaken(UNet(1, 1, base=1, padding="valid")), NOISE, tile=572)
    assert (proof.window, proof.stride, proof.wrong_stride) == ((572, 572), (384, 384), (388, 388))
    assert proof.largest == 0.0
    assert proof.wrong > 0.01 * proof.scale


def test_a_smaller_halo_leaves_a_seam_that_blending_makes_smaller():
    model = shaken(UNet(1, 2, base=2, depth=2))
    cut = prove(model, NOISE, tile=64, halo=0)
    blended = prove(model, NOISE, tile=64, halo=0, blend="gaussian")
    assert not cut.seamless
    assert 0.0 < blended.largest < cut.largest
    assert "leave seams: max |tile − whole| = " in cut.headline()


def test_a_proof_can_be_read_saved_and_drawn(tmp_path):
    proof = prove(shaken(UNet(1, 2, base=1, depth=1, padding="valid")), NOISE)
    assert "leave no seam: max |tile − whole| = 0 in float64" in proof.headline()
    assert "is no multiple of 2: tiles would be pooled on other grids" in str(proof)
    text, picture = proof.save(tmp_path)
    facts = json.loads(text.read_text())
    assert (facts["audit"], facts["largest_error"], facts["total_stride_pixels"]) == ("tiles", 0.0, [2, 2])
    assert picture.stat().st_size > 1000
    free = prove(NETWORKS["pang"](), NOISE)
    assert free.wrong_stride is None
    assert "tiles may begin anywhere" in str(free)
    free.save(tmp_path, "free-")


def test_the_network_itself_stays_as_it_is():
    model = UNet(1, 2, base=1, depth=1).train()
    prove(model, np.zeros((1, 1), np.uint8))
    assert {parameter.dtype.name for parameter in model.parameters()} == {"float32"}
    assert model.training


def test_an_image_without_pixels_is_refused():
    with pytest.raises(ValueError, match=r"prove: the image has no pixels: shape \(1, 0, 5, 1\)"):
        prove(UNet(1, 2, base=1), np.zeros((0, 5)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_image_with_nan_is_refused(value):
    image = NOISE.copy()
    image[3, 4] = value
    with pytest.raises(ValueError, match="prove: the image holds NaN or infinite values"):
        prove(UNet(1, 2, base=1), image)


def test_resizing_makes_no_tiles():
    with pytest.raises(ValueError, match="prove: strategy='resize' makes no tiles"):
        prove(Predictor(UNet(1, 2, base=1), strategy=Resize(64)), NOISE)


def test_a_total_stride_of_one_along_one_axis():
    down, up = nn.Conv2d(1, 2, 3, stride=(2, 1), padding=1), nn.ConvTranspose2d(2, 1, (2, 1), stride=(2, 1))
    proof = prove(shaken(nn.Sequential(down, up)), NOISE)
    assert (proof.period, proof.largest) == ((2, 1), 0.0)
    assert proof.wrong_stride is not None
    assert proof.wrong_stride[0] % 2 == 1
    assert "tiles may begin anywhere" not in str(proof)
    assert proof.wrong > 0
