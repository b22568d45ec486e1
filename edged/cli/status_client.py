"""The client side of the status socket: a request to the running daemon, and its reply line by line.

The server side, and what the lines look like, is edged/process/status_socket.py.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from typing import Any

from edged import config as configuration
from edged.errors import PeerError
from edged.json_text import JsonError, dumps, loads
from edged.process.config import NodeConfig

_SILENCE_S = 10.0


class NotRunning(PeerError):
    """Nobody listens on the socket."""


def configured_socket(file: str | None) -> str:
    """The socket's path from that configuration file. None: from the default file; without one the default path."""
    if file is None and not os.path.exists(configuration.DEFAULT_PATH):
        return NodeConfig().socket
    return configuration.load(file or configuration.DEFAULT_PATH).node.socket


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
                for line in reply:
                    yield _decoded(line, path)
    except (FileNotFoundError, ConnectionRefusedError):
        raise NotRunning(
            f"edged is not running: nobody answers at {path} (systemctl status edged; --socket names another socket)"
        ) from None
    except PermissionError:
        raise PeerError(f"no permission for {path}: run this as root or as a member of its group") from None
    except OSError as error:
        raise PeerError(f"{path}: {error.strerror or error}") from error


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
