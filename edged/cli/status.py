"""`edged status`: asks a running daemon over its status socket. The server side is edged/process/status_socket.py."""

from __future__ import annotations

import argparse
import os
import socket
from typing import TYPE_CHECKING, Any

import orjson

from edged import config as configuration
from edged.cli.output import add_output_option, print_data, print_table
from edged.errors import PeerError
from edged.process.config import NodeConfig

if TYPE_CHECKING:
    from edged.cli.subparsers import Subparsers

_TIMEOUT_S = 10.0


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser("status", help="show the state of the running daemon")
    parser.add_argument("--socket", metavar="PATH", help="default: [node] socket of the configuration file")
    parser.add_argument("--config", metavar="FILE", help=f"default: {configuration.DEFAULT_PATH}")
    add_output_option(parser)


def run(args: argparse.Namespace) -> int:
    report = ask(args.socket or configured_socket(args.config), "status")
    if args.output == "table":
        print_report(report)
    else:
        print_data(report, args.output)
    return 0


def ask(path: str, operation: str, **arguments: object) -> dict[str, Any]:
    """The daemon's answer to one operation. Raises PeerError: not running, not allowed, refused."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_TIMEOUT_S)
            connection.connect(path)
            connection.sendall(orjson.dumps({"operation": operation} | arguments) + b"\n")
            answer = _read_all(connection)
    except (FileNotFoundError, ConnectionRefusedError):
        raise PeerError(
            f"edged is not running: nobody answers at {path} (systemctl status edged; --socket names another socket)"
        ) from None
    except PermissionError:
        raise PeerError(f"no permission for {path}: run this as root or as a member of its group") from None
    except OSError as error:
        raise PeerError(f"{path}: {error.strerror or error}") from error
    return _decoded(answer, path)


def _read_all(connection: socket.socket) -> bytes:
    parts = []
    while chunk := connection.recv(65536):
        parts.append(chunk)
    return b"".join(parts)


def _decoded(answer: bytes, path: str) -> dict[str, Any]:
    try:
        found = orjson.loads(answer)
    except orjson.JSONDecodeError:
        raise PeerError(f"{path}: the answer is not a line of JSON") from None
    if not isinstance(found, dict):
        raise PeerError(f"{path}: the answer is not a JSON object")
    if set(found) == {"error"}:
        raise PeerError(f"{path}: {found['error']}")
    return found


def configured_socket(file: str | None) -> str:
    if file is None and not os.path.exists(configuration.DEFAULT_PATH):
        return NodeConfig().socket
    return configuration.load(file or configuration.DEFAULT_PATH).node.socket


def print_report(report: dict[str, object]) -> None:
    """Scalars and small dicts as `NAME  value` rows first, then a table per list or dict of like dicts."""
    rows: list[tuple[str, str]] = []
    tables: list[tuple[str, list[dict[str, Any]]]] = []
    _collect("", report, rows, tables)
    print_table(("NAME", "VALUE"), rows)
    for name, entries in tables:
        columns = list(dict.fromkeys(column for entry in entries for column in entry))
        print()
        print(name.upper())
        print_table(
            [column.upper() for column in columns],
            [[_cell(entry.get(c)) for c in columns] for entry in entries],
        )


def _collect(
    prefix: str,
    value: dict[str, object],
    rows: list[tuple[str, str]],
    tables: list[tuple[str, list[dict[str, object]]]],
) -> None:
    for key, element in value.items():
        name = f"{prefix}{key}"
        if isinstance(element, dict) and _are_alike(list(element.values())):
            tables.append((name, [{"name": key} | entry for key, entry in element.items()]))
        elif isinstance(element, dict) and element:
            _collect(f"{name}.", element, rows, tables)
        elif isinstance(element, list) and element and all(isinstance(entry, dict) for entry in element):
            tables.append((name, element))
        else:
            rows.append((name, _cell(element)))


def _are_alike(values: list[Any]) -> bool:
    """Whether these are the entries of a table: dicts with the same keys."""
    return bool(values) and all(
        isinstance(value, dict) and value.keys() == values[0].keys() for value in values
    )


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    if isinstance(value, list):
        return ", ".join(_cell(element) for element in value)
    if isinstance(value, dict):
        return ", ".join(f"{name}={_cell(element)}" for name, element in value.items())
    return "" if value is None else str(value)
