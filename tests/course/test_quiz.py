"""Questions: as text, as a page, and as buttons."""

import pytest

from minifcn import course

ANSWERS = {"n": "one layer is missing", "1 + 2 (n + 1)": "n hidden layers & the last"}


def test_as_text(capsys):
    course.quiz("How wide?", ANSWERS, right="1 + 2 (n + 1)")
    assert capsys.readouterr().out == "How wide?\n  1. n\n  2. 1 + 2 (n + 1)\n"


def test_as_a_page_that_needs_no_kernel():
    html = course.Quiz("a < b?", ANSWERS, right="n").to_html()
    assert html.count("<details") == 2
    assert "a &lt; b?" in html
    assert "✓ Right: one layer is missing" in html
    assert "✗ No: n hidden layers &amp; the last" in html


def test_as_buttons():
    box = course.Quiz("How wide?", ANSWERS, right="n").widget()
    _, wrong, right, said = box.children[0], box.children[2], box.children[1], box.children[3]
    wrong.click()
    assert (wrong.button_style, said.value) == ("danger", "✗ No: n hidden layers &amp; the last")
    right.click()
    assert (wrong.button_style, right.button_style) == ("", "success")
    assert said.value == "✓ Right: one layer is missing"


def test_the_right_answer_must_be_one_of_them():
    with pytest.raises(ValueError, match="'m', is not one of 'n'"):
        course.quiz("?", ANSWERS, right="m")


def test_answers_need_reasons():
    with pytest.raises(TypeError, match="must be a dictionary"):
        course.quiz("?", ["a", "b"], right="a")
