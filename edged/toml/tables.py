"""TOML text as tables: Python's reader, with one error for everything that it cannot read."""

from __future__ import annotations

import tomllib
from typing import Any

from edged.errors import ConfigError

MOST_BITS = 1000
"""TOML's whole numbers have 64 bits, and Python's reader takes any. Keys refuse what is too large for them and say
where it stands; this bound keeps away what Python can neither print nor compare with a float."""


class NotToml(ConfigError):
    """`str()` says what is wrong, and where Python's reader tells it."""


def read_tables(content: str) -> dict[str, Any]:
    """Raises NotToml."""
    try:
        data = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise NotToml(f"not valid TOML: {error}") from error
    except ValueError as error:  # a number of thousands of digits
        raise NotToml("not valid TOML: a whole number is beyond 64 bits") from error
    except RecursionError as error:
        raise NotToml("arrays or tables inside each other are nested too deeply") from error
    _check_numbers(data)
    return data


def _check_numbers(data: dict[str, Any]) -> None:
    waiting: list[tuple[str, Any]] = [("", data)]
    while waiting:
        where, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [(f"{where}.{name}" if where else name, item) for name, item in value.items()]
        elif isinstance(value, list):
            waiting += [(where, item) for item in value]
        elif isinstance(value, int) and value.bit_length() > MOST_BITS:
            raise NotToml(f"not valid TOML: {where}: a whole number is beyond 64 bits")
