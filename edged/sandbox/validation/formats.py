"""Formats of names and other short texts: each function gives what is wrong with a value, in kube-apiserver's words.

Pure. Facts from apimachinery's util/validation and api/validate/content, which count bytes and tell lengths in two
ways. causes.each_invalid makes findings of the texts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from edged.kube.values.label_formats import LABEL as _LABEL
from edged.kube.values.label_formats import SUBDOMAIN as _SUBDOMAIN
from edged.kube.values.label_formats import SUBDOMAIN_TEXT as _SUBDOMAIN_TEXT
from edged.kube.values.label_formats import checked as _checked
from edged.kube.values.label_formats import label_value as label_value
from edged.kube.values.label_formats import longest as _longest
from edged.kube.values.label_formats import pattern_text as _pattern
from edged.kube.values.label_formats import qualified_name as qualified_name
from edged.kube.values.label_formats import size as size

Format = Callable[[str], list[str]]
MOST_ID = (1 << 31) - 1
"""The largest user and group id."""

_UNDERSCORE_LABEL = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_UNDERSCORE = rf"{_UNDERSCORE_LABEL}(\.{_UNDERSCORE_LABEL})*"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_WILDCARD = rf"\*\.{_SUBDOMAIN}"
_KEY = r"[-._a-zA-Z0-9]+"
_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"
_LABEL_TEXT = _pattern(
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character", _LABEL, "my-name", "123-abc",
)  # fmt: skip
_CASELESS_TEXT = _pattern(
    "an RFC 1123 subdomain must consist of alphanumeric characters, '-' or '.', and must start and end with an "
    "alphanumeric character", _SUBDOMAIN, "Example.com",
)  # fmt: skip
_UNDERSCORE_TEXT = _pattern(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must "
    "start and end with an alphanumeric character", _UNDERSCORE, "example.com",
)  # fmt: skip
_1035_TEXT = _pattern(
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character", _LABEL_1035, "my-name", "abc-123",
)  # fmt: skip
_WILDCARD_TEXT = _pattern(
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
    "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character", _WILDCARD, "*.example.com",
)  # fmt: skip
_KEY_TEXT = _pattern(
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'", _KEY,
    "key.name", "KEY_NAME", "key-name",
)  # fmt: skip
_IDENTIFIER_TEXT = _pattern(
    "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters "
    "or '_'", "[A-Za-z_][A-Za-z0-9_]*", "my_name", "MY_NAME", "MyName",
)  # fmt: skip
_HEADER_TEXT = _pattern(
    "a valid HTTP header must consist of alphanumeric characters or '-'", "[-A-Za-z0-9]+", "X-Header-Name"
)
_PERCENT_TEXT = _pattern(
    "a valid percent string must be a numeric string followed by an ending '%'", "[0-9]+%", "1%", "93%"
)
PATH_TEXT = _pattern("Invalid path", _PATH)


def dns_label(value: str) -> list[str]:
    """RFC 1123, at most 63: names of Namespaces and containers."""
    if re.fullmatch(_LABEL, value):
        return _longest(value, 63)
    return [*_longest(value, 63), "must not contain dots" if re.fullmatch(_SUBDOMAIN, value) else _LABEL_TEXT]


def dns_subdomain(value: str) -> list[str]:
    """RFC 1123, at most 253: the names of most objects."""
    return _checked(value, 253, _SUBDOMAIN, _SUBDOMAIN_TEXT)


def dns_subdomain_caseless(value: str) -> list[str]:
    found = _longest(value, 253, "bytes")
    return found if re.fullmatch(_SUBDOMAIN, value, re.IGNORECASE | re.ASCII) else [*found, _CASELESS_TEXT]


def dns_subdomain_with_underscores(value: str) -> list[str]:
    return _checked(value, 253, _UNDERSCORE, _UNDERSCORE_TEXT)


def dns_1035_label(value: str) -> list[str]:
    """At most 63, begins with a letter: names of Services."""
    return _checked(value, 63, _LABEL_1035, _1035_TEXT)


def wildcard_subdomain(value: str) -> list[str]:
    return _checked(value, 253, _WILDCARD, _WILDCARD_TEXT)


def prefixed_name(value: str) -> list[str]:
    """A qualified name with a prefix."""
    found = qualified_name(value)
    return found if found or "/" in value else ["must include a prefix (e.g. 'example.com/key')"]


def path_segment(value: str) -> list[str]:
    """What may be a part of a URL: the names of roles."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{letter}'" for letter in "/%" if letter in value]


def config_key(value: str) -> list[str]:
    """Keys of ConfigMaps and Secrets."""
    return [*_checked(value, 253, _KEY, _KEY_TEXT), *_upwards(value)]


def c_identifier(value: str) -> list[str]:
    return [] if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value) else [_IDENTIFIER_TEXT]


def environment_name(value: str) -> list[str]:
    """Names of environment variables, the relaxed format of 1.34."""
    found = [] if value else ["environment variable name must be non-empty"]
    if not all(" " <= letter <= "~" and letter != "=" for letter in value):
        found.append("a valid environment variable name must consist only of printable ASCII characters other than '='")
    return found


def port_name(value: str) -> list[str]:
    """IANA_SVC_NAME: at most 15."""
    found = _longest(value, 15)
    if not re.fullmatch("[-a-z0-9]+", value):
        found.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", value):
        found.append("must contain at least one letter (a-z)")
    if "--" in value:
        found.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        found.append("must not begin or end with a hyphen")
    return found


def header_name(value: str) -> list[str]:
    return [] if re.fullmatch("[-A-Za-z0-9]+", value) else [_HEADER_TEXT]


def percent(value: str) -> list[str]:
    return [] if re.fullmatch("[0-9]+%", value) else [_PERCENT_TEXT]


def http_path(value: str) -> list[str]:
    return [] if re.fullmatch(_PATH, value) else [PATH_TEXT]


def within(value: int, least: int, most: int) -> list[str]:
    return [] if least <= value <= most else [f"must be between {least} and {most}, inclusive"]


def port_number(value: int) -> list[str]:
    return within(value, 1, 65535)


def user_or_group_id(value: int) -> list[str]:
    return within(value, 0, MOST_ID)


def prefix_of(name_format: Format) -> Format:
    """What may stand before a random ending (generateName): one dash at the end does not count. kube-apiserver leaves
    out the character before the dash, too."""

    def check(value: str) -> list[str]:
        return name_format(value[:-2] + "a" if len(value) > 1 and value.endswith("-") else value)

    return check


def joined(reasons: Sequence[str]) -> str:
    """Several texts where kube-apiserver makes one finding of them."""
    return ",".join(reasons)


def _upwards(value: str) -> list[str]:
    if value in (".", ".."):
        return [f"must not be '{value}'"]
    return ["must not start with '..'"] if value.startswith("..") else []
