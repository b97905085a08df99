"""Files in and out. The libraries that know the formats are imported when a file is opened, not here."""

from minifcn.io.atomic import replacing
from minifcn.io.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from minifcn.io.images import ImageError, read_image, to_float, write_image

__all__ = [
    "CheckpointError",
    "ImageError",
    "load_checkpoint",
    "read_image",
    "replacing",
    "save_checkpoint",
    "to_float",
    "write_image",
]
