"""Small frozen keys that name Kubernetes resources and objects."""

from __future__ import annotations

from typing import NamedTuple

from edged.records import dataclass


@dataclass(frozen=True, slots=True)
class GroupVersionResource:
    """A resource as URLs name it. `group` is "" for the core group, `resource` the lower-case plural."""

    group: str
    version: str
    resource: str

    @property
    def api_version(self) -> str:
        """`v1` for the core group, `group/version` otherwise."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None) -> str:
        """URL path of the collection: `/api/v1/namespaces/NS/pods`, `/apis/apps/v1/deployments`."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        return f"{root}/namespaces/{namespace}/{self.resource}" if namespace else f"{root}/{self.resource}"

    def __str__(self) -> str:
        return (
            f"{self.resource}.{self.version}.{self.group}"
            if self.group
            else f"{self.resource}.{self.version}"
        )


class NamespacedName(NamedTuple):
    """`namespace` is "" for cluster-scoped objects. A tuple: one is built per object and event."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


def key_of(obj: dict[str, object]) -> NamespacedName:
    """The key of a Kubernetes object given as decoded JSON."""
    metadata = obj["metadata"]
    if not isinstance(metadata, dict):
        raise TypeError(f"metadata is no object but {type(metadata).__name__}")
    return NamespacedName(metadata.get("namespace") or "", metadata["name"])


@dataclass(frozen=True, slots=True)
class ServedKind:
    """A kind as the API server serves it."""

    resource: GroupVersionResource
    kind: str
    namespaced: bool
    verbs: tuple[str, ...] = ()


def holder_name(identity: str) -> str:
    """Who holds a Lease, for people: `NODE` of the identity `NODE_UUID`, as edged and kube-scheduler write it."""
    node, _, unique = identity.rpartition("_")
    return node or unique


def is_segment(name: str) -> bool:
    """Whether it can be one part of a URL's path: no object has a name that cannot."""
    return name not in ("", ".", "..") and "/" not in name
