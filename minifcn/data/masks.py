"""Label maps as they come from files: which pixels do not count, and masks of 0 and 255.

A label map holds one class number 0..K-1 a pixel. Files often hold something else: 0 and 255 for the two classes of a
mask is the commonest, and the commonest reason why a network's predictions come out all black.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

IGNORE_INDEX = -100
"""The label of pixels that no loss and no metric counts, padding above all. PyTorch's default value."""


def map_binary_masks(label: ArrayLike) -> tuple[NDArray[np.int64], str | None]:
    """Map a mask of 0 and one other value to labels 0 and 1.

    Args:
        label: integers or booleans of any shape: 0 and at most one other value. `IGNORE_INDEX` is kept as it is.

    Returns:
        The labels, int64, and the sentence that says what was done: None where nothing was.

    Raises:
        ValueError: there are two values or more beside 0: the mask is not binary.

    >>> map_binary_masks([[0, 255], [255, 0]])
    (array([[0, 1],
           [1, 0]]), 'masks hold 0 and 255: mapped to 0 and 1')
    >>> map_binary_masks([0, 1, -100])
    (array([   0,    1, -100]), None)
    """
    label = np.asarray(label).astype(np.int64)
    foreground = [int(value) for value in np.unique(label) if value not in (0, IGNORE_INDEX)]
    if len(foreground) > 1:
        shown = ", ".join(str(value) for value in foreground[:8]) + (", ..." if len(foreground) > 8 else "")
        raise ValueError(f"binary mask: expected 0 and one other value, found {shown}")
    if foreground in ([], [1]):
        return label, None
    value = foreground[0]
    return np.where(label == value, 1, label), f"masks hold 0 and {value}: mapped to 0 and 1"
