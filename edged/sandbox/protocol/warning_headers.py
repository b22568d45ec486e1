"""Warnings of an answer -> Warning headers, as kube-apiserver writes them. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

MAX_TOTAL = 4096
"""Characters of all warnings together; beyond it each is cut to MAX_ITEM and what comes later is dropped."""
MAX_ITEM = 256


def warning_headers(texts: Iterable[str]) -> list[tuple[str, str]]:
    """(name, value) of each header. Repeated warnings are said once; one with control characters is not sent, since a
    header cannot hold it. Non-ASCII text is UTF-8, each byte a character of Latin-1: the form in which server.py sends
    headers."""
    kept = [text for text in dict.fromkeys(texts) if text and not any(map(_is_control, text))]
    if sum(map(len, kept)) > MAX_TOTAL:
        kept = _truncated(kept)
    return [("Warning", _value(text)) for text in kept]


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs")


def _truncated(texts: list[str]) -> list[str]:
    written, kept = 0, list[str]()
    for text in texts:
        if written >= MAX_TOTAL:
            break
        kept.append(text[:MAX_ITEM])
        written += len(kept[-1])
    return kept


def _value(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{escaped}"'.encode().decode("latin-1")
