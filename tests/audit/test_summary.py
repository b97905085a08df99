"""The table of layers, and that making it changes nothing."""

import re

import numpy as np
import pytest

import minifcn as mf
from minifcn import nn
from minifcn.models import UNet


@pytest.fixture
def net():
    net = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Sequential(nn.ReLU()))
    net[1].requires_grad_(False)
    net[2].eval()
    return net


def test_rows_and_totals(net):
    rows = [line.split() for line in net.summary((5, 6, 2)).split("\n")]
    assert rows[3] == ["0", "Conv2d", "(1,", "3,", "4,", "4)", "3", "76"]
    assert rows[4] == ["1", "BatchNorm2d", "(1,", "3,", "4,", "4)", "3", "8"]
    assert rows[7][0] == "3.0"
    assert rows[-1] == ["parameters:", "84,", "trainable:", "76"]


def test_the_batch_may_be_given(net):
    assert "(3, 3, 4, 4)" in net.summary((3, 5, 6, 2))


def test_nothing_changes(net):
    state, modes = net.state_dict(), [module.training for module in net.modules()]
    before = mf.random.get_state()
    net.summary((5, 6, 2))
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, state[name])
    assert [module.training for module in net.modules()] == modes
    assert all(parameter.grad is None for parameter in net.parameters())
    assert not any(module._hooks for module in net.modules())
    assert mf.random.get_state() == before


def test_nothing_changes_when_the_pass_fails(net):
    with pytest.raises(ValueError, match="channels"):
        net.summary((5, 6, 3))
    assert net.training
    assert not net[2].training
    assert not any(module._hooks for module in net.modules())


def test_what_is_not_used_and_what_has_several_outputs():
    class Net(nn.Module):
        def __init__(self):
            self.pool, self.spare, self.levels = nn.MaxPool2d(2, return_indices=True), nn.ReLU(), nn.ModuleList()
            self.levels.append(nn.Tanh())

        def forward(self, x):
            return self.levels[0](self.pool(x)[0])

    lines = Net().summary((4, 4, 1)).split("\n")
    assert re.split(r"\s{2,}", lines[3]) == ["pool", "MaxPool2d", "(1, 2, 2, 1), (1, 2, 2, 1)", "2"]
    assert lines[4].split(maxsplit=2) == ["spare", "ReLU", "not used"]
    assert lines[5].split(maxsplit=2) == ["levels", "ModuleList"]


def test_in_float64(net):
    assert "84" in net.astype(np.float64).summary((5, 6, 2))


def test_a_vector_network():
    assert "(7, 2)" in nn.Linear(3, 2).summary((7, 3))


def test_fields_of_every_module_by_phase():
    table = UNet(1, 2, base=1, depth=1, padding="valid").summary((20, 20, 1))
    rows = [re.split(r"\s{2,}", line.strip()) for line in table.split("\n")[3:-2]]
    fields = {row[0]: row[3] for row in rows if len(row) > 3}
    assert fields["encoder.0"] == "5"
    assert fields["bottom"] == "14"
    assert fields["head"] == "18"


def test_phases_that_see_different_numbers_and_sides_that_differ():
    net = nn.Sequential(nn.MaxPool2d(2), nn.Upsample(scale_factor=2), nn.Conv2d(1, 1, (2, 1)))
    assert "  2 or 4 x 2  " in net.summary((8, 8, 1)).split("\n")[-3]


def test_a_mean_over_the_image_sees_all_of_it():
    assert nn.GlobalAvgPool2d().summary((4, 4, 1)).split("\n")[2].split()[-1] == "all"


def test_no_fields_where_there_is_no_map():
    assert "receptive field" not in nn.Sequential(nn.Flatten(), nn.Linear(16, 2)).summary((4, 4, 1))


def test_shapes_in_a_dictionary():
    class Two(nn.Module):
        def forward(self, x):
            return {"a": x, "b": [x.sum(axis=(1, 2))]}

    assert "(1, 4, 4, 1), (1, 1)" in Two().summary((4, 4, 1))
