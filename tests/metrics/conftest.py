"""Real data for the metrics: looked for, never shipped."""

import os
from pathlib import Path

import numpy as np
import pytest

from minifcn.io.images import read_image

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def isbi() -> tuple[np.ndarray, np.ndarray]:
    """Sections 20..23 of the ISBI 2012 training stack: images (4, 512, 512) uint8 and truth, 1 = interior."""
    folder = REPOSITORY / os.environ.get("MINIFCN_TEST_DATA", "../shared/data") / "isbi2012"
    if not folder.is_dir():
        pytest.skip(f"no ISBI 2012 data at {folder.resolve()}; set MINIFCN_TEST_DATA")
    images, labels = (read_image(folder / name)[20:24] for name in ("train-volume.tif", "train-labels.tif"))
    return images, labels == 255
