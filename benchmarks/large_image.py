"""Experiment: predict an image that is larger than memory should have to hold, kill it half-way, go on, and compare.

    python -m minifcn.benchmarks.large_image RUN --out FOLDER [--side 20000]

RUN is the folder of a training on grey images. The image is made of synthetic membranes, mirrored side by side, as a
tiled TIFF of side x side pixels. `minifcn predict` runs on it in processes of its own: once undisturbed, where its peak
memory is what the system says of it; once killed (SIGKILL) when half of the rows are done, and called again. The two
results must be the same files, byte for byte.
"""

from __future__ import annotations

import filecmp
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

_TILE = 512


def main(
    run: Annotated[Path, typer.Argument(help="Folder of a training run on grey images.")],
    out: Annotated[Path, typer.Option(help="Folder for the image and the results; three times the image is needed.")],
    side: Annotated[int, typer.Option(help="Rows and columns of the image.", min=_TILE)] = 20_000,
) -> None:
    """Measure and print."""
    out.mkdir(parents=True, exist_ok=True)
    image = out / f"{side}.tif"
    write_image(image, side)
    whole, resumed = (out / folder / image.name for folder in ("undisturbed", "resumed"))
    for folder in (whole.parent, resumed.parent):
        shutil.rmtree(folder, ignore_errors=True)
    begin = time.perf_counter()
    said, peak = predict(run, image, whole.parent)
    seconds = time.perf_counter() - begin
    print(f"{side} x {side} pixels: {seconds:.0f} s, peak memory {peak / 2**20:.0f} MiB; it had said: {said}")
    done = kill_half_way(run, image, resumed, int(re.findall(r"(\d+) bands", said)[0]) // 2)
    said, _ = predict(run, image, resumed.parent)
    print(f"killed after {done} bands; then: {said}")
    print("identical" if filecmp.cmp(whole, resumed, shallow=False) else "DIFFERENT")


def write_image(path: Path, side: int) -> None:
    """Synthetic membranes, mirrored so that they fit together, as a tiled TIFF; 50 nm pixels."""
    import tifffile

    from minifcn.data import open_source

    sections = open_source("synthetic", split="train")
    tiles = [_square(sections[index][0]) for index in range(8)]

    def rows() -> Iterator[np.ndarray]:
        count = -(-side // _TILE)
        for i in range(count):
            for j in range(count):
                tile = tiles[(3 * i + j) % len(tiles)]
                yield np.ascontiguousarray(tile[:: -1 if i % 2 else 1, :: -1 if j % 2 else 1])

    tifffile.imwrite(
        path,
        rows(),
        shape=(side, side),
        dtype=np.uint8,
        tile=(_TILE, _TILE),
        bigtiff=True,
        photometric="minisblack",
        resolution=(2e5, 2e5),
        resolutionunit="CENTIMETER",
    )


def _square(image: np.ndarray) -> np.ndarray:
    """(H, W, 1) in 0..1 -> uint8, one tile of it, mirrored if it is smaller."""
    missing = [(0, max(0, _TILE - length)) for length in image.shape[:2]]
    grey = np.pad(image[..., 0], missing, mode="symmetric")[:_TILE, :_TILE]
    return np.round(255 * grey).astype(np.uint8)


def predict(run: Path, image: Path, folder: Path) -> tuple[str, int]:
    """Call the command; the first line that it said, and the bytes of memory it had at the most."""
    process = _started(run, image, folder)
    _, status, usage = os.wait4(process.pid, 0)
    assert process.stderr is not None
    said = process.stderr.read().strip().splitlines()
    if status:
        raise RuntimeError(f"minifcn predict failed: {said[-1] if said else status}")
    return said[0], usage.ru_maxrss * 1024


def kill_half_way(run: Path, image: Path, target: Path, enough: int) -> int:
    """Begin, and kill the process when the journal counts as many bands; how many there were."""
    process, journal = _started(run, image, target.parent), target.with_name(f"{target.name}.journal")
    while process.poll() is None:
        done = len(journal.read_text(encoding="utf-8").splitlines()) - 1 if journal.exists() else 0
        if done >= max(1, enough):
            process.kill()
            process.wait()
            return done
        time.sleep(0.2)
    raise RuntimeError("minifcn predict ended before half of it was done; take a larger --side")


def _started(run: Path, image: Path, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "minifcn", "predict", str(run), str(image), "--out", str(folder)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


if __name__ == "__main__":
    typer.run(main)
