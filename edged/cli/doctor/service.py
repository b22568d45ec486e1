"""What systemd says of the daemon's service: a unit that is fine is not yet a service that runs.

`findings` is pure; `shown` asks systemctl.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edged.cli.doctor.findings import FAIL, OK, WARN, Finding
from edged.cli.doctor.unit import NAME
from edged.cli.installation.machine import CommandFailed, Machine

PROPERTIES = ("LoadState", "ActiveState", "SubState", "Result", "ExecMainStatus", "UnitFileState")
_CHECK = "service"
_LOG = "journalctl -u edged -n 50"
_START = "systemctl enable --now edged"


def shown(machine: Machine) -> dict[str, str]:
    """The service's properties; none where no systemd runs or can be asked."""
    if not (machine.has_systemd and machine.systemd_runs):
        return {}
    try:
        said = machine.systemctl("show", NAME, f"--property={','.join(PROPERTIES)}")
    except CommandFailed:
        return {}
    return dict(line.split("=", 1) for line in said.splitlines() if "=" in line)


def findings(properties: Mapping[str, str]) -> Iterator[Finding]:
    """Of a unit that is installed."""
    if not properties.get("ActiveState"):
        return
    loaded, active = properties.get("LoadState", ""), properties["ActiveState"]
    if active == "failed":
        yield Finding(_CHECK, FAIL, f"{NAME} failed ({_why(properties)})", _LOG)
    elif properties.get("SubState", "").startswith("auto-restart"):
        yield Finding(_CHECK, FAIL, f"{NAME} ends again and again ({_why(properties)})", _LOG)
    elif loaded == "masked":
        yield Finding(_CHECK, WARN, f"{NAME} is masked: nothing can start it", f"systemctl unmask edged && {_START}")
    elif loaded == "not-found":
        yield Finding(_CHECK, WARN, f"systemd has not read {NAME} yet", f"systemctl daemon-reload && {_START}")
    elif loaded in ("bad-setting", "error"):
        yield Finding(_CHECK, FAIL, f"systemd cannot use {NAME}", "systemd-analyze verify edged.service")
    elif active in ("inactive", "deactivating"):
        yield Finding(_CHECK, WARN, f"{NAME} is not started", _START)
    elif properties.get("UnitFileState") == "disabled":
        yield Finding(_CHECK, WARN, f"{NAME} runs, but nothing starts it at the next boot", "systemctl enable edged")
    else:
        yield Finding(_CHECK, OK, f"{NAME} is {active}")


def _why(properties: Mapping[str, str]) -> str:
    result, status = properties.get("Result", ""), properties.get("ExecMainStatus", "")
    if result != "exit-code":
        return result or "systemd gives no reason"
    return f"exit code {status}" + (": the configuration is wrong, see `edged check`" if status == "2" else "")
