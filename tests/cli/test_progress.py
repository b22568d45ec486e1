"""Progress: nothing in the first second, one line on a terminal, lines now and then elsewhere."""

from __future__ import annotations

import io
import threading

import pytest

from edged.cli import progress as shown
from edged.cli.progress import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(shown.time, "monotonic", found)
    return found


def terminal_of(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """In the test itself, since pytest puts its own stderr in place after the fixtures."""
    found = Terminal()
    monkeypatch.setattr(shown.sys, "stderr", found)
    monkeypatch.setenv("COLUMNS", "20")
    return found


def test_short_work_is_quiet(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress() as say:
        say("1 of 2")
        clock.now += 0.9
        say("2 of 2")
    assert capsys.readouterr().err == ""


def test_without_a_terminal_there_is_a_line_now_and_then(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress() as say:
        for number in range(12):
            say(f"{number} of 12")
            clock.now += 1
    assert capsys.readouterr().err == "1 of 12\n6 of 12\n11 of 12\n"


def test_on_a_terminal_one_line_is_overwritten_cut_and_removed(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    with progress() as say:
        clock.now += 1
        say("a text that is longer than the terminal")
        say("too soon")
        clock.now += 1
        say("second")
    lines = terminal.getvalue().split("\r\x1b[K")
    assert [len(line) for line in lines] == [0, 19, 6, 0]
    assert lines[1].startswith("a text that is")
    assert lines[2] == "second"


def test_a_line_that_explains_a_wait_is_shown_at_once(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress() as say:
        say.now("waiting for the API server")
    assert capsys.readouterr().err == "waiting for the API server\n"


def test_work_that_tells_nothing_has_its_name_on_a_terminal(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    with progress("compiling"):
        assert terminal.getvalue() == "\r\x1b[Kcompiling"
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_quiet_is_quiet(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    with progress("work", show=False) as say:
        clock.now += 9
        say("1")
        say.now("2")
    assert terminal.getvalue() == ""


class Moments:
    """Stands for the event that ends a ticker: it is set after so many waits."""

    def __init__(self, clock: Clock, waits: int) -> None:
        self._clock, self._left = clock, waits

    def wait(self, seconds: float) -> bool:
        self._clock.now += seconds
        self._left -= 1
        return self._left < 0


def test_work_that_cannot_say_how_far_it_is_shows_the_seconds(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress() as say:
        say._tick("compiling", Moments(clock, 6))  # type: ignore[arg-type]
    assert capsys.readouterr().err == "compiling: 1 s\ncompiling: 6 s\n"


def test_a_ticker_ends_with_its_work() -> None:
    before = threading.active_count()
    with progress() as say:
        say.begin("one")
        say.begin("two")
        assert threading.active_count() == before + 1
        say.done()
        assert threading.active_count() == before
        say.begin("three")
    assert threading.active_count() == before
    with progress(show=False) as say:
        say.begin("four")
        assert threading.active_count() == before
