"""format.NAME().validate(text): the named formats of Kubernetes."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Final

from edged.kube.cel.errors import EvaluationError
from edged.kube.cel.library.times import read_timestamp
from edged.kube.cel.library.urls import problem
from edged.kube.cel.registry import declare
from edged.kube.cel.values import NONE, Opaque, Optional

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_NAME = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    f"an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
)
_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    f"end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_LABEL_1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    f"'{_LABEL_1035}')"
)
_NAMES = ("must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
          "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
          f"'{_NAME}')")  # fmt: skip
_VALUE_TEXT = ("a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
               "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used "
               f"for validation is '({_NAME})?')")  # fmt: skip
_UUID = re.compile(r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$")


class Format(Opaque):
    """`longest_pattern`: the size of the pattern that costs are counted with."""

    type_name = "kubernetes.NamedFormat"
    __slots__ = ("check", "longest_pattern", "name")

    def __init__(self, name: str, check: Callable[[str], list[str]], longest_pattern: int) -> None:
        self.name = name
        self.check = check
        self.longest_pattern = longest_pattern

    def identity(self) -> object:
        return self.name


def _dns(pattern: str, text: str, most: int, *, prefix: bool = False) -> Callable[[str], list[str]]:
    compiled = re.compile(pattern, re.ASCII)

    def check(value: str) -> list[str]:
        if prefix and value.endswith("-"):
            value = f"{value[:-1]}a"
        found = [] if compiled.fullmatch(value) else [text]
        long = [f"must be no more than {most} bytes"] if len(value) > most else []
        return [*found, *long] if most == 63 and pattern != _SUBDOMAIN else [*long, *found]

    return check


def _qualified(value: str) -> list[str]:
    prefix, slash, name = value.partition("/")
    what = f"{_NAMES[:-1]}) with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
    if "/" in name:
        return [f"a valid label key {what}"]
    found: list[str] = []
    if slash:
        if not prefix:
            found.append("prefix part must be non-empty")
        elif not re.fullmatch(_SUBDOMAIN, prefix):
            found.append(f"prefix part {_SUBDOMAIN_TEXT}")
    else:
        name = value
    if not name:
        return [*found, "name part must be non-empty", f"name part {_NAMES}"]
    if len(name) > 63:
        found.append("name part must be no more than 63 bytes")
    return found if re.fullmatch(_NAME, name) else [*found, f"name part {_NAMES}"]


def _label_value(value: str) -> list[str]:
    long = ["must be no more than 63 bytes"] if len(value) > 63 else []
    return long if re.fullmatch(f"({_NAME})?", value) else [*long, _VALUE_TEXT]


def _uri(value: str) -> list[str]:
    wrong = problem(value)
    return [wrong] if wrong else []


def _byte(value: str) -> list[str]:
    try:
        base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error):
        return ["invalid base64"]
    return [] if value else ["invalid base64"]


def _timed(value: str, wrong: str) -> list[str]:
    try:
        read_timestamp(value)
    except EvaluationError:
        return [wrong]
    return []


_FORMATS: Final[Mapping[str, Format]] = {
    name: Format(name, check, longest)
    for name, check, longest in (
        ("dns1123Label", _dns(_LABEL, _LABEL_TEXT, 63), 30),
        ("dns1123Subdomain", _dns(_SUBDOMAIN, _SUBDOMAIN_TEXT, 253), 60),
        ("dns1035Label", _dns(_LABEL_1035, _LABEL_1035_TEXT, 63), 30),
        ("qualifiedName", _qualified, 60),
        ("dns1123LabelPrefix", _dns(_LABEL, _LABEL_TEXT, 63, prefix=True), 30),
        ("dns1123SubdomainPrefix", _dns(_SUBDOMAIN, _SUBDOMAIN_TEXT, 253, prefix=True), 60),
        ("dns1035LabelPrefix", _dns(_LABEL_1035, _LABEL_1035_TEXT, 63, prefix=True), 30),
        ("labelValue", _label_value, 40), ("uri", _uri, 1103),
        ("uuid", lambda value: [] if _UUID.match(value) else ["does not match the UUID format"], 73),
        ("byte", _byte, 84), ("date", lambda value: _timed(f"{value}T00:00:00Z", "invalid date"), 73),
        ("datetime", lambda value: _timed(value, "invalid datetime"), 73),
    )
}  # fmt: skip


def _put(name: str, named: Format) -> None:
    declare(f"format.{name}")(lambda: named)


for _name, _named in _FORMATS.items():
    _put(_name, _named)


@declare("format.named", str)
def _by_name(name: str) -> Optional:
    return Optional(_FORMATS[name]) if name in _FORMATS else NONE


@declare("validate", Format, str)
def _validate(named: Format, text: str) -> Optional:
    found = named.check(text)
    return Optional(found) if found else NONE
