"""What systemd gives a service and wants to hear from it: sd_notify, the watchdog, inherited sockets.

No library: a notification is one datagram, inherited sockets are file descriptors from 3 on. Outside
systemd every call does nothing. Called by edged/daemon; what the unit has to say to this is in
systemd/edged.service.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, MutableMapping

import trio

from edged.errors import ConfigError
from edged.process.boundary import boundary
from edged.telemetry.logs import Logger

_FIRST_FD = 3
_SEND_TIMEOUT_S = 1.0
_DIGITS = 18
_MOST_FDS = 1024


class Notifier:
    """Sends state to the service manager. `address` is $NOTIFY_SOCKET: a path, `@abstract`, or None
    (nobody). `error` says why nobody can be told, or is ""."""

    def __init__(self, address: str | None) -> None:
        self.error = ""
        self._socket: socket.socket | None = None
        if address:
            found = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            found.settimeout(_SEND_TIMEOUT_S)
            try:
                found.connect(_socket_name(address))
            except OSError as error:  # a path that is too long has no errno
                found.close()
                self.error = f"$NOTIFY_SOCKET {address}: {error.strerror or error}"
                return
            self._socket = found

    def ready(self, status: str = "") -> None:
        """Every listener that is enabled answers. Also ends a reload."""
        self._send("READY=1", *_status(status))

    def extend_start(self, seconds: float, status: str = "") -> None:
        """The start goes on: systemd waits for so long from now, even beyond TimeoutStartSec=. Of no effect later."""
        self._send(f"EXTEND_TIMEOUT_USEC={round(seconds * 1_000_000)}", *_status(status))

    def reloading(self, status: str = "") -> None:
        """A reload began. systemd waits for `ready`; it needs the time to tell this reload from an earlier
        one."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={now}", *_status(status))

    def stopping(self, status: str = "") -> None:
        self._send("STOPPING=1", *_status(status))

    def status(self, status: str) -> None:
        """The line that `systemctl status` shows."""
        self._send(*_status(status))

    def heartbeat(self) -> None:
        self._send("WATCHDOG=1")

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, *lines: str) -> None:
        if self._socket is None or not lines:
            return
        try:
            self._socket.send("\n".join(lines).encode())
        except OSError:
            # systemd restarts or is overloaded. It asks again by its own timeouts; ending over it helps nobody.
            return


def notifier(environment: MutableMapping[str, str] | None = None) -> Notifier:
    """The one that $NOTIFY_SOCKET names. The variable is removed, so that child processes do not speak for
    us."""
    environment = os.environ if environment is None else environment
    return Notifier(environment.pop("NOTIFY_SOCKET", None))


def watchdog_interval_s(environment: MutableMapping[str, str] | None = None) -> float | None:
    """Seconds between heartbeats: half of WatchdogSec=. None where the unit has none. Removes the
    variables."""
    environment = os.environ if environment is None else environment
    microseconds = environment.pop("WATCHDOG_USEC", "")
    for_process = environment.pop("WATCHDOG_PID", "")
    if for_process not in ("", str(os.getpid())):
        return None
    return _count(microseconds) / 2_000_000 or None


def _count(text: str) -> int:
    """A whole number as systemd writes it; 0 for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else 0


async def watchdog(notify: Notifier, interval_s: float, alive: Callable[[], bool], log: Logger) -> None:
    """Heartbeats until cancelled, from the event loop itself and only while `alive()` holds.

    A loop that hangs sends nothing, and neither does one whose workers are stuck: both end with a restart.
    """
    while True:
        with boundary(log, "watchdog"):
            if alive():
                notify.heartbeat()
        await trio.sleep(interval_s)


def inherited_sockets(environment: MutableMapping[str, str] | None = None) -> dict[str, list[socket.socket]]:
    """Listening sockets that systemd opened, by FileDescriptorName= (a socket unit's name where it has none).

    Empty unless $LISTEN_PID is this process. The variables are removed and the descriptors are not passed on.
    Raises ConfigError where a descriptor is no listening socket.
    """
    environment = os.environ if environment is None else environment
    for_process = environment.pop("LISTEN_PID", "")
    count = environment.pop("LISTEN_FDS", "")
    names = environment.pop("LISTEN_FDNAMES", "").split(":")
    if for_process != str(os.getpid()):
        return {}
    listeners: dict[str, list[socket.socket]] = {}
    for index in range(min(_count(count), _MOST_FDS)):
        listener = _listening(_FIRST_FD + index)
        name = names[index] if index < len(names) and names[index] else "unknown"
        listeners.setdefault(name, []).append(listener)
    return listeners


def _listening(fd: int) -> socket.socket:
    """The socket with that number. Raises ConfigError."""
    try:
        os.set_inheritable(fd, False)
        found = socket.socket(fileno=fd)
    except OSError as error:
        raise ConfigError(f"$LISTEN_FDS names file descriptor {fd}: {error.strerror}") from error
    if found.type != socket.SOCK_STREAM or not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        found.detach()  # it is not ours to close
        raise ConfigError(f"$LISTEN_FDS names file descriptor {fd}, which is no listening stream socket")
    found.setblocking(False)
    return found


def _socket_name(address: str) -> str:
    return "\0" + address[1:] if address.startswith("@") else address


def _status(text: str) -> tuple[str, ...]:
    return (f"STATUS={' '.join(text.split())}",) if text else ()
