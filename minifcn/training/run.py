"""A run's folder: what a training leaves behind, and what it continues from.

    config.toml        every choice
    metrics.csv        a row a report: step, loss, and scores where there was a validation
    curves.png         the same as a picture
    batch.png          the first crops that were trained on, after all augmentation, with labels and weights
    preview.png        input, truth, probability and errors of a few validation images
    evaluation.json    scores of the finished network, from `minifcn evaluate`
    best.safetensors   the network with the best validation score
    last.safetensors   the network, the optimiser and the random state after the last saved step

Each file is replaced as a whole, so that whatever interrupts a training, the folder holds a state to continue from.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from minifcn.data import Dataset
from minifcn.io.atomic import remove_leftovers, write_text
from minifcn.io.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from minifcn.nn import Module
from minifcn.prediction import Predictor
from minifcn.training.config import TrainConfig

_MODEL = "model."
_MOST_SAID = 300  # characters about arrays that do not fit
_OURS = (
    "config.toml",
    "metrics.csv",
    "curves.png",
    "preview.png",
    "batch.png",
    "best.safetensors",
    "last.safetensors",
    "evaluation.json",
)


class RunError(ValueError):
    """A run's folder that cannot be used as asked."""


class Run:
    """The folder of one training."""

    def __init__(self, folder: Path, config: TrainConfig):
        self.folder, self.config = folder, config
        self.rows: list[dict[str, float]] = []
        self._begun = False

    @staticmethod
    def create(folder: str | Path, config: TrainConfig, overwrite: bool = False) -> Run:
        """Begin a new run in ``folder``; hold `exclusive` meanwhile.

        Raises:
            RunError: the folder already holds a run (unless ``overwrite``), or is a file.
        """
        run = Run(Path(folder), config)
        run.begin(overwrite)
        return run

    def begin(self, overwrite: bool = False) -> None:
        """Make the folder that `create` makes, for a run that so far is a plan."""
        if not overwrite:
            refuse_existing(self.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in _OURS:
            (self.folder / name).unlink(missing_ok=True)
        self.config.save(self.folder / "config.toml")
        self._begun = True

    def adopt(self, config: TrainConfig) -> None:
        """Use another configuration, completed or moved, and write it down if the run is more than a plan."""
        if config != self.config and self._begun:
            config.save(self.folder / "config.toml")
        self.config = config

    @staticmethod
    def open(folder: str | Path) -> Run:
        """An existing run.

        Raises:
            FileNotFoundError: no such folder, or no run in it.
            ConfigError: its config.toml cannot be read.
        """
        folder = Path(folder)
        if not (folder / "config.toml").is_file():
            what = "holds no run (no config.toml)" if folder.is_dir() else "no such run"
            raise FileNotFoundError(f"{folder}: {what}; a run is the folder that `minifcn train --out` wrote")
        run = Run(folder, TrainConfig.load(folder / "config.toml"))
        run._begun = True
        return run

    # --- checkpoints ------------------------------------------------------------------------------------------------

    def save(
        self, name: str, model: Module, values: Mapping[str, Any], more: Mapping[str, np.ndarray] | None = None
    ) -> None:
        """Write a checkpoint: the model's state, further arrays, and values."""
        arrays = {_MODEL + key: np.asarray(array) for key, array in model.state_dict().items()}
        save_checkpoint(self._path(name), {**arrays, **(more or {})}, values)

    def restore(self, name: str, model: Module) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Load a checkpoint's state into the model; return the further arrays and the values.

        Raises:
            FileNotFoundError: there is none.
            CheckpointError: it is damaged, or of another network.
        """
        arrays, values = load_checkpoint(self._path(name))
        self._fill(model, name, arrays)
        return {key: array for key, array in arrays.items() if not key.startswith(_MODEL)}, values

    def _fill(self, model: Module, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        state = {key.removeprefix(_MODEL): array for key, array in arrays.items() if key.startswith(_MODEL)}
        try:
            model.load_state_dict(state)
        except (KeyError, ValueError, RuntimeError) as error:
            text = str(error)
            reason = text if len(text) <= _MOST_SAID else text[:_MOST_SAID] + " ..."
            raise CheckpointError(f"{self._path(name)}: does not fit the network of config.toml: {reason}") from None

    def has(self, name: str) -> bool:
        """Whether there is a checkpoint of that name."""
        return self._path(name).is_file()

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"

    def predictor(self, checkpoint: str = "best") -> Predictor:
        """The trained network, ready to use."""
        from minifcn.nn import init
        from minifcn.training.build import build_model, build_predictor

        if not self.has(checkpoint):
            mend = "take --checkpoint last, or go on" if self.has("last") else "go on"
            raise FileNotFoundError(
                f"{self._path(checkpoint)}: the run has no such checkpoint yet; {mend} with --resume"
            )
        arrays, values = load_checkpoint(self._path(checkpoint))
        classes = tuple(values["classes"])
        with init.skipped():
            model = build_model(self.config, values["channels"], len(classes))
        self._fill(model, checkpoint, arrays)
        return build_predictor(self.config, model, classes, values.get("scale", 1.0))

    # --- metrics ----------------------------------------------------------------------------------------------------

    def report(self, row: dict[str, float]) -> None:
        """Add a row to metrics.csv."""
        self.rows.append(row)
        self._write_rows()

    def keep_rows_until(self, step: int) -> None:
        """Read metrics.csv, and forget what lies after ``step``: it will be computed again."""
        path = self.folder / "metrics.csv"
        self.rows = []
        if path.is_file():
            try:
                with path.open(newline="", encoding="utf-8") as file:
                    for row in csv.DictReader(file):
                        self.rows.append({key: float(value) for key, value in row.items() if value})
                self.rows = [row for row in self.rows if row["step"] <= step]
            except (ValueError, KeyError, TypeError):
                raise RunError(f"{path}: damaged; delete it to go on without what it says of the past") from None
        self._write_rows()

    def _write_rows(self) -> None:
        columns = list(dict.fromkeys(key for row in self.rows for key in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _number(value) for key, value in row.items()} for row in self.rows)
        write_text(self.folder / "metrics.csv", text.getvalue())


def check_classes(trained: tuple[str, ...], dataset: Dataset) -> None:
    """Refuse data whose classes are not those that a network was trained on.

    Raises:
        RunError: they differ in name, number or order.
    """
    if trained != dataset.classes:
        raise RunError(
            f"{dataset.name}: its classes are {', '.join(dataset.classes)}, but the network was trained on "
            f"{', '.join(trained)}; is it the same data set, with the same --classes?"
        )


def refuse_existing(folder: Path) -> None:
    """Raise RunError if a new run in ``folder`` would replace something."""
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder}: is a file; give a folder with --out")
    if (folder / "config.toml").exists():
        raise RunError(
            f"{folder}: already holds a run; continue it with --resume, replace it with --overwrite, or choose another "
            "folder with --out"
        )


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Keep other processes from training in ``folder``, which is made; the lock ends with the process, however it ends.

    Raises:
        RunError: another process has the lock.
    """
    import fcntl

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(f"{folder}: another process is training in this folder") from None
        remove_leftovers(folder)
        yield


def _number(value: float) -> str:
    """Whole numbers as such, others so that they read back the same."""
    if math.isfinite(value) and float(value).is_integer():
        return str(int(value))
    return repr(float(value))
