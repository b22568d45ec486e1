"""`env` and `envFrom` of containers, and what refers to fields and keys. Pure.

Facts from kubernetes' pkg/apis/core/validation/validation.go and pkg/apis/core/pods.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.amounts import amount_of, text_of
from edged.sandbox.validation.causes import each_invalid, invalid, not_supported, required
from edged.sandbox.validation.formats import (
    config_key,
    dns_label,
    dns_subdomain,
    environment_name,
    prefix_of,
    qualified_name,
)
from edged.sandbox.validation.local_paths import no_backsteps

ENVIRONMENT_FIELDS = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP",
    "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip
VOLUME_FIELDS = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
_KNOWN_FIELDS = {*ENVIRONMENT_FIELDS, *VOLUME_FIELDS, "spec.restartPolicy", "spec.schedulerName", "status.phase"}
_RESOURCE_FIELDS = tuple(
    f"{part}.{name}" for part in ("limits", "requests") for name in ("cpu", "ephemeral-storage", "memory")
)
_PAGES = ("limits.hugepages-", "requests.hugepages-")
_SIZES = ("1", *(f"1{unit}" for unit in ("k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")))
_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_NO_SOURCE = (
    "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
)


def variables(given: list[Object], field: str) -> Iterator[Cause]:
    for index, variable in enumerate(given):
        name, where = variable.get("name") or "", f"{field}[{index}]"
        if name:
            yield from each_invalid(f"{where}.name", name, environment_name(name))
        else:
            yield required(f"{where}.name")
        if variable.get("valueFrom") is not None:
            yield from _value_from(variable, variable["valueFrom"], f"{where}.valueFrom")


def sources(given: list[Object], field: str) -> Iterator[Cause]:
    """`envFrom`; that there is one source is said of the list."""
    for index, source in enumerate(given):
        where, prefix = f"{field}[{index}]", source.get("prefix") or ""
        if prefix:
            yield from each_invalid(f"{where}.prefix", prefix, environment_name(prefix))
        named = [kind for kind in ("configMapRef", "secretRef") if source.get(kind) is not None]
        for kind in named:
            name = source[kind].get("name") or ""
            if name:
                yield from each_invalid(f"{where}.{kind}.name", name, prefix_of(dns_subdomain)(name))
            else:
                yield required(f"{where}.{kind}.name")
        if not named:
            yield invalid(field, "", "must specify one of: `configMapRef` or `secretRef`")
        elif len(named) > 1:
            yield invalid(field, "", "may not have more than one field specified at a time")


def field_reference(given: Object, known: Collection[str], field: str) -> Iterator[Cause]:
    """`fieldRef`: a field of the Pod, one of `known` or an annotation or label by key."""
    path = given.get("fieldPath") or ""
    if not given.get("apiVersion"):
        yield required(f"{field}.apiVersion")
        return
    if not path:
        yield required(f"{field}.fieldPath")
        return
    subscript = re.fullmatch(r"(.+?)\['(.*)'\]", path, re.DOTALL)
    problem = _conversion_problem(given["apiVersion"], path, subscript)
    if problem:
        yield invalid(f"{field}.fieldPath", path, f"error converting fieldPath: {problem}")
    elif subscript:
        key = subscript[2].lower() if subscript[1] == "metadata.annotations" else subscript[2]
        yield from each_invalid(field, key, qualified_name(key))
    else:
        path = "spec.nodeName" if path == "spec.host" else path
        if path not in known:
            yield not_supported(f"{field}.fieldPath", path, sorted(known))


def resource_reference(given: Object, field: str, *, volume: bool) -> Iterator[Cause]:
    """`resourceFieldRef`; in a volume it names the container."""
    name = given.get("resource") or ""
    if volume and not given.get("containerName"):
        yield required(f"{field}.containerName")
    elif not name:
        yield required(f"{field}.resource")
    elif name not in _RESOURCE_FIELDS and not name.startswith(_PAGES):
        yield not_supported(f"{field}.resource", name, _RESOURCE_FIELDS)
    yield from _divisor(name, given.get("divisor"), f"{field}.divisor")


def _conversion_problem(version: str, path: str, subscript: re.Match[str] | None) -> str:
    if version != "v1":
        return f"unsupported pod version: {version}"
    if subscript:
        plain = subscript[1] in ("metadata.annotations", "metadata.labels")
        return "" if plain else f"field label does not support subscript: {path}"
    return "" if path in _KNOWN_FIELDS or path == "spec.host" else f"field label not supported: {path}"


def _divisor(name: str, divisor: object, field: str) -> Iterator[Cause]:
    if not divisor or amount_of(divisor) == 0:
        return
    text, kind = text_of(divisor), name.partition(".")[2]
    if kind == "cpu" and name in _RESOURCE_FIELDS:
        if text not in ("1m", "1"):
            yield invalid(field, name, "only divisor's values 1m and 1 are supported with the cpu resource")
        return
    told = {"memory": "memory", "ephemeral-storage": "local ephemeral storage"}.get(kind)
    if name.startswith(_PAGES):
        told = "hugepages"
    if told and (name in _RESOURCE_FIELDS or name.startswith(_PAGES)) and text not in _SIZES:
        sizes = ", ".join(_SIZES)
        yield invalid(field, name, f"only divisor's values {sizes} are supported with the {told} resource")


def _value_from(variable: Object, given: Object, field: str) -> Iterator[Cause]:
    named = [source for source in _SOURCES if given.get(source) is not None]
    for source in named:
        yield from _source(source, given[source], f"{field}.{source}")
    if not named:
        yield invalid(field, "", _NO_SOURCE)
    elif variable.get("value"):
        yield invalid(field, "", "may not be specified when `value` is not empty")
    elif len(named) > 1:
        yield invalid(field, "", "may not have more than one field specified at a time")


def _source(source: str, given: Object, field: str) -> Iterator[Cause]:
    if source == "fieldRef":
        yield from field_reference(given, ENVIRONMENT_FIELDS, field)
    elif source == "resourceFieldRef":
        yield from resource_reference(given, field, volume=False)
    elif source == "fileKeyRef":
        yield from _file_key(given, field)
    else:
        name, key = given.get("name") or "", given.get("key") or ""
        yield from each_invalid(f"{field}.name", name, dns_subdomain(name))
        if key:
            yield from each_invalid(f"{field}.key", key, config_key(key))
        else:
            yield required(f"{field}.key")


def _file_key(given: Object, field: str) -> Iterator[Cause]:
    for name, check in (("key", environment_name), ("volumeName", dns_label)):
        value = given.get(name) or ""
        if value:
            yield from each_invalid(f"{field}.{name}", value, check(value))
        else:
            yield required(f"{field}.{name}")
    path = given.get("path") or ""
    if path:
        yield from no_backsteps(path, f"{field}.path")
    else:
        yield required(f"{field}.path")
