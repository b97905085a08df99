"""A training on device "cuda" is the CPU's, but for rounding; it is interrupted and goes on as well."""

import math

import numpy as np
import pytest
from safetensors.numpy import load_file

from minifcn import cuda
from minifcn.data import ArrayDataset
from minifcn.training import Reporter, Run, TrainConfig, Trainer, TrainingError

pytestmark = pytest.mark.skipif(not cuda.is_available(), reason=str(cuda.unavailable_because()))


def dataset(value=None):
    random = np.random.default_rng(0)
    images = random.uniform(0, 1, (4, 4, 4)).astype(np.float32)
    labels = (images > 0.5).astype(np.int64)
    if value is not None:
        images[...] = value
    return ArrayDataset(images, labels, ("dark", "bright"), name="dots")


def trainer(folder, device, reporter=None, images=None, **changes):
    standard = {"options": {"base": 1, "depth": 1}, "steps": 3, "batch": 1, "lr": 1e-2, "validate_every": 3}
    config = TrainConfig("isbi", validation_images=1, mean=(0.5,), std=(0.3,), augment="none", **(standard | changes))
    some = images or dataset()
    return Trainer(Run.create(folder, config), some, some, reporter, device)


class Stop(Reporter):
    """Ends a training once a step is done, as the power may."""

    def step(self, step, loss, images_a_second):
        if step == 2:
            raise KeyboardInterrupt


def weights(folder):
    return load_file(folder / "last.safetensors")


def test_it_learns_what_the_cpu_learns(tmp_path):
    trainers = {device: trainer(tmp_path / device, device, clip=1.0) for device in ("cpu", "cuda")}
    assert all(each.train() for each in trainers.values())
    mine, other = weights(tmp_path / "cuda"), weights(tmp_path / "cpu")
    assert mine.keys() == other.keys()
    for name, values in other.items():
        np.testing.assert_allclose(mine[name], values, rtol=1e-3, atol=1e-4, err_msg=name)
    rows = [each.run.rows[-1] for each in trainers.values()]
    assert math.isclose(float(rows[0]["loss"]), float(rows[1]["loss"]), rel_tol=1e-4)


def test_an_interrupted_one_goes_on_with_the_same_bits(tmp_path):
    trainer(tmp_path / "whole", "cuda").train()
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path / "parts", "cuda", Stop()).train()
    again = Run.open(tmp_path / "parts")
    continued = Trainer(again, dataset(), dataset(), device="cuda")
    continued.resume()
    assert continued.train()
    for name, values in weights(tmp_path / "whole").items():
        np.testing.assert_array_equal(weights(tmp_path / "parts")[name], values, err_msg=name)


def test_a_loss_that_is_not_finite_is_noticed_a_step_late(tmp_path):
    with pytest.raises(TrainingError, match="the loss became nan"):
        trainer(tmp_path / "run", "cuda", images=dataset(np.nan)).train()
