"""Checks of exercises: verdicts, and what they say."""

import runpy

import numpy as np
import pytest

import minifcn as mf
from minifcn import course, nn


def verdict(test, capsys):
    found = course.check(test)
    assert capsys.readouterr().out == f"{found}\n"
    return found


def test_a_right_answer(capsys):
    def two_and_two():
        assert 2 + 2 == 4

    found = verdict(two_and_two, capsys)
    assert found.passed
    assert str(found) == "✓ two and two"


def test_a_wrong_answer_with_and_without_words(capsys, tmp_path):
    # In a file of their own: pytest would put words into assertions here.
    source = tmp_path / "answers.py"
    source.write_text(
        "def with_words():\n    assert 2 + 2 == 5, 'count again'\ndef without():\n    assert 2 + 2 == 5\n"
    )
    tests = runpy.run_path(str(source))
    assert str(verdict(tests["with_words"], capsys)) == "✗ with words: count again"
    assert str(verdict(tests["without"], capsys)) == "✗ without: this must be true: assert 2 + 2 == 5"


def unanswered():
    raise NotImplementedError


answer = ...


@pytest.mark.parametrize(
    "test", [lambda: unanswered(), lambda: answer + 1, lambda: np.testing.assert_allclose(answer, 1.0)]
)
def test_answers_not_given_yet(test, capsys):
    found = verdict(test, capsys)
    assert (found.state, found.passed) == ("open", False)


def test_errors_say_where(capsys):
    def student(x):
        return x / 0

    def divides():
        student(1)

    assert verdict(divides, capsys).message.startswith("ZeroDivisionError: division by zero, in student, line ")


def test_long_comparisons_are_cut(capsys):
    def compare():
        np.testing.assert_array_equal(np.arange(100).reshape(50, 2), np.zeros((50, 2)))

    found = verdict(compare, capsys)
    assert found.state == "failed"
    assert len(found.message.split("\n")) <= 13


def test_html_is_escaped():
    html = course.Verdict("a < b", "failed", "x > y\nmore <b>").to_html()
    assert "a &lt; b" in html
    assert "more &lt;b&gt;" in html


def test_interrupts_are_not_verdicts():
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        course.check(interrupted)


def test_false_is_no(capsys):
    assert verdict(lambda: False, capsys).message == "the test says no"


def test_what_a_library_does_not_do_is_no_empty_answer(capsys):
    class Lazy(nn.Module):
        pass

    def calls_it():
        Lazy()(1)

    assert verdict(calls_it, capsys).state == "failed"


def test_an_empty_value_is_open_however_it_fails(capsys):
    def compares():
        raise AssertionError(answer)

    assert verdict(compares, capsys).state == "open"


def test_random_numbers_go_on_as_if_nothing_had_been_checked(capsys):
    mf.manual_seed(3)
    expected = mf.rand(2).tolist()
    mf.manual_seed(3)
    verdict(lambda: mf.rand(5), capsys)
    assert mf.rand(2).tolist() == expected


def test_errors_in_libraries_point_at_the_answer(capsys):
    def student(x):
        return np.broadcast_to(x, (2, 3))

    def broadcasts():
        student(np.zeros((4, 5)))

    assert ", in student, line " in verdict(broadcasts, capsys).message
