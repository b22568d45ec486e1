"""URL paths of collections and objects, from names that may come from guests.

GroupVersionResource.path trusts its argument; these do not: a "name" must never lead to another object.
"""

from __future__ import annotations

from urllib.parse import quote

from edged.kube.values.names import GroupVersionResource, is_segment


def collection_path(resource: GroupVersionResource, namespace: str | None = None) -> str:
    """`/api/v1/namespaces/NS/pods`. ValueError when the namespace is not a name."""
    return resource.path(None if namespace is None else _segment(namespace))


def object_path(
    resource: GroupVersionResource, name: str, namespace: str | None = None, subresource: str = ""
) -> str:
    """`/api/v1/namespaces/NS/pods/NAME/status`. ValueError when a part is not a name."""
    path = f"{collection_path(resource, namespace)}/{_segment(name)}"
    return f"{path}/{_segment(subresource)}" if subresource else path


def _segment(name: str) -> str:
    if not is_segment(name):
        raise ValueError(f"not a name of a Kubernetes object: {name!r}")
    return quote(name, safe=":")  # RBAC names have colons
