"""How commands print results: tables for people, JSON and YAML for programs. Called by the other files.

`edged version` imports this, so nothing here imports at its top what takes time.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

_LEAST = 6
"""A column is not cut below this width."""
_NAME = 32
"""The first column, a name, is cut only when cutting all others to _LEAST is not enough, or above this width."""
_DIGITS = 12
"""Of a digest, in a table."""
_COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}


def print_data(data: object, output: str) -> None:
    """`data` (what orjson can write) as "json" or "yaml" on stdout."""
    from edged.json_text import dumps, loads

    if output == "json":
        print(dumps(data, indent=True).decode())
        return
    from edged import yaml_text

    print(yaml_text.dumps(loads(dumps(data))), end="")


def print_documents(documents: Iterable[Mapping[str, object]], output: str) -> None:
    """Kubernetes objects for `kubectl apply -f -`: documents of "yaml", or a List as "json"."""
    if output == "json":
        print_data({"apiVersion": "v1", "kind": "List", "items": list(documents)}, output)
        return
    for index, document in enumerate(documents):
        if index:
            print("---")
        print_data(document, output)


def print_table(headers: Sequence[str], rows: Iterable[Sequence[object]], output: str = "table", *,
                only_wide: Collection[str] = (), wrap: bool = False) -> None:
    """Left-aligned columns as kubectl prints them. Control characters are escaped.

    A "table" fits the width of the terminal: it leaves out the columns named in `only_wide`, shortens digests and cuts
    long texts; with `wrap`, the last column goes on in the next line instead. "wide" prints everything.
    """
    wide = output == "wide"
    kept = [index for index, header in enumerate(headers) if wide or header not in only_wide]
    cells = [[_cell(row[index], wide=wide) for index in kept] for row in (headers, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(kept))]
    gap = "   "
    if not wide:
        widths, gap = _fitted(widths, terminal_width())
    for row in cells:
        for line in _lines(row, widths[-1]) if wrap else [row]:
            text = gap.join(_cut(cell, width).ljust(width) for cell, width in zip(line, widths, strict=True))
            print(text.rstrip())


def is_table(output: str) -> bool:
    """Whether `-o` asks for something for people."""
    return output in ("table", "wide")


def terminal_width() -> int:
    """In columns: $COLUMNS, or what the terminal says, or 80."""
    try:
        columns = int(os.environ.get("COLUMNS", ""))
    except ValueError:
        columns = 0
    if columns > 0:
        return columns
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or 80
    except (OSError, ValueError, AttributeError):  # a pipe or a file
        return 80


def paint(text: str, colour: str) -> str:
    """`text` in a colour ("red", "green", "yellow", "bold", "dim"), on a terminal that shows colours."""
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if shows_colours() else text


def shows_colours() -> bool:
    """Whether stdout is a terminal, and nobody said that colours are unwanted (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def cut(text: str, width: int) -> str:
    """At most `width` characters of `text`; an ellipsis stands for the rest."""
    return _cut(text, max(width, 1))


def ellipsis() -> str:
    """What stands for a part that is left out: one character that stdout can write."""
    return "…" if "utf" in (sys.stdout.encoding or "").lower() else "~"


def size(count: int) -> str:
    """A number of bytes for people."""
    return f"{count / 1e6:.1f} MB" if count >= 1_000_000 else f"{count / 1e3:.1f} kB"


def yes(value: bool | None) -> str:
    """"yes", "no", or "unknown" for None."""
    return "unknown" if value is None else "yes" if value else "no"


def _fitted(widths: list[int], most: int) -> tuple[list[int], str]:
    """Widths of columns that fit together, and what stands between them. The widest column is cut first."""
    for gap in (3, 2, 1):
        room = most - gap * (len(widths) - 1)
        if sum(widths) <= room:
            return widths, " " * gap
        if gap == 1 or sum(min(width, 2 * _LEAST) for width in widths) <= room:
            break
    fitted = list(widths)
    for protected in (_NAME, _LEAST):
        floors = [min(width, protected if column == 0 else _LEAST) for column, width in enumerate(widths)]
        while sum(fitted) > room:
            widest = max(range(len(fitted)), key=lambda column: fitted[column] - floors[column])
            if fitted[widest] <= floors[widest]:
                break
            fitted[widest] -= 1
    return fitted, " " * gap


def _lines(row: list[str], width: int) -> Iterator[list[str]]:
    """The row as lines: the last cell, broken between words, goes on under itself."""
    from textwrap import wrap

    for number, part in enumerate(wrap(row[-1], width) or [""]):
        yield [*(row[:-1] if number == 0 else [""] * (len(row) - 1)), part]


def _cut(text: str, width: int) -> str:
    if len(text) <= width:
        return text
    return text[: width - 1] + ellipsis()


def _cell(value: object, *, wide: bool) -> str:
    text = "-" if value is None or value == "" else str(value)
    if not wide:
        text = _short_digest(text)
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def _short_digest(text: str) -> str:
    """A cell that is a digest, or a reference that ends with one, keeps its first digits."""
    before, found, digits = text.rpartition("sha256:")
    whole = found and len(digits) == 64 and (not before or before.endswith("@"))
    return f"{before}{found}{digits[:_DIGITS]}" if whole else text
