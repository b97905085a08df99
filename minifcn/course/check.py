"""Exercises that check themselves: a test, run where it stands, whose verdict is shown and never raised."""

from __future__ import annotations

import html
import linecache
import os
import sysconfig
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Literal

from minifcn import random
from minifcn.course.showing import show

State = Literal["passed", "failed", "open"]
_PACKAGE = str(Path(__file__).parents[1])
_MARKS: dict[State, str] = {"passed": "✓", "failed": "✗", "open": "○"}
_COLOURS: dict[State, str] = {"passed": "#009E73", "failed": "#D55E00", "open": "#888888"}
# Where code lies that is not the reader's.
_LIBRARIES = tuple(
    folder + os.sep for folder in {sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")} | {_PACKAGE}
)
# NumPy's comparisons explain themselves over many lines; this many say what differs.
_LINES = 12


@dataclass(frozen=True)
class Verdict:
    """What a check found.

    Attributes:
        name: of the check, in words.
        state: "passed", "failed", or "open" where nothing has been answered yet.
        message: what is wrong, or missing; empty if passed.
    """

    name: str
    state: State
    message: str = ""

    @property
    def passed(self) -> bool:
        """Whether the answer is right."""
        return self.state == "passed"

    def __str__(self) -> str:
        return f"{_MARKS[self.state]} {self.name}" + (f": {self.message}" if self.message else "")

    def __repr__(self) -> str:
        return f"<{self}>"

    def to_html(self) -> str:
        """The verdict as a line, its message below it if it has several lines."""
        first, *more = html.escape(self.message).split("\n")
        text = f"<b>{_MARKS[self.state]} {html.escape(self.name)}</b>" + (f": {first}" if first else "")
        rest = f"<pre style='margin:.3em 0 0'>{chr(10).join(more)}</pre>" if any(more) else ""
        style = f"border-left:4px solid {_COLOURS[self.state]};padding:.3em .8em"
        return f"<div class='minifcn-check' style='{style}'>{text}{rest}</div>"


def check(test: FunctionType) -> Verdict:
    """Run a test of somebody's answer now, as a decorator of the test; show the verdict, and return it.

    The test calls the answer and asserts what must be true of it, or returns False. Whatever it raises becomes part of
    the verdict: an exercise that is not solved yet must not stop the notebook. ``raise NotImplementedError`` and
    ``...`` stand for answers not given yet. The engine's random numbers go on as if nothing had been checked, so what
    follows does not depend on how often somebody tried.

    >>> def double(x):
    ...     raise NotImplementedError
    >>> @check
    ... def it_doubles():
    ...     assert double(2) == 4
    ○ it doubles: not answered yet
    >>> it_doubles.passed
    False
    >>> def double(x):
    ...     return x + 1
    >>> @check
    ... def it_doubles():
    ...     assert double(2) == 4, "two doubled is four"
    ✗ it doubles: two doubled is four
    """
    name = test.__name__.strip("_").replace("_", " ")
    state = random.get_state()
    try:
        result = test()
    except Exception as error:
        verdict = _unanswered(name, error, test) or Verdict(name, "failed", _said(error, test))
    else:
        verdict = Verdict(name, "passed") if result is not False else Verdict(name, "failed", "the test says no")
    finally:
        random.set_state(state)
    show(str(verdict), verdict.to_html(), {"check": verdict.state})
    return verdict


def _unanswered(name: str, error: Exception, test: FunctionType) -> Verdict | None:
    """A verdict for an answer that nobody has given; None if somebody has."""
    empty = any(test.__globals__.get(word) is ... for word in test.__code__.co_names)
    frames = traceback.extract_tb(error.__traceback__)
    # Libraries raise it, too: of what they do not do.
    asked = isinstance(error, NotImplementedError) and not frames[-1].filename.startswith(_LIBRARIES)
    return Verdict(name, "open", "not answered yet") if empty or asked else None


def _said(error: Exception, test: FunctionType) -> str:
    """What went wrong: the words of an assertion, or the assertion itself; of any other error, what and where."""
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, AssertionError):
        words = str(error).strip() or f"this must be true: {frames[-1].line or 'an assertion without words'}"
    else:
        # The last line that is the reader's: below it, libraries complain of what they were given.
        place = next((frame for frame in reversed(frames) if not frame.filename.startswith(_LIBRARIES)), frames[-1])
        line = (linecache.getline(place.filename, place.lineno or 0) or place.line or "").strip()
        where = f", in {place.name}, line {place.lineno}: {line}" if place.name != test.__name__ else ""
        words = f"{type(error).__name__}: {error}{where}"
    lines = [line for line in words.split("\n") if line.strip()]
    return "\n".join([*lines[:_LINES], "..."] if len(lines) > _LINES else lines)
