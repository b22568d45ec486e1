"""What scheduler guests hand to the host as bytes: node names, cluster events, scores, events. Pure.

Decoded when the guest's call has returned, by `edged/scheduling/guests/guest.py`; the host functions in
`scheduler.py` only copy. A guest that sends nonsense gets a `BadResult`, which counts as a failed call.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from edged.errors import EdgedError, GuestError, cut, shown
from edged.json_text import JsonError, loads
from edged.kube.values import go_json
from edged.scheduling.core.cluster_events import WILDCARD, Action, ClusterEvent


class BadResult(GuestError):
    """A guest sent something that cannot be read."""


def nul_terminated(data: bytes) -> list[str]:
    """Strings that each end in a NUL byte. Empty ones and what follows the last NUL do not count."""
    return [part.decode(errors="replace") for part in data.split(b"\0")[:-1] if part]


# --- cluster events ----------------------------------------------------------------------------------------

# Numbers of the guest ABI -> resources as cluster_events.RESOURCES writes them. PodSchedulingContext is gone from
# Kubernetes; its name stays here and matches nothing.
_RESOURCES: Final = (
    "Pod", "Node", "PersistentVolume", "PersistentVolumeClaim", "PodSchedulingContext",
    "resource.k8s.io/ResourceClaim", "storage.k8s.io/StorageClass", "storage.k8s.io/CSINode",
    "storage.k8s.io/CSIDriver", "storage.k8s.io/CSIStorageCapacity", WILDCARD,
)  # fmt: skip
_GUEST_UPDATE, _GUEST_ALL = 60, 63


def cluster_events(data: bytes) -> list[ClusterEvent]:
    """Pairs of little-endian u32 (resource, action bits); incomplete trailing bytes do not count."""
    whole = len(data) - len(data) % 8
    return [
        ClusterEvent(_resource(resource), _actions(resource, bits))
        for resource, bits in struct.iter_unpack("<II", data[:whole])
    ]


def _resource(number: int) -> str:
    return _RESOURCES[number] if number < len(_RESOURCES) else f"EventResource({number})"


def _actions(resource: int, bits: int) -> int:
    """Guests know six bits; their "all" and "update" mean all of today's, as does any update of a
    non-node."""
    if bits == _GUEST_ALL:
        return int(Action.ALL)
    updates = bits & _GUEST_UPDATE
    if updates == _GUEST_UPDATE or (updates and _resource(resource) != "Node"):
        bits |= Action.UPDATE
    return int(bits & Action.ALL)


# --- scores ------------------------------------------------------------------------------------------------


def normalized_scores(data: bytes, nodes: Sequence[str]) -> list[int] | None:
    """Scores in the order of `nodes` from a JSON object {node: score}; None (unchanged): nothing or null."""
    scores = _json(data, "normalized score list") if data else None
    if not scores and (scores is None or scores == {}):
        return None
    if not isinstance(scores, dict):
        raise BadResult(f"normalized score list: {type(scores).__name__} instead of an object")
    if len(scores) != len(nodes):
        raise BadResult(
            f"size mismatch: scores has {len(nodes)} elements, but updatedScores has {len(scores)} elements"
        )
    try:
        result = [scores[node] for node in nodes]
    except KeyError as error:
        raise BadResult(f"normalized score list: node {shown(error.args[0])} is missing") from error
    for node, score in zip(nodes, result, strict=True):
        if type(score) is not int:
            raise BadResult(f"normalized score list: the score of node {shown(node)} is not an integer")
    return result


# --- the event recorder ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """An event to write; references have the keys of Kubernetes' ObjectReference, empty ones left out."""

    regarding: dict[str, str]
    related: dict[str, str] | None
    type: str
    reason: str
    action: str
    note: str


_REFERENCE: Final = {
    "Kind": "kind", "APIVersion": "apiVersion", "Name": "name", "Namespace": "namespace", "UID": "uid",
    "ResourceVersion": "resourceVersion",
}  # fmt: skip
_OF_REFERENCE: Final = go_json.Struct(dict.fromkeys(_REFERENCE, go_json.TEXT))
_EVENT: Final = go_json.Struct(
    {
        **dict.fromkeys(("RegardingReference", "RelatedReference"), _OF_REFERENCE),
        **dict.fromkeys(("Eventtype", "Reason", "Action", "Note"), go_json.TEXT),
    }
)
_MOST_SHOWN_BYTES: Final = 300


def recorded_event(data: bytes) -> RecordedEvent:
    """The JSON object of `handle.eventrecorder.eventf`, read as the extension's Go reads it. Raises BadResult."""
    try:
        event = go_json.read(_EVENT, data, alone=True)
    except EdgedError as error:
        raise BadResult(f"eventrecorder event: {cut(str(error), _MOST_SHOWN_BYTES)}") from error
    texts = [event[key] for key in ("Eventtype", "Reason", "Action", "Note")]
    return RecordedEvent(_reference(event["RegardingReference"]), _reference(event["RelatedReference"]) or None, *texts)


def _reference(reference: Mapping[str, str]) -> dict[str, str]:
    return {ours: reference[theirs] for theirs, ours in _REFERENCE.items() if reference[theirs]}


def _json(data: bytes, what: str) -> Any:
    try:
        return loads(data)
    except JsonError as error:
        raise BadResult(f"{what}: {error}") from error
