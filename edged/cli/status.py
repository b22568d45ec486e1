"""`edged status`: the state of the running daemon, over its status socket (edged/daemon/operations.py)."""

from __future__ import annotations

import argparse
from typing import Any

from edged.cli import options
from edged.cli.output import is_table, print_data, print_table
from edged.cli.parsing import Parser
from edged.cli.status_client import ask, configured_socket


def declare(parser: Parser) -> None:
    parser.describe("Shows the state of the running daemon.", "edged status", "edged status -o json")
    options.socket(parser)
    options.output(parser)


def run(args: argparse.Namespace) -> int:
    report = ask(args.socket or configured_socket(args.config), "status")
    if is_table(args.output):
        print_report(report, args.output)
    else:
        print_data(report, args.output)
    return 0


def print_report(report: dict[str, object], output: str = "table") -> None:
    """Scalars and small dicts as `NAME  value` rows first, then a table per list or dict of like dicts."""
    rows: list[tuple[str, str]] = []
    tables: list[tuple[str, list[dict[str, Any]]]] = []
    _collect("", report, rows, tables)
    print_table(("NAME", "VALUE"), rows, output, wrap=True)
    for name, entries in tables:
        columns = list(dict.fromkeys(column for entry in entries for column in entry))
        print()
        print(name.upper())
        print_table(
            [column.upper() for column in columns],
            [[_cell(entry.get(c)) for c in columns] for entry in entries],
            output,
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


def _are_alike(values: list[object]) -> bool:
    """Whether these are the entries of a table: dicts with the same keys."""
    first = values[0] if values else None
    return isinstance(first, dict) and all(
        isinstance(value, dict) and value.keys() == first.keys() for value in values
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
