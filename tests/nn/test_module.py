"""What every module can do: names, modes, copies, conversions, hooks, its repr."""

import copy
import pickle

import numpy as np
import pytest

import minifcn as mf
from minifcn import nn


class Block(nn.Module):
    """Parameters, a buffer and children, in a telling order; no super().__init__()."""

    def __init__(self):
        self.scale = nn.Parameter(np.array([2.0], np.float32))
        self.conv = nn.Conv2d(1, 2, 1)
        self.norm = nn.BatchNorm2d(2)
        self.register_buffer("seen", mf.zeros(1, dtype=np.int64))

    def forward(self, x):
        return self.norm(self.conv(x * self.scale))


@pytest.fixture
def block():
    mf.manual_seed(0)
    return Block()


NAMES = ["scale", "conv.weight", "conv.bias", "norm.weight", "norm.bias"]
BUFFERS = ["seen", "norm.running_mean", "norm.running_var"]


def test_parameters_are_the_attributes_that_are_parameters(block):
    assert [name for name, _ in block.named_parameters()] == NAMES
    assert [name for name, _ in block.named_parameters(recurse=False)] == ["scale"]
    assert [name for name, _ in block.named_parameters("net")] == [f"net.{name}" for name in NAMES]
    assert all(isinstance(p, nn.Parameter) and p.requires_grad for p in block.parameters())


def test_listing_gives_parameters_their_names(block):
    list(block.parameters())
    assert block.conv.weight.name == "conv.weight"
    list(block.conv.parameters())
    assert block.conv.weight.name == "conv.weight", "a part of the network does not shorten it"


def test_buffers_and_modules_by_name(block):
    assert [name for name, _ in block.named_buffers()] == BUFFERS
    assert len(list(block.buffers())) == 3
    assert [name for name, _ in block.named_modules()] == ["", "conv", "norm"]
    assert [name for name, _ in block.named_children()] == ["conv", "norm"]


def test_what_is_shared_is_listed_once_and_saved_under_both_names():
    layer = nn.Linear(2, 2)
    net = nn.Sequential(layer, nn.ReLU(), layer)
    assert [name for name, _ in net.named_parameters()] == ["0.weight", "0.bias"]
    assert [name for name, _ in net.named_modules()] == ["", "0", "1"]
    assert list(net.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]


def test_replaced_and_removed_attributes(block):
    block.conv = nn.Identity()
    block.scale = None
    assert [name for name, _ in block.named_parameters()] == ["norm.weight", "norm.bias"]
    del block.norm
    assert list(block.parameters()) == []


def test_a_parameter_is_not_replaced_by_a_plain_tensor(block):
    with pytest.raises(TypeError, match=r"Block\.scale is a Parameter, and cannot become a Tensor; assign Parameter"):
        block.scale = block.scale * 2


@pytest.mark.parametrize("kind", [list, tuple])
def test_modules_in_a_plain_list_are_refused(block, kind):
    with pytest.raises(TypeError, match=r"Block\.layers: what is in a plain .* neither trained nor saved; use Mod"):
        block.layers = kind([nn.ReLU()])


def test_modules_in_a_dictionary_are_refused(block):
    with pytest.raises(TypeError, match=r"Block\.layers: what is in a plain dict would be neither trained nor saved"):
        block.layers = {"relu": nn.ReLU()}


def test_a_typo_names_the_closest_attribute(block):
    with pytest.raises(AttributeError, match=r"'Block' object has no attribute 'convv'; did you mean 'conv'\?"):
        _ = block.convv
    with pytest.raises(AttributeError, match=r"^'Block' object has no attribute 'zzzzzz'$"):
        _ = block.zzzzzz
    assert not hasattr(block, "convv")


def test_modes(block):
    assert block.training
    assert block.eval() is block
    assert [module.training for module in block.modules()] == [False] * 3
    block.train()
    assert all(module.training for module in block.modules())


def test_apply_goes_children_first(block):
    seen = []
    assert block.apply(lambda module: seen.append(type(module).__name__)) is block
    assert seen == ["Conv2d", "BatchNorm2d", "Block"]


def test_zero_grad_and_freezing(block):
    block(mf.ones(2, 3, 3, 1)).sum().backward()
    assert all(parameter.grad is not None for parameter in block.parameters())
    block.zero_grad()
    assert all(parameter.grad is None for parameter in block.parameters())
    block.requires_grad_(False)
    assert not block(mf.ones(2, 3, 3, 1)).requires_grad


def test_a_copy_is_independent_and_computes_the_same(block):
    block(mf.randn(2, 3, 3, 1)).sum().backward()
    handle = block.register_forward_hook(lambda module, inputs, output: output * 0)
    twin, x = copy.deepcopy(block.eval()), mf.randn(2, 4, 4, 1)
    handle.remove()
    assert np.all(twin(x).data == 0), "hooks are copied"
    twin._hooks[0].remove()
    np.testing.assert_array_equal(twin(x).data, block(x).data)
    twin.scale.data[:] = 0
    assert block.scale.item() == 2.0
    assert not {id(p) for p in twin.parameters()} & {id(p) for p in block.parameters()}


def test_pickling(block):
    again, x = pickle.loads(pickle.dumps(block.eval())), mf.randn(1, 4, 4, 1)
    np.testing.assert_array_equal(again(x).data, block(x).data)


def test_astype_keeps_the_tensors_and_converts_arrays_buffers_and_gradients(block):
    block(mf.randn(2, 3, 3, 1)).sum().backward()
    before = list(block.parameters())
    versions = [parameter.version for parameter in before]
    assert block.astype(np.float64) is block
    after = list(block.parameters())
    assert all(a is b for a, b in zip(before, after, strict=True))
    assert all(p.dtype == p.grad.dtype == np.float64 for p in after)
    assert all(p.version > version for p, version in zip(after, versions, strict=True))
    assert (block.norm.running_var.dtype, block.seen.dtype) == (np.float64, np.int64)
    assert block(mf.randn(2, 3, 3, 1, dtype=np.float64)).dtype == np.float64


def test_astype_refuses_integers(block):
    with pytest.raises(TypeError, match="cannot become int32"):
        block.astype(np.int32)


def test_to_another_device_and_back(block):
    expected = block.eval()(mf.ones(1, 2, 2, 1)).data
    block.to("reference")
    assert {tensor.device for tensor in [*block.parameters(), *block.buffers()]} == {"reference"}
    with mf.device("reference"):
        np.testing.assert_allclose(block(mf.ones(1, 2, 2, 1)).data, expected, rtol=1e-5, atol=1e-6)
    assert {tensor.device for tensor in block.to("cpu").parameters()} == {"cpu"}


def test_layers_are_made_on_the_default_device():
    with mf.device("reference"):
        net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1), nn.Linear(1, 1), nn.ConvTranspose2d(1, 1, 1))
    assert {tensor.device for tensor in [*net.parameters(), *net.buffers()]} == {"reference"}


def test_without_forward():
    with pytest.raises(NotImplementedError, match="Module does not say what it computes"):
        nn.Module()(1)


def test_hooks_before_and_after(block):
    calls = []
    before = block.register_forward_pre_hook(lambda module, inputs: calls.append("before"))
    after = block.register_forward_hook(lambda module, inputs, output: calls.append(output.shape))
    block(mf.zeros(1, 2, 2, 1))
    assert calls == ["before", (1, 2, 2, 2)]
    before.remove()
    after.remove()
    after.remove()
    block(mf.zeros(1, 2, 2, 1))
    assert len(calls) == 2


def test_hooks_can_change_inputs_and_output():
    net = nn.Identity()
    net.register_forward_pre_hook(lambda module, inputs: inputs[0] + 1.0)
    net.register_forward_hook(lambda module, inputs, output: output * 10.0)
    assert net(mf.tensor(1.0)).item() == 20.0


def test_the_same_hook_twice_is_two_hooks():
    net, calls = nn.Identity(), []

    def hook(module, inputs, output):
        calls.append(1)

    first, _second = net.register_forward_hook(hook), net.register_forward_hook(hook)
    first.remove()
    net(mf.tensor(1.0))
    assert calls == [1]


def test_options_reach_forward():
    pool, unpool = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)
    y, where = pool(mf.ones(1, 5, 5, 1))
    assert unpool(y, where, output_size=(5, 5)).shape == (1, 5, 5, 1)


def test_repr_is_nested(block):
    assert repr(nn.Sequential(block, nn.ReLU())) == (
        "Sequential(\n"
        "  (0): Block(\n"
        "    (conv): Conv2d(1, 2, kernel_size=(1, 1), stride=(1, 1))\n"
        "    (norm): BatchNorm2d(2, eps=1e-05, momentum=0.1, affine=True)\n"
        "  )\n"
        "  (1): ReLU()\n"
        ")"
    )


def test_a_parameter_of_integers_is_refused():
    with pytest.raises(TypeError, match="only floating-point"):
        nn.Parameter(np.zeros(2, np.int64))


def test_a_parameter_made_from_a_tensor_stays_on_its_device():
    with mf.device("reference"):
        assert nn.Parameter(mf.zeros(2)).device == "reference"
