"""The drawn graph: what is in it, what is folded, and that looking changes nothing."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

import minifcn as mf
from minifcn import functional as F
from minifcn import nn, scope
from minifcn.models import REGISTRY, UNet, create


def named(value, name):
    tensor = mf.tensor(value, requires_grad=True)
    tensor.name = name
    return tensor


@pytest.fixture
def expression():
    a, b = named(2.0, "a"), named(-3.0, "b")
    product = a * b
    product.name = "e"
    return product + a


def test_boxes_have_names_values_and_gradients(expression):
    assert str(expression.graph()).split("\n") == [
        "a             ()  = 2  ∂ = -2",
        "b             ()  = -3  ∂ = 2",
        "e = multiply  ()  = -6  ∂ = 1  <- a, b",
        "add           ()  = -4  ∂ = 1  <- e = multiply, a",
    ]


def test_gradient_sizes_are_those_of_a_backward_pass():
    x = named(np.array([[3.0, 4.0]]), "x")
    y = (x * x).sum()
    graph = y.graph()
    y.backward()
    assert graph.boxes[0].gradient == f"|∂| = {np.linalg.norm(x.grad.numpy()):g}" == "|∂| = 10"


def test_looking_changes_nothing():
    x = named(np.ones(3), "x")
    seen = []
    y = x * 2.0
    y.retain_grad()
    y.register_hook(lambda gradient: seen.append(gradient))
    loss = y.sum()
    loss.graph()
    assert seen == []
    assert x.grad is None
    assert y.grad is None
    loss.backward()
    assert x.grad.tolist() == [2.0, 2.0, 2.0]


def test_a_map_has_gradients_only_if_one_is_given():
    y = named(np.ones(2), "x") * 3.0
    assert [box.gradient for box in y.graph().boxes] == ["", ""]
    assert y.graph(gradient=np.array([3.0, 4.0])).boxes[0].gradient == "|∂| = 15"


def test_folding_by_depth():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.ReLU(), nn.Conv2d(2, 1, 1)))
    loss = net(mf.rand(1, 5, 5, 1)).sum()
    titles = {depth: [box.title for box in loss.graph(depth).boxes] for depth in range(4)}
    assert titles[0] == ["Sequential", "sum"]
    assert titles[1] == ["0 · Conv2d", "1 · Sequential", "sum"]
    assert titles[2] == ["0 · Conv2d", "1.0 · ReLU", "1.1 · Conv2d", "sum"]
    assert {"0.weight", "0.bias", "conv2d", "relu", "1.1.weight"} <= set(titles[3])
    assert [box.title for box in loss.graph().boxes] == titles[3]
    assert loss.graph(0).boxes[0].operations == 3


def test_a_layer_that_is_applied_twice_is_two_boxes():
    layer = nn.Conv2d(1, 1, 1)
    titles = [box.title for box in layer(layer(mf.ones(1, 2, 2, 1))).sum().graph(0).boxes]
    assert titles == ["Conv2d", "Conv2d 2", "sum"]


def test_what_comes_again_is_numbered():
    x = named(2.0, "x")
    assert [box.title for box in (x + x + x).graph().boxes] == ["x", "add", "add 2"]


def test_parameters_keep_the_names_that_they_were_given():
    net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU())
    net[0].weight.name = "W"
    titles = [box.title for box in net(mf.ones(1, 2, 2, 1)).sum().graph(9).boxes]
    assert titles[:2] == ["W", "0.bias"]
    assert net[0].weight.name == "W"


def test_of_a_part_and_the_whole_the_whole_names():
    net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU())
    image = mf.ones(1, 2, 2, 1)
    for first, second in ((net[0], net), (net, net[0])):
        titles = [box.title for box in (first(image).sum() + second(image).sum()).graph(1).boxes]
        assert {"0 · Conv2d", "0 · Conv2d 2"} <= set(titles)


def test_a_parameter_that_is_an_image_is_no_part_of_the_network():
    image = nn.Parameter(np.ones((1, 2, 2, 1), np.float32))
    layer = nn.Conv2d(1, 1, 1)
    boxes = layer(image).sum().graph(0).boxes
    assert [box.kind for box in boxes] == ["parameter", "module", "operation"]


def test_a_module_shows_what_others_use_of_it():
    class Two(nn.Module):
        def __init__(self):
            self.layer = nn.Conv2d(1, 1, 1)

        def forward(self, x):
            y = self.layer(x)
            return y, y.sum()

    y, _ = (net := Two())(mf.ones(1, 2, 2, 1))
    assert y.sum().graph(0).boxes[0].shape == (1, 2, 2, 1)
    y, total = net(mf.ones(1, 2, 2, 1))
    assert (y.sum() + total).graph(0).boxes[0].gradient == ""


def test_big_networks_are_folded_until_they_can_be_read():
    net = UNet(1, 2, base=1, depth=4)
    graph = net(mf.zeros(1, 32, 32, 1)).sum().graph()
    assert len(graph.boxes) <= 40
    assert any(box.kind == "module" for box in graph.boxes)


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_every_network_can_be_drawn_at_any_depth(name):
    from minifcn.audit.subject import Subject

    net = create(name, in_channels=1, classes=2, **REGISTRY[name].narrow).eval()
    side = Subject(net).legal_size(32)
    output = net(mf.zeros(1, side, side, 1))
    for depth in (0, 1, 2, 10):
        graph = output.graph(depth)
        for place, box in enumerate(graph.boxes):
            assert all(parent < place for parent in box.parents)
        root = ET.fromstring(graph.svg())
        assert len(root.findall("{*}g")) == len(graph.boxes)


def test_svg_is_well_formed_and_says_everything():
    x = named(np.ones((1, 4, 4, 1)), "<x & y>")
    svg = F.relu(x).sum().graph().svg()
    texts = [element.text for element in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["<x & y>", "(1, 4, 4, 1)", "|∂| = 4", "relu", "(1, 4, 4, 1)", "|∂| = 4", "sum", "= 16", "∂ = 1"]


def test_boxes_do_not_overlap():
    net = UNet(1, 2, base=1, depth=2)
    loss = net(mf.zeros(1, 8, 8, 1)).sum()
    root = ET.fromstring(loss.graph(9).svg())
    rects = root.iter("{http://www.w3.org/2000/svg}rect")
    places = [tuple(float(rect.get(key)) for key in ("x", "y", "width", "height")) for rect in rects]
    for place, (x, y, w, h) in enumerate(places):
        for other_x, other_y, other_w, other_h in places[:place]:
            apart = x + w <= other_x or other_x + other_w <= x or y + h <= other_y or other_y + other_h <= y
            assert apart


def test_dot_escapes_names(expression):
    expression.name = 'say "\\n"'
    dot = expression.graph().dot()
    assert r"say \"\\n\" = add" in dot
    assert len(re.findall(r"n\d+ -> n\d+;", dot)) == 4


def test_files(expression, tmp_path):
    assert expression.graph().save(tmp_path / "g.svg").read_text().startswith("<svg")
    assert expression.graph().save(tmp_path / "g.dot").read_text().startswith("digraph")
    with pytest.raises(ValueError, match=r"g\.pdf must end in \.svg"):
        expression.graph().save(tmp_path / "g.pdf")


def test_errors(expression):
    with pytest.raises(ValueError, match="no recorded operation made the output"):
        mf.ones(2).graph()
    with pytest.raises(ValueError, match="depth must be 0 or more"):
        expression.graph(-1)
    with pytest.raises(TypeError, match="depth counts modules"):
        expression.graph(1.5)
    with pytest.raises(TypeError, match="name is a string, not a int"):
        expression.name = 5
    expression.backward()
    with pytest.raises(RuntimeError, match="already freed"):
        expression.graph()


def test_a_result_keeps_its_name_and_a_leaf_its_own(expression):
    assert expression.name is None
    expression.name = "L"
    assert expression.name == "L"
    assert expression.operation.name == "L"
    assert expression.detach().name is None


def test_control_characters_in_names():
    graph = (named(1.0, "a\x00\x1b") * 2.0).graph()
    assert "a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}" in graph.svg()
    ET.fromstring(graph.svg())


def test_every_arrow_has_a_head(expression):
    root = ET.fromstring(expression.graph().svg())
    assert len(root.findall("{*}polygon")) == 4


def test_modules_that_depend_on_each_other_in_a_circle_are_explained():
    class Beside(nn.Module):
        def forward(self, x):
            y = x * 2.0
            inside, scope.inside.call = scope.inside.call, None  # as another thread would have it
            z = y * 3.0
            scope.inside.call = inside
            return y + z

    net = Beside()
    output = net(named(1.0, "x"))
    with pytest.raises(ValueError, match="folded at depth 0, modules depend on each other in a circle"):
        output.graph(0)
    assert len(output.graph(1).boxes) == 4
