"""`edged status` where nobody answers, and how a report is printed."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from edged.cli import main as cli
from edged.cli.status import print_report


def test_not_running(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", "--socket", str(tmp_path / "s")]) == 1
    assert "edged is not running" in capsys.readouterr().err


def test_a_dead_socket(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "s"))
    assert cli.main(["status", "--socket", str(tmp_path / "s")]) == 1
    assert "edged is not running" in capsys.readouterr().err


def test_the_socket_comes_from_the_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "edged.toml"
    config.write_text(f'[node]\nsocket = "{tmp_path}/other.sock"\n')
    assert cli.main(["status", "--config", str(config)]) == 1
    assert f"{tmp_path}/other.sock" in capsys.readouterr().err


def test_a_report_as_tables(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(
        {
            "node": "edge-1",
            "uptime_s": 12.50,
            "memory": {"rss": 1024, "pss": None},
            "policies": [
                {"name": "a", "state": "serving", "error": ""},
                {"name": "b", "state": "failed", "error": "no\nfile", "more": ["x", "y"]},
            ],
            "plugins": [],
            "limits": {"a": {"mib": 64}, "b": {"mib": 1}},
        }
    )
    assert capsys.readouterr().out.splitlines() == [
        "NAME         VALUE",
        "node         edge-1",
        "uptime_s     12.5",
        "memory.rss   1024",
        "memory.pss   -",
        "plugins      -",
        "",
        "POLICIES",
        "NAME   STATE     ERROR      MORE",
        "a      serving   -          -",
        "b      failed    no\\nfile   x, y",
        "",
        "LIMITS",
        "NAME   MIB",
        "a      64",
        "b      1",
    ]
