"""The names under which a compiled module exports what an image holds, and what they say about it. Pure.

rewriting.py adds these exports before a module is compiled. This file is apart from it because the daemon needs no
decoder of code.
"""

from __future__ import annotations

from collections.abc import Iterable

RESERVED = "edged.image."
"""How all of them begin."""
MEMORY_NAME = f"{RESERVED}memory"
GLOBAL_NAME = f"{RESERVED}global."
POSSIBLE = f"{RESERVED}possible"
REFUSED = f"{RESERVED}none: "


def image_support(compiled: Iterable[str], original: Iterable[str]) -> tuple[str, tuple[str, ...]]:
    """(why no image is possible or "", the names of all mutable globals), by the names that a module exports in its
    compiled form and before it was prepared."""
    if any(name.startswith(RESERVED) for name in original):
        return f"it exports a name that is reserved for edged ({RESERVED}...)", ()
    names = [name for name in compiled if name.startswith(RESERVED)]
    for name in names:
        if name.startswith(REFUSED):
            return name.removeprefix(REFUSED), ()
    if POSSIBLE not in names:
        return "it has no code that edged can decode", ()
    return "", tuple(name for name in names if name.startswith(GLOBAL_NAME))
