"""Who waits for kernels to be compiled is told so."""

import sys
from types import SimpleNamespace

import pytest

from minifcn.kernels.cpu import compiling


class Clock:
    """Time that passes only when it is told to."""

    now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(compiling, "time", clock)
    return clock


def compile_one(watch, clock, seconds, name="_add", module="minifcn.kernels.cpu.elementwise"):
    function = SimpleNamespace(__name__=name, __module__=module)
    event = SimpleNamespace(data={"dispatcher": SimpleNamespace(py_func=function)})
    watch.on_start(event)
    clock.now += seconds / 2
    watch.on_start(event)  # a helper inside it
    watch.on_end(event)
    clock.now += seconds / 2
    watch.on_end(event)


def test_a_notice_after_two_seconds_and_only_once(clock, capsys):
    watch = compiling.Watch()
    watch.always = True
    compile_one(watch, clock, 1.5)
    assert capsys.readouterr().err == ""
    compile_one(watch, clock, 1.5, "_multiply")
    compile_one(watch, clock, 9.0, "_divide")
    notice = "compiling kernels for this machine, once: _add, _multiply, 3 s so far; `minifcn warmup` does it ahead"
    assert capsys.readouterr().err == notice + " of time\n"
    assert (watch.kernels, watch.seconds) == (["_add", "_multiply", "_divide"], 12.0)


def test_silence_where_nobody_looks_and_about_other_peoples_functions(clock, capsys):
    watch = compiling.Watch()
    compile_one(watch, clock, 5.0)
    watch = compiling.Watch()
    watch.always = True
    compile_one(watch, clock, 5.0, module="somebody.elses")
    assert watch.kernels == []
    assert capsys.readouterr().err == ""


def test_a_terminal_is_told(clock, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    compile_one(compiling.Watch(), clock, 5.0)
    assert "once: _add, 5 s so far" in capsys.readouterr().err


def test_somebody_else_may_show_it(clock, capsys):
    watch, begun = compiling.Watch(), []
    watch.always, watch.began = True, begun.append
    compile_one(watch, clock, 5.0)
    assert (begun, capsys.readouterr().err) == (["_add"], "")
