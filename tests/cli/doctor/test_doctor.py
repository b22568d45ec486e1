"""`edged doctor` on a machine that is fine, and on one where each thing is wrong."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml

from edged.cli import main as cli

POLICY = Path(__file__).parents[3] / "modules/admission/pod-privileged/pod-privileged.wasm"


pytestmark = pytest.mark.usefixtures("edged_in_path")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a configuration in it and a kubeconfig that leads nowhere."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    tmp_path.chmod(0o700)
    for name in ("state", "cache"):
        (tmp_path / name).mkdir(mode=0o700)
    (tmp_path / "m.wasm").write_bytes(POLICY.read_bytes())
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
        entry["state"] for name, entry in found.items() if name not in ("API server", "memory", "disk", "unit")
    } == {"ok"}
    assert found["API server"]["state"] == "warn" and "edged init" in found["API server"]["remedy"]
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
    assert "not a WebAssembly module" in found["module of p"]["detail"]
    assert "may be written by others" in found["[node] cache_dir"]["detail"]
    assert "in use" in found["[admission] listen"]["detail"]
    assert found["[node] state_dir"]["state"] == "ok"
    assert {name for name, entry in found.items() if bool(entry["remedy"]) != (entry["state"] != "ok")} == set()


def test_folders_that_are_none(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "state").rmdir()
    (place / "state").write_text("")
    code, found = findings(place, capsys)
    assert code == 1
    assert "is not a directory" in found["[node] state_dir"]["detail"]


def test_as_a_table(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--config", str(place / "edged.toml")]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("CHECK")
    _table, remedies, summary = shown.split("\n\n")
    assert remedies.startswith("to mend:\n") and "API server: edged init" in remedies
    assert summary.rstrip().endswith("0 failures")


def test_as_yaml(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--config", str(place / "edged.toml"), "-o", "yaml"]) == 0
    found = yaml.safe_load(capsys.readouterr().out)
    assert all(entry.keys() == {"check", "state", "detail", "remedy"} for entry in found)


def test_a_wrong_configuration_is_a_finding_with_its_line_and_the_rest_is_checked(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = place / "edged.toml"
    path.write_text(path.read_text() + 'listn = "127.0.0.1:1"\n')
    line = path.read_text().count("\n")
    code, found = findings(place, capsys)
    assert code == 1
    assert found["configuration"]["detail"] == (
        f'{path}:{line}: [observability] listn: unknown key; did you mean listen?'
    )
    assert f"edged check {path}" in found["configuration"]["remedy"]
    assert found["module of p"]["state"] == "ok" and found["[node] state_dir"]["detail"] == str(place / "state")


def test_a_file_that_is_no_toml_is_a_finding_too(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "edged.toml").write_text("[node\n")
    code, found = findings(place, capsys)
    assert code == 1 and "not valid TOML" in found["configuration"]["detail"]


def test_no_configuration_at_all(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "edged.toml").unlink()
    code, found = findings(place, capsys)
    assert code == 1 and found["configuration"]["remedy"] == "edged init"
    assert found["machine"]["state"] == "ok"


def test_an_administrators_kubeconfig_that_is_not_there_is_said(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["doctor", "--config", str(place / "edged.toml"), "--admin-kubeconfig", "none", "-o", "json"])
    (found,) = [entry for entry in json.loads(capsys.readouterr().out) if entry["check"] == "webhooks"]
    assert found["state"] == "warn" and "none" in found["detail"]
