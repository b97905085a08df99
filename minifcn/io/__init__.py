"""Files in and out. The libraries that know the formats are imported when a file is opened, not here."""

from minifcn.io.atomic import replacing
from minifcn.io.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from minifcn.io.errors import ImageError
from minifcn.io.images import read_image, to_float, write_image
from minifcn.io.weights import WeightsError, from_torch, from_torch_layout, read_weights, to_torch_layout

__all__ = [
    "CheckpointError",
    "ImageError",
    "WeightsError",
    "from_torch",
    "from_torch_layout",
    "load_checkpoint",
    "read_image",
    "read_weights",
    "replacing",
    "save_checkpoint",
    "to_float",
    "to_torch_layout",
    "write_image",
]
