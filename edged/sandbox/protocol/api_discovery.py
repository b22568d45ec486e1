"""What the server offers: /version, legacy discovery (APIVersions, APIGroupList, APIResourceList) and the aggregated
form that newer clients ask for first. Pure."""

from __future__ import annotations

from typing import Any

from edged.sandbox.kinds.resources import Registry, Resource

Object = dict[str, Any]
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
KUBERNETES_VERSION = ("1", "37", "v1.37.2")

# Kinds that subresources speak, where it is not the parent's: group, version, kind.
_SUBRESOURCE_KINDS = {
    "scale": ("autoscaling", "v1", "Scale"),
    "eviction": ("policy", "v1", "Eviction"),
    "binding": ("", "v1", "Binding"),
}
_SUBRESOURCE_VERBS = {
    "binding": ("create",), "eviction": ("create",), "token": ("create",), "log": ("get",), "finalize": ("update",),
}  # fmt: skip


def version() -> Object:
    major, minor, full = KUBERNETES_VERSION
    return {
        "major": major, "minor": minor, "gitVersion": f"{full}-sandbox", "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "", "platform": "",
    }  # fmt: skip


def _kind_of(resource: Resource, subresource: str) -> tuple[str, str, str]:
    return _SUBRESOURCE_KINDS.get(subresource, (resource.group, resource.version, resource.kind))


def _verbs_of(subresource: str) -> list[str]:
    return list(_SUBRESOURCE_VERBS.get(subresource, ("get", "patch", "update")))


# --- legacy


def api_versions() -> Object:
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def group_list(registry: Registry) -> Object:
    groups = dict.fromkeys(group for group, _version in registry.group_versions() if group)
    items = [_group(registry, group) for group in groups]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": items}


def group(registry: Registry, name: str) -> Object:
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(registry, name)}


def _group(registry: Registry, name: str) -> Object:
    versions = [
        {"groupVersion": f"{group}/{version}", "version": version}
        for group, version in registry.group_versions() if group == name
    ]  # fmt: skip
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def resource_list(registry: Registry, group: str, version: str) -> Object:
    """APIResourceList of one group and version; subresources are entries of their own."""
    items: list[Object] = []
    for resource in registry.in_version(group, version):
        items.append(_legacy_entry(resource))
        items += [_legacy_subresource(resource, name) for name in _subresources(resource)]
    if group == "":
        binding = {"name": "bindings", "singularName": "binding", "namespaced": True, "kind": "Binding"}
        items.insert(0, {**binding, "verbs": ["create"]})
    group_version = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": items}


def _subresources(resource: Resource) -> list[str]:
    return list(resource.subresources) if resource.custom else sorted(resource.subresources)


def _legacy_entry(resource: Resource) -> Object:
    entry: Object = {
        "name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced,
        "kind": resource.kind, "verbs": list(resource.verbs),
    }  # fmt: skip
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if resource.versions is not None:
        entry["storageVersionHash"] = resource.versions.storage_hash(resource.kind)
    return entry


def _legacy_subresource(resource: Resource, name: str) -> Object:
    group, version, kind = _kind_of(resource, name)
    entry: Object = {
        "name": f"{resource.plural}/{name}",
        "singularName": "",
        "namespaced": resource.namespaced,
    }
    if (group, version) != (resource.group, resource.version):
        entry |= {"group": group, "version": version}
    return {**entry, "kind": kind, "verbs": _verbs_of(name)}


# --- aggregated


def aggregated(registry: Registry, *, core: bool) -> Object:
    """APIGroupDiscoveryList: of the core group for /api, of all others for /apis."""
    groups = dict.fromkeys(group for group, _version in registry.group_versions() if (group == "") is core)
    items = [_aggregated_group(registry, group) for group in groups]
    return {
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items,
    }  # fmt: skip


def _aggregated_group(registry: Registry, name: str) -> Object:
    versions = [
        {
            "version": version,
            "freshness": "Current",
            "resources": [_aggregated_entry(r) for r in registry.in_version(group, version)],
        }
        for group, version in registry.group_versions() if group == name
    ]  # fmt: skip
    metadata: Object = {"creationTimestamp": None}
    if name:
        metadata["name"] = name
    return {"metadata": metadata, "versions": versions}


def _aggregated_entry(resource: Resource) -> Object:
    entry: Object = {
        "resource": resource.plural,
        "responseKind": {"group": resource.group, "version": resource.version, "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if resource.subresources:
        entry["subresources"] = [_aggregated_subresource(resource, name) for name in _subresources(resource)]
    return entry


def _aggregated_subresource(resource: Resource, name: str) -> Object:
    group, version, kind = _kind_of(resource, name)
    return {
        "subresource": name,
        "responseKind": {"group": group, "version": version, "kind": kind},
        "verbs": _verbs_of(name),
    }
