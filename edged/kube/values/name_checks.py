"""Names and labels as the API server checks them (apimachinery's validation). Pure.

Each function says why a value is refused, "" when it is not. They take any value: one that is no text is refused.
"""

from __future__ import annotations

import re

MAX_SUBDOMAIN = 253
MAX_LABEL = 63
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_NAME_PART = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")
SUBDOMAIN_TEXT = f"is not a DNS name in lower case of at most {MAX_SUBDOMAIN} characters"
QUALIFIED_NAME_TEXT = "is not a qualified name, such as `app` or `example.com/app`"
LABEL_VALUE_TEXT = (
    f"is not a label value: up to {MAX_LABEL} letters, digits, `-`, `_`, `.`, a letter or digit at both ends"
)


def subdomain_problem(value: object) -> str:
    """Of a DNS subdomain (RFC 1123), as names of most objects are."""
    fits = isinstance(value, str) and len(value) <= MAX_SUBDOMAIN and _SUBDOMAIN.fullmatch(value)
    return "" if fits else SUBDOMAIN_TEXT


def qualified_name_problem(value: object) -> str:
    """Of a label's key or a match condition's name: `NAME` or `PREFIX/NAME`."""
    if not isinstance(value, str) or len(value) > MAX_SUBDOMAIN + 1 + MAX_LABEL:
        return QUALIFIED_NAME_TEXT
    prefix, slash, name = value.rpartition("/")
    fits = len(name) <= MAX_LABEL and _NAME_PART.fullmatch(name) and not (slash and subdomain_problem(prefix))
    return "" if fits else QUALIFIED_NAME_TEXT


def label_value_problem(value: object) -> str:
    """Of a label's value, which may be empty."""
    fits = isinstance(value, str) and len(value) <= MAX_LABEL and (not value or _NAME_PART.fullmatch(value))
    return "" if fits else LABEL_VALUE_TEXT
