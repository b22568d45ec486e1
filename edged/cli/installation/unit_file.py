"""The systemd unit as `edged init` writes it, and how it knows such a file again. Pure.

The first line names the digest of the rest. A file whose digest is right was written by `edged init` and is nobody's
work but ours; it may be replaced. One that somebody edited is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

MARK = "# Written by `edged init`. Change it with `systemctl edit edged`: an edit of this file is kept, not updated. "
LAST_WITHOUT_RELOAD = 252


@dataclass(frozen=True, slots=True)
class UnitFacts:
    """What is this machine's own in a unit. `written`: folders outside the usual ones that the daemon writes.
    `command`: of edged, which the unit runs."""

    script: str
    config: str
    written: Sequence[str] = ()
    command: str = "run"


def render(template: str, facts: UnitFacts) -> str:
    """`systemd/edged.service`, or that of the fabric's helper, for this installation."""
    lines = []
    for line in template.splitlines():
        if line.startswith("# README.md beside this file"):
            continue
        if line.startswith("ExecStart="):
            line = f"ExecStart={quoted(facts.script)} {facts.command} --config {quoted(facts.config)}"
        elif line.startswith("#ReadWritePaths=") and facts.written:
            line = f"ReadWritePaths={' '.join(quoted(path) for path in facts.written)}"
        lines.append(line)
    return marked("\n".join(lines) + "\n")


def quoted(word: str) -> str:
    """A word of a command line as systemd reads it."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if any(character.isspace() or character in "'\"\\;" for character in word) else escaped


def marked(text: str) -> str:
    return f"{MARK}{_digest(text)}\n{text}"


def is_ours(text: str) -> bool:
    """Whether `edged init` wrote this, and nobody edited it."""
    first, _, rest = text.partition("\n")
    return first == f"{MARK}{_digest(rest)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
