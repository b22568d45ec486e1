"""Reading decoded YAML: each function gives a value of one shape or says at which path it is wrong. Pure.

Used by profile_config.py and config_sections.py for KubeSchedulerConfiguration files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from edged.errors import ConfigError, did_you_mean_or_all, shown

_DURATION: Final = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h)")
_SECONDS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def an_object(value: object, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: must be an object, not {kind_of(value)}")
    return value


def a_list(value: object, path: str) -> list[Any]:
    """[] for nothing."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise ConfigError(f"{path}: must be a list, not {kind_of(value)}")
    return value


def text(value: object, path: str) -> str:
    """"" for nothing."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ConfigError(f"{path}: must be text, not {kind_of(value)}")
    return value


def boolean(value: object, path: str, default: bool) -> bool:
    if value is None:
        return default
    if not isinstance(value, bool):
        raise ConfigError(f"{path}: must be true or false, not {kind_of(value)}")
    return value


def whole_number(value: object, path: str, default: int, least: int, most: int) -> int:
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ConfigError(f"{path}: must be a whole number from {least} to {most}, not {kind_of(value)}")
    return value


def duration_s(value: object, path: str, default: float) -> float:
    """Seconds of a Go duration: `15s`, `1m30s`, `500ms`. A number is nanoseconds, as upstream reads it."""
    if value is None:
        return default
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value / 1e9
    if isinstance(value, str):
        if value == "0":
            return 0.0
        parts = _DURATION.findall(value)
        if parts and "".join(parts) == value:
            return sum(_seconds(part) for part in parts)
    raise ConfigError(f'{path}: must be a duration such as "15s", not {kind_of(value)}')


def _seconds(part: str) -> float:
    number = part.rstrip("nuµμmsh")
    return float(number) * _SECONDS[part[len(number) :]]


def kind_of(value: object) -> str:
    """What is there instead, for messages."""
    return "nothing" if value is None else shown(value)


def only_known(value: Mapping[str, object], keys: frozenset[str] | set[str], path: str) -> None:
    """ConfigError for the first other key."""
    for key in value:
        if key not in keys:
            raise ConfigError(f"{path}{'.' if path else ''}{key}: unknown field{did_you_mean_or_all(key, keys)}")
