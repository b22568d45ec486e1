"""Where this program is, and whether the daemon's user could read it."""

from __future__ import annotations

from pathlib import Path

from edged.cli.installation.program import Program, unreadable
from tests.cli.installation.place import FakeMachine, layout


def test_this_installation_is_found() -> None:
    found = Program.find()
    assert found.script.name == "edged" and found.module.read_bytes().startswith(b"\0asm")
    assert (found.units / "edged-before-253.conf").is_file() and found.reference.is_file()
    assert not found.is_installed  # tests run from a checkout


def test_what_the_unit_hides_or_others_cannot_read_is_told(tmp_path: Path) -> None:
    machine, places = FakeMachine(tmp_path), layout(tmp_path)
    folder = tmp_path / "opt"
    folder.mkdir()
    (folder / "edged").touch()
    folder.chmod(0o755)  # whatever the umask is
    (folder / "edged").chmod(0o644)
    assert unreadable([folder / "edged"], places, machine) == ""
    folder.chmod(0o750)
    assert str(folder) in unreadable([folder / "edged"], places, machine)
    folder.chmod(0o755)
    (folder / "edged").chmod(0o600)
    assert "closed to other users" in unreadable([folder / "edged"], places, machine)
    assert "hides from the daemon" in unreadable([tmp_path / "root/venv/bin/edged"], places, machine)
