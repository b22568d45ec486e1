"""The whole process in surroundings that nobody would choose: it starts, or says why not, and ends as it should.

`edged run` as its own process each time; without a cluster, since nothing of this concerns one.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from edged.cli.demo.stage import free_port

PRIVILEGED = Path(__file__).parents[2] / "modules/admission/pod-privileged/pod-privileged.wasm"
READY_S = 60.0
CONFIG = """
[node]
name = "node-1"
state_dir = "{folder}/state"
cache_dir = "{folder}/cache"
socket = "{folder}/socket"
[kubernetes]
kubeconfig = "{folder}/none"
[admission]
listen = "127.0.0.1:{port}"
register = "none"
[[admission.policy]]
name = "p"
module = "file://{module}"
[observability]
listen = "127.0.0.1:{health}"
"""


class World:
    """A configuration in a folder of its own, and the process that runs it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.config = folder / "edged.toml"
        self.log = folder / "log"
        text = CONFIG.format(folder=folder, port=self.port, health=free_port(), module=PRIVILEGED)
        self.config.write_text(text)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "edged", "run", "--config", str(self.config)]

    def start(self, environment: Mapping[str, str] | None = None, *, stderr: str = "", shell: str = "") -> None:
        command = ["/bin/sh", "-c", f'{shell} exec "$@"', "sh", *self.command] if shell else self.command
        with open(stderr or self.log, "ab") as errors:
            self.process = subprocess.Popen(
                command, env={**os.environ, **(environment or {})}, stderr=errors, stdout=subprocess.DEVNULL
            )

    def answers(self) -> bool:
        """Whether the listener takes connections (it is bound before policies are loaded, and accepts later)."""
        return "msg=ready" in self.log.read_text() if self.log.exists() else False

    def wait(self, what: Callable[[], bool]) -> bool:
        until = time.monotonic() + READY_S
        while time.monotonic() < until:
            if what():
                return True
            if self.process is not None and self.process.poll() is not None:
                return what()
            time.sleep(0.05)
        return False

    def status(self) -> str:
        command = [sys.executable, "-m", "edged", "status", "--config", str(self.config)]
        return subprocess.run(command, capture_output=True, text=True).stdout

    def code(self) -> int:
        assert self.process is not None
        return self.process.wait(READY_S)

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.code()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.wait()


@pytest.mark.parametrize(
    "environment",
    [
        {"NOTIFY_SOCKET": "/nonexistent/notify", "WATCHDOG_USEC": "9" * 5000},
        {"NOTIFY_SOCKET": "/" + "x" * 300, "WATCHDOG_USEC": "²"},
        {"NOTIFY_SOCKET": "@", "WATCHDOG_USEC": "-1", "WATCHDOG_PID": "x"},
        {"LISTEN_PID": "1", "LISTEN_FDS": "9" * 5000, "JOURNAL_STREAM": "a:b:c", "COLUMNS": "x"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://[::1", "OTEL_EXPORTER_OTLP_TIMEOUT": "9" * 5000},
        {"HOME": "/nonexistent", "DOCKER_CONFIG": "\n", "HTTPS_PROXY": "http://[::1", "NO_PROXY": "*,,["},
    ],
    ids=lambda environment: next(iter(environment.items()))[1][:20],
)
def test_an_environment_of_nonsense_keeps_nothing_from_running(world: World, environment: dict[str, str]) -> None:
    world.start(environment)
    assert world.wait(world.answers), world.log.read_text()
    assert world.stop() == 0


def test_sockets_that_are_none_are_refused_by_number(world: World) -> None:
    world.start(shell="LISTEN_PID=$$ LISTEN_FDS=999999999; export LISTEN_PID LISTEN_FDS;")
    assert world.code() == 2
    assert "$LISTEN_FDS names file descriptor 3" in world.log.read_text()


def test_a_log_that_cannot_be_written_costs_the_lines(world: World) -> None:
    """A full disk behind stderr, for all lines from the first to the last."""
    world.start(stderr="/dev/full")
    assert world.wait(lambda: "1 of 1 policy answer" in world.status())
    assert world.process is not None
    world.process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert world.stop() == 0


def test_hangups_during_the_start_end_nothing_and_are_answered(world: World) -> None:
    world.start()
    assert world.process is not None
    caught = Path(f"/proc/{world.process.pid}/status")
    assert world.wait(lambda: int(caught.read_text().split("SigIgn:")[1].split()[0], 16) & 1 == 1), "not yet ignored"
    for _ in range(20):
        world.process.send_signal(signal.SIGHUP)
        time.sleep(0.02)
    assert world.wait(lambda: "msg=reloaded" in world.log.read_text())
    assert world.stop() == 0


def test_many_signals_at_once_end_it_in_order(world: World) -> None:
    world.start()
    assert world.wait(world.answers) and world.process is not None
    for each in (signal.SIGHUP, signal.SIGTERM, signal.SIGHUP, signal.SIGTERM, signal.SIGTERM, signal.SIGHUP):
        world.process.send_signal(each)
    assert world.code() == 0
    assert "msg=stopping" in world.log.read_text()


def test_an_address_that_another_process_has_for_a_while_may_be_tried_again(world: World) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", world.port))
        holder.listen()
        world.start()
        assert world.code() == 1, "systemd does not retry code 2"
    assert "Address already in use" in world.log.read_text()
    world.start()
    assert world.wait(world.answers)


@pytest.mark.parametrize("damage", [b"", b"\0" * 600, b"{}", b"[1"], ids=["empty", "zeros", "object", "half"])
def test_files_of_its_own_that_a_power_cut_left_behind(world: World, damage: bytes) -> None:
    world.start()
    assert world.wait(world.answers) and world.stop() == 0
    files = [path for path in (world.folder / "state").rglob("*") if path.is_file()]
    files += [path for path in (world.folder / "cache").rglob("*") if path.is_file()]
    assert any(path.name == "tls.key" for path in files) and any("cache" in path.parts for path in files)
    for path in files:
        path.write_bytes(damage)
    world.log.unlink()
    world.start()
    assert world.wait(world.answers), world.log.read_text()
    assert "unavailable" not in world.status()
    assert world.stop() == 0


def test_who_is_told_that_it_is_ready_can_stop_it_at_once(world: World, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(tmp_path / "notify"))
        told.settimeout(READY_S)
        world.start({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        while b"READY=1" not in told.recv(4096):
            pass
        assert world.stop() == 0, world.log.read_text()
    assert "msg=stopping" in world.log.read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
@pytest.mark.parametrize("used_before", [False, True], ids=["first start", "later start"])
def test_a_disk_that_is_full_at_start_is_tried_again(world: World, used_before: bool) -> None:
    state = world.folder / "state"
    state.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", state], capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        if used_before:
            world.start()
            assert world.wait(world.answers) and world.stop() == 0
            world.log.unlink()
        with pytest.raises(OSError, match="No space left"), open(state / "filler", "wb", buffering=0) as filler:
            while True:
                filler.write(b"x" * 4096)
        world.start()
        if used_before:
            assert world.wait(world.answers), "what it needs is there already"
            assert world.stop() == 0
        else:
            assert world.code() == 1, world.log.read_text()
        (state / "filler").unlink()
        world.log.unlink()
        world.start()
        assert world.wait(world.answers) and world.stop() == 0
    finally:
        subprocess.run(["umount", "-l", state], check=True)
