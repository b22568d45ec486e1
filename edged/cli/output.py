"""How commands print results: tables for people, JSON and YAML for programs. Called by the other files."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence

from edged.json_text import dumps, loads


class HelpFormatter(RawDescriptionHelpFormatter):
    """Wraps a text of one paragraph to the terminal; one with lines of its own, such as examples, stays."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if "\n" in text:
            return super()._fill_text(text, width, indent)
        return super(RawDescriptionHelpFormatter, self)._fill_text(text, width, indent)


def add_output_option(parser: ArgumentParser) -> None:
    """`-o table|json|yaml`, as `args.output`."""
    parser.add_argument(
        "-o", "--output", choices=("table", "json", "yaml"), default="table", help="default: table"
    )


def print_data(data: object, output: str) -> None:
    """`data` (what orjson can write) as "json" or "yaml" on stdout."""
    if output == "json":
        print(dumps(data, indent=True).decode())
        return
    import yaml  # 3 MB that only this needs

    print(yaml.safe_dump(loads(dumps(data)), sort_keys=False, allow_unicode=True), end="")


def print_table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Left-aligned columns as kubectl prints them. Control characters are escaped."""
    cells = [[_cell(value) for value in row] for row in (headers, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headers))]
    for row in cells:
        line = "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print(line.rstrip(), file=sys.stdout)


def _cell(value: object) -> str:
    text = "-" if value is None or value == "" else str(value)
    return text if text.isprintable() else text.encode("unicode_escape").decode()
