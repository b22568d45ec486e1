"""The formats of texts that a schema can name. Pure.

Source: supportedVersionedFormats of apiextensions-apiserver 1.37 and kube-openapi's strfmt. A format that is not here
is not checked, and gets a warning when the definition is written.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from datetime import date, datetime
from urllib.parse import urlsplit

_HEX = "[0-9a-f]"
_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"


def _pattern(text: str, flags: int = 0) -> Callable[[str], bool]:
    compiled = re.compile(text, flags)
    return lambda value: compiled.fullmatch(value) is not None


def _uuid(third: str, fourth: str) -> Callable[[str], bool]:
    return _pattern(f"{_HEX}{{8}}-?{_HEX}{{4}}-?{third}-?{fourth}-?{_HEX}{{12}}", re.IGNORECASE | re.ASCII)


def _is_ipv4(text: str) -> bool:
    """Leading zeros are allowed, as in Go before 1.17."""
    parts = text.split(".")
    if len(parts) == 4 and all(re.fullmatch(r"\d+", part, re.ASCII) and int(part) < 256 for part in parts):
        return True
    return _is_ipv6(text) and "." in text


def _is_ipv6(text: str) -> bool:
    try:
        return "%" not in text and ipaddress.IPv6Address(text) is not None
    except ValueError:
        return False


def _is_cidr(text: str) -> bool:
    address, slash, length = text.partition("/")
    if not slash or not re.fullmatch(r"\d{1,3}", length, re.ASCII):
        return False
    return (_is_ipv4(address) and int(length) <= 32) if ":" not in address else _is_ipv6(address) and int(length) <= 128


def _is_date(text: str) -> bool:
    try:
        return re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII) is not None and date.fromisoformat(text) is not None
    except ValueError:
        return False


_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)([Tt])(\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)  # fmt: skip


def _is_date_time(text: str) -> bool:
    found = _TIME.fullmatch(text)
    if found is None:
        return False
    try:
        return datetime.fromisoformat(f"{found[1]}T{found[3]}") is not None
    except ValueError:
        return False


_GO_DURATION = re.compile(r"[-+]?((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+|[-+]?0", re.ASCII)
_UNITS = (
    ("ns", "nano"), ("us", "µs", "micro"), ("ms", "milli"), ("s", "sec"), ("m", "min"), ("h", "hr", "hour"),
    ("d", "day"), ("w", "wk", "week"),
)  # fmt: skip


def _is_duration(text: str) -> bool:
    if _GO_DURATION.fullmatch(text):
        return True
    found = (unit.lower() for unit in re.findall(r"[0-9]+\s*([A-Za-zµ]+)", text))
    return any(unit in names or unit.startswith(names[-1]) for unit in found for names in _UNITS)


def _is_base64(text: str) -> bool:
    try:
        return bool(text) and base64.b64decode(text, validate=True) is not None
    except (binascii.Error, ValueError):
        return False


def _is_uri(text: str) -> bool:
    if not text or any(ord(c) <= 32 or ord(c) == 127 for c in text):
        return False
    try:
        return text.startswith("/") or bool(urlsplit(text).scheme)
    except ValueError:
        return False


_HOST_LABEL = re.compile(r"[^\W_]([\w-]{0,61}[^\W_])?")


def _is_hostname(text: str) -> bool:
    labels = text.split(".")
    if len(text) > 255 or not all(_HOST_LABEL.fullmatch(label) and "_" not in label for label in labels):
        return False
    return len(labels) == 1 or re.fullmatch(r"[^\W\d_]{2,63}", labels[-1]) is not None


def _digits(text: str, length: int) -> str:
    found = re.sub(r"[\s-]+", "", text)
    return found if len(found) == length else ""


def _is_isbn10(text: str) -> bool:
    digits = _digits(text, 10)
    if not re.fullmatch(r"\d{9}[\dX]", digits, re.ASCII):
        return False
    return sum((i + 1) * (10 if c == "X" else int(c)) for i, c in enumerate(digits)) % 11 == 0


def _is_isbn13(text: str) -> bool:
    digits = _digits(text, 13)
    if not re.fullmatch(r"\d{13}", digits, re.ASCII):
        return False
    return sum(int(c) * (3 if i % 2 else 1) for i, c in enumerate(digits)) % 10 == 0


_CARD = re.compile(
    r"4\d{12}(\d{3})?|5[1-5]\d{14}|6(011|5\d\d)\d{12}|3[47]\d{13}|3(0[0-5]|[68]\d)\d{11}|(2131|1800|35\d{3})\d{11}",
    re.ASCII,
)


def _is_card(text: str) -> bool:
    digits = re.sub(r"[^0-9]+", "", text)
    if not _CARD.fullmatch(digits):
        return False
    doubled = [int(c) * (2 if i % 2 else 1) for i, c in enumerate(reversed(digits))]
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0


_BYTE = r"\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*"
FORMATS: dict[str, Callable[[str], bool]] = {
    "bsonobjectid": _pattern("[0-9a-fA-F]{24}"), "uri": _is_uri, "hostname": _is_hostname, "ipv4": _is_ipv4,
    "email": _pattern(r"(\s*[^\s<>@\"]+@[^\s<>@]+\s*|[^<>]*<[^\s<>@]+@[^\s<>@]+>\s*)"),
    "ipv6": lambda text: ":" in text and _is_ipv6(text), "cidr": _is_cidr,
    "mac": _pattern(
        rf"{_HEX}{{2}}(:{_HEX}{{2}}){{5}}(:{_HEX}{{2}}:{_HEX}{{2}}|(:{_HEX}{{2}}){{14}})?|{_HEX}{{2}}(-{_HEX}{{2}}){{5}}"
        rf"((-{_HEX}{{2}}){{2}}|(-{_HEX}{{2}}){{14}})?|{_HEX}{{4}}(\.{_HEX}{{4}}){{2}}(\.{_HEX}{{4}})?", re.IGNORECASE),
    "uuid": _uuid(f"{_HEX}{{4}}", f"{_HEX}{{4}}"), "uuid3": _uuid(f"3{_HEX}{{3}}", f"{_HEX}{{4}}"),
    "uuid4": _uuid(f"4{_HEX}{{3}}", f"[89ab]{_HEX}{{3}}"), "uuid5": _uuid(f"5{_HEX}{{3}}", f"[89ab]{_HEX}{{3}}"),
    "isbn": lambda text: _is_isbn10(text) or _is_isbn13(text), "isbn10": _is_isbn10, "isbn13": _is_isbn13,
    "creditcard": _is_card, "ssn": _pattern(r"\d{3}[- ]?\d{2}[- ]?\d{4}", re.ASCII),
    "hexcolor": _pattern("#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})"),
    "rgbcolor": _pattern(rf"rgb\({_BYTE},{_BYTE},{_BYTE}\)", re.ASCII), "byte": _is_base64,
    "password": lambda _text: True, "date": _is_date, "duration": _is_duration, "datetime": _is_date_time,
    "k8sshortname": lambda text: len(text) <= 63 and re.fullmatch(_LABEL, text) is not None,
    "k8slongname": lambda text: len(text) <= 253 and re.fullmatch(rf"{_LABEL}(\.{_LABEL})*", text) is not None,
}  # fmt: skip
"""By name without dashes."""
_OF_NUMBERS = {"integer": ("int32", "int64"), "number": ("float", "double")}


def known(kind: str, name: str) -> bool:
    """Whether the API server checks that format for that type ("" for none)."""
    if kind in ("", "string"):
        return name.replace("-", "") in FORMATS
    return name in _OF_NUMBERS.get(kind, ())


def fits(name: str, text: str) -> bool:
    """Whether a text is of that known format."""
    return FORMATS[name.replace("-", "")](text)
