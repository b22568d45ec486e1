"""Decoded TOML -> frozen dataclasses by a check per key; collects every problem with its place. Pure.

Holds the machinery and the checks that know only types and spellings. What the tables are called and what they may
hold is said by the subjects, each in its section, which edged/config.py joins.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar, get_args
from urllib.parse import urlsplit

from edged.errors import did_you_mean_or_all, shown
from edged.records import dataclass
from edged.toml.lines import Path

T = TypeVar("T")
Check = Callable[[object, "Reader", Path], Any]
"""(value from TOML, reader, its path) -> the value to keep; raises Bad, or reports through the reader."""

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_HOST = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?")
_TOML_TYPES = {
    str: "a string", bool: "a boolean", int: "an integer", float: "a float",
    dict: "a table", list: "an array",
}  # fmt: skip


class Bad(Exception):
    """A value that its check refuses; the message follows the key's name."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a configuration. `where` is `[table] key`; `line` 0: the text has no such place."""

    line: int
    where: str
    message: str
    unavailable: bool = False
    """The key is fine, but this release does not have what it asks for."""
    path: Path = ()


def setting(
    check: Check, default: Any = dataclasses.MISSING, *, factory: Any = dataclasses.MISSING,
    unavailable: bool = False, hidden: bool = False,
) -> Any:  # fmt: skip
    """A dataclass field read by `check`. Without default it is required. `hidden`: never printed. A field that was
    not made by this function is no key of the file."""
    metadata = {"check": check, "unavailable": unavailable, "hidden": hidden}
    return dataclasses.field(default=default, default_factory=factory, metadata=metadata)


class Reader:
    """One pass over one document. `data` is the decoded TOML, `lines` where things stand in its text (lines.py),
    `arrays_of_tables` the paths whose elements are called by their names."""

    def __init__(
        self, data: dict[str, Any], lines: Mapping[Path, int], arrays_of_tables: Collection[Path] = ()
    ) -> None:
        self.data = data
        self.lines = lines
        self._arrays_of_tables = arrays_of_tables
        self.problems: list[Problem] = []
        self._bad: set[Path] = set()

    def problem(self, path: Path, message: str, *, unavailable: bool = False) -> None:
        self.problems.append(Problem(self.line(path), self.where(path), message, unavailable, path))
        self._bad.update(path[:length] for length in range(1, len(path) + 1))

    def bad(self, *path: str | int) -> bool:
        """Whether something at or below this path was refused already; cross-checks then keep silent."""
        return path in self._bad

    def line(self, path: Path) -> int:
        """Of the path, or of the nearest table or array around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 0)

    def where(self, path: Path) -> str:
        """`[admission] tls.cert`, `[[admission.policy]] "no-privileged" rules[0]`."""
        for length in (1, 2):
            if path[:length] in self._arrays_of_tables and len(path) > length:
                head = f"[[{'.'.join(map(str, path[:length]))}]] {self._element(path[: length + 1])}"
                return _join(head, path[length + 1 :])
        return _join(f"[{path[0]}]" if path else "", path[1:])

    def _element(self, path: Path) -> str:
        value: Any = self.data
        for part in path:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                break
        name = value.get("name") if isinstance(value, dict) else None
        return f'"{name}"' if isinstance(name, str) and name else f"number {int(path[-1]) + 1}"

    def table(self, cls: type, value: object, path: Path) -> Any:
        """`value` as an instance of the dataclass `cls`, whose fields were made by `setting`."""
        value = expect(dict, value)
        fields = {field.name: field for field in dataclasses.fields(cls) if "check" in field.metadata}
        for name in value:
            if name not in fields:
                self.problem((*path, name), unknown("table" if not path else "key", fields, name))
        values: dict[str, Any] = {}
        for name, field in fields.items():
            if name in value:
                self._field(field, value[name], (*path, name), values)
            elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                self.problem(path, f'needs the key "{name}"')
                self._bad.add((*path, name))
                values[name] = None  # only checks see it, and they ask `bad` first: a reader with problems raises
        return cls(**values)

    def _field(self, field: dataclasses.Field[object], value: object, path: Path, values: dict[str, object]) -> None:
        try:
            values[field.name] = field.metadata["check"](value, self, path)
        except Bad as error:
            self.problem(path, f"{error}{self._brackets(value, path)}")
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                values[field.name] = None
        else:
            if field.metadata["unavailable"] and values[field.name] != field.default:
                self.problem(path, "is not available in this release", unavailable=True)

    def _brackets(self, value: object, path: Path) -> str:
        """The next step where a table was opened with the brackets of an array of tables, or the other way round."""
        name = ".".join(map(str, path))
        if path in self._arrays_of_tables:
            return f": write [[{name}]], with two brackets" if isinstance(value, dict) else ""
        many = isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)
        return f": write [{name}], with one bracket on each side" if many and len(path) == 1 else ""


def _join(head: str, rest: Iterable[str | int]) -> str:
    text = ""
    for part in rest:
        text += f"[{part}]" if isinstance(part, int) else f"{'.' if text else ''}{part}"
    return f"{head} {text}".strip()


def unknown(kind: str, names: Iterable[str], name: str) -> str:
    """`unknown key; did you mean listen?`; where nothing is near, the names that there are."""
    return f"unknown {kind}{did_you_mean_or_all(name, names)}"


def expect(kind: type[T], value: object) -> T:
    """`value`. Raises Bad unless it has exactly the TOML type `kind` (an integer is no boolean)."""
    if type(value) is not kind:
        raise Bad(f"must be {_TOML_TYPES[kind]}, not {_TOML_TYPES.get(type(value), 'a date or time')}")
    return value


def text(*, empty: bool = True) -> Check:
    def check(value: object, reader: Reader, path: Path) -> str:
        value = expect(str, value)
        if not value and not empty:
            raise Bad("must not be empty")
        return str(value)

    return check


def boolean(value: object, reader: Reader, path: Path) -> bool:
    value = expect(bool, value)
    return bool(value)


def integer(low: int, high: int) -> Check:
    def check(value: object, reader: Reader, path: Path) -> int:
        value = expect(int, value)
        if not low <= value <= high:
            raise Bad(f"must be from {low} to {high}, not {value}")
        return int(value)

    return check


def number(low: float, high: float, *, above: bool = False) -> Check:
    """Seconds and rates: integers are taken too. `above`: `low` itself is refused."""

    def check(value: object, reader: Reader, path: Path) -> float:
        if type(value) is not int:
            value = expect(float, value)
        if not math.isfinite(value) or not low <= value <= high or (above and value == low):
            bounds = f"above {low:g} and at most {high:g}" if above else f"from {low:g} to {high:g}"
            raise Bad(f"must be {bounds}, not {value}")
        return float(value)

    return check


def choice(*allowed: str) -> Check:
    def check(value: object, reader: Reader, path: Path) -> str:
        value = expect(str, value)
        if value not in allowed:
            raise Bad(f"must be one of {', '.join(map(quoted, allowed))}, not {quoted(value)}")
        return str(value)

    return check


def one_of(literal: object) -> Check:
    """One of the strings of a Literal."""
    return choice(*get_args(literal))


def list_of(item: Check, *, empty: bool = True, unique: bool = True) -> Check:
    def check(value: object, reader: Reader, path: Path) -> tuple[Any, ...]:
        value = expect(list, value)
        if not value and not empty:
            raise Bad("must not be empty")
        if unique and (again := _repeated(value)) is not None:
            raise Bad(f"names {quoted(again)} twice")
        elements = []
        for index, element in enumerate(value):
            try:
                elements.append(item(element, reader, (*path, index)))
            except Bad as error:
                reader.problem((*path, index), str(error))
        return tuple(elements)

    return check


def table_of(cls: type) -> Check:
    return lambda value, reader, path: reader.table(cls, value, path)


def absolute_path(*, empty: bool = False) -> Check:
    def check(value: object, reader: Reader, path: Path) -> str:
        value = expect(str, value)
        if not (value.startswith("/") or (empty and not value)):
            raise Bad(f"must be an absolute path, not {quoted(value)}")
        if "\0" in value:
            raise Bad("must not hold a NUL character")
        return str(value)

    return check


def address(*, empty: bool = False) -> Check:
    """`host:port`; see `split_address`."""

    def check(value: object, reader: Reader, path: Path) -> str:
        value = expect(str, value)
        if value or not empty:
            split_address(value)
        return str(value)

    return check


def split_address(value: str) -> tuple[str, int]:
    """`127.0.0.1:8443`, `[::1]:8443`, `localhost:0` -> (host, port). Raises Bad."""
    host, colon, port = value.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or len(port) > 5 or int(port) > 65535:
        raise Bad(f'must be "host:port" with a port from 0 to 65535, not {quoted(value)}')
    if not host:
        raise Bad(f'needs a host: "127.0.0.1:{port}", or "0.0.0.0:{port}" for every IPv4 address')
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if not _is_address(host, 6):
            raise Bad(f"is not an IPv6 address between its brackets: {quoted(value)}")
    elif ":" in host:
        raise Bad(f'needs brackets around an IPv6 address: "[{host}]:{port}"')
    elif not _HOST.fullmatch(host) or (re.fullmatch(r"[0-9.]+", host) and not _is_address(host, 4)):
        raise Bad(f"is neither a host name nor an IP address: {quoted(value)}")
    return host, int(port)


def _is_address(host: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(host).version == version
    except ValueError:
        return False


def https_url(value: object, reader: Reader, path: Path) -> str:
    """What an API server may be told to dial: https, a host, no user, query or fragment. "" is kept."""
    value = expect(str, value)
    if not value:
        return ""
    scheme, host = split_url(value)
    parts = urlsplit(value)
    if scheme != "https" or not host:
        raise Bad(f"must be an https:// URL with a host, not {quoted(value)}")
    if parts.username is not None or "?" in value or "#" in value:
        raise Bad("must not hold a user, a query or a fragment: the API server refuses them")
    return str(value)


def http_url(value: object, reader: Reader, path: Path) -> str:
    """http:// or https:// with a host, no query or fragment. "" is kept."""
    value = expect(str, value)
    if not value:
        return ""
    scheme, host = split_url(value)
    if scheme not in ("http", "https") or not host or "?" in value or "#" in value:
        raise Bad(f"must be an http:// or https:// URL with a host, not {quoted(value)}")
    return str(value)


def split_url(value: str) -> tuple[str, str]:
    """(scheme, host). Raises Bad for what is no URL."""
    try:
        parts = urlsplit(value)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError as error:
        raise Bad(f"is not a URL: {quoted(value)} ({error})") from None
    if any(character.isspace() or not character.isprintable() for character in value):
        raise Bad(f"must not hold blanks or control characters: {quoted(value)}")
    return parts.scheme, host


def path_segment(value: object, reader: Reader, path: Path) -> str:
    """A name that becomes one segment of a URL path, a metric label and a log field."""
    value = expect(str, value)
    if not re.fullmatch(r"[A-Za-z0-9][-A-Za-z0-9_.]{0,252}", value):
        raise Bad(f"must be letters, digits, `-`, `_`, `.`, first a letter or digit, not {quoted(value)}")
    return str(value)


def dns_subdomain(value: object, reader: Reader, path: Path) -> str:
    value = expect(str, value)
    if not is_dns_subdomain(value):
        raise Bad(f"must be lower-case letters, digits, `-` and `.` (a DNS name), not {quoted(value)}")
    return str(value)


def is_dns_subdomain(value: str) -> bool:
    return len(value) <= 253 and all(_DNS_LABEL.fullmatch(label) for label in value.split("."))


def json_table(value: object, reader: Reader, path: Path) -> dict[str, Any]:
    """A free table that a guest reads as JSON, which has no dates, infinities or integers beyond 64 bits."""
    value = expect(dict, value)
    _json_values(value, reader, path)
    return dict(value)


def _json_values(value: object, reader: Reader, path: Path) -> None:
    if isinstance(value, dict | list):
        for part, element in value.items() if isinstance(value, dict) else enumerate(value):
            _json_values(element, reader, (*path, part))
    elif isinstance(value, float) and not math.isfinite(value):
        reader.problem(path, "has no JSON form (not a finite number)")
    elif type(value) is int and not -(2**63) <= value < 2**64:
        reader.problem(path, "does not fit into 64 bits")
    elif not isinstance(value, str | int | float):
        reader.problem(path, "is a date or time, which JSON does not have; write it as a string")


def unique_names(named: Iterable[tuple[Path, str]], reader: Reader) -> None:
    """Report each name that another table took before: (path of the table, its name)."""
    first: dict[str, Path] = {}
    for path, name in named:
        if reader.bad(*path, "name") or not name:
            continue
        if name in first:
            line = reader.line((*first[name], "name"))
            reader.problem((*path, "name"), f"is already used, in line {line}")
        first.setdefault(name, path)


def _repeated(values: Sequence[object]) -> Any:
    seen: list[Any] = []
    for value in values:
        if value in seen:
            return value
        seen.append(value)
    return None


def quoted(value: object) -> str:
    if not isinstance(value, str):
        return shown(value)
    text = f'"{value.encode("unicode_escape").decode()}"'
    return text if len(text) <= 120 else text[:117] + "..."
