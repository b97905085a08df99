"""Where boxes are laid."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from minifcn.graph.layout import layout


@st.composite
def graphs(draw):
    count = draw(st.integers(1, 12))
    return [draw(st.lists(st.integers(0, node - 1), max_size=3)) if node else [] for node in range(count)]


@given(graphs())
def test_arrows_go_forward_and_boxes_are_apart(parents):
    sizes = [(20.0 + 5 * (node % 3), 30.0 - 4 * (node % 2)) for node in range(len(parents))]
    found = layout(parents, sizes, 10.0, 6.0)
    assert set(found.arrows) == {(parent, node) for node, above in enumerate(parents) for parent in above}
    for way in found.arrows.values():
        assert all(a[0] < b[0] for a, b in itertools.pairwise(way))
    for one, other in itertools.combinations(range(len(parents)), 2):
        (along, across), (other_along, other_across) = found.centres[one], found.centres[other]
        far_along = abs(along - other_along) >= (sizes[one][0] + sizes[other][0]) / 2 + 10 - 1e-6
        far_across = abs(across - other_across) >= (sizes[one][1] + sizes[other][1]) / 2 + 6 - 1e-6
        assert far_along or far_across


def test_arrows_bend_around_what_lies_between():
    found = layout([[], [0], [1], [0, 2]], [(40.0, 20.0)] * 4, 30.0, 10.0)
    bends = found.arrows[0, 3][1:-1]
    assert len(bends) == 4
    assert all(abs(across - found.centres[1][1]) >= 10 for _, across in bends)


def test_arrows_that_need_not_cross_do_not():
    # Two chains beside each other, listed so that the first order has them crossed.
    parents = [[], [], [1], [0], [2], [3]]
    found = layout(parents, [(40.0, 20.0)] * 6, 30.0, 10.0)
    sides = [across for _, across in found.centres]
    assert (sides[0] < sides[1]) == (sides[3] < sides[2]) == (sides[5] < sides[4])


def test_a_leaf_that_a_long_chain_uses_everywhere():
    count = 300
    parents = [[], [0]] + [[0, node - 1] for node in range(2, count)]
    found = layout(parents, [(40.0, 20.0)] * count, 30.0, 10.0)
    assert len(found.arrows[0, count - 1]) == 2
    assert len(found.arrows[0, 10]) > 2
