"""The systemd unit: read as systemd reads it, and judged."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.cli.doctor import unit as units
from edged.cli.doctor.findings import FAIL, OK, WARN, Finding
from edged.cli.doctor.unit import Unit, parse, read

SHIPPED = Path(__file__).parents[3] / "systemd" / "edged.service"


def unit(tmp_path: Path, *lines: str, program: str = "") -> Unit:
    start = f"ExecStart={program or '/bin/true'} run --config /etc/edged/edged.toml"
    path = tmp_path / "edged.service"
    path.write_text("\n".join(["[Unit]", "User=not-this", "[Service]", start, *lines]) + "\n")
    return read([str(tmp_path)])


def findings(found: Unit, version: int | None = 257, config: str = "/etc/edged/edged.toml") -> dict[str, Finding]:
    return {each.check: each for each in units.findings(found, version, config, is_default=False)}


def test_the_shipped_unit_is_understood() -> None:
    found = Unit(SHIPPED, parse([SHIPPED.read_text()]))
    assert (found.user, found.config) == ("edged", "/etc/edged/edged.toml")
    assert found.command[0] == "/usr/bin/edged"
    assert found.makes("StateDirectory", "/var/lib/edged") and found.makes("CacheDirectory", "/var/cache/edged")
    assert found.makes("RuntimeDirectory", "/run/edged") and not found.makes("StateDirectory", "/srv/edged")
    assert found.hides("/root/m.wasm") and found.hides("/home/a/kubeconfig") and found.hides("/tmp/x")
    assert found.hides("/etc/edged/kubeconfig") is None
    assert not found.may_write("/etc/edged/static")


def test_drop_ins_count_in_the_order_of_their_names_and_an_empty_value_takes_back(tmp_path: Path) -> None:
    unit(tmp_path, "User=edged", "ReadWritePaths=/etc/edged/static \\\n  /srv")
    folder = tmp_path / "edged.service.d"
    folder.mkdir()
    (folder / "10-user.conf").write_text("[Service]\nUser=other\n# User=comment\n")
    start = "ExecStart=-/opt/edged/bin/edged run --config=/x.toml"
    (folder / "20-start.conf").write_text(f"[Service]\nExecStart=\n{start}\n")
    found = read([str(tmp_path)])
    assert found.user == "other"
    assert found.values["ExecStart"] == ["-/opt/edged/bin/edged run --config=/x.toml"]
    assert found.command[0] == "/opt/edged/bin/edged" and found.config == "/x.toml"
    assert found.may_write("/srv/a") and found.may_write("/anything")  # nothing is closed without ProtectSystem=strict


def test_strict_units_open_only_what_they_name(tmp_path: Path) -> None:
    found = unit(tmp_path, "ProtectSystem=strict", "ReadWritePaths=-/etc/edged/static")
    assert found.may_write("/etc/edged/static") and found.may_write("/etc/edged/static/validating")
    assert not found.may_write("/etc/edged")


def test_without_a_unit() -> None:
    assert read(["/nowhere"]) == Unit()
    assert Unit().user == ""
    assert findings(Unit(), None)["unit"].state == OK
    assert findings(Unit(), 257)["unit"] == Finding("unit", WARN, "edged.service is not installed", "edged init")


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    found = findings(unit(tmp_path, program="/opt/nowhere/edged"))["unit"]
    assert (found.state, found.remedy) == (FAIL, "edged init")
    assert "ExecStart=/opt/nowhere/edged does not exist" in found.detail


def test_a_program_whose_python_is_gone(tmp_path: Path) -> None:
    program = tmp_path / "edged"
    program.write_text("#!/opt/venv/bin/python3.11\n")
    program.chmod(0o755)
    assert "/opt/venv/bin/python3.11" in findings(unit(tmp_path, program=str(program)))["unit"].detail
    program.write_text("#!/bin/sh\n")
    assert findings(unit(tmp_path, program=str(program)))["unit"].state == OK
    program.chmod(0o644)
    assert "cannot be executed" in findings(unit(tmp_path, program=str(program)))["unit"].detail


def test_a_program_that_the_unit_hides_from_itself(tmp_path: Path) -> None:
    found = findings(unit(tmp_path, "ProtectHome=yes", program="/root/edged/bin/edged"))["unit"]
    assert found.state == FAIL and "ProtectHome=yes" in found.detail


def test_another_configuration_than_the_one_that_is_checked(tmp_path: Path) -> None:
    found = findings(unit(tmp_path), config="/srv/other.toml")["unit's configuration"]
    assert found.state == WARN and found.remedy == "edged doctor --config /etc/edged/edged.toml"
    assert "unit's configuration" not in findings(unit(tmp_path))


@pytest.mark.parametrize(("version", "lines", "state"), [
    (257, [], OK), (253, [], OK), (252, [], WARN), (252, ["ExecReload=/bin/kill -HUP $MAINPID"], OK),
])  # fmt: skip
def test_systemd_before_253_needs_to_be_told_how_to_reload(
    tmp_path: Path, version: int, lines: list[str], state: str
) -> None:
    found = findings(unit(tmp_path, "Type=notify-reload", *lines), version)["systemd"]
    assert found.state == state
    assert bool(found.remedy) == (state != OK)

