"""What the server offers: /version, legacy discovery (APIVersions, APIGroupList, APIResourceList) and the aggregated
form that newer clients ask for first. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from edged.json_text import loads
from edged.sandbox.authorization.tokens import ISSUER
from edged.sandbox.kinds.resources import Registry, Resource

Object = dict[str, Any]
KUBERNETES_VERSION = ("1", "37", "v1.37.2")


def version() -> Object:
    major, minor, full = KUBERNETES_VERSION
    return {
        "major": major, "minor": minor, "emulationMajor": major, "emulationMinor": minor,
        "minCompatibilityMajor": major, "minCompatibilityMinor": str(int(minor) - 1), "gitVersion": f"{full}-sandbox",
        "gitCommit": "", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "",
        "platform": "",
    }  # fmt: skip


def openid(host: str) -> Object:
    """Where the keys are that sign tokens of service accounts."""
    return {
        "issuer": ISSUER, "jwks_uri": f"https://{host}/openid/v1/jwks", "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["ES256"],
    }  # fmt: skip


# --- legacy


def api_versions(host: str) -> Object:
    """`host`: the address under which the client found the server."""
    addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": host}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses}


def group_list(registry: Registry) -> Object:
    items = [_group(registry, group) for group in _groups(registry)]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": items}


def _groups(registry: Registry) -> list[str]:
    """All but the core group, in the order of the API server, custom ones by name behind."""
    builtin = {group: position for position, group in enumerate(_table()["groups"])}
    found = dict.fromkeys(group for group, _version in registry.group_versions() if group)
    return sorted(found, key=lambda group: (builtin.get(group, len(builtin)), group))


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
    group_version = f"{group}/{version}" if group else version
    items = list(_entries(registry, group, version))
    named = {"apiVersion": "v1"} if group else {}  # so does the API server: the oldest group has none
    return {"kind": "APIResourceList", **named, "groupVersion": group_version, "resources": items}


def _entries(registry: Registry, group: str, version: str) -> Iterator[Object]:
    """Entries of an APIResourceList: those of built-in kinds are data, the others are made of their definitions."""
    builtin = _table().get(f"{group}/{version}" if group else version) or []
    for entry in builtin:
        plural, _, subresource = entry["name"].partition("/")
        resource = registry.find(group, version, plural)
        if plural == "bindings" or (resource and (not subresource or subresource in resource.subresources)):
            yield entry
    names = {entry["name"] for entry in builtin}
    for resource in registry.in_version(group, version):
        if resource.plural not in names:
            yield _custom_entry(resource)
            yield from (_custom_subresource(resource, name) for name in resource.subresources)


def _custom_entry(resource: Resource) -> Object:
    entry: Object = {
        "name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced,
        "kind": resource.kind, "verbs": list(resource.verbs),
    }  # fmt: skip
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if resource.versions is None:
        return entry
    return {**entry, "storageVersionHash": resource.versions.storage_hash(resource.kind)}


def _custom_subresource(resource: Resource, name: str) -> Object:
    entry: Object = {
        "name": f"{resource.plural}/{name}", "singularName": "", "namespaced": resource.namespaced,
    }  # fmt: skip
    kind = resource.kind
    if name == "scale":
        entry |= {"group": "autoscaling", "version": "v1"}
        kind = "Scale"
    return {**entry, "kind": kind, "verbs": ["get", "patch", "update"]}


@cache
def _table() -> Object:
    """discovery.json: "groups" in their order, and the entries of each group and version."""
    table: Object = loads(Path(__file__).parent.parent.joinpath("kinds", "discovery.json").read_bytes())
    return table


# --- aggregated


def aggregated(registry: Registry, *, core: bool) -> Object:
    """APIGroupDiscoveryList: of the core group for /api, of all others for /apis."""
    groups = [""] if core else _groups(registry)
    items = [_aggregated_group(registry, group) for group in groups]
    return {
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items,
    }  # fmt: skip


def _aggregated_group(registry: Registry, name: str) -> Object:
    versions = [
        {"version": version, "resources": _aggregated_entries(registry, group, version), "freshness": "Current"}
        for group, version in registry.group_versions() if group == name
    ]  # fmt: skip
    return {"metadata": {"name": name} if name else {}, "versions": versions}


def _aggregated_entries(registry: Registry, group: str, version: str) -> list[Object]:
    made: dict[str, Object] = {}
    for entry in _entries(registry, group, version):
        plural, _, subresource = entry["name"].partition("/")
        resource = registry.find(group, version, plural)
        own = (group, version) if resource is not None and resource.custom else ("", "")
        kind = {"group": entry.get("group", own[0]), "version": entry.get("version", own[1]), "kind": entry["kind"]}
        if subresource:
            shown = {"subresource": subresource, "responseKind": kind, "verbs": entry["verbs"]}
            made[plural].setdefault("subresources", []).append(shown)
            continue
        made[plural] = {
            "resource": plural, "responseKind": kind,
            "scope": "Namespaced" if entry["namespaced"] else "Cluster", "singularResource": entry["singularName"],
            "verbs": entry["verbs"], **{key: entry[key] for key in ("shortNames", "categories") if key in entry},
        }  # fmt: skip
    return list(made.values())
