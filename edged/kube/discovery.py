"""Which URL serves a kind: (apiVersion, kind) -> resource, as the API server itself says.

Answers are kept on the ApiClient until its session changes; what is not found is asked again each time (a
custom resource may be installed at any moment).
"""

from __future__ import annotations

from edged.errors import PeerError
from edged.kube.client import ApiClient, ApiError
from edged.kube.values.names import GroupVersionResource, ServedKind


class KindNotServed(PeerError):
    """The API server does not know the apiVersion, or no such kind in it."""


async def discover(client: ApiClient, api_version: str, kind: str) -> ServedKind:
    """The resource of a kind, upper and lower case as given. KindNotServed; ApiError, NoAnswer from the
    client."""
    cached = client.discovered.get((api_version, kind))
    if isinstance(cached, ServedKind):
        return cached
    for served in await resources_of(client, api_version):
        client.discovered.setdefault((api_version, served.kind), served)
    discovered = client.discovered.get((api_version, kind))
    if not isinstance(discovered, ServedKind):
        raise KindNotServed(f"the API server serves no kind {kind} in {api_version}")
    return discovered


async def resources_of(client: ApiClient, api_version: str) -> list[ServedKind]:
    """Everything in an apiVersion but subresources, as the server has it now. Raises like `discover`."""
    group, _, version = api_version.rpartition("/")
    path = f"/apis/{group}/{version}" if group else f"/api/{version}"
    if not version or "/" in group or ".." in path or "?" in path or "#" in path:
        raise KindNotServed(f"{api_version!r} is not an apiVersion")
    try:
        answer = await client.request("GET", path)
    except ApiError as error:
        if error.code == 404:
            raise KindNotServed(f"the API server does not serve {api_version}") from error
        raise
    entries = [_served(entry, group, version) for entry in answer.get("resources") or []]
    return [served for served in entries if served is not None]


def _served(entry: object, group: str, version: str) -> ServedKind | None:
    """One entry of an APIResourceList; None for subresources ("pods/status") and for what is malformed."""
    if not isinstance(entry, dict):
        return None
    name, kind = entry.get("name"), entry.get("kind")
    if not (isinstance(name, str) and isinstance(kind, str)) or "/" in name:
        return None
    verbs = tuple(verb for verb in entry.get("verbs") or () if isinstance(verb, str))
    return ServedKind(GroupVersionResource(group, version, name), kind, bool(entry.get("namespaced")), verbs)
