"""`edged doctor` on a machine that is fine, and on one where each thing is wrong."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from edged.cli import main as cli

WASM = b"\0asm\1\0\0\0"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration in it and a kubeconfig that leads nowhere."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    tmp_path.chmod(0o700)
    for name in ("state", "cache"):
        (tmp_path / name).mkdir(mode=0o700)
    (tmp_path / "m.wasm").write_bytes(WASM)
    (tmp_path / "edged.toml").write_text(
        f'[node]\nstate_dir = "{tmp_path}/state"\ncache_dir = "{tmp_path}/cache"\n'
        f'socket = "{tmp_path}/s"\n'
        '[admission]\nlisten = "127.0.0.1:0"\nregister = "none"\n'
        f'[[admission.policy]]\nname = "p"\nmodule = "file://{tmp_path}/m.wasm"\n'
        '[observability]\nlisten = ""\n'
    )
    return tmp_path


def findings(place: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    code = cli.main(["doctor", "--config", str(place / "edged.toml"), "-o", "json"])
    return code, {entry["check"]: entry for entry in json.loads(capsys.readouterr().out)}


def test_a_machine_that_is_fine(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found = findings(place, capsys)
    assert code == 0
    assert {
        entry["state"] for name, entry in found.items() if name not in ("API server", "memory", "disk")
    } == {"ok"}
    assert found["API server"]["state"] == "warn"
    assert sorted(path.name for path in place.iterdir()) == ["cache", "edged.toml", "m.wasm", "state"]


def test_what_is_wrong_is_named(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "m.wasm").write_bytes(b"not wasm")
    (place / "cache").chmod(0o777)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = (place / "edged.toml").read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}")
        (place / "edged.toml").write_text(text)
        code, found = findings(place, capsys)
    assert code == 1
    assert "is not a WebAssembly module" in found["module of p"]["detail"]
    assert "may be written by others" in found["[node] cache_dir"]["detail"]
    assert "in use" in found["[admission] listen"]["detail"]
    assert found["[node] state_dir"]["state"] == "ok"


def test_folders_that_are_none(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "state").rmdir()
    (place / "state").write_text("")
    code, found = findings(place, capsys)
    assert code == 1
    assert "is not a directory" in found["[node] state_dir"]["detail"]


def test_as_a_table(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--config", str(place / "edged.toml")]) == 0
    assert capsys.readouterr().out.startswith("CHECK")


def test_a_wrong_configuration_is_2(place: Path) -> None:
    (place / "edged.toml").write_text("[nod]\n")
    assert cli.main(["doctor", "--config", str(place / "edged.toml")]) == 2
