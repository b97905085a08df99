"""Checkpoints: named arrays and a dictionary of plain values, in one safetensors file.

safetensors holds nothing but numbers and strings, so that to open a stranger's checkpoint runs none of his code.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from minifcn.io.atomic import replacing

_KEY = "minifcn"  # of the one metadata entry; safetensors allows strings only


class CheckpointError(ValueError):
    """A file that is no checkpoint of ours, or is damaged."""


def save_checkpoint(path: str | Path, arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> None:
    """Write arrays and values (whatever JSON can hold); the file appears whole or not at all.

    Raises:
        OSError: the file cannot be written; an older one of this name is as it was.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    with replacing(path) as temporary:
        # safetensors puts a file of its own there, for its owner's eyes only: ours says what the umask allows.
        temporary.touch()
        mode = stat.S_IMODE(temporary.stat().st_mode)
        try:
            save_file(contiguous, temporary, metadata={_KEY: json.dumps(values)})
        except SafetensorError as error:
            raise OSError(f"{path}: cannot be written: {error}") from error
        temporary.chmod(mode)


def load_checkpoint(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what `save_checkpoint` wrote.

    Raises:
        FileNotFoundError: no such file.
        CheckpointError: truncated, damaged, or written by something else.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such checkpoint")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a dictionary
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path}: truncated or not a checkpoint ({error})") from None
    if _KEY not in metadata:
        raise CheckpointError(f"{path}: a safetensors file, but not a checkpoint of minifcn")
    return arrays, json.loads(metadata[_KEY])
