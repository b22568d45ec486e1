"""register = "static": the folder, who may write it, and what the API server was started with."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged import config
from edged.cli.doctor import account, static_files
from edged.cli.doctor.findings import FAIL, OK, Finding
from edged.cli.doctor.unit import Unit
from edged.cli.installation.api_server_files import ADMISSION_FILE

ME = account.current()


def findings(folder: Path, unit: Unit | None = None, register: str = "static") -> dict[str, Finding]:
    text = f'[admission]\nregister = "{register}"\nstatic_dir = "{folder}"\n'
    return {found.check: found for found in static_files.findings(config.parse(text), ME, unit or Unit())}


def prepare(folder: Path) -> None:
    for name in ("validating", "mutating"):
        (folder / name).mkdir()
    (folder / ADMISSION_FILE).write_text("{}")


def test_other_ways_of_registering_have_no_files(tmp_path: Path) -> None:
    assert findings(tmp_path, register="dynamic") == {}
    assert list(static_files.findings(config.parse(""), ME, Unit())) == []


def test_a_folder_that_was_not_prepared(tmp_path: Path) -> None:
    found = findings(tmp_path / "none")
    assert {each.remedy for each in found.values()} == {"edged webhook install"}
    assert {each.state for each in found.values()} == {FAIL}


def test_a_folder_as_it_should_be(tmp_path: Path) -> None:
    prepare(tmp_path)
    found = findings(tmp_path)
    assert found["[admission] static_dir"].state == OK
    assert found["API server's files"].state != FAIL


def test_a_unit_that_keeps_the_folder_closed(tmp_path: Path) -> None:
    prepare(tmp_path)
    path = Path("/etc/systemd/system/edged.service")
    found = findings(tmp_path, Unit(path, {"ProtectSystem": ["strict"]}))["[admission] static_dir"]
    assert found.state == FAIL and f"add ReadWritePaths={tmp_path}" in found.remedy
    opened = Unit(path, {"ProtectSystem": ["strict"], "ReadWritePaths": [str(tmp_path)]})
    assert findings(tmp_path, opened)["[admission] static_dir"].state == OK


@pytest.mark.parametrize(("words", "value"), [
    (["kube-apiserver", "--v=2"], ""), (["kube-apiserver", f"{static_files.OPTION}=/a.json"], "/a.json"),
    (["kube-apiserver", static_files.OPTION, "/a.json"], "/a.json"), (["kube-apiserver", static_files.OPTION], ""),
])  # fmt: skip
def test_the_option_of_a_command_line(words: list[str], value: str) -> None:
    assert static_files.option(words) == value
