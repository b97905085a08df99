"""What is said of a file that is not the image it should be."""

import struct
import zlib

#: What tifffile, Pillow, Zarr and NumPy raise, between them, on a damaged file; imagecodecs raises RuntimeError.
DAMAGE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    KeyError,
    IndexError,
    TypeError,
    RuntimeError,
    struct.error,
    zlib.error,
)


class ImageError(ValueError):
    """A file or an array that is not the image it should be; the message says which, and what to do."""


def explain(suffix: str, error: Exception) -> str:
    """One line on why a file could not be read, and the mend."""
    reason = " ".join(str(error).split()) or type(error).__name__
    if "imagecodecs" in reason:
        return f"is compressed ({reason}); install imagecodecs, or save it uncompressed"
    return f"cannot be read as {suffix} ({reason}); it is damaged or of another format"
