"""Files in and out. The libraries that know the formats are imported when a file is opened, not here."""

from minifcn.io.images import ImageError, read_image, to_float, write_image

__all__ = ["ImageError", "read_image", "to_float", "write_image"]
