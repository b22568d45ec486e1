"""StorageClasses, VolumeAttributesClasses, VolumeAttachments and the kinds of CSI. Pure.

Facts from kubernetes' pkg/apis/storage/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import (
    duplicate,
    each_invalid,
    fixed,
    forbidden,
    immutable,
    invalid,
    not_negative,
    not_supported,
    part,
    required,
    too_long,
)
from edged.sandbox.validation.claims import nanos_of
from edged.sandbox.validation.formats import dns_subdomain, dns_subdomain_caseless, label_value, qualified_name, size
from edged.sandbox.validation.persistent_volumes import driver_name, volume_spec
from edged.sandbox.validation.selectors import label_selector

MOST_PARAMETERS, MOST_PARAMETER_BYTES, LONGEST_MESSAGE, LONGEST_NODE_ID = 512, 256 << 10, 1024, 256
_BINDING = ("Immediate", "WaitForFirstConsumer")
_GROUP_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")
_LIFECYCLES = ("Persistent", "Ephemeral")
_CLASS_FIXED = ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode")


def storage_class(obj: Object, old: Object | None) -> Iterator[Cause]:
    provisioner, policy, mode = (obj.get(n) for n in ("provisioner", "reclaimPolicy", "volumeBindingMode"))
    if provisioner:
        yield from each_invalid("provisioner", provisioner.lower(), qualified_name(provisioner.lower()))
    yield from _parameters(obj.get("parameters") or {})
    if policy and policy not in ("Delete", "Retain"):
        yield not_supported("reclaimPolicy", policy, ("Delete", "Retain"))
    if mode is not None and mode not in _BINDING:
        yield not_supported("volumeBindingMode", mode, _BINDING)
    yield from _topologies(obj.get("allowedTopologies") or [])
    for name in _CLASS_FIXED if old is not None else ():
        if (obj.get(name) or None) != ((old or {}).get(name) or None):
            yield fixed(name)
    if not provisioner:
        yield required("provisioner")


def volume_attributes_class(obj: Object, old: Object | None) -> Iterator[Cause]:
    if old is not None:
        for name in ("driverName", "parameters"):
            if (obj.get(name) or None) != (old.get(name) or None):
                yield forbidden(name, f"updates to {name} are forbidden.")
    driver = obj.get("driverName") or ""
    if not driver:
        yield required("driverName")
    else:
        yield from each_invalid("driverName", driver.lower(), qualified_name(driver.lower()))
    yield from _parameters(obj.get("parameters") or {})
    if not obj.get("parameters"):
        yield required("parameters", "must contain at least one key/value pair")


def volume_attachment(obj: Object, old: Object | None) -> Iterator[Cause]:
    spec = part(obj, "spec")
    source, name = spec.get("source") or {}, part(spec, "source").get("persistentVolumeName")
    inline = source.get("inlineVolumeSpec")
    why = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
    if inline is None and name is None:
        yield required("spec.source", why)
    elif inline is not None and name is not None:
        yield forbidden("spec.source", why)
    elif name == "":
        yield required("spec.source.persistentVolumeName", "must specify non empty persistentVolumeName")
    elif inline is not None:
        yield from volume_spec(inline, "spec.source.inlineVolumeSpec", inline=True)
    node = spec.get("nodeName") or ""
    yield from each_invalid("spec.nodeName", node, dns_subdomain(node))
    yield from volume_attachment_status(obj, old)
    if name is not None:
        yield from each_invalid("spec.source.persistentVolumeName", name, dns_subdomain(name))
    if old is not None:
        if part(old, "spec") != spec:
            yield fixed("spec")
        return
    attacher = spec.get("attacher") or ""
    if not attacher:
        yield required("spec.attacher")
        return
    yield from each_invalid("spec.attacher", attacher, dns_subdomain_caseless(attacher))
    if size(attacher) > 63:
        yield too_long("spec.attacher", 63, "characters")


def volume_attachment_status(obj: Object, old: Object | None) -> Iterator[Cause]:
    for name in ("attachError", "detachError"):
        if size(part(obj, "status", name).get("message") or "") > LONGEST_MESSAGE:
            yield too_long(f"status.{name}.message", LONGEST_MESSAGE)


def csi_driver(obj: Object, old: Object | None) -> Iterator[Cause]:
    spec = part(obj, "spec")
    policy = spec.get("fsGroupPolicy")
    if policy is not None and policy not in _GROUP_POLICIES:
        yield not_supported("spec.fsGroupPolicy", policy, _GROUP_POLICIES)
    yield from _token_requests(spec.get("tokenRequests") or [])
    for mode in spec.get("volumeLifecycleModes") or ():
        if mode not in _LIFECYCLES:
            yield not_supported("spec.volumeLifecycleModes", mode, _LIFECYCLES)
    period = spec.get("nodeAllocatableUpdatePeriodSeconds")
    if period is not None and period < 10:
        yield invalid("spec.nodeAllocatableUpdatePeriodSeconds", period, "must be greater than or equal to 10 seconds")
    secrets = spec.get("serviceAccountTokenInSecrets")
    if secrets is not None and not spec.get("tokenRequests"):
        why = "serviceAccountTokenInSecrets is set but no tokenRequests are specified"
        yield invalid("spec.serviceAccountTokenInSecrets", secrets, why)
    if old is not None:
        before = part(old, "spec")
        for name, told in (("attachRequired", "attachedRequired"), ("volumeLifecycleModes", "volumeLifecycleModes")):
            if spec.get(name) != before.get(name):
                yield immutable(f"spec.{told}", spec.get(name))


def csi_node(obj: Object, old: Object | None) -> Iterator[Cause]:
    seen: set[str] = set()
    drivers = part(obj, "spec").get("drivers") or []
    for index, driver in enumerate(drivers):
        field, name = f"spec.drivers[{index}]", driver.get("name") or ""
        yield from driver_name(f"{field}.name", name)
        identity = driver.get("nodeID") or ""
        if not identity:
            yield required(f"{field}.nodeID")
        if size(identity) > LONGEST_NODE_ID:
            yield invalid(f"{field}.nodeID", identity, f"must be {LONGEST_NODE_ID} characters or less")
        yield from not_negative(f"{field}.allocatable.count", part(driver, "allocatable").get("count"))
        if name in seen:
            yield duplicate(f"{field}.name", name)
        seen.add(name)
        yield from _topology_keys(driver.get("topologyKeys") or [], field)
    before = {each.get("name"): each for each in part(old or {}, "spec").get("drivers") or ()}
    for driver in drivers:
        kept = before.get(driver.get("name"))
        if kept is not None and any(driver.get(n) != kept.get(n) for n in ("nodeID", "topologyKeys")):
            yield immutable("spec.drivers", {
                "Name": driver.get("name"), "NodeID": driver.get("nodeID") or "",
                "TopologyKeys": driver.get("topologyKeys"), "Allocatable": None,
            })  # fmt: skip


def storage_capacity(obj: Object, old: Object | None) -> Iterator[Cause]:
    yield from label_selector(obj.get("nodeTopology"), "nodeTopology")
    name = obj.get("storageClassName") or ""
    yield from each_invalid("storageClassName", name, dns_subdomain(name))
    if obj.get("capacity") is not None and (nanos_of(obj["capacity"]) or 0) < 0:
        yield invalid("capacity", obj["capacity"], "must be greater than or equal to 0")
    for field in ("nodeTopology", "storageClassName") if old is not None else ():
        if obj.get(field) != (old or {}).get(field):
            yield immutable(field, obj.get(field))


def _parameters(given: Object) -> Iterator[Cause]:
    if len(given) > MOST_PARAMETERS:
        yield too_long("parameters", MOST_PARAMETERS)
        return
    if "" in given:
        yield invalid("parameters", "", "field can not be empty.")
    if sum(size(key) + size(value) for key, value in given.items()) > MOST_PARAMETER_BYTES:
        yield too_long("parameters", MOST_PARAMETER_BYTES)


def _topologies(terms: list[Object]) -> Iterator[Cause]:
    for index, term in enumerate(terms):
        seen: set[str] = set()
        for number, expression in enumerate(term.get("matchLabelExpressions") or ()):
            field = f"allowedTopologies[{index}].matchLabelExpressions[{number}]"
            key, values = expression.get("key") or "", expression.get("values") or []
            if not values:
                yield required(f"{field}.values")
            for position, value in enumerate(values):
                yield from each_invalid(f"{field}.values[{position}]", value, label_value(value))
                if value in values[:position]:
                    yield duplicate(f"{field}.values[{position}]", value)
            yield from each_invalid(f"{field}.key", key, qualified_name(key))
            if key in seen:
                yield duplicate(f"{field}.key", key)
            seen.add(key)


def _token_requests(given: list[Object]) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, request in enumerate(given):
        field, audience = f"spec.tokenRequests[{index}]", request.get("audience") or ""
        seconds = request.get("expirationSeconds")
        if audience in seen:
            yield duplicate(f"{field}.audience", audience)
            continue
        seen.add(audience)
        if seconds is not None and seconds < 600:
            yield invalid(f"{field}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
        if seconds is not None and seconds > 1 << 32:
            yield invalid(f"{field}.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds")


def _topology_keys(keys: list[str], field: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for key in keys:
        if not key:
            yield required(field)
        if key in seen:
            yield duplicate(field, key)
        seen.add(key)
        yield from each_invalid(field, key, qualified_name(key))


def csi_driver_warnings(obj: Object, old: Object | None) -> Iterator[str]:
    spec = obj.get("spec") or {}
    if spec.get("tokenRequests") and spec.get("serviceAccountTokenInSecrets") is None:
        yield (
            "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent "
            "possible logging of tokens in volume attributes"
        )
