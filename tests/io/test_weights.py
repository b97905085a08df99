"""Files of weights: the same arrays from either format, and errors that say what is wrong."""

import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from minifcn.io import WeightsError, from_torch, from_torch_layout, read_weights, to_torch_layout
from minifcn.nn import BatchNorm2d, Conv2d, ConvTranspose2d, Linear

STATE = {
    "conv.weight": torch.arange(24, dtype=torch.float64).reshape(2, 3, 2, 2),
    "conv.bias": torch.tensor([1.5, -2.0]),
    "half": torch.tensor([0.5, 65504.0, -0.25], dtype=torch.float16),
    "brain": torch.tensor([[1.0, -2.5], [3e38, float("nan")]], dtype=torch.bfloat16),
    "empty": torch.zeros(0, 3),
    "bn.num_batches_tracked": torch.tensor(7),
}


def write(path, content):
    (save_file if path.suffix == ".safetensors" else torch.save)(content, path)
    return path


@pytest.mark.parametrize("name", ["a.safetensors", "a.pth", "a.pt", "a.BIN"])
def test_arrays_come_back_in_their_own_names_and_layouts(name, tmp_path):
    weights = read_weights(write(tmp_path / name, STATE))
    assert set(weights) == set(STATE)
    for key, tensor in STATE.items():
        half = tensor.dtype in (torch.float16, torch.bfloat16)
        expected = (tensor.float() if half else tensor).numpy()
        assert weights[key].dtype == expected.dtype, key
        np.testing.assert_array_equal(weights[key], expected, key)


@pytest.mark.parametrize("key", ["state_dict", "model"])
def test_a_state_dict_inside_a_training_checkpoint(key, tmp_path):
    weights = read_weights(write(tmp_path / "a.pth", {"epoch": 3, key: {"weight": torch.ones(2)}}))
    assert weights["weight"].tolist() == [1.0, 1.0]


def test_parameters_that_require_grad(tmp_path):
    weights = read_weights(write(tmp_path / "a.pth", {"weight": torch.nn.Parameter(torch.ones(2))}))
    assert weights["weight"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("content", [[torch.ones(1)], {"epoch": 3}, torch.ones(2), {"a": {"b": torch.ones(1)}}])
def test_something_else_than_named_tensors(content, tmp_path):
    with pytest.raises(WeightsError, match=r"a\.pth: not a state dict, .* save the network's state_dict\(\)"):
        read_weights(write(tmp_path / "a.pth", content))


def test_no_code_is_run(tmp_path):
    with pytest.raises(WeightsError, match=r"a\.pth: damaged, or it holds more than tensors, which is not read"):
        read_weights(write(tmp_path / "a.pth", torch.nn.Linear(1, 1)))


@pytest.mark.parametrize("name", ["a.safetensors", "a.pth"])
@pytest.mark.parametrize("damage", [lambda raw: b"", lambda raw: raw[:-5], lambda raw: b"hello world"])
def test_damaged_files(name, damage, tmp_path):
    path = write(tmp_path / name, {"weight": torch.ones(100)})
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(WeightsError, match=rf"{name}: (truncated or not a safetensors file|damaged)"):
        read_weights(path)


def test_a_type_that_numpy_has_not(tmp_path):
    path = write(tmp_path / "a.safetensors", {"weight": torch.ones(2).to(torch.float8_e4m3fn)})
    with pytest.raises(WeightsError, match=r"weight is of type F8_E4M3, which cannot be read; convert it to F32"):
        read_weights(path)


@pytest.mark.parametrize("name", ["none.pth", "none.safetensors", ".pth/none.pt"])
def test_no_such_file(name, tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file of weights"):
        read_weights(tmp_path / name)


@pytest.mark.parametrize(("name", "named"), [("a.npz", ".npz"), ("weights", "no suffix")])
def test_unknown_suffixes(name, named, tmp_path):
    with pytest.raises(WeightsError, match=rf"read from \.safetensors, \.pth, \.pt, \.bin, not from {named}"):
        read_weights(tmp_path / name)


def test_without_pytorch(tmp_path, monkeypatch):
    path, other = write(tmp_path / "a.pth", STATE), write(tmp_path / "a.safetensors", STATE)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModuleNotFoundError, match=r"only PyTorch reads \.pth files, .* pip install torch, or convert"):
        read_weights(path)
    assert set(read_weights(other)) == set(STATE)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (lambda: torch.nn.Conv2d(4, 6, (3, 2), groups=2), lambda: Conv2d(4, 6, (3, 2), groups=2)),
        (lambda: torch.nn.ConvTranspose2d(4, 6, (3, 2)), lambda: ConvTranspose2d(4, 6, (3, 2))),
        (lambda: torch.nn.ConvTranspose2d(6, 4, 2, groups=2), lambda: ConvTranspose2d(6, 4, 2, groups=2)),
        (lambda: torch.nn.Linear(4, 6), lambda: Linear(4, 6)),
        (lambda: torch.nn.BatchNorm2d(3), lambda: BatchNorm2d(3)),
    ],
    ids=["conv", "transposed", "transposed in groups", "linear", "norm"],
)
def test_layouts_fit_the_layers(theirs, ours):
    state = {name: tensor.numpy() for name, tensor in theirs().state_dict().items()}
    layer = ours()
    layer.load_state_dict(from_torch(state))
    for name, array in layer.state_dict().items():
        np.testing.assert_array_equal(to_torch_layout(array), state[name], name)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 3, 4), (2, 3, 4, 5), (2, 3, 4, 5, 6)])
def test_there_and_back(shape):
    array = np.arange(np.prod(shape)).reshape(shape)
    np.testing.assert_array_equal(to_torch_layout(from_torch_layout(array)), array)
    if len(shape) in (0, 1, 3, 5):
        np.testing.assert_array_equal(from_torch_layout(array), array)
