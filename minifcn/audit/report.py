"""What an audit found: a sentence and a table for people, JSON for programs, a figure for the eyes."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from minifcn.io.atomic import write_text
from minifcn.io.figures import new_figure, save_figure
from minifcn.tables import Table


class Report(ABC):
    """The result of one audit; a subclass is a frozen dataclass of facts that says how to show them."""

    #: What the audit is called: on the command line, and in the names of its files.
    name: ClassVar[str]
    #: Width and height of the figure, in inches.
    figure_size: ClassVar[tuple[float, float]] = (8, 5)

    @abstractmethod
    def headline(self) -> str:
        """The answer, in a sentence or two."""

    def brief(self) -> str:
        """The answer in a few words, for a table of many networks."""
        return self.headline()

    @abstractmethod
    def table(self) -> Table:
        """The facts, for people."""

    def notes(self) -> Sequence[str]:
        """What has to be known to read the table, or should be done about it; below it, a line each."""
        return ()

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """The facts, for programs: everything in the table and the figure, unrounded, with units in the keys."""

    @abstractmethod
    def draw(self, figure: Any) -> None:
        """Draw on an empty `matplotlib.figure.Figure`: titles, axes with units, legends."""

    def __str__(self) -> str:
        return "\n".join([self.headline(), "", str(self.table()), *(["", *self.notes()] if self.notes() else [])])

    def to_json(self) -> str:
        """`facts` as JSON. Numbers that JSON lacks (NaN, infinity) become null."""
        return json.dumps(_plain({"audit": self.name, **self.facts()}), indent=2, ensure_ascii=False, allow_nan=False)

    def figure(self) -> Any:
        """A new figure; in a notebook, it shows itself."""
        figure = new_figure(*self.figure_size)
        self.draw(figure)
        return figure

    def save(self, folder: str | Path, prefix: str = "") -> tuple[Path, Path]:
        """Write ``<prefix><name>.json`` and ``.png`` into a folder, which is made, and return their paths."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        text, picture = (folder / f"{prefix}{self.name}{suffix}" for suffix in (".json", ".png"))
        write_text(text, self.to_json() + "\n")
        save_figure(self.figure(), picture)
        return text, picture


def _plain(value: Any) -> Any:
    """What JSON knows, of NumPy's and Python's values."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)
