"""How wide the machine's SIMD vectors are."""

import os

import llvmlite.binding

_VARIABLE = "MINIFCN_VECTOR_BYTES"


def _vector_bytes() -> int:
    features = llvmlite.binding.get_host_cpu_features()
    widest = 64 if features.get("avx512f") else 32 if features.get("avx2") else 16
    forced = os.environ.get(_VARIABLE, str(widest))
    if forced not in ("16", "32", "64") or int(forced) > widest:
        raise ValueError(f"{_VARIABLE}={forced}: must be 16, 32 or 64, and at most this machine's {widest}")
    return int(forced)


#: Width of a vector: 64 bytes with AVX-512, 32 with AVX2, 16 otherwise. The environment variable MINIFCN_VECTOR_BYTES
#: makes it narrower, so that one machine can test the code of all.
VECTOR_BYTES = _vector_bytes()


def lanes(itemsize: int) -> int:
    """Numbers in a vector."""
    return VECTOR_BYTES // itemsize
