"""A child process that cannot outlive the tests, with its output in a file.

Used by cluster.py for etcd, kube-apiserver, kube-scheduler and edged's sandbox. Knows nothing of Kubernetes.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1


class StartError(Exception):
    """A process ended early or was not ready in time; the message has the end of its output."""


class Process:
    """One running program, leader of its own process group, stdout and stderr appended to `log`.

    The kernel kills it when the *thread* that forked it ends, so a thread of its own forks it and then waits
    for it: whoever calls the constructor may be a short-lived worker thread.
    """

    def __init__(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.command = list(command)
        self.log = log
        self._environment = dict(os.environ) | dict(environment or {})
        self._started = threading.Event()
        self._popen: subprocess.Popen[bytes] | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"wait {self.name}", daemon=True)
        self._thread.start()
        self._started.wait()
        if self._error is not None:
            raise StartError(f"cannot start {self.name}: {self._error}") from self._error

    @property
    def name(self) -> str:
        """The program's file name."""
        return Path(self.command[0]).name

    @property
    def pid(self) -> int:
        """Process id, also of the process group."""
        assert self._popen is not None
        return self._popen.pid

    @property
    def running(self) -> bool:
        """False as soon as the program has ended, for whatever reason."""
        return self._thread.is_alive()

    @property
    def exit_code(self) -> int | None:
        """None while it runs; the negative signal number when a signal ended it."""
        return self._popen.returncode if self._popen is not None else None

    def output(self) -> str:
        """Everything written so far, by earlier runs into the same file too."""
        return self.log.read_text(errors="replace")

    def kill(self) -> None:
        """SIGKILL to the whole group; returns when the program is gone. Harmless when it already is."""
        self._end(signal.SIGKILL)

    def terminate(self, seconds: float = 10.0) -> None:
        """SIGTERM, and SIGKILL to the group when that did not help within `seconds`."""
        self._end(signal.SIGTERM, seconds)
        self._end(signal.SIGKILL)

    def wait_until(self, ready: Callable[[], bool], seconds: float = 60.0) -> None:
        """Polls `ready`; raises StartError when the program ends first or time is up."""
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.running:
                raise StartError(f"{self.name} ended:\n{self.output()[-4000:]}")
            if time.monotonic() > deadline:
                raise StartError(f"{self.name} not ready after {seconds:.0f} s:\n{self.output()[-4000:]}")
            time.sleep(0.02)

    def _end(self, number: signal.Signals, seconds: float | None = None) -> None:
        if self.running:
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:
                return
            self._thread.join(seconds)

    def _run(self) -> None:
        try:
            with self.log.open("ab") as output:
                self._popen = subprocess.Popen(
                    self.command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=self._environment,
                    start_new_session=True,
                    preexec_fn=_death_signal(),
                )
        except BaseException as error:  # handed to the thread that waits in the constructor
            self._error = error
            return
        finally:
            self._started.set()
        self._popen.wait()


def _death_signal() -> Callable[[], None] | None:
    """What the child does before exec so that it dies with us. Bound here: no imports after fork."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl
    number = int(signal.SIGKILL)

    def before_exec() -> None:
        prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)

    return before_exec


def host_address() -> str:
    """An address of this host that is not loopback; one of the documentation range where there is no network.

    kube-apiserver must be given one to publish as its endpoint, though nothing listens there.
    """
    documentation = "192.0.2.1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((documentation, 9))  # chooses a route and sends nothing
        except OSError:
            return documentation
        return str(probe.getsockname()[0])
