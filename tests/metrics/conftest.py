"""Real data for the metrics."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from minifcn.io.images import read_image


@pytest.fixture(scope="session")
def isbi(real_data: Callable[[str], Path]) -> tuple[np.ndarray, np.ndarray]:
    """Sections 20..23 of the ISBI 2012 training stack: images (4, 512, 512) uint8 and truth, 1 = interior."""
    folder = real_data("isbi2012")
    images, labels = (read_image(folder / name)[20:24] for name in ("train-volume.tif", "train-labels.tif"))
    return images, labels == 255
