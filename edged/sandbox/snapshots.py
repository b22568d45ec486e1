"""What a sandbox starts with, and what it held at its end: objects as documents.

An object with a uid was given back by an API server: it is put into the storage as it is, with uid, times and status.
Any other is created by a request, as a client would, so that it is completed and checked; its status is written too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from edged.errors import ConfigError
from edged.json_text import dumps, loads
from edged.kube.values.names import NamespacedName, key_of
from edged.sandbox.api import Api
from edged.sandbox.cluster import Cluster
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.protocol import codec
from edged.sandbox.protocol.api_status import ApiStatus
from edged.sandbox.protocol.request import Request

Object = dict[str, Any]
Placed = tuple[Object, str]
"""An object, and where it stands: for messages."""

_FIRST: Final = ("Namespace", "CustomResourceDefinition", "PriorityClass", "RuntimeClass", "StorageClass",
                 "IngressClass", "ServiceAccount", "Node", "PersistentVolume")
"""Kinds that others refer to."""
_LAST: Final = ("LimitRange", "ResourceQuota", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration",
                "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy",
                "ValidatingAdmissionPolicyBinding")
"""Kinds that decide about others: what is loaded with them was there before."""


def objects_of(document: object, where: str) -> Iterator[Placed]:
    """The objects of a document: itself, or the items of a list. Raises ConfigError."""
    if not isinstance(document, dict) or not all(isinstance(document.get(k), str) for k in ("apiVersion", "kind")):
        raise ConfigError(f"{where}: this is no Kubernetes object: it needs apiVersion and kind")
    kind, items = document["kind"], document.get("items")
    if not kind.endswith("List") or not isinstance(items, list):
        if (document["apiVersion"], kind) == ("v1", "List"):
            raise ConfigError(f"{where}: the items of this List are no list")
        yield document, where
        return
    for number, item in enumerate(items):
        place = f"{where}: items[{number}]"
        if isinstance(item, dict) and kind != "List":
            item = {"apiVersion": document["apiVersion"], "kind": kind.removesuffix("List"), **item}
        yield from objects_of(item, place)


async def load(api: Api, placed: Iterable[Placed]) -> int:
    """Puts all of them in and returns how many. Namespaces that nobody made are made. Raises ConfigError for the first
    that cannot be had."""
    ordered = sorted(placed, key=lambda each: _rank(each[0]["kind"]))
    for obj, where in ordered:
        try:
            await _put(api, obj)
        except ApiStatus as refusal:
            raise ConfigError(f"{where}: {refusal.message}") from refusal
    return len(ordered)


def dump(api: Api) -> list[Object]:
    """All objects, in the order of `load`, then by kind, namespace and name."""
    cluster = api.cluster
    resources: dict[str, Resource] = {}
    for resource in cluster.registry:
        if resource.bucket:
            resources.setdefault(resource.bucket, resource)
    found = []
    for bucket in cluster.storage.buckets():
        if bucket in resources:
            found += [_kept(cluster, resources[bucket], obj) for obj in cluster.storage.list(bucket)]
    return sorted(found, key=lambda obj: (_rank(obj["kind"]), obj["apiVersion"], obj["kind"]))


def _kept(cluster: Cluster, resource: Resource, obj: Object) -> Object:
    """Custom resources stay in the version in which they are stored: another may need a conversion webhook."""
    return cluster.present(resource, obj) if resource.versions is None else resource.versions.read(obj)


def _rank(kind: str) -> int:
    if kind in _FIRST:
        return _FIRST.index(kind)
    return len(_FIRST) + (1 + _LAST.index(kind) if kind in _LAST else 0)


async def _put(api: Api, obj: Object) -> None:
    """Raises ApiStatus."""
    resource = api.cluster.registry.by_kind(obj["apiVersion"], obj["kind"])
    if resource is None or "get" not in resource.verbs:
        raise ApiStatus(404, "NotFound", f'no kind "{obj["kind"]}" in version "{obj["apiVersion"]}"')
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict):
        raise ApiStatus(400, "BadRequest", f"{obj['kind']}: metadata is missing")
    if resource.namespaced:
        metadata = {**metadata, "namespace": metadata.get("namespace") or "default"}
        await _ensure_namespace(api, str(metadata["namespace"]))
    obj = {**obj, "metadata": metadata}
    if metadata.get("uid"):
        _restore(api, resource, obj)
    else:
        await _create(api, resource, obj)


async def _ensure_namespace(api: Api, name: str) -> None:
    # Not asked for again and again: after a request controllers would end namespaces whose content is still to come.
    if api.cluster.storage.get("namespaces", NamespacedName("", name)) is not None:
        return
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    answer = await api.handle(_request("POST", "/api/v1/namespaces", body))
    if answer.status not in (201, 409):
        raise _refusal(answer.body)


def _restore(api: Api, resource: Resource, obj: Object) -> None:
    cluster = api.cluster
    decoded = codec.decode(cluster, _request("POST", "/", obj), resource.kind)
    decoded = codec.check_fields(resource, decoded, [])
    if not decoded["metadata"].get("name"):
        raise ApiStatus(400, "BadRequest", f"{resource.kind}: metadata.name is missing")
    stored = decoded if resource.custom else cluster.stored(resource, decoded)
    if cluster.storage.get(resource.bucket, key_of(stored)) is None:
        written = cluster.storage.create(resource.bucket, stored)
    else:
        written = cluster.storage.update(resource.bucket, stored)
    api.lifecycle.written(resource, written)


async def _create(api: Api, resource: Resource, obj: Object) -> None:
    path = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    if resource.namespaced:
        path += f"/namespaces/{obj['metadata']['namespace']}"
    path += f"/{resource.plural}"
    answer = await api.handle(_request("POST", path, obj))
    name = obj["metadata"].get("name")
    if answer.status == 409 and name:  # what every cluster begins with, or what stands twice in the files
        answer = await api.handle(_request("PUT", f"{path}/{name}", obj))
    if answer.status >= 300:
        raise _refusal(answer.body)
    if isinstance(obj.get("status"), dict) and resource.has_status:
        made = loads(answer.body)
        body = {**made, "status": obj["status"]}
        answer = await api.handle(_request("PUT", f"{path}/{made['metadata']['name']}/status", body))
        if answer.status >= 300:
            raise _refusal(answer.body)


def _request(method: str, path: str, body: Object) -> Request:
    headers = {"content-type": "application/json", "user-agent": "edged-sandbox-load"}
    return Request(method, path, {"fieldValidation": "Strict"}, headers, dumps(body))


def _refusal(body: bytes) -> ApiStatus:
    status = loads(body)
    return ApiStatus(status.get("code", 500), status.get("reason", ""), status.get("message", ""))
