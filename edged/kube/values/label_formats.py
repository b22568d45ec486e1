"""Keys and values of labels: what is wrong with one, in kube-apiserver's words. Pure.

Facts from apimachinery's api/validate/content, which counts bytes. name_checks.py has the same rules in edged's words.
"""

from __future__ import annotations

import re

LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = rf"{LABEL}(\.{LABEL})*"
_NAME_PART = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = f"({_NAME_PART})?"


def pattern_text(message: str, pattern: str, *examples: str) -> str:
    shown = " or ".join(f"'{example}', " for example in examples)
    told = f"e.g. {shown}" if examples else ""
    return f"{message} ({told}regex used for validation is '{pattern}')"


SUBDOMAIN_TEXT = pattern_text(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character", SUBDOMAIN, "example.com",
)  # fmt: skip
_NAME_PART_TEXT = pattern_text(
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
    _NAME_PART, "MyName", "my.name", "123-abc",
)  # fmt: skip
_LABEL_VALUE_TEXT = pattern_text(
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character", _LABEL_VALUE, "MyValue", "my_value", "12345",
)  # fmt: skip


def qualified_name(value: str) -> list[str]:
    """`name` or `prefix/name`: keys of labels and annotations, finalizers, resources."""
    parts = value.split("/")
    if len(parts) > 2:
        hint = " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return [f"a valid label key {_NAME_PART_TEXT}{hint}"]
    found: list[str] = []
    if len(parts) == 2:
        wrong = checked(parts[0], 253, SUBDOMAIN, SUBDOMAIN_TEXT, "bytes") if parts[0] else ["must be non-empty"]
        found = [f"prefix part {why}" for why in wrong]
    name = parts[-1]
    if not name:
        found.append("name part must be non-empty")
    found += [f"name part {why}" for why in checked(name, 63, _NAME_PART, _NAME_PART_TEXT, "bytes")]
    return found


def label_value(value: str) -> list[str]:
    return checked(value, 63, _LABEL_VALUE, _LABEL_VALUE_TEXT, "bytes")


def size(value: str) -> int:
    """Bytes of a text as UTF-8."""
    return len(value) if value.isascii() else len(value.encode(errors="surrogatepass"))


def longest(value: str, most: int, unit: str = "characters") -> list[str]:
    return [f"must be no more than {most} {unit}"] if size(value) > most else []


def checked(value: str, most: int, pattern: str, text: str, unit: str = "characters") -> list[str]:
    found = longest(value, most, unit)
    return found if re.fullmatch(pattern, value) else [*found, text]
