"""[registry] and [signatures] of the configuration file, and the URLs of modules in all tables. Pure.

Called by edged/config.py, and by the sections of the subjects that load modules.
"""



from __future__ import annotations

from urllib.parse import unquote, urlsplit

from edged.errors import ConfigError
from edged.records import dataclass
from edged.registry import reference
from edged.toml.lines import Path
from edged.toml.reader import Bad, Reader, absolute_path, boolean, expect, list_of, quoted, setting, split_url, text

MOST_FILE_BYTES = 4095
MOST_PART_BYTES = 255
"""Of a path, and of one name in it, on Linux."""
MOST_NAME_BYTES = 200
MOST_ADDRESS_BYTES = 2000
"""Of a web address whose module is kept under its name: it is below `state_dir`, and a query adds to its name."""


def module_url(value: object, reader: Reader, path: Path) -> str:
    """`file:///absolute.wasm`, `https://host/path`, `registry://host/repository[:tag][@digest]`."""
    value = expect(str, value)
    scheme, host = split_url(value)
    if scheme == "file":
        _path_of(value)
    elif scheme not in ("https", "registry"):
        raise Bad(f"must be a file://, https:// or registry:// URL, not {quoted(value)}{meant(value)}")
    elif not host or not urlsplit(value).path.strip("/"):
        example = "registry://ghcr.io/team/policy:v1" if scheme == "registry" else "https://example.com/policy.wasm"
        raise Bad(f"needs a host and a path, such as {quoted(example)}, not {quoted(value)}")
    elif scheme == "https" and (problem := unkeepable(host, urlsplit(value).path)):
        raise Bad(problem)
    elif scheme == "registry":
        try:
            reference.parse_url(value)
        except ConfigError as error:
            raise Bad(f"is not a reference: {error}") from error
    return str(value)


def meant(value: str) -> str:
    """The end of a message about something that is no URL of a module: what was probably meant, or ""."""
    scheme, separator, rest = value.partition("://")
    if separator:
        other = {"http": "https", "oci": "registry", "docker": "registry"}.get(scheme)
        return f': write "{other}://{rest}"' if other else ""
    if value.startswith("/"):
        return f': write "file://{value}"'
    host, slash, _ = value.partition("/")
    if value.endswith(".wasm") or value.startswith("."):
        return f': for a file write its whole path, "file:///folder/{value.rpartition("/")[2]}"'
    if slash and ("." in host or ":" in host or host == "localhost"):
        return f': write "registry://{value}"'
    return f': for a registry write "registry://HOST/{value}"' if value else ""


def module_source(value: object, reader: Reader, path: Path) -> str:
    """Where custom resources may take modules from: a registry's host, or the beginning of a https:// or registry://
    URL."""
    value = expect(str, value)
    scheme, separator, rest = value.rpartition("://")
    host = rest.partition("/")[0]
    if (separator and scheme not in ("https", "registry")) or not host or "@" in host:
        raise Bad(f'must be a host ("ghcr.io") or begin with https:// or registry://, not {quoted(value)}')
    split_url(value if separator else f"registry://{value}")
    return str(value)


def module_path(url: str) -> str:
    """The path of a file:// module URL. Raises ConfigError for any other URL."""
    try:
        return _path_of(url)
    except Bad as error:
        raise ConfigError(f"module {error}") from error


def _path_of(url: str) -> str:
    """The path that a file:// URL names. Raises Bad."""
    parts = urlsplit(url)
    path = unquote(parts.path)
    if parts.netloc not in ("", "localhost") or not path.startswith("/") or path.endswith("/"):
        raise Bad(f'must name an absolute path, such as "file:///opt/modules/name.wasm", not {quoted(url)}')
    if parts.query or parts.fragment or "\0" in path:
        raise Bad(f"must be a plain path: {quoted(url)}")
    if _size(path) > MOST_FILE_BYTES or any(_size(part) > MOST_PART_BYTES for part in path.split("/")):
        most = f"more than {MOST_FILE_BYTES} bytes, or {MOST_PART_BYTES} in a part"
        raise Bad(f"names a path that no file can have ({most}): {quoted(url)}")
    return path


def unkeepable(host: str, path: str) -> str:
    """Why the store cannot keep a module of that web address under its name, "" if it can."""
    parts = [host, *filter(None, path.split("/"))]
    if any(part in (".", "..") or "\0" in part or _size(part) > MOST_NAME_BYTES for part in parts):
        return f"has a part that cannot be the name of a file: . or .., or more than {MOST_NAME_BYTES} bytes"
    if _size("/".join(parts)) > MOST_ADDRESS_BYTES:
        return f"is longer than {MOST_ADDRESS_BYTES} bytes"
    return ""


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def _mirrors(value: object, reader: Reader, path: Path) -> dict[str, tuple[str, ...]]:
    value = expect(dict, value)
    hosts = list_of(text(empty=False), empty=False)
    return {name: hosts(entry, reader, (*path, name)) for name, entry in value.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryConfig:
    """[registry]. "" for docker_config means $DOCKER_CONFIG, then ~/.docker."""

    sources: str = setting(absolute_path(empty=True), "")
    docker_config: str = setting(absolute_path(empty=True), "")
    mirrors: dict[str, tuple[str, ...]] = setting(_mirrors, factory=dict)
    offline: bool = setting(boolean, False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignaturesConfig:
    """[signatures]."""

    verification: str = setting(absolute_path(empty=True), "", unavailable=True)
    trust_root: str = setting(absolute_path(empty=True), "", unavailable=True)
