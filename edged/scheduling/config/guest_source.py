"""Where a guest named in a KubeSchedulerConfiguration comes from: its `pluginConfig` args and its bytes.
Pure.

Keys and error texts are those of kube-scheduler-wasm-extension. Fetching itself is handed in, so that one
HTTP stack and one way of reading files serve the whole process. Called by whoever loads modules for the
scheduler.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edged.errors import ConfigError, EdgedError, did_you_mean_or_all

MAX_LOG_SEVERITY = 2**31 - 1


@dataclass(frozen=True, slots=True)
class GuestArgs:
    """The `args` object of a guest plugin. `log_severity`: 0 info, 2 error, 3 nothing."""

    guest_url: str
    guest_config: str = ""
    log_severity: int = 0
    args: tuple[str, ...] = ()


def parse_args(plugin: str, args: Mapping[str, Any]) -> GuestArgs:
    """Raises ConfigError that names plugin and key. Unknown keys are errors: a typo must not go unnoticed."""
    values = dict(args)
    for ignored in ("apiVersion", "kind"):
        values.pop(ignored, None)
    if "Args" in values:
        values.setdefault("args", values.pop("Args"))
    types = {"guestURL": str, "guestConfig": str, "logSeverity": int, "args": list}
    for key, value in values.items():
        if key not in types:
            raise ConfigError(f"pluginConfig {plugin}: unknown key {key}{did_you_mean_or_all(key, types)}")
        if value is not None and type(value) is not types[key]:
            raise ConfigError(f"pluginConfig {plugin}: {key} must be of type {types[key].__name__}")
    words = values.get("args") or []
    if not all(isinstance(word, str) for word in words):
        raise ConfigError(f"pluginConfig {plugin}: args must be a list of strings")
    if not values.get("guestURL"):
        raise ConfigError("wasm: guestURL is required")
    severity = values.get("logSeverity") or 0
    if not 0 <= severity <= MAX_LOG_SEVERITY:
        raise ConfigError(f"pluginConfig {plugin}: logSeverity {severity} is out of range (0 to {MAX_LOG_SEVERITY})")
    return GuestArgs(values["guestURL"], values.get("guestConfig") or "", severity, tuple(words))


async def read_guest(
    url: str,
    read_file: Callable[[str], Awaitable[bytes]],
    fetch: Callable[[str], Awaitable[tuple[int, bytes]]],
) -> bytes:
    """The module's bytes. `read_file` raises OSError; `fetch` gives (HTTP status, body) or raises.

    Everything after `file://` is a path, which may be relative. Raises ConfigError.
    """
    try:
        return await _read(url, read_file, fetch)
    except (EdgedError, OSError) as error:
        cause = _file_error(error) if isinstance(error, OSError) else str(error)
        raise ConfigError(f"wasm: error reading guestURL {url}: {cause}") from error


def check_url(url: str) -> str:
    """Its scheme. Raises ConfigError for one of which nothing can be read."""
    scheme, colon, _ = url.partition(":")
    if not colon:
        raise ConfigError(f"invalid URL: {url}")
    if scheme not in ("file", "http", "https"):
        raise ConfigError(f"unsupported URL scheme: {scheme}")
    return scheme


async def _read(
    url: str,
    read_file: Callable[[str], Awaitable[bytes]],
    fetch: Callable[[str], Awaitable[tuple[int, bytes]]],
) -> bytes:
    if check_url(url) == "file":
        return await read_file(url[len("file://") :])
    status, body = await fetch(url)
    if status != 200:
        raise ConfigError(f'received {status} status code from "{url}"')
    return body


def _file_error(error: OSError) -> str:
    operation = "read" if isinstance(error, IsADirectoryError) else "open"
    text = error.strerror or str(error)
    return f"{operation} {error.filename}: {text[:1].lower()}{text[1:]}"
