"""sd_notify and inherited sockets against real Unix sockets; the watchdog on a virtual clock."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trio.testing

from edged.process import systemd
from edged.telemetry.logs import Logger


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """$NOTIFY_SOCKET and the other end of it."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(path)
        end.settimeout(5)
        yield path, end


def test_life_of_a_service(manager: tuple[str, socket.socket]) -> None:
    path, end = manager
    environment = {"NOTIFY_SOCKET": path}
    notify = systemd.notifier(environment)
    assert environment == {}
    notify.extend_start(1.5)
    assert end.recv(4096) == b"EXTEND_TIMEOUT_USEC=1500000"
    notify.ready("two\npolicies")
    assert end.recv(4096) == b"READY=1\nSTATUS=two policies"
    before = time.monotonic_ns() // 1000
    notify.reloading()
    first, second = end.recv(4096).split(b"\n")
    assert first == b"RELOADING=1"
    assert before <= int(second.removeprefix(b"MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000
    notify.status("at work")
    notify.stopping()
    assert (end.recv(4096), end.recv(4096)) == (b"STATUS=at work", b"STOPPING=1")
    notify.close()
    notify.ready()


def test_an_abstract_socket() -> None:
    name = f"edged-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind("\0" + name)
        end.settimeout(5)
        notify = systemd.Notifier("@" + name)
        notify.ready()
        assert end.recv(100) == b"READY=1"
        notify.close()


def test_without_systemd_nothing_happens() -> None:
    notify = systemd.notifier({})
    notify.ready("nobody listens")
    notify.heartbeat()


def test_a_manager_that_went_away_costs_nothing(manager: tuple[str, socket.socket]) -> None:
    path, end = manager
    notify = systemd.Notifier(path)
    end.close()
    notify.ready()
    notify.close()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"WATCHDOG_USEC": "20000000"}, 10.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": str(os.getpid())}, 10.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "x"}, None),
        ({}, None),
    ],
)
def test_watchdog_interval_is_half(environment: dict[str, str], expected: float | None) -> None:
    assert systemd.watchdog_interval_s(environment) == expected
    assert environment == {}


def test_heartbeats_stop_when_a_worker_is_stuck() -> None:
    class Counting(systemd.Notifier):
        beats: list[float]

        def heartbeat(self) -> None:
            self.beats.append(trio.current_time() - start)

    async def main() -> None:
        nonlocal start
        start = trio.current_time()
        with trio.move_on_after(25):
            log = Logger(write=lambda line: None)
            await systemd.watchdog(notify, 5.0, lambda: trio.current_time() - start < 12, log)

    start = 0.0
    notify = Counting(None)
    notify.beats = []
    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert notify.beats == pytest.approx([0, 5, 10])


def test_a_beat_that_fails_is_not_the_last() -> None:
    class Failing(systemd.Notifier):
        beats = 0

        def heartbeat(self) -> None:
            self.beats += 1
            raise ValueError("odd")

    async def main() -> None:
        with trio.move_on_after(12):
            await systemd.watchdog(notify, 5.0, lambda: True, Logger(write=lambda line: None))

    notify = Failing(None)
    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert notify.beats == 3


CHILD = """
import os, sys
os.environ["LISTEN_PID"] = str(os.getpid())
from edged.process import systemd
from edged.telemetry.logs import Logger
found = systemd.inherited_sockets()
for name, listeners in sorted(found.items()):
    for listener in listeners:
        assert not listener.get_inheritable() and listener.getblocking() is False
        print(name, listener.getsockname()[1])
print([name for name in os.environ if name.startswith("LISTEN_")])
"""


def test_inherited_sockets_by_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        ports = [listener.getsockname()[1] for listener in (first, second)]
        done = subprocess.run(
            [
                "/bin/bash",
                "-c",
                f'exec "$0" -c "$1" 3<&{first.fileno()} 4<&{second.fileno()}',
                sys.executable,
                CHILD,
            ],
            env={**os.environ, "LISTEN_FDS": "2", "LISTEN_FDNAMES": "admission:health"},
            pass_fds=(first.fileno(), second.fileno()),
            capture_output=True,
            text=True,
        )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [f"admission {ports[0]}", f"health {ports[1]}", "[]"]


def test_sockets_for_another_process_are_left_alone() -> None:
    assert systemd.inherited_sockets({"LISTEN_PID": "1", "LISTEN_FDS": "1"}) == {}
    assert systemd.inherited_sockets({}) == {}
