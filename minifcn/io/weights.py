"""Weights that were trained elsewhere: files of PyTorch's, and their layouts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Of safetensors' names of types, those that NumPy has; "BF16" it has not.
_DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
    "BOOL": "?",
}


class WeightsError(ValueError):
    """A file that does not hold named arrays, or is damaged."""


def read_weights(path: str | Path) -> dict[str, NDArray]:
    """Arrays by name, as the file has them: in PyTorch's names and layouts, if PyTorch wrote it.

    float16 and bfloat16 become float32. ``minifcn.models.BackboneUNet.load_pretrained`` takes the result; `from_torch`
    converts it to minifcn's layouts. "module.", which names of networks trained on several devices begin with, is left
    out.

    Args:
        path: a .safetensors file; or a .pth, .pt or .bin file, for which PyTorch must be installed. Of the latter only
            numbers are unpickled, so that none of its author's code runs. It holds a state dict, or a dictionary with
            one under "state_dict" or "model".

    Raises:
        FileNotFoundError: no such file.
        WeightsError: another suffix; damaged; or something else than named arrays.
        ModuleNotFoundError: the file needs PyTorch, which is not installed.
    """
    path = Path(path)
    readers: dict[str, Callable[[Path], dict[str, NDArray]]] = {
        ".safetensors": _read_safetensors,
        ".pth": _read_torch,
        ".pt": _read_torch,
        ".bin": _read_torch,
    }
    if path.suffix.lower() not in readers:
        raise WeightsError(f"{path}: weights are read from {', '.join(readers)}, not from {path.suffix or 'no suffix'}")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file of weights")
    return readers[path.suffix.lower()](path)


def from_torch(weights: Mapping[str, NDArray]) -> dict[str, NDArray]:
    """The state of a PyTorch network in minifcn's layouts, fit for `minifcn.nn.Module.load_state_dict`.

    Left out is "num_batches_tracked", how many batches a norm has seen, which nothing here asks for.

    >>> state = {"bn.num_batches_tracked": np.array(7), "conv.weight": np.zeros((8, 3, 5, 5))}
    >>> {name: array.shape for name, array in from_torch(state).items()}
    {'conv.weight': (5, 5, 3, 8)}
    """
    kept = ((name, array) for name, array in weights.items() if name.split(".")[-1] != "num_batches_tracked")
    return {name: from_torch_layout(array) for name, array in kept}


def from_torch_layout(array: NDArray) -> NDArray:
    """A weight of PyTorch's in minifcn's layout; what has neither two nor four axes stays as it is.

    - convolution: (C_out, C_in / groups, kh, kw) -> (kh, kw, C_in / groups, C_out);
    - transposed convolution: (C_in, C_out / groups, kh, kw) -> (kh, kw, C_out / groups, C_in), by the same permutation;
    - dense: (out, in) -> (in, out).

    >>> from_torch_layout(np.zeros((8, 3, 5, 7))).shape, from_torch_layout(np.zeros((10, 4))).shape
    ((5, 7, 3, 8), (4, 10))
    """
    return _permuted(array, (2, 3, 1, 0))


def to_torch_layout(array: NDArray) -> NDArray:
    """The way back from `from_torch_layout`.

    >>> to_torch_layout(np.zeros((5, 7, 3, 8))).shape
    (8, 3, 5, 7)
    """
    return _permuted(array, (3, 2, 0, 1))


def _permuted(array: NDArray, of_images: tuple[int, int, int, int]) -> NDArray:
    orders = {4: of_images, 2: (1, 0)}
    return np.asarray(array).transpose(orders.get(np.ndim(array), tuple(range(np.ndim(array)))))


def _read_safetensors(path: Path) -> dict[str, NDArray]:
    # Not safetensors.numpy, which refuses bfloat16.
    from safetensors import SafetensorError, deserialize

    try:
        entries = deserialize(path.read_bytes())  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise WeightsError(f"{path}: truncated or not a safetensors file ({error})") from None
    return {name.removeprefix("module."): _decoded(path, name, entry) for name, entry in sorted(entries)}


def _decoded(path: Path, name: str, entry: Mapping[str, Any]) -> NDArray:
    dtype, shape = entry["dtype"], entry["shape"]
    if dtype == "BF16":  # the upper half of a float32
        upper = np.frombuffer(entry["data"], "<u2").astype(np.uint32)
        return (upper << 16).view(np.float32).reshape(shape)
    if dtype not in _DTYPES:
        raise WeightsError(f"{path}: {name} is of type {dtype}, which cannot be read; convert it to F32")
    array = np.frombuffer(entry["data"], _DTYPES[dtype]).reshape(shape)
    return array.astype(np.float32) if dtype == "F16" else array


def _read_torch(path: Path) -> dict[str, NDArray]:
    try:
        import torch
    except ImportError:
        raise ModuleNotFoundError(
            f"{path}: only PyTorch reads {path.suffix} files, and it is not installed: pip install torch, or convert "
            "the file where it is, by safetensors.torch.save_file(torch.load(...), 'weights.safetensors')",
            name="torch",
        ) from None
    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # a damaged file fails in any of the unpickler's ways: KeyError, EOFError, ...
        raise WeightsError(
            f"{path}: damaged, or it holds more than tensors, which is not read because it might run code "
            f"({type(error).__name__}); save the network's state_dict()"
        ) from None
    if isinstance(content, dict):
        content = next((content[key] for key in ("state_dict", "model") if isinstance(content.get(key), dict)), content)
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise WeightsError(f"{path}: not a state dict, which is tensors by name; save the network's state_dict()")
    halves = (torch.float16, torch.bfloat16)
    tensors = {str(name): value.float() if value.dtype in halves else value for name, value in content.items()}
    return {name.removeprefix("module."): value.detach().numpy() for name, value in tensors.items()}
