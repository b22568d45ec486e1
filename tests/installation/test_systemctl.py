"""The stand-in for systemctl does not let pass what systemd would not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.installation.following import ROOT
from tests.installation.machine import Machine
from tests.installation.systemctl import Service, parse

pytestmark = [pytest.mark.kube, pytest.mark.timeout(600)]  # the first of them makes a machine

SERVICE = """#!/usr/bin/python3
import json, os, signal, socket, sys, time

def tell(text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.sendto(text.encode(), os.environ["NOTIFY_SOCKET"])

def attempt(action):
    try:
        return action() or "done"
    except OSError as error:
        return error.strerror

def reload(*_):
    tell("RELOADING=1")
    time.sleep(1.5)
    open("/var/lib/edged/reloaded", "w").close()
    tell("READY=1")

signal.signal(signal.SIGHUP, reload)
umask = os.umask(0)
os.umask(umask)
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
json.dump({
    "ids": [os.getuid(), os.getgid()], "umask": umask, "environment": dict(os.environ), "cwd": os.getcwd(),
    "etc": attempt(lambda: open("/etc/new", "w")), "run": attempt(lambda: open("/run/new", "w")),
    "state": attempt(lambda: open("/var/lib/edged/new", "w").close()),
    "runtime": attempt(lambda: open("/run/edged/new", "w").close()),
    "root": attempt(lambda: os.listdir("/root")), "tmp": attempt(lambda: os.listdir("/tmp")),
    "others": os.path.exists("/proc/1"), "files": os.path.exists("/proc/meminfo"),
    "capabilities": status["CapBnd"].strip(), "privileges": status["NoNewPrivs"].strip(),
}, open("/var/lib/edged/facts", "w"))
if "slow" in sys.argv:
    tell("EXTEND_TIMEOUT_USEC=60000000")
    time.sleep(3.5)
if "silent" not in sys.argv:
    tell("READY=1\\nSTATUS=serving")
if "crash" in sys.argv:
    time.sleep(0.2)
    sys.exit(int(sys.argv[-1]))
while True:
    time.sleep(0.1)
    if "stuck" not in sys.argv:
        tell("WATCHDOG=1")
"""
UNIT = """[Unit]
Description=a test
[Service]
Type=notify
Type=notify-reload
ExecStart=/usr/local/bin/service
Restart=always
RestartSec=100ms
RestartPreventExitStatus=2
WatchdogSec=2
TimeoutStartSec=3
User=edged
Group=edged
UMask=0077
StateDirectory=edged
StateDirectoryMode=0700
RuntimeDirectory=edged
Environment=A=1 B=2
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
ProtectProc=invisible
ProcSubset=pid
[Install]
WantedBy=multi-user.target
"""


@pytest.fixture
def node(machine: Machine) -> Machine:
    machine.write("usr/local/bin/service", SERVICE, 0o755)
    machine.write("tmp/of-others", "")
    assert machine.run("useradd --system edged").code == 0
    return machine


def unit(machine: Machine, text: str = UNIT, arguments: str = "") -> None:
    machine.write("etc/systemd/system/edged.service", text.replace("bin/service", f"bin/service {arguments}"))


def facts(machine: Machine) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(machine.path("var/lib/edged/facts").read_text())
    return found


def ok(machine: Machine, command: str) -> str:
    done = machine.run(command, timeout_s=60)
    assert done.code == 0, f"{command}: {done.output}{machine.run('journalctl -u edged').output}"
    return done.output


def test_a_service_has_what_systemd_gives_it_and_no_more(node: Machine) -> None:
    unit(node)
    ok(node, "systemctl enable --now edged")
    assert ok(node, "systemctl is-active edged; systemctl is-enabled edged").split() == ["active", "enabled"]
    found = facts(node)
    assert [str(number) for number in found["ids"]] == ok(node, "id -u edged; id -g edged").split()
    assert (found["umask"], found["cwd"], found["state"], found["runtime"]) == (0o077, "/", "done", "done")
    assert (found["etc"], found["run"], found["root"]) == (*["Read-only file system"] * 2, "Permission denied")
    assert (found["tmp"], found["others"], found["files"]) == ("done", False, False)
    assert (int(found["capabilities"], 16), found["privileges"]) == (0, "1")
    environment = found["environment"]
    assert (environment["A"], environment["B"], environment["USER"]) == ("1", "2", "edged")
    assert environment["STATE_DIRECTORY"] == "/var/lib/edged" and "PIP_CACHE_DIR" not in environment
    assert ok(node, "stat -c '%a %U' /var/lib/edged /run/edged").splitlines() == ["700 edged", "755 edged"]
    ok(node, "systemctl disable --now edged")
    assert node.run("systemctl is-active edged").code == 3
    assert node.run("ls /run/edged").code != 0, "a runtime directory goes with its service"
    assert "Started edged.service." in ok(node, "journalctl -u edged")


def test_what_systemd_read_counts_until_daemon_reload(node: Machine) -> None:
    unit(node)
    ok(node, "systemctl start edged")
    unit(node, UNIT.replace("A=1", "A=9"))
    assert "changed on disk" in ok(node, "systemctl restart edged")
    assert facts(node)["environment"]["A"] == "1"
    ok(node, "systemctl daemon-reload && systemctl restart edged")
    assert facts(node)["environment"]["A"] == "9"
    node.write("etc/systemd/system/edged.service.d/own.conf", "[Service]\nEnvironment=\nEnvironment=C=3\n")
    ok(node, "systemctl daemon-reload && systemctl restart edged")
    assert "A" not in facts(node)["environment"] and facts(node)["environment"]["C"] == "3"


def test_reload_by_what_this_version_of_systemd_knows(node: Machine) -> None:
    unit(node)
    ok(node, "systemctl start edged")
    reloaded = node.run("systemctl reload edged")
    if node.release == "bookworm":
        assert "not applicable" in reloaded.output and reloaded.code == 1
        drop_in = (ROOT / "systemd/edged-before-253.conf").read_text()
        node.write("etc/systemd/system/edged.service.d/before-253.conf", drop_in)
        ok(node, "systemctl daemon-reload && systemctl reload edged")
    else:
        assert reloaded.code == 0
    ok(node, "ls /var/lib/edged/reloaded")
    assert ok(node, "systemctl is-active edged") == "active\n"


def test_a_service_that_asks_for_time_gets_it(node: Machine) -> None:
    unit(node, arguments="slow")
    ok(node, "systemctl start edged")
    unit(node, UNIT.replace("Type=notify-reload", "ExecReload=/bin/true"), arguments="slow")
    ok(node, "systemctl daemon-reload && systemctl restart edged && timeout 20 systemctl reload edged")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("silent", "start operation timed out"),
        ("crash 2", "status=2"),
        ("stuck", "Watchdog timeout!"),
        ("crash 1", "status=1"),
    ],
)
def test_a_service_that_fails(node: Machine, arguments: str, says: str) -> None:
    unit(node, arguments=arguments)
    node.run("systemctl start edged")
    ok(node, f"for _ in $(seq 100); do journalctl -u edged | grep -q '{says}' && break; sleep 0.1; done")
    log = ok(node, "sleep 0.5; journalctl -u edged")
    assert says in log
    starts = log.count("Starting edged.service...")
    assert starts == 1 if arguments == "crash 2" else starts > 1
    if arguments == "crash 2":
        assert ok(node, "systemctl is-active edged || true") == "failed\n"


def test_a_unit_that_cannot_start(node: Machine) -> None:
    done = node.run("systemctl enable --now edged")
    assert (done.code, done.output) == (1, "Failed to enable unit: Unit file edged.service does not exist.\n")
    for change in (("User=edged", "User=nobody-here"), ("bin/service", "bin/not-there"), ("strict", "unheard-of")):
        unit(node, UNIT.replace(*change).replace("Restart=always", "Restart=no"))
        ok(node, "systemctl daemon-reload")
        assert node.run("systemctl start edged").code == 1, change
    unit(node, UNIT.replace("UMask=", "UMusk="))
    done = node.run("systemctl daemon-reload; rm -r /run/stand-in; systemctl start edged")
    assert "does not know UMusk" in done.output


def test_units_are_read_as_systemd_reads_them() -> None:
    settings = parse(["[Service]\nA=1\nA=2\n#B=0\nB = x \\\n y\nC=1\n", "[Service]\nC=\nD=5\n[Install]\nWantedBy=z\n"])
    assert settings["Service"] == {"A": ["1", "2"], "B": ["x   y"], "C": [], "D": ["5"]}
    assert settings["Install"] == {"WantedBy": ["z"]}
    service = Service("x.service", {"Service": {"A": ["yes", "no"], "T": ["90"], "M": ["100ms"], "W": ["a b", "c"]}})
    assert (service.on("A"), service.seconds("T", 0), service.seconds("M", 0)) == (False, 90, 0.1)
    assert service.words("W") == ["a", "b", "c"]
