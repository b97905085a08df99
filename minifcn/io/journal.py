"""How far a long computation has come, so that it can be killed at any moment and goes on where it was."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

#: How every journal begins: by this, files of other people are told apart.
_MARK = b'{"minifcn": '


class JournalError(ValueError):
    """Somebody else is at it, it was begun with other settings, or the file is no journal."""


class Journal:
    """A file of one line for each finished step, below a line that says what is being computed.

    A step is noted after its results are on the disk. A line that a kill cut short does not count: the step is
    repeated.
    """

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file, self.path = file, path
        #: What is being computed; None where nothing was begun.
        self.settings: dict[str, Any] | None = None
        #: What was noted of each finished step.
        self.steps: list[Any] = []
        #: Whether there is something else in the file; it is left alone until `clear` is called.
        self.damaged = False

    def clear(self) -> None:
        """Forget everything."""
        self._file.seek(0)
        self._file.truncate()
        self.settings, self.steps, self.damaged = None, [], False

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Forget everything, and say what is computed from now on."""
        self.clear()
        self.settings = dict(settings)
        self._append({"minifcn": self.settings})

    def add(self, step: Any) -> None:
        """Note a finished step; returns once that would survive a power cut."""
        self.steps.append(step)
        self._append(step)

    def remove(self) -> None:
        """The computation is complete, or nothing of it can be used again."""
        self.path.unlink(missing_ok=True)

    def refuse_damaged(self) -> None:
        """Raise JournalError if there is something else in the file."""
        if self.damaged:
            raise JournalError(
                f"{self.path}: is damaged, or no journal of minifcn; move it away if it is yours, or begin anew with "
                "--overwrite (overwrite=True)"
            )

    def read(self) -> None:
        """Take in what the file says, and cut off what is not a whole line."""
        self._file.seek(0)
        data = self._file.read()
        whole, newline, torn = data.rpartition(b"\n")
        try:
            first, *steps = [json.loads(line) for line in whole.split(b"\n")] if newline else [{"minifcn": None}]
            settings = first["minifcn"]
        except (ValueError, TypeError, KeyError):
            self.damaged = True
            return
        self.damaged = data[: len(_MARK)] != _MARK[: len(data)] or not isinstance(settings, dict | None)
        if self.damaged:
            return
        self.settings, self.steps = settings, steps
        if torn:
            self._file.truncate(len(whole) + len(newline))

    def _append(self, line: Any) -> None:
        self._file.write(json.dumps(line).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())


@contextmanager
def open_journal(path: Path) -> Iterator[Journal]:
    """Open a journal, or begin an empty one; other processes are kept out of it until the block, or the process, ends.

    Raises:
        JournalError: another process has it, or a folder has its name.
    """
    import fcntl

    if path.is_dir():
        raise JournalError(f"{path}: is a folder, where progress is noted in a file; move it away")
    while True:
        with path.open("a+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise JournalError(f"{path}: another process is writing this result; wait for it") from None
            if not _is_still(path, file):  # who had it before has finished and removed it
                continue
            journal = Journal(file, path)
            journal.read()
            yield journal
            return


def _is_still(path: Path, file: IO[bytes]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """What differs between two settings, for an error message; "" if nothing does.

    >>> difference({"tile": 512, "halo": None}, {"tile": 256, "halo": None})
    'tile was 512 and is 256'
    """
    keys = [key for key in dict.fromkeys([*old, *new]) if old.get(key) != new.get(key)]
    return ", ".join(f"{key} was {old.get(key)} and is {new.get(key)}" for key in keys)
