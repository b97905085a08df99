"""Questions with answers to choose from: buttons where ipywidgets is there, to be unfolded anywhere else."""

from __future__ import annotations

import html
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from minifcn.course.showing import METADATA, in_notebook, show


@dataclass(frozen=True)
class Quiz:
    """A question, its answers, and what is to be said of each.

    Attributes:
        question: in a sentence.
        answers: each answer with the reason why it is right or wrong.
        right: the right one.

    >>> Quiz("Is 2 prime?", {"yes": "only 1 and 2 divide it", "no": "what else divides it?"}, right="yes").reply("no")
    '✗ No: what else divides it?'
    """

    question: str
    answers: Mapping[str, str]
    right: str

    def __post_init__(self) -> None:
        if not isinstance(self.answers, Mapping):
            raise TypeError("quiz: answers must be a dictionary: each answer with the reason why it is right or wrong")
        if self.right not in self.answers:
            there = ", ".join(map(repr, self.answers))
            raise ValueError(f"quiz: the right answer, {self.right!r}, is not one of {there}")

    def reply(self, answer: str) -> str:
        """What is said to somebody who chose this answer."""
        return f"{'✓ Right' if answer == self.right else '✗ No'}: {self.answers[answer]}"

    def __str__(self) -> str:
        choices = [f"  {number}. {answer}" for number, answer in enumerate(self.answers, 1)]
        return "\n".join([self.question, *choices])

    def to_html(self) -> str:
        """The question, each answer to be unfolded: it works without a kernel, and on a page."""
        folded = "".join(
            f"<details style='margin:.2em 0'><summary>{html.escape(answer)}</summary>"
            f"<div style='margin:.2em 1.2em'>{html.escape(self.reply(answer))}</div></details>"
            for answer in self.answers
        )
        style = "border-left:4px solid #0072B2;padding:.3em .8em"
        return f"<div class='minifcn-quiz' style='{style}'><b>{html.escape(self.question)}</b>{folded}</div>"

    def widget(self) -> Any:
        """The question as an `ipywidgets.VBox` with a button for each answer.

        Raises:
            ModuleNotFoundError: ipywidgets is not installed.
        """
        import ipywidgets

        said = ipywidgets.HTML()
        wide = ipywidgets.Layout(width="auto")
        buttons = [ipywidgets.Button(description=answer, layout=wide, tooltip=answer) for answer in self.answers]

        def choose(button: Any) -> None:
            for each in buttons:
                each.button_style = ""
            button.button_style = "success" if button.description == self.right else "danger"
            said.value = html.escape(self.reply(button.description))

        for button in buttons:
            button.on_click(choose)
        return ipywidgets.VBox([ipywidgets.HTML(f"<b>{html.escape(self.question)}</b>"), *buttons, said])


def quiz(question: str, answers: Mapping[str, str], right: str) -> None:
    """Ask a question now: with buttons in a notebook that has ipywidgets, as answers to be unfolded in any other.

    Args:
        question: in a sentence.
        answers: each answer with the reason why it is right or wrong, shown to who chooses it.
        right: the right one.

    Raises:
        TypeError: answers are not given with reasons.
        ValueError: the right answer is not among them.

    >>> quiz("Is 2 prime?", {"yes": "only 1 and 2 divide it", "no": "what else divides it?"}, right="yes")
    Is 2 prime?
      1. yes
      2. no
    """
    asked = Quiz(question, answers, right)
    if in_notebook() and importlib.util.find_spec("ipywidgets") is not None:
        _show_widget(asked)
    else:
        show(str(asked), asked.to_html(), {"quiz": question})


def _show_widget(asked: Quiz) -> None:
    """The widget, and beside it what a reader sees who has none."""
    from IPython.display import publish_display_data

    widget = asked.widget()
    bundle, metadata = widget._repr_mimebundle_(), {METADATA: {"quiz": asked.question}}
    publish_display_data({**bundle, "text/plain": str(asked), "text/html": asked.to_html()}, metadata)
