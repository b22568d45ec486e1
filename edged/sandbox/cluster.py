"""What every handler shares: storage, the table of resources, clock and names of new objects, API version views.

Pure: clock and randomness are handed in. Built once per server by server.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from edged.sandbox.authorization.tokens import Tokens
from edged.sandbox.kinds.go_types import GoTypes
from edged.sandbox.kinds.resources import Registry, Resource
from edged.sandbox.storage import Storage

if TYPE_CHECKING:
    from edged.sandbox.authorization.rules import Rbac

Object = dict[str, Any]
SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"

_LAST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()


@dataclass(slots=True)
class Cluster:
    """`now` gives seconds since the epoch, `new_uid` a UUID, `choose` one character of a text at random. `rights` says
    who may do what; None: everybody may do everything."""

    storage: Storage
    registry: Registry
    types: GoTypes
    now: Callable[[], float]
    new_uid: Callable[[], str]
    choose: Callable[[str], str]
    rights: Rbac | None = None
    tokens: Tokens = field(default_factory=Tokens)

    def timestamp(self, later_s: float = 0) -> str:
        """The time, or one that is later, in the form of creationTimestamp; no year has five digits."""
        return datetime.fromtimestamp(min(self.now() + later_s, _LAST), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def name_suffix(self) -> str:
        """The five characters that follow generateName."""
        return "".join(self.choose(SUFFIX_LETTERS) for _ in range(5))

    def present(self, resource: Resource, obj: Object) -> Object:
        """A stored object in the API version of `resource`, kind and apiVersion first. Bookmarks have metadata."""
        if "kind" not in obj:
            return {"kind": resource.kind, "apiVersion": resource.api_version, **obj}
        if resource.versions is not None:
            return resource.versions.presented(obj, resource.version)
        if resource.group == "events.k8s.io":
            obj = event_v1(obj)
        body = {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")}
        if resource.kind == "CustomResourceDefinition":  # its conditions are null, not absent, while there are none
            body["status"] = {"conditions": None, **body["status"]}
        return {"kind": resource.kind, "apiVersion": resource.api_version, **body}

    def stored(self, resource: Resource, obj: Object) -> Object:
        """The reverse of `present`: the form in which the bucket keeps it."""
        if resource.versions is not None:
            return resource.versions.stored(obj)
        if resource.group == "events.k8s.io":
            obj = event_core(obj)
        body = {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")}
        api_version = "v1" if resource.bucket == "events" else resource.api_version
        return {"kind": resource.kind, "apiVersion": api_version, **body}


_EVENT_FIELDS = {
    "involvedObject": "regarding",
    "message": "note",
    "reportingComponent": "reportingController",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
}


_EVENT_REPORTERS = ("reportingController", "reportingInstance")


def event_v1(obj: Object) -> Object:
    """A core/v1 Event with the field names of events.k8s.io/v1, which leaves out who reports where nobody is named."""
    named = {_EVENT_FIELDS.get(key, key): value for key, value in obj.items()}
    return {key: value for key, value in named.items() if value or key not in _EVENT_REPORTERS}


def event_core(obj: Object) -> Object:
    """An events.k8s.io/v1 Event with the field names of core/v1."""
    names = {new: old for old, new in _EVENT_FIELDS.items()}
    return {names.get(key, key): value for key, value in obj.items()}
