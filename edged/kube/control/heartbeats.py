"""Heartbeats: lines of a watch of Nodes that bring nothing but another resourceVersion and other lastHeartbeatTimes.

Most of what happens in a quiet cluster. Such a line is recognised by comparing its bytes with the JSON that is stored
of the Node, without decoding either. Only three values may differ, at their very places: `metadata.resourceVersion`,
`lastHeartbeatTime` of `status.conditions`, and `metadata.managedFields`, which is not stored. Where those are is known
from the decoded object (`places_of`), never searched for in a text that others can write. Everything else is no
heartbeat and is read as ever: another order of members, escapes that are written in another way, any doubt. Pure.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from edged.json_text import Fragment, JsonError, dumps, loads
from edged.kube.control.store import Difference, Store
from edged.kube.values.names import GroupVersionResource, NamespacedName

NODES = GroupVersionResource("", "v1", "nodes")
_BEGINNING = b'{"type":"MODIFIED","object":'
_NAME = re.compile(
    re.escape(_BEGINNING) + rb'\{"kind":"Node","apiVersion":"v1","metadata":\{"name":"([a-z0-9.-]{1,253})"'
)
_MANAGED = b',"managedFields":['
_REVISION = re.compile(rb'"[0-9]{1,20}"')
_TIME = re.compile(rb'"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"')
_TIME_SIZE = len('"2026-01-01T00:00:00Z"')
_MARK = b"\0"  # no JSON text has it


class Places(NamedTuple):
    """Of one text: where the value of metadata.resourceVersion begins and ends, where the last member of metadata ends,
    and where the values of lastHeartbeatTime begin. All in this order."""

    revision: int
    revision_end: int
    metadata_end: int
    times: tuple[int, ...]


class Refreshed(NamedTuple):
    """What a heartbeat brought: the object's resourceVersion and its whole text."""

    revision: str
    data: bytes
    places: Places


def places_of(obj: dict[str, Any], data: bytes) -> Places | None:
    """`data` is the text of `obj`, a Node without managedFields. None where a heartbeat could not be told."""
    metadata, status = obj["metadata"], obj.get("status")
    conditions = status.get("conditions") if isinstance(status, dict) else None
    if not isinstance(status, dict) or not isinstance(conditions, list):
        return None
    if not all(isinstance(each, dict) for each in conditions):
        return None
    values = [dumps(metadata["resourceVersion"]), b""]
    values += [dumps(each["lastHeartbeatTime"]) for each in conditions if "lastHeartbeatTime" in each]
    if not _REVISION.fullmatch(values[0]) or not all(_TIME.fullmatch(time) for time in values[2:]):
        return None
    mark = Fragment(_MARK)
    marked_metadata = dumps({**metadata, "resourceVersion": mark}).removesuffix(b"}") + _MARK + b"}"
    marked_conditions = [
        {**each, "lastHeartbeatTime": mark} if "lastHeartbeatTime" in each else each for each in conditions
    ]
    marked_status = {**status, "conditions": marked_conditions}
    marked = dumps({**obj, "metadata": Fragment(marked_metadata), "status": marked_status})
    begins: list[int] = []
    text = b""
    for part, value in zip(marked.split(_MARK), [*values, b""], strict=True):
        text += part
        begins.append(len(text))
        text += value
    if text != data:  # status stands before metadata
        return None
    return Places(begins[0], begins[0] + len(values[0]), begins[1], tuple(begins[2:-1]))


def refreshed(line: bytes, data: bytes, places: Places) -> Refreshed | None:
    """What a line of a watch brings to an object whose text is `data`; None unless it is a heartbeat."""
    begin = len(_BEGINNING)
    if not line.startswith(_BEGINNING) or not line.startswith(data[: places.revision], begin):
        return None
    revision = _REVISION.match(line, begin + places.revision)
    if revision is None or not line.startswith(data[places.revision_end : places.metadata_end], revision.end()):
        return None
    shift = revision.end() - begin - places.revision_end
    metadata_end = begin + places.metadata_end + shift
    rest = len(line) - 1 - (len(data) - places.metadata_end)
    if line[-1:] != b"}" or not _is_managed(line, metadata_end, rest) or not _is_rest(line, rest, data, places):
        return None
    times = tuple(time + shift for time in places.times)
    moved = Places(places.revision, places.revision_end + shift, places.metadata_end + shift, times)
    return Refreshed(revision.group()[1:-1].decode(), line[begin:metadata_end] + line[rest:-1], moved)


def _is_managed(line: bytes, begin: int, end: int) -> bool:
    """Whether metadata ends with nothing but managedFields between these places, or with nothing at all."""
    if begin == end:
        return True
    if begin > end or not line.startswith(_MANAGED, begin):
        return False
    try:
        loads(line[begin + len(_MANAGED) - 1 : end])
    except JsonError:
        return False
    return True


def _is_rest(line: bytes, at: int, data: bytes, places: Places) -> bool:
    """Whether the line goes on from `at` as `data` does from the end of metadata, but for the times."""
    done = places.metadata_end
    for time in places.times:
        same = data[done:time]
        if not line.startswith(same, at) or not _TIME.match(line, at + len(same)):
            return False
        at += len(same) + _TIME_SIZE
        done = time + _TIME_SIZE
    return line.endswith(data[done:] + b"}") and len(line) - 1 - at == len(data) - done


class Heartbeat(NamedTuple):
    """One that was stored."""

    key: NamespacedName
    revision: str
    data: bytes


class Heartbeats:
    """Of the Nodes in `store`: recognises them, and stores what they bring. Places are looked for when a Node changes
    for the first time, so that the first list takes no longer."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._places: dict[NamespacedName, Places] = {}

    def stored(self, change: Difference | None, obj: dict[str, Any]) -> None:
        """What became of a Node that was read and stored: `obj` is decoded of what is stored now."""
        if change is None or change.after is None:
            return
        places = places_of(obj, change.after) if change.kind == "modified" else None
        if places is None:
            self.forget(change.key)
        else:
            self._places[change.key] = places

    def forget(self, key: NamespacedName) -> None:
        """Its next change is read, whatever it is."""
        self._places.pop(key, None)

    def take(self, line: bytes) -> Heartbeat | None:
        """Store what a heartbeat brings; None where the line is none."""
        named = _NAME.match(line)
        if named is None:
            return None
        key = NamespacedName("", named[1].decode())
        places, data = self._places.get(key), self._store.get(key)
        found = None if places is None or data is None else refreshed(line, data, places)
        if found is None:
            return None
        self._store.put(key, found.revision, found.data)
        self._places[key] = found.places
        return Heartbeat(key, found.revision, found.data)
