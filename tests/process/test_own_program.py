"""What people are told to type, with and without an `edged` in PATH."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import pytest

from edged.process import own_program
from edged.process.own_program import spelled


@pytest.fixture
def outside_of_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in a virtual environment that no folder of PATH names."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    program = tmp_path / "venv/bin/edged"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(program.parent))
    return program


@pytest.mark.usefixtures("edged_in_path")
def test_found_by_the_shell() -> None:
    assert spelled("run `edged init`") == "run `edged init`"


def test_not_found_by_the_shell(outside_of_path: Path) -> None:
    assert spelled("mend /etc/edged/edged.toml, then `edged check` && edged init --only x") == (
        f"mend /etc/edged/edged.toml, then `{outside_of_path} check` && {outside_of_path} init --only x"
    )


@pytest.mark.parametrize("text", [
    "systemctl start edged, or wait", "chown edged:edged /var/lib/edged", "/opt/edged init", "edged is not running",
    "edged initiates nothing", "/usr/local/bin/edged init", "user-edged check",
])  # fmt: skip
@pytest.mark.usefixtures("outside_of_path")
def test_other_uses_of_the_name_are_kept(text: str) -> None:
    assert spelled(text) == text


def test_called_by_a_link(outside_of_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "links").mkdir()
    (tmp_path / "links/edged").symlink_to(outside_of_path)
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path / "none"))
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "links/edged")])
    assert own_program.script() == outside_of_path


def test_without_a_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path / "none"))
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "__main__.py")])
    assert spelled("edged init") == f"{sys.executable} -m edged init"
