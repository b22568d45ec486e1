"""Log lines: always one line, bounded, escaped, prefixed for the journal."""

from __future__ import annotations

import errno
import json
import os
import select
import socket
from typing import Any

import pytest

from edged.telemetry.logs import VALUE_LIMIT, GuestLines, Logger, LogStyle, is_journal, write_stderr


def written(style: LogStyle) -> tuple[Logger, list[str]]:
    lines: list[str] = []
    return Logger(style, write=lambda line: lines.append(line.decode()), clock=lambda: 1.5), lines


def test_logfmt() -> None:
    log, lines = written(LogStyle())
    log.info("policy loaded", policy="p", elapsed_ms=1.25, ok=True, nothing=None, empty="")
    assert lines == [
        'time=1970-01-01T00:00:01.500Z level=info msg="policy loaded" policy=p elapsed_ms=1.25 ok=true '
        'nothing=null empty=""\n'
    ]


def test_json() -> None:
    log, lines = written(LogStyle(format="json"))
    log.bind(policy="p").warning("slow", detail={"a": [1, "x"]}, ratio=float("nan"))
    assert json.loads(lines[0]) == {
        "time": "1970-01-01T00:00:01.500Z", "level": "warning", "msg": "slow", "policy": "p",
        "detail": '{"a":[1,"x"]}', "ratio": "nan",
    }  # fmt: skip


@pytest.mark.parametrize(("level", "priority"), [("debug", 7), ("info", 6), ("warning", 4), ("error", 3)])
@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_the_journal_gets_priorities_and_no_time(level: str, priority: int, form: str) -> None:
    log, lines = written(LogStyle(format=form, level="debug", journal=True))
    getattr(log, level)("event")
    assert lines[0].startswith(f"<{priority}>")
    assert "time" not in lines[0]


def test_levels() -> None:
    log, lines = written(LogStyle(level="warning"))
    log.debug("a")
    log.info("b")
    log.warning("c")
    assert len(lines) == 1
    assert log.enabled("error") and not log.enabled("info")


def test_lines_of_a_block_are_one_write() -> None:
    log, written_ = written(LogStyle())
    with log.in_one_write():
        log.info("a")
        log.info("b", text="x y")
        assert written_ == []
    log.info("c")
    assert [piece.count("\n") for piece in written_] == [2, 1] and "msg=a\n" in written_[0]


def test_a_write_is_no_longer_than_a_pipe_takes_at_once() -> None:
    """Else lines of child processes, which write to the same pipe, come in between."""
    log, written_ = written(LogStyle())
    with pytest.raises(ValueError, match="odd"), log.in_one_write():
        for number in range(50):
            log.info("event", number=number, text="x" * 300)
        log.info("long", text="y" * 4096)
        raise ValueError("odd")
    assert max(len(piece) for piece in written_[:-1]) <= select.PIPE_BUF < len(written_[-1])
    assert all(piece.endswith("\n") for piece in written_) and 5 <= len(written_) <= 8
    lines = "".join(written_).splitlines()
    assert [f"number={number} " in line for number, line in enumerate(lines[:50])] == [True] * 50
    log.info("after")
    assert "msg=after" in written_[-1]


@pytest.mark.parametrize("form", ["logfmt", "json"])
@pytest.mark.parametrize(
    "value",
    [
        "a\nb",
        "a\r\x00",
        "x\u2028y\x85z",
        "\x1b[31mred\x9b0m",
        "\ud800",
        b"\xff\n",
        '"\\',
        "tab\t",
        "\U000e0001",
    ],
)
def test_one_printable_line_whatever_a_value_holds(form: str, value: Any) -> None:
    log, lines = written(LogStyle(format=form))
    log.info("event", value=value)
    assert lines[0].endswith("\n")
    assert lines[0][:-1].isprintable()


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_values_are_cut_at_the_limit(form: str) -> None:
    log, lines = written(LogStyle(format=form))
    log.info("event", value="\u00e4" * VALUE_LIMIT, short="x" * VALUE_LIMIT)
    assert "[cut]" in lines[0]
    assert "x" * VALUE_LIMIT in lines[0]
    value = (
        json.loads(lines[0])["value"] if form == "json" else lines[0].split("value=")[1].split(" short=")[0]
    )
    assert len(value.strip('"').encode()) <= VALUE_LIMIT


def test_guest_lines_are_split_tagged_and_limited() -> None:
    log, lines = written(LogStyle())
    guests = GuestLines(log, per_s=1.0, burst=2)
    guests.write("p", b"one\n\ntwo\nthree\nfour\n", now=0.0, uid="u1")
    guests.write("q", "other", now=0.0)
    assert [line.split("msg=")[1] for line in lines] == [
        "guest source=p line=one uid=u1\n", "guest source=p line=two uid=u1\n", "guest source=q line=other\n",
    ]  # fmt: skip
    guests.write("p", "five", now=1.0)
    assert lines[-1].endswith("line=five lines_dropped=2\n")
    guests.write("p", "six\nseven\neight", now=100.0)
    assert len(lines) == 6  # a long pause allows the burst, not more


def test_guest_line_sources_are_bounded() -> None:
    log, _ = written(LogStyle())
    guests = GuestLines(log)
    for number in range(3000):
        guests.write(f"s{number}", "x", now=0.0)
    assert len(guests._sources) <= 1024


def test_is_journal_compares_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        found = os.fstat(ours.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
        assert is_journal(ours.fileno())
        assert not is_journal(theirs.fileno())
        monkeypatch.delenv("JOURNAL_STREAM")
        assert not is_journal(ours.fileno())


def test_lines_reach_stderr_whole(capfd: pytest.CaptureFixture[str]) -> None:
    Logger(LogStyle()).info("event", a=1)
    assert capfd.readouterr().err.endswith("level=info msg=event a=1\n")


def test_lines_of_guests_that_are_only_for_debugging():
    said: list[bytes] = []
    for level in ("info", "debug"):
        quiet = GuestLines(Logger(LogStyle(level=level), write=said.append), level="debug")
        quiet.write("p", "no", now=0.0, level="error")
    assert len(said) == 1 and b"level=debug" in said[0]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EPIPE, errno.EAGAIN, errno.EBADF])
def test_a_stderr_that_takes_nothing_costs_the_line(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(fd: int, line: bytes) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", refuse)
        write_stderr(b"a line\n")
