"""[node] of the configuration file: this machine. Called by edged/config.py."""



from __future__ import annotations

import os
import socket

from edged.records import dataclass
from edged.toml.lines import Path
from edged.toml.reader import Bad, Reader, absolute_path, dns_subdomain, number, setting

LONGEST_SOCKET_PATH = 107
"""Bytes: sun_path of Linux without its NUL."""


def _unix_socket(value: object, reader: Reader, path: Path) -> str:
    socket_path = str(absolute_path()(value, reader, path))
    if len(os.fsencode(socket_path)) > LONGEST_SOCKET_PATH:
        raise Bad(f"is longer than the {LONGEST_SOCKET_PATH} bytes that a Unix socket's path may have")
    return socket_path


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfig:
    """[node]."""

    name: str = setting(dns_subdomain, factory=lambda: socket.gethostname().lower())
    state_dir: str = setting(absolute_path(), "/var/lib/edged")
    cache_dir: str = setting(absolute_path(), "/var/cache/edged")
    socket: str = setting(_unix_socket, "/run/edged/edged.sock")
    drain_s: float = setting(number(0, 3600), 10.0)
