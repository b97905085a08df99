"""The table of cases: legal, named uniquely, and with the work that it says."""

from collections import Counter

import pytest

import minifcn as mf
from minifcn.benchmarks import networks
from minifcn.benchmarks.cases import CASES, GROUPS, ConvCase, MemoryCase, NetworkCase, select
from minifcn.functional import conv2d, conv_transpose2d

CONVOLUTIONS = [case for case in CASES if isinstance(case, ConvCase)]
NETWORKS = [case.network if isinstance(case, MemoryCase) else case for case in CASES]


def test_names_are_unique_and_groups_exist_and_none_is_empty() -> None:
    assert max(Counter(case.name for case in CASES).values()) == 1
    assert {case.group for case in CASES} == set(GROUPS)


@pytest.mark.parametrize("case", [c for c in CONVOLUTIONS if c.mode == "forward"], ids=lambda case: case.name)
def test_convolutions_are_legal_and_give_the_shape_they_say(case: ConvCase) -> None:
    function = conv_transpose2d if case.transposed else conv2d
    # One channel of one image: shapes of the plane do not depend on the others.
    x, w = mf.zeros(1, *case.x_shape[1:3], 1), mf.zeros(*case.w_shape[:2], 1, 1)
    y = function(x, w, stride=case.stride, padding=case.padding, dilation=case.dilation)
    assert y.shape[1:3] == case.y_shape[1:3]


@pytest.mark.parametrize("case", [c for c in NETWORKS if isinstance(c, NetworkCase)], ids=lambda case: case.name)
def test_networks_take_their_images(case: NetworkCase) -> None:
    lost = 572 - 388 if case.padding == "valid" else 0
    thin = NetworkCase("", "", 1, case.size, depth=case.depth, norm=case.norm, padding=case.padding)
    assert networks.build(thin).output_size(case.size, case.size) == (case.size - lost,) * 2


def test_work_is_that_of_the_definition() -> None:
    case = ConvCase("conv3x3", "", 2, 3, 4, batch=5)
    assert case.flops == 2 * (5 * 4 * 4) * (3 * 3) * 2 * 3
    assert case.bytes == 4 * (5 * 16 * 2 + 9 * 6 + 5 * 16 * 3)
    up = ConvCase("conv-other", "", 2, 3, 4, 2, 2, 0, transposed=True, mode="training", batch=1)
    assert up.y_shape == (1, 8, 8, 3)
    assert up.flops == 3 * 2 * (4 * 4) * (2 * 2) * 2 * 3


def test_selecting() -> None:
    assert len(select()) == len(CASES)
    assert {case.group for case in select(["small", "memory"])} == {"small", "memory"}
    assert [case.name for case in select(["conv-other"], "7X7*forward")] == ["conv-other/7x7 32 to 32 at 128, forward"]
    with pytest.raises(ValueError, match="no group 'conv4x4'; groups: conv3x3, "):
        select(["conv4x4"])
    with pytest.raises(ValueError, match="no case matches '9x9'"):
        select(pattern="9x9")
