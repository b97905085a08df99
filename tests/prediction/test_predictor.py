"""Prediction takes images of any size, and pads and crops without shifting anything."""

import numpy as np
import pytest

import minifcn as mf
from minifcn.data import Normalisation
from minifcn.models import UNet
from minifcn.nn import BatchNorm2d
from minifcn.prediction import Predictor, margins
from minifcn.tensor import Tensor

AS_IS = Normalisation("dataset", (0.0,), (1.0,))


class Echo:
    """A network whose first logit is the image itself, cut by ``lost`` pixels on each side; takes multiples of 4."""

    in_channels = 1

    def __init__(self, lost: int) -> None:
        self.lost = lost

    def eval(self) -> None:
        pass

    def output_length(self, length: int) -> int:
        return 0 if length % 4 else max(0, length - 2 * self.lost)

    def __call__(self, x: Tensor) -> Tensor:
        inside = slice(self.lost, x.shape[1] - self.lost), slice(self.lost, x.shape[2] - self.lost)
        shown = x.data[:, inside[0], inside[1]]
        return Tensor(np.concatenate([shown, np.zeros_like(shown)], axis=-1))


@pytest.mark.parametrize("lost", [0, 3])
@pytest.mark.parametrize("size", [(8, 8), (1, 1), (7, 13), (2, 31)])
def test_every_pixel_gets_the_answer_for_itself(lost: int, size: tuple[int, int]) -> None:
    images = np.random.default_rng(0).random((2, *size, 1), np.float32)
    probabilities = Predictor(Echo(lost), AS_IS, batch_pixels=1)(images)
    assert probabilities.shape == (2, *size, 2)
    np.testing.assert_allclose(probabilities[..., 0], 1 / (1 + np.exp(-images[..., 0])), rtol=1e-6)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("size", [1, 15, 16, 17, 100])
def test_margins_make_a_size_legal_and_cover_the_image(padding: str, size: int) -> None:
    model = UNet(1, 2, base=1, depth=2, padding=padding)
    (top, bottom), (left, right) = margins(model, size, 2 * size)
    height, width = size + top + bottom, 2 * size + left + right
    assert model.size_error(height, width) is None
    out_height, out_width = model.output_size(height, width)
    assert out_height >= size
    assert out_width >= 2 * size
    assert top >= (height - out_height) // 2
    assert left >= (width - out_width) // 2


def test_images_of_a_legal_size_are_predicted_as_they_are() -> None:
    mf.manual_seed(0)
    model = UNet(1, 3, base=2, depth=2)
    images = np.random.default_rng(0).random((1, 16, 8, 1), np.float32)
    expected = mf.functional.softmax(model(Tensor((images - np.float32(0.5)) / np.float32(0.25)))).data
    np.testing.assert_array_equal(Predictor(model, Normalisation("dataset", (0.5,), (0.25,)))(images), expected)


def test_batch_normalisation_is_folded_in_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    model = UNet(1, 2, base=2, depth=1, norm="batch")
    images = np.random.default_rng(0).random((1, 8, 8, 1), np.float32)
    expected = mf.functional.softmax(model.eval()(Tensor(images))).data
    model.train()
    monkeypatch.setattr(BatchNorm2d, "forward", None)  # nobody may call it
    np.testing.assert_allclose(Predictor(model, AS_IS)(images), expected, rtol=1e-4)
    assert all(layer.training for layer in model.modules())


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((1, 8, 8, 3)), r"expected images \(N, H, W, 1\), got shape \(1, 8, 8, 3\)"),
        (np.zeros((8, 8, 1)), r"got shape \(8, 8, 1\)"),
        (np.full((1, 8, 8, 1), np.nan), "NaN or infinite"),
    ],
)
def test_wrong_images_are_refused(images: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Predictor(Echo(0), AS_IS)(images)
