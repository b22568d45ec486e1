"""What a script expects of objects, and how what was found differs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from edged.json_text import dumps

SERVERS: Final = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink")
"""Metadata that the API server gives: `exactly` leaves it out where the script does not name it."""
_ABSENT: Final = object()
_MOST_SHOWN: Final = 200


def lacking(wanted: object, found: object, at: str = "") -> Iterator[str]:
    """A line for each part of `wanted` that `found` has otherwise. Objects may have more than is wanted; lists are
    compared item by item."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for name, value in wanted.items():
            yield from lacking(value, found.get(name, _ABSENT), f"{at}/{_escaped(name)}")
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for index, value in enumerate(wanted):
            yield from lacking(value, found[index], f"{at}/{index}")
    elif not _same(wanted, found):
        yield f"{at or '/'}: expected {shown(wanted)}, found {shown(found)}"


def differing(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    """A line for each part in which the objects differ, but for what the API server gives."""
    yield from lacking(dict(wanted), dict(found))
    yield from _unexpected(wanted, _own(wanted, found), "")


def _own(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    named = wanted.get("metadata")
    named = named if isinstance(named, dict) else {}
    metadata = {
        name: value for name, value in found.get("metadata", {}).items() if name not in SERVERS or name in named
    }
    if "namespace" not in named and metadata.get("namespace") == "default":
        del metadata["namespace"]
    return {**found, "metadata": metadata}


def _unexpected(wanted: object, found: object, at: str) -> Iterator[str]:
    if isinstance(wanted, dict) and isinstance(found, dict):
        for name, value in found.items():
            if name not in wanted:
                yield f"{at}/{_escaped(name)}: not expected, found {shown(value)}"
            else:
                yield from _unexpected(wanted[name], value, f"{at}/{_escaped(name)}")
    elif isinstance(wanted, list) and isinstance(found, list):
        for index, (one, other) in enumerate(zip(wanted, found, strict=False)):
            yield from _unexpected(one, other, f"{at}/{index}")


def _same(wanted: object, found: object) -> bool:
    """JSON's equality: true is not 1."""
    return type(wanted) is type(found) and wanted == found if isinstance(wanted, bool) else wanted == found and (
        not isinstance(found, bool)
    )


def shown(value: object) -> str:
    """JSON on a line, cut."""
    if value is _ABSENT:
        return "nothing"
    text = dumps(value).decode()
    return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 1] + "…"


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def event_as_told(event: Mapping[str, Any]) -> dict[str, Any]:
    """An Event of events.k8s.io as the module emitted it."""
    about = event.get("regarding") or {}
    return {
        "type": event.get("type", ""), "reason": event.get("reason", ""), "note": event.get("note", ""),
        "regarding": {name: about.get(name, "") for name in ("kind", "namespace", "name")},
    }  # fmt: skip


def missing_events(wanted: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A line for each wanted event that nobody emitted. `note` may be a part of the note."""
    for each in wanted:
        if not any(_is_event(each, event) for event in found):
            told = "; ".join(shown(event) for event in found) or "none"
            yield f"no event {shown(each)}; there are: {told}"


def _is_event(wanted: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    rest = {name: value for name, value in wanted.items() if name != "note"}
    return wanted.get("note", "") in event["note"] and not any(lacking(rest, event))


def miscounted(wanted: Mapping[str, int], found: Mapping[tuple[str, str], int]) -> Iterator[str]:
    """`wanted`: "VERB RESOURCE" -> how many; VERB may be `write` or `read`, RESOURCE `*`."""
    from edged.sandbox.faults.rules import READS, WRITES

    groups = {"write": WRITES, "read": READS, "*": (*READS, *WRITES)}
    for text, count in wanted.items():
        verb, _, resource = text.partition(" ")
        of = {each: many for each, many in found.items()
              if each[0] in groups.get(verb, (verb,)) and resource in ("*", each[1])}  # fmt: skip
        if (sent := sum(of.values())) != count:
            which = ", ".join(f"{many} {verb} {name}" for (verb, name), many in sorted(of.items()))
            yield f"requests: expected {count} {text}, found {sent}" + (f" ({which})" if which else "")
