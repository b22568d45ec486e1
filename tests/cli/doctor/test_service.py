"""What systemd says of the service."""

from __future__ import annotations

from pathlib import Path

import pytest

from edged.cli.doctor import checks, service
from edged.cli.doctor.findings import FAIL, OK, WARN, Finding
from edged.cli.doctor.unit import Unit
from edged.cli.installation.machine import CommandFailed, Machine


def told(**properties: str) -> list[Finding]:
    usual = {"LoadState": "loaded", "SubState": "", "Result": "success", "ExecMainStatus": "0",
             "UnitFileState": "enabled"}
    return list(service.findings({**usual, **properties}))


@pytest.mark.parametrize(("properties", "state", "detail", "remedy"), [
    ({"ActiveState": "failed", "Result": "exit-code", "ExecMainStatus": "2"}, FAIL, "(exit code 2: the configuration",
     "journalctl -u edged -n 50"),
    ({"ActiveState": "failed", "Result": "exit-code", "ExecMainStatus": "1"}, FAIL, "failed (exit code 1)",
     "journalctl -u edged -n 50"),
    ({"ActiveState": "failed", "Result": "oom-kill"}, FAIL, "failed (oom-kill)", "journalctl -u edged -n 50"),
    ({"ActiveState": "activating", "SubState": "auto-restart", "Result": "watchdog"}, FAIL, "again (watchdog)",
     "journalctl -u edged -n 50"),
    ({"ActiveState": "inactive"}, WARN, "is not started", "systemctl enable --now edged"),
    ({"ActiveState": "inactive", "LoadState": "masked"}, WARN, "is masked",
     "systemctl unmask edged && systemctl enable --now edged"),
    ({"ActiveState": "inactive", "LoadState": "not-found"}, WARN, "not read",
     "systemctl daemon-reload && systemctl enable --now edged"),
    ({"ActiveState": "inactive", "LoadState": "bad-setting"}, FAIL, "cannot use",
     "systemd-analyze verify edged.service"),
    ({"ActiveState": "active", "UnitFileState": "disabled"}, WARN, "next boot", "systemctl enable edged"),
    ({"ActiveState": "active"}, OK, "is active", ""),
    ({"ActiveState": "activating", "SubState": "start"}, OK, "is activating", ""),
])  # fmt: skip
def test_each_state_has_its_remedy(properties: dict[str, str], state: str, detail: str, remedy: str) -> None:
    [found] = told(**properties)
    assert (found.state, found.remedy) == (state, remedy)
    assert detail in found.detail


class Systemd(Machine):
    """A machine whose systemctl says this; None: it cannot be asked."""

    def __init__(self, says: str | None, *, runs: bool = True) -> None:
        self._says = says
        self._runs = runs

    @property
    def has_systemd(self) -> bool:
        return True

    @property
    def systemd_runs(self) -> bool:
        return self._runs

    def systemctl(self, *arguments: str) -> str:
        assert arguments[:2] == ("show", "edged.service")
        if self._says is None:
            raise CommandFailed("systemctl show: Failed to connect to bus")
        return self._says


def test_systemctl_is_asked_where_systemd_runs() -> None:
    says = "LoadState=loaded\nActiveState=failed\nResult=exit-code\nExecMainStatus=2\n"
    [found] = service.findings(service.shown(Systemd(says)))
    assert found.state == FAIL
    assert list(service.findings(service.shown(Systemd(says, runs=False)))) == []
    assert list(service.findings(service.shown(Systemd(None)))) == []


def test_the_doctor_asks_only_of_a_unit_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "Machine", lambda: Systemd("ActiveState=inactive\nLoadState=loaded\n"))

    def of(unit: Unit) -> list[Finding]:
        here = checks.Checks(str(tmp_path / "edged.toml"), unit, lambda found: found, is_default=True)
        return list(here.of_service())

    assert of(Unit()) == []
    assert [each.detail for each in of(Unit(tmp_path / "edged.service"))] == ["edged.service is not started"]
