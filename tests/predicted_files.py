"""Files to predict and a network that does, for tests of the prediction of files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

import minifcn as mf
from minifcn.data import Normalisation
from minifcn.models import UNet
from minifcn.prediction import Predictor, TileOptions
from minifcn.prediction.strategies import TileBy
from minifcn.prediction.stream import predict_file

SIZE = (75, 90)

TILES = TileOptions(tile=32)


def predictor_of(
    channels: int = 1, classes: int = 2, options: TileOptions = TILES, normalise: Any = None, **more: Any
) -> Predictor:
    mf.manual_seed(0)
    network, rng = UNet(channels, classes, base=1, depth=1), np.random.default_rng(classes)
    for parameter in network.parameters():
        parameter.data[...] = rng.standard_normal(parameter.shape)
    return Predictor(network, normalise or Normalisation(), strategy=TileBy(options), **more)


def pixels(*shape: int, dtype: str = "uint8") -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.random(shape).astype(dtype) if dtype.startswith("f") else rng.integers(0, 256, shape).astype(dtype)


def write(path: Path, array: np.ndarray, **options: Any) -> Path:
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".zarr":
        zarr.create_array(path, data=array, chunks=(16,) * array.ndim, zarr_format=options["zarr_format"])
    else:
        options.setdefault("metadata", {"axes": "ZYX"[-array.ndim :]})
        tifffile.imwrite(path, array, **options)
    return path


def read(path: Path) -> np.ndarray:
    if path.suffix == ".npy":
        return np.load(path)
    return np.asarray(zarr.open_array(path, mode="r")) if path.suffix == ".zarr" else tifffile.imread(path)


class StoppedError(Exception):
    """Something happens."""


def interrupted(
    predictor: Predictor, source: Path, target: Path, after: int = 5, error: BaseException | None = None
) -> None:
    """Predict, and be interrupted after so many tiles."""
    tiles = iter(range(after))

    def progress(done: int, pixels: int) -> None:
        if next(tiles, None) is None:
            raise error or StoppedError

    with pytest.raises(type(error) if error else StoppedError):
        predict_file(predictor, source, target, progress=progress)
