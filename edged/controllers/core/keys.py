"""The keys of a module's work queue: what one reconcile is about."""

from __future__ import annotations

from typing import NamedTuple

from edged.controllers.core.codes import invalid
from edged.controllers.core.fields import Fields

MOST_CHARACTERS = 512
"""Of each part. A name in Kubernetes has at most 253."""


class Key(NamedTuple):
    """`namespace` is "" where there is none. A kind that begins with "_" is nobody's: its keys need no name."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return "/".join(part for part in self if part)


START = Key("_start", "", "")
"""Offered once after each set-up, before all other keys."""


def key_of(value: object, default_kind: str, place: str) -> Key:
    """The key that a guest wrote. Raises Refused (INVALID) with the field. `default_kind` "": a kind is needed."""
    fields = Fields(value, place, invalid)
    kind = fields.text("kind", default_kind or None, most=MOST_CHARACTERS)
    namespace = fields.text("namespace", "", most=MOST_CHARACTERS)
    name = fields.text("name", "" if kind.startswith("_") else None, most=MOST_CHARACTERS)
    return Key(kind, namespace, name)


def key_json(key: Key) -> dict[str, str]:
    return {"kind": key.kind, "namespace": key.namespace, "name": key.name}
