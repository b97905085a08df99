"""What kernels have to do, against counts by loops over the definition."""

import itertools

import numpy as np
import pytest

import minifcn as mf
from minifcn import nn
from minifcn.audit import Subject
from minifcn.audit.costs.rehearsal import Call, Spec, rehearse
from minifcn.audit.costs.work import COSTS, work_of
from minifcn.kernels.contract import NAMES

FLOAT = np.dtype(np.float32)


def _calls(module, size, training=False):
    return {call.kernel: call for call in rehearse(module, size, training).calls}


def _counted(layer, size):
    """Multiplications of a convolution on an image (H, W), taps on padding counted, by a loop over all of them."""
    (kh, kw), (sh, sw), padding, (dh, dw) = layer.kernel_size, layer.stride, layer.padding, layer.dilation
    height, width = (n + 2 * p for n, p in zip(size, padding, strict=True))
    count = 0
    for i, j in itertools.product(range(0, height, sh), range(0, width, sw)):
        if i + dh * (kh - 1) < height and j + dw * (kw - 1) < width:
            count += sum(layer.in_channels // layer.groups for _ in range(kh * kw * layer.out_channels))
    return count


def test_every_kernel_has_a_cost():
    assert set(COSTS) == set(NAMES)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(1, 2, 3),
        nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=1, groups=2),
        nn.Conv2d(2, 3, 3, dilation=2, padding=(2, 0)),
        nn.Conv2d(8, 8, 3, padding=1),
    ],
)
def test_convolutions_by_a_loop(layer):
    calls = _calls(layer, (9, 7), training=True)
    counted = _counted(layer, (9, 7))
    assert work_of(calls["conv2d"]).multiplications == counted
    assert work_of(calls["conv2d_weight"]).multiplications == counted


def test_a_transposed_convolution_costs_what_its_convolution_does():
    """2 x 2, stride 2, from 6 x 4 pixels of 8 channels to 12 x 8 of 2: each input number meets 4 x 2 of the weight."""
    calls = _calls(nn.ConvTranspose2d(8, 2, 2, stride=2), (6, 4))
    assert work_of(calls["conv_transpose2d"]).multiplications == 6 * 4 * 8 * 4 * 2
    (back,) = [c for c in rehearse(nn.Conv2d(2, 8, 2, stride=2), (12, 8)).calls if c.kernel == "conv2d"]
    assert work_of(back).multiplications == 6 * 4 * 8 * 4 * 2


def test_groups_divide():
    one, four = (work_of(_calls(nn.Conv2d(8, 8, 3, groups=g), (5, 5))["conv2d"]) for g in (1, 4))
    assert one.multiplications == 4 * four.multiplications


@pytest.mark.parametrize(("side", "tiles"), [(8, 4), (9, 9), (1, 1)])
def test_winograd_rounds_tiles_up(side, tiles):
    call = _calls(nn.Conv2d(16, 8, 3, padding=1), (2, side, side))["conv2d"]
    work = work_of(call)
    assert (work.algorithm, work.used) == ("winograd", 2 * tiles * 36 * 16 * 8)
    with mf.settings.override(conv="direct"):
        assert (work_of(call).algorithm, work_of(call).used) == ("direct", work.multiplications)


def test_the_algorithm_follows_the_channels_that_are_read():
    """4 channels: the direct sum forwards; 16 come back: Winograd's algorithm."""
    calls = rehearse(nn.Sequential(nn.Conv2d(1, 4, 1), nn.Conv2d(4, 16, 3)), (8, 8), training=True).calls
    algorithms = {call.kernel: work_of(call).algorithm for call in calls if call.layer == "1"}
    assert (algorithms["conv2d"], algorithms["conv_transpose2d"]) == ("direct", "winograd")


def test_bytes_are_arrays_once():
    """4 bytes for image, weight, bias and result."""
    work = work_of(_calls(nn.Conv2d(2, 3, 3), (5, 6))["conv2d"])
    assert work.bytes == 4 * (5 * 6 * 2 + 9 * 2 * 3 + 3 + 3 * 4 * 3)


def test_a_view_moves_nothing_and_a_pick_what_it_picks():
    class Picks(nn.Module):
        def forward(self, x):
            return x[:, 1:3] if self.training else x[:, [0, 2]]

    (view,) = [
        c for c in rehearse(nn.Sequential(nn.Conv2d(1, 1, 1), Picks()), (4, 4), True).calls if c.kernel == "index"
    ]
    assert work_of(view).bytes == 0
    (pick,) = [c for c in rehearse(nn.Sequential(nn.Conv2d(1, 1, 1), Picks()), (4, 4)).calls if c.kernel == "index"]
    assert work_of(pick).bytes >= 2 * 4 * (2 * 4)


def test_a_matrix_product():
    a, b, c = Spec((5, 3), FLOAT), Spec((3, 4), FLOAT), Spec((5, 4), FLOAT)
    work = work_of(Call("matmul", "", False, {"a": a, "b": b}, (c,)))
    assert (work.multiplications, work.algorithm, work.bytes) == (60, "matmul", 4 * (15 + 12 + 20))


def test_upsampling_counts_entries_of_its_matrices():
    """Bilinear: two entries a row and a column, so four products for each of 8 x 8 results."""
    call = _calls(Subject(nn.Upsample(scale_factor=2, mode="bilinear"), channels=1), (4, 4))["resample2d"]
    assert work_of(call).multiplications == 4 * 8 * 8


def test_optimisers_write_back_what_they_update():
    p = Spec((10,), FLOAT)
    arguments = {"parameters": [p, p], "gradients": [p, p], "velocities": [p, p]}
    assert work_of(Call("sgd_step", "", False, arguments, ())).bytes == 40 * (6 + 4)
    assert work_of(Call("sgd_step", "", False, {**arguments, "velocities": None}, ())).bytes == 40 * (4 + 2)
