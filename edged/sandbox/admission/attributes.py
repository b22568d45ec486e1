"""One write as admission sees it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from edged.sandbox.cluster import Object
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.protocol.api_status import ApiStatus, Cause, forbidden
from edged.sandbox.protocol.request import User


@dataclass(slots=True)
class Attributes:
    """One write as webhooks see it. `kind` is (group, version, kind) of the object when it is not the resource's own
    (Binding, Eviction, Scale). `warnings` collects what webhooks say."""

    operation: str
    resource: Resource
    subresource: str
    namespace: str
    name: str
    user: User
    dry_run: bool
    options: Object
    warnings: list[str] = field(default_factory=list)
    kind: tuple[str, str, str] | None = None

    def request(self, uid: str, obj: Object | None, old: Object | None) -> Object:
        """AdmissionReview.request."""
        group, version, kind = self.kind or (self.resource.group, self.resource.version, self.resource.kind)
        gvk = {"group": group, "version": version, "kind": kind}
        gvr = {
            "group": self.resource.group,
            "version": self.resource.version,
            "resource": self.resource.plural,
        }
        request: Object = {
            "uid": uid,
            "kind": gvk,
            "resource": gvr,
            "requestKind": gvk,
            "requestResource": gvr,
        }
        if self.subresource:
            request |= {"subResource": self.subresource, "requestSubResource": self.subresource}
        if self.name:
            request["name"] = self.name
        if self.namespace:
            request["namespace"] = self.namespace
        user: Object = {"username": self.user.username, "groups": list(self.user.groups)}
        if self.user.uid:
            user["uid"] = self.user.uid
        return request | {
            "operation": self.operation, "userInfo": user, "object": obj, "oldObject": old,
            "dryRun": self.dry_run, "options": self.options,
        }  # fmt: skip

    def forbidden(self, obj: Object | None, why: str, causes: Sequence[Cause] = ()) -> ApiStatus:
        """403 in the form of admission plugins: an object that has no name yet is called by its generateName."""
        metadata = (obj or {}).get("metadata") or {}
        name = self.name or metadata.get("name") or metadata.get("generateName") or "Unknown"
        return forbidden(self.resource.named, str(name), why, causes)
