"""Rehearsals: the same kernels, on the same shapes, as when a network really runs."""

import numpy as np
import pytest

import minifcn as mf
from minifcn import functional as F
from minifcn import kernels, memory, nn
from minifcn.audit.costs.rehearsal import rehearse
from minifcn.audit.subject import Subject
from minifcn.kernels.contract import NAMES, UNCOUNTED
from minifcn.models import REGISTRY, UNet
from minifcn.nn.modes import evaluating


def narrow(name):
    network = REGISTRY[name]
    return network(in_channels=2, classes=2, **network.narrow)


class Spy:
    """The CPU's kernels, which note their names and the shapes of their results."""

    def __init__(self):
        self.calls, self._cpu = [], kernels.load("cpu")

    def __getattr__(self, name):
        def noted(*arguments):
            result = getattr(self._cpu, name)(*arguments)
            results = () if result is None else result if isinstance(result, tuple) else (result,)
            if name not in UNCOUNTED:
                self.calls.append((name, [(array.shape, array.dtype) for array in results]))
            return result

        assert name in NAMES
        return noted


def said(rehearsal):
    return [(call.kernel, list(call.results)) for call in rehearsal.calls]


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_inference_calls_what_a_network_calls(name):
    network = narrow(name).for_images()
    side = Subject(network).legal_size(64)
    spy = Spy()
    with kernels.replaced("cpu", spy), evaluating(network), mf.no_grad():
        output = network(mf.zeros(1, side, side, 2))
    rehearsal = rehearse(network, (side, side))
    assert said(rehearsal) == spy.calls
    assert rehearsal.output == output.shape
    assert rehearsal.forward == len(rehearsal.calls)


@pytest.mark.parametrize("options", [{}, {"norm": "batch"}, {"dropout": 0.5}, {"coordinates": True}], ids=str)
def test_training_calls_what_a_step_calls(options):
    network = UNet(1, 2, base=2, padding="same", **options)
    spy = Spy()
    optimizer = mf.optim.AdamW(network.parameters())
    for _ in range(2):  # the first step makes the optimiser's state
        spy.calls.clear()
        optimizer.zero_grad()
        with kernels.replaced("cpu", spy):
            F.sum(network(mf.zeros(2, 32, 32, 1))).backward()
            optimizer.step()
    rehearsal = rehearse(network, (2, 32, 32), training=True, loss=F.sum, optimizer="adamw")
    assert said(rehearsal) == spy.calls
    assert rehearsal.calls[-1].kernel == "adam_step"


def test_layers_are_those_of_the_modules_there_and_back():
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(4, 2, 1)))
    rehearsal = rehearse(network, (8, 8), training=True)
    forward = [(call.kernel, call.layer) for call in rehearsal.calls[: rehearsal.forward]]
    assert forward == [("conv2d", "0"), ("relu", "1"), ("max_pool2d", "2.0"), ("conv2d", "2.1")]
    layers = {call.kernel: call.layer for call in rehearsal.calls if call.backward and call.kernel != "cast"}
    assert layers["max_unpool2d"] == "2.0"
    assert layers["scale_by_sign"] == "1"
    assert layers["cross_entropy_gradient"] == "(loss)"
    assert {call.layer for call in rehearsal.calls if call.kernel == "conv2d_weight"} == {"0", "2.1"}
    assert {call.layer for call in rehearsal.calls if call.kernel == "cast"} == {"0", "2.1"}  # gradients of parameters


def test_what_a_module_computes_before_a_layer_is_its_own():
    class Doubled(nn.Module):
        def __init__(self):
            self.layer = nn.ReLU()
            self.factor = nn.Parameter(np.ones(1, np.float32))

        def forward(self, x):
            return self.layer(x * self.factor)

    rehearsal = rehearse(Subject(Doubled(), channels=1), (4, 4), training=True)
    layers = [(call.kernel, call.layer) for call in rehearsal.calls if call.kernel in ("multiply", "scale_by_sign")]
    assert layers[0] == ("multiply", "")
    assert ("scale_by_sign", "layer") in layers
    assert ("multiply", "layer") not in layers


def test_arguments_become_specs():
    (call,) = rehearse(nn.Conv2d(1, 2, 3), (4, 5)).calls
    assert call.arguments["x"] == ((1, 4, 5, 1), np.float32)
    assert call.arguments["weight"].bytes == 3 * 3 * 2 * 4
    assert call.arguments["window"].kernel_size == (3, 3)
    (joined,) = rehearse(Pair(), (4, 5)).calls
    assert joined.arguments["arrays"] == (((1, 4, 5, 1), np.float32),) * 2


class Pair(nn.Module):
    """Twice the image, side by side."""

    def __init__(self):
        self.in_channels = 1

    def forward(self, x):
        return F.concatenate([x, x], 3)


def test_the_module_stays_as_it_was():
    network = UNet(1, 2, base=1, padding="same", norm="batch", dropout=0.5).eval()
    F.sum(network(mf.ones(1, 32, 32, 1))).backward()
    gradients = [parameter.grad for parameter in network.parameters()]
    before, state, drawn = network.state_dict(), [t.version for t in network.parameters()], mf.random.get_state()
    rehearse(network, (32, 32), training=True, optimizer="sgd")
    assert all((before[name] == array).all() for name, array in network.state_dict().items())
    assert all(a is p.grad for a, p in zip(gradients, network.parameters(), strict=True))
    assert [t.version for t in network.parameters()] == state
    assert mf.random.get_state() == drawn
    assert not any(layer.training or layer._hooks or layer._pre_hooks for layer in network.modules())
    assert not any(parameter._hooks for parameter in network.parameters())


def test_nothing_takes_memory():
    with memory.track() as usage:
        rehearsal = rehearse(UNet(1, 2, base=16, padding="same", dropout=0.5), (2, 8192, 8192), True, optimizer="adamw")
    assert usage.peak < 2**24  # what was used to make the network
    assert rehearsal.held > 2**36


def test_a_failed_rehearsal_leaves_nothing_behind():
    network = UNet(1, 2, base=1, padding="same")
    with pytest.raises(ValueError, match="nearest legal"):
        rehearse(network, (15, 16))
    assert not any(layer._hooks or layer._pre_hooks for layer in network.modules())
    assert kernels.load("cpu").__name__ == "minifcn.kernels.cpu"
    assert rehearse(network, (16, 16)).output == (1, 16, 16, 2)


def test_a_vector_of_classes_is_summed_up():
    network = nn.Sequential(nn.Conv2d(1, 4, 4), nn.Flatten(), nn.Linear(4, 3))
    rehearsal = rehearse(network, (2, 4, 4), training=True)
    assert rehearsal.output == (2, 3)
    assert "cross_entropy" not in {call.kernel for call in rehearsal.calls}


@pytest.mark.parametrize("size", [7, (1, 2, 3, 4), (0, 5), (2.0, 2.0)], ids=str)
def test_impossible_sizes(size):
    with pytest.raises(ValueError, match=r"rehearse: size must be \(H, W\) or \(N, H, W\), all positive, got"):
        rehearse(nn.Conv2d(1, 1, 1), size)


def test_impossible_optimizer():
    with pytest.raises(ValueError, match="unknown optimizer 'lion'; one of adam, adamw, sgd"):
        rehearse(nn.Conv2d(1, 1, 1), (4, 4), training=True, optimizer="lion")


def test_nothing_to_train():
    with pytest.raises(ValueError, match="Pair: no parameter that requires grad leads to the output: nothing to train"):
        rehearse(Pair(), (4, 4), training=True)
    with pytest.raises(ValueError, match="Pair: has no parameter that requires grad: nothing to train"):
        rehearse(Pair(), (4, 4), training=True, optimizer="adamw")


def test_one_tensor_is_needed():
    class Two(Pair):
        def forward(self, x):
            return x, x

    with pytest.raises(ValueError, match="Two: must return one Tensor to be rehearsed, not a tuple"):
        rehearse(Two(), (4, 4))
