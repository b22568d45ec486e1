"""The client side of the status socket: a request to the running daemon, and its reply line by line.

The server side, and what the lines look like, is edged/process/status_socket.py.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from edged import config as configuration
from edged.errors import ConfigError, PeerError
from edged.json_text import JsonError, dumps, loads
from edged.process.config import NodeConfig
from edged.process.own_program import spelled

_SILENCE_S = 10.0
_LINE_BYTES = 64 << 20
_NODE_SECTION = re.compile(
    r"^[ \t]*\[[ \t]*node[ \t]*\][ \t]*(?:#[^\n]*)?$(.*?)(?=^[ \t]*\[|\Z)", re.MULTILINE | re.DOTALL
)
_SOCKET_KEY = re.compile(r"""^[ \t]*socket[ \t]*=[ \t]*(["'])(/[^"'\\\n]+)\1""", re.MULTILINE)


class NotRunning(PeerError):
    """Nobody listens on the socket."""


def configured_socket(file: str | None) -> str:
    """As `find_socket`; what is wrong with the file is said on stderr."""
    path, problem = find_socket(file)
    if problem:
        print(f"edged: {problem}\nedged: asking the daemon at {path}", file=sys.stderr)
    return path


def find_socket(file: str | None) -> tuple[str, str]:
    """(path of the status socket, what is wrong with the configuration file or "").

    The path is that of the configuration file (None: the default file). Where that is not valid, it is what can still
    be read of it, for the daemon goes on with what it read before; else the default path. Raises ConfigError where
    `file` is not there.
    """
    path = file or configuration.DEFAULT_PATH
    if file is None and not os.path.exists(path):
        return NodeConfig().socket, ""
    try:
        return configuration.load(path).node.socket, ""
    except ConfigError as error:
        if file is not None and not os.path.exists(file):
            raise
        return _salvaged_socket(path) or NodeConfig().socket, str(error)


def _salvaged_socket(path: str) -> str:
    """`socket` in the lines below `[node]` of a file that is not valid; "" where there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return ""
    section = _NODE_SECTION.search(text)
    found = _SOCKET_KEY.search(section[1]) if section else None
    return found[2] if found else ""


def ask(path: str, operation: str, **arguments: object) -> dict[str, Any]:
    """The result of an operation without progress lines. Raises PeerError."""
    for kind, value in lines(path, {"operation": operation} | arguments):
        if kind == "result":
            return value
    raise PeerError(f"{path}: the daemon ended before it answered")


def lines(
    path: str, request: Mapping[str, object], *, silence_s: float | None = _SILENCE_S
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each line of the reply: ("progress", ...) any number of times, then ("result", ...).

    Raises PeerError: nobody answers, or nothing for `silence_s`; not allowed; the operation failed.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(silence_s)
            connection.connect(path)
            connection.sendall(dumps(request) + b"\n")
            with connection.makefile("rb") as reply:
                while line := reply.readline(_LINE_BYTES + 1):
                    if len(line) > _LINE_BYTES:
                        raise PeerError(f"{path}: a line of more than {_LINE_BYTES} bytes: this is not edged")
                    yield _decoded(line, path)
    except (FileNotFoundError, ConnectionRefusedError):
        raise NotRunning(
            f"edged is not running: nobody answers at {path}. {_how_to_start()}; --socket names another socket"
        ) from None
    except TimeoutError:
        raise PeerError(
            f"{path}: edged does not answer. `journalctl -u edged` may say why, `systemctl restart edged` restarts it"
        ) from None
    except PermissionError:
        raise PeerError(f"no permission for {path}: run this as root or as a member of its group") from None
    except OSError as error:
        raise PeerError(f"{path}: {error.strerror or error}") from error


def _how_to_start() -> str:
    from edged.cli.doctor import unit

    if unit.read().path is not None:
        return "`systemctl start edged` starts it, `journalctl -u edged` says why it ended"
    if os.path.lexists(configuration.DEFAULT_PATH):
        return spelled(f"There is no {unit.NAME}: `edged init` makes it; without systemd, start `edged run`")
    return spelled("`edged init` prepares this node")


def _decoded(line: bytes, path: str) -> tuple[str, dict[str, Any]]:
    try:
        decoded = loads(line)
    except JsonError:
        raise PeerError(f"{path}: the answer is not a line of JSON") from None
    if not isinstance(decoded, dict) or len(decoded) != 1:
        raise PeerError(f"{path}: the answer is not of this version of edged")
    ((kind, value),) = decoded.items()
    if kind == "error":
        raise PeerError(str(value))
    if kind not in ("progress", "result") or not isinstance(value, dict):
        raise PeerError(f"{path}: the answer is not of this version of edged")
    return kind, value


def is_running(path: str) -> bool:
    """Whether a daemon answers at its status socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(1.0)
        try:
            sock.connect(path)
        except OSError:
            return False
    return True
