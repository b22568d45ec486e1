"""A file for the next life of the daemon: written when it changes, and a disk that takes nothing is said once."""

from __future__ import annotations

import json
from pathlib import Path

import trio

from edged.process.remembered_file import RememberedFile
from edged.telemetry.logs import Logger, LogStyle


def test_it_is_written_when_it_changes(tmp_path: Path) -> None:
    file = RememberedFile(tmp_path / "state" / "x.json", Logger(), "all is")
    trio.run(file.write, b"1")
    assert file.read() == b"1" and file.path.stat().st_mode & 0o777 == 0o600
    file.path.write_bytes(b"changed by somebody")
    trio.run(file.write, b"1")
    assert file.read() == b"changed by somebody", "nothing changed here"
    file.is_right(b"2")
    trio.run(file.write, b"2")
    assert file.read() == b"changed by somebody"
    trio.run(file.write, b"3")
    assert file.read() == b"3"


def test_what_keeps_it_from_being_written_is_said_once(tmp_path: Path) -> None:
    lines: list[bytes] = []
    (tmp_path / "state").write_text("no folder")
    log = Logger(LogStyle("json", journal=False), write=lines.append)
    file = RememberedFile(tmp_path / "state" / "x.json", log, "all is")
    for data in (b"1", b"2"):
        trio.run(file.write, data)
    assert [json.loads(line)["msg"] for line in lines] == ["all is not remembered"]
    (tmp_path / "state").unlink()
    trio.run(file.write, b"2")
    assert file.read() == b"2"
