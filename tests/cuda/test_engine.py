"""The engine on device "cuda": the same modules, the same results."""

import copy
import gc
import os
import subprocess
import sys

import numpy as np
import pytest

import minifcn as mf
from minifcn import cuda, nn, optim
from minifcn import functional as F
from minifcn.models import UNet

pytestmark = pytest.mark.skipif(not cuda.is_available(), reason=str(cuda.unavailable_because()))

#: float32 sums of some hundred terms, through a few layers, in another order.
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def net():
    mf.manual_seed(3)
    return UNet(1, 2, base=2, depth=1, norm="batch")


def batch(size=(2, 8, 6)):
    random = np.random.default_rng(5)
    return random.standard_normal((*size, 1)).astype(np.float32), random.integers(0, 2, size)


def step(model, images, labels, optimizer=None):
    loss = F.cross_entropy(model(images), labels)
    loss.backward()
    if optimizer is not None:
        optimizer.step()
    return loss


def test_a_training_step_equals_the_cpus():
    images, labels = batch()
    here, there = net(), net().to("cuda")
    losses = [
        step(model, mf.tensor(images, device=device), labels, optim.Adam(model.parameters(), lr=1e-2))
        for model, device in ((here, "cpu"), (there, "cuda"))
    ]
    np.testing.assert_allclose(losses[1].item(), losses[0].item(), **CLOSE)
    for (name, mine), (_, other) in zip(here.named_parameters(), there.named_parameters(), strict=True):
        assert other.device == other.grad.device == "cuda"
        np.testing.assert_allclose(other.grad.to("cpu").data, mine.grad.data, **CLOSE, err_msg=name)
    for name, value in here.state_dict().items():
        if "running" in name:
            np.testing.assert_allclose(there.state_dict()[name], value, **CLOSE, err_msg=name)


def test_labels_on_the_gpu_give_the_same_loss():
    images, labels = batch((1, 4, 4))
    labels[0, 0] = -100
    weight, of_pixel = np.array([0.25, 2.0], np.float32), np.linspace(0, 1, 16, dtype=np.float32).reshape(1, 4, 4)
    logits = np.concatenate([images, -2 * images], -1)
    expected = F.cross_entropy(logits, labels, weight, pixel_weight=of_pixel).item()
    there = mf.tensor(logits, device="cuda"), mf.tensor(labels, device="cuda")
    assert F.cross_entropy(*there, weight, pixel_weight=of_pixel).item() == pytest.approx(expected, rel=1e-6)
    assert F.cross_entropy(there[0], labels, weight, pixel_weight=of_pixel).item() == pytest.approx(expected, rel=1e-6)
    ignored = mf.tensor(np.full((1, 4, 4), -100), device="cuda")
    assert F.cross_entropy(there[0], ignored).item() == 0.0


def test_labels_out_of_range_on_the_gpu_are_nan_and_read_nothing():
    logits = mf.zeros(1, 1, 2, 3).to("cuda")
    assert np.isnan(F.cross_entropy(logits, mf.tensor(np.array([[[0, 7]]]), device="cuda")).item())


def test_checkpoints_move_between_devices():
    images, labels = batch((1, 4, 4))
    there = net().to("cuda")
    optimizer = optim.Adam(there.parameters(), lr=1e-2)
    step(there, mf.tensor(images, device="cuda"), labels, optimizer)
    here = net()
    here.load_state_dict(there.state_dict())
    other = optim.Adam(here.parameters(), lr=1e-2)
    other.load_state_dict(optimizer.state_dict())
    back = net().to("cuda")
    back.load_state_dict(here.state_dict())
    again = optim.Adam(back.parameters(), lr=1e-2)
    again.load_state_dict(other.state_dict())
    for name, value in there.state_dict().items():
        np.testing.assert_array_equal(back.state_dict()[name], value)
    for index, state in optimizer.state_dict()["state"].items():
        for key, value in state.items():
            np.testing.assert_array_equal(again.state_dict()["state"][index][key], value)
    assert all(entry["exp_avg"].shape for entry in again.state.values())


def test_gradients_of_gradients():
    x = mf.tensor(np.array([0.5, 2.0]), device="cuda", requires_grad=True)
    (first,) = mf.grad((x**3).sum(), x, create_graph=True)
    (second,) = mf.grad(first.sum(), x)
    np.testing.assert_allclose(second.tolist(), [3.0, 12.0])


def test_dropout_draws_from_the_engines_generator():
    x = mf.ones(8, 8).to("cuda")
    mf.manual_seed(1)
    first, second = (F.dropout(x, 0.5).to("cpu").data for _ in range(2))
    mf.manual_seed(1)
    np.testing.assert_array_equal(F.dropout(x, 0.5).to("cpu").data, first)
    assert (first != second).any()
    assert set(np.unique(first)) == {0.0, 2.0}


def test_gradients_are_clipped_together():
    p = mf.tensor(np.zeros(2, np.float32), device="cuda", requires_grad=True)
    p.grad = mf.tensor(np.array([3.0, 4.0], np.float32), device="cuda")
    assert optim.clip_grad_norm([p], 1.0) == pytest.approx(5.0)
    np.testing.assert_allclose(p.grad.tolist(), [0.6, 0.8], rtol=1e-5)


def test_losses_of_regions():
    random = np.random.default_rng(2)
    p, y = random.uniform(0, 1, (2, 4, 4, 2)).astype(np.float32), random.integers(0, 2, (2, 4, 4, 2)).astype(np.float32)
    for loss in (F.dice_loss, F.jaccard_loss):
        there = loss(mf.tensor(p, device="cuda"), mf.tensor(y, device="cuda"), empty="ignore", axis=(1, 2))
        assert there.item() == pytest.approx(loss(p, y, empty="ignore", axis=(1, 2)).item(), rel=1e-5)


def test_a_tensor_there_is_not_numpys():
    x = mf.ones(2, 2).to("cuda")
    assert repr(x).endswith("device='cuda')")
    with pytest.raises(TypeError, match=r'\.to\("cpu"\)'):
        x.numpy()
    with pytest.raises(ValueError, match="different devices"):
        x + mf.ones(2, 2)
    x[0, 1] = 5.0
    x[1] = mf.tensor([7.0, 8.0], device="cuda")
    assert x.tolist() == [[1.0, 5.0], [7.0, 8.0]]
    with pytest.raises(ValueError, match="on 'cpu' into one on 'cuda'"):
        x[0] = mf.ones(2)


def test_copies_are_copies():
    model = nn.Conv2d(1, 1, 1).to("cuda")
    twin = copy.deepcopy(model)
    with mf.no_grad():
        twin.weight[...] = 9.0
    assert model.weight.item() != 9.0 == twin.weight.item()


def test_a_graphed_step_is_the_step():
    images, labels = batch((1, 4, 4))
    plain, recorded = net().to("cuda"), net().to("cuda")
    graph = cuda.graphed(lambda x, y: step(recorded, x, y), images, labels, module=recorded)
    for _ in range(2):
        plain.zero_grad()
        expected = step(plain, mf.tensor(images, device="cuda"), mf.tensor(labels, device="cuda"))
        assert graph(images, labels).item() == expected.item()
    for mine, other in zip(plain.parameters(), recorded.parameters(), strict=True):
        np.testing.assert_array_equal(other.grad.to("cpu").data, mine.grad.to("cpu").data)
    with pytest.raises(ValueError, match="another graph"):
        graph(images[:, :2], labels[:, :2])


def python(code, **environment):
    clean = {key: value for key, value in os.environ.items() if key != "NUMBA_ENABLE_CUDASIM"}
    return subprocess.run(
        [sys.executable, "-c", code], env={**clean, **environment}, capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(os.environ.get("NUMBA_ENABLE_CUDASIM") != "1", reason="there is a driver")
def test_without_a_driver_the_error_says_so():
    done = python("import minifcn as mf; mf.ones(1).to('cuda')")
    assert "DeviceUnavailableError: device 'cuda' needs an NVIDIA GPU and its driver" in done.stderr
    assert "nvidia-smi" in done.stderr


def test_without_the_package_the_error_says_how_to_get_it():
    done = python("import sys; sys.modules['numba.cuda'] = None; import minifcn as mf; mf.ones(1).to('cuda')")
    assert "pip install 'minifcn[cuda13]'" in done.stderr


def test_a_graphed_step_refuses_what_cannot_be_recorded():
    images, labels = batch((1, 4, 4))
    model = nn.Conv2d(1, 2, 1).to("cuda")

    def weighted(x, y):
        loss = F.cross_entropy(model(x), y, weight=np.ones(2, np.float32))
        loss.backward()
        return loss

    with pytest.raises(RuntimeError, match="copies from the host, which a graph cannot record"):
        cuda.graphed(weighted, images, labels, module=model)


def test_a_graphed_step_notices_that_its_module_was_moved():
    images, labels = batch((1, 4, 4))
    model = nn.Conv2d(1, 2, 1).to("cuda")
    graph = cuda.graphed(lambda x, y: step(model, x, y), images, labels, module=model)
    model.to("cpu").to("cuda")
    with pytest.raises(RuntimeError, match="record it again"):
        graph(images, labels)


def test_a_graphs_memory_goes_back():
    from minifcn.kernels.cuda import driver

    if not driver.SIMULATED:
        pytest.skip("counts the simulator's blocks")
    images, labels = batch((1, 2, 2))
    model, counts = nn.Conv2d(1, 2, 1).to("cuda"), []
    for _ in range(4):
        cuda.graphed(lambda x, y: step(model, x, y), images, labels, module=model)
        model.zero_grad()
        gc.collect()
        counts.append(len(driver._simulated_blocks))
    assert counts[-1] <= counts[1]


def test_an_optimisers_state_follows_its_parameters():
    model = nn.Conv2d(1, 2, 1).to("cuda")
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    images, labels = batch((1, 2, 2))
    step(model, mf.tensor(images, device="cuda"), labels, optimizer)
    model.to("cpu").zero_grad()
    step(model, mf.tensor(images), labels, optimizer)
    assert all(isinstance(state["exp_avg"], np.ndarray) for state in optimizer.state.values())


def test_arrays_that_kernels_could_not_count_are_refused():
    with pytest.raises(ValueError, match=r"2\^32 elements"):
        mf.Tensor(np.zeros(1, np.uint8), device="cuda")._data.broadcast_view((2**32,)).astype(np.int8)
