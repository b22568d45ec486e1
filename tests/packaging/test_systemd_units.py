"""The unit files as systemd itself reads them. Needs systemd-analyze; CI installs it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "systemd"
EXPOSURE = 20
"""Upper bound for `systemd-analyze security`, in tenths: 2.0."""


@pytest.fixture
def analyze() -> str:
    path = shutil.which("systemd-analyze")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("systemd-analyze is missing; CI never skips this")
        pytest.skip("systemd-analyze is not installed")
    return path


def read(name: str) -> dict[str, dict[str, list[str]]]:
    """Section -> key -> every value in order."""
    found: dict[str, dict[str, list[str]]] = {}
    section: dict[str, list[str]] = {}
    for line in (UNITS / name).read_text().splitlines():
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            section.setdefault(key, []).append(value)
    return found


def runnable_copy(folder: Path) -> list[str]:
    """The units with a program that exists here; `verify` looks for it. The daemon's comes first."""
    names = ("edged.service", "edged.socket", "edged-fabric.service")
    for name in names:
        text = (UNITS / name).read_text().replace("/usr/bin/edged", "/bin/true")
        (folder / name).write_text(text)
    return [str(folder / name) for name in names]


def test_units_verify(analyze: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [analyze, "verify", "--man=no", *runnable_copy(tmp_path)], capture_output=True, text=True, timeout=120
    )
    known = r"Failed to parse service type, ignoring: notify-reload"  # systemd before 253
    complaints = [
        line for line in done.stderr.splitlines() if str(tmp_path) in line and not re.search(known, line)
    ]
    assert complaints == []


def test_exposure_stays_low(analyze: str, tmp_path: Path) -> None:
    service = runnable_copy(tmp_path)[0]
    done = subprocess.run(
        [analyze, "security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager", service],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


def test_the_readme_tells_the_measured_exposure(analyze: str, tmp_path: Path) -> None:
    service = runnable_copy(tmp_path)[0]
    done = subprocess.run(
        [analyze, "security", "--offline=true", "--no-pager", service],
        capture_output=True,
        text=True,
        timeout=120,
    )
    measured = re.search(r"Overall exposure level for edged.service: ([0-9.]+)", done.stdout)
    told = re.search(r"gives ([0-9.]+) \(0 is best", (UNITS / "README.md").read_text())
    assert measured and told
    assert float(told[1]) == pytest.approx(
        float(measured[1]), abs=0.3
    )  # versions of systemd weigh differently


def test_every_hardening_line_is_explained() -> None:
    readme = (UNITS / "README.md").read_text()
    told = readme.replace("`ProtectKernel*`", "ProtectKernelTunables ProtectKernelModules ProtectKernelLogs")
    plain = [
        "ExecStart",
        "Group",
        "Environment",
        "RestartSec",
        "TimeoutStartSec",
        "TasksMax",
        "LimitNOFILE",
        "SystemCallErrorNumber",
        "StateDirectory",
        "StateDirectoryMode",
        "CacheDirectory",
        "RuntimeDirectory",
        "ConfigurationDirectory",
        "ConfigurationDirectoryMode",
    ]
    missing = [key for key in read("edged.service")["Service"] if key not in plain and key not in told]
    assert missing == []


def test_it_fits_the_default_configuration() -> None:
    from edged import config

    defaults = config.effective(config.parse("[admission]\n"))
    service = read("edged.service")["Service"]
    assert defaults["node"]["state_dir"] == f"/var/lib/{service['StateDirectory'][0]}"
    assert defaults["node"]["cache_dir"] == f"/var/cache/{service['CacheDirectory'][0]}"
    assert defaults["node"]["socket"].startswith(f"/run/{service['RuntimeDirectory'][0]}/")
    assert float(service["TimeoutStopSec"][0]) > defaults["node"]["drain_s"]
    assert config.DEFAULT_PATH in service["ExecStart"][0]
    assert read("edged.socket")["Socket"]["ListenStream"] == [defaults["admission"]["listen"]]


def test_the_drop_in_reloads_by_a_signal() -> None:
    service = read("edged-before-253.conf")["Service"]
    assert service == {"Type": ["notify"], "ExecReload": ["/bin/sh -c 'kill -HUP $MAINPID && sleep 1'"]}


def test_the_helper_of_the_fabric_has_one_capability_and_two_address_families(analyze: str, tmp_path: Path) -> None:
    service = read("edged-fabric.service")["Service"]
    assert service["CapabilityBoundingSet"] == service["AmbientCapabilities"] == ["CAP_NET_ADMIN"]
    assert service["RestrictAddressFamilies"] == ["AF_NETLINK AF_UNIX"]
    assert "PrivateUsers" not in service and "User" not in service
    done = subprocess.run(
        [analyze, "security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager", runnable_copy(tmp_path)[2]],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


def test_the_helper_of_the_fabric_fits_the_default_configuration() -> None:
    from edged import config
    from edged.fabric.config import FabricConfig

    service = read("edged-fabric.service")["Service"]
    assert FabricConfig().socket.startswith(f"/run/{service['RuntimeDirectory'][0]}/")
    assert service["ExecStart"] == [f"/usr/bin/edged fabric --config {config.DEFAULT_PATH}"]
    readme = (UNITS / "README.md").read_text()
    same = read("edged.service")["Service"]
    plain = {
        "Type", "ExecStart", "RuntimeDirectoryMode", "MemoryMax", "TasksMax", "LimitNOFILE", "SystemCallFilter",
    }  # fmt: skip
    told = readme.partition("The fabric")[2]
    others = [key for key in service if service[key] != same.get(key) and key not in plain]
    assert [key for key in others if f"`{key}=" not in told] == []
