"""[fabric] of the configuration file: the node's virtual networks. Pure; called by edged/config.py."""

from __future__ import annotations

import ipaddress
from typing import Literal

from edged.records import dataclass
from edged.toml.lines import Path
from edged.toml.reader import Bad, Reader, absolute_path, expect, integer, one_of, quoted, setting

Backend = Literal["linux", "memory"]
LONGEST_SOCKET_PATH = 107
"""Bytes: sun_path of Linux without its NUL."""


def _socket_path(value: object, reader: Reader, path: Path) -> str:
    found = str(absolute_path()(value, reader, path))
    if len(found.encode()) > LONGEST_SOCKET_PATH:
        raise Bad(f"is longer than the {LONGEST_SOCKET_PATH} bytes that a Unix socket's path may have")
    return found


def _underlay_address(value: object, reader: Reader, path: Path) -> str:
    value = str(expect(str, value))
    if not value:
        return value
    try:
        found = ipaddress.IPv4Address(value)
    except ValueError:
        raise Bad(f"must be an IPv4 address of this node, not {quoted(value)}") from None
    if found.is_multicast or found.is_unspecified or found == ipaddress.IPv4Address("255.255.255.255"):
        raise Bad(f"must be an address of this node, not {value}")
    return str(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class FabricConfig:
    """[fabric]. `host_ip` "": the node's address on the way of its default route."""

    backend: Backend = setting(one_of(Backend), "linux")
    socket: str = setting(_socket_path, "/run/edged-fabric/fabric.sock")
    host_ip: str = setting(_underlay_address, "")
    port: int = setting(integer(1, 65535), 4789)
