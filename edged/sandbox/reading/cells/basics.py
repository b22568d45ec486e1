"""The cells of Nodes, Namespaces, Events, configuration and amounts. Pure."""

from __future__ import annotations

from edged.sandbox.reading import ages
from edged.sandbox.reading.cells.values import (
    AGE,
    CREATED,
    NAME,
    NONE,
    UNKNOWN,
    Cell,
    Object,
    count,
    dig,
    items,
    number,
    quantity,
    text,
    truth,
)

# --- Nodes

_ROLE_PREFIX, _ROLE_LABEL = "node-role.kubernetes.io/", "kubernetes.io/role"


def _node_status(node: Object, _now: float) -> str:
    ready = [each.get("status") == "True" for each in items(node, "status.conditions") if each.get("type") == "Ready"]
    word = ("Ready" if ready[-1] else "NotReady") if ready else "Unknown"
    return f"{word},SchedulingDisabled" if dig(node, "spec.unschedulable") else word


def _roles(node: Object, _now: float) -> str:
    labels = dig(node, "metadata.labels") or {}
    found = {key.removeprefix(_ROLE_PREFIX) for key in labels if key.startswith(_ROLE_PREFIX)}
    found.add(labels.get(_ROLE_LABEL) or "")
    return ",".join(sorted(found - {""})) or NONE


def _address(kind: str) -> Cell:
    def cell(node: Object, _now: float) -> str:
        addresses = items(node, "status.addresses")
        return next((str(each.get("address")) for each in addresses if each.get("type") == kind), NONE)

    return cell


def _kernel(node: Object, _now: float) -> str:
    info = dig(node, "status.nodeInfo") or {}
    machine = f" ({info['architecture']})" if info.get("architecture") else ""
    return f"{info.get('kernelVersion') or UNKNOWN}{machine}"


# --- Events, as core/v1 has them


def _first_seen(event: Object, now: float) -> str:
    first = event.get("firstTimestamp")
    return ages.age(event.get("eventTime") if ages.seconds(first) is None else first, now)


def _last_seen(event: Object, now: float) -> str:
    if event.get("series") is not None:
        return ages.age(dig(event, "series.lastObservedTime"), now)
    last = event.get("lastTimestamp")
    return _first_seen(event, now) if ages.seconds(last) is None else ages.age(last, now)


def _times(event: Object, _now: float) -> int:
    series = event.get("series")
    return int((series.get("count") or 0) if isinstance(series, dict) else event.get("count") or 1)


def _regarding(event: Object, _now: float) -> str:
    kind, name = str(dig(event, "involvedObject.kind") or "").lower(), dig(event, "involvedObject.name")
    return f"{kind}/{name}" if name else kind


def _source(event: Object, _now: float) -> str:
    component = dig(event, "source.component") or event.get("reportingComponent") or ""
    host = dig(event, "source.host") or event.get("reportingInstance") or ""
    return f"{component}, {host}" if host else str(component)


_EVENT = (
    _last_seen, text("type"), text("reason"), _regarding, text("involvedObject.fieldPath"), _source,
    lambda event, _now: str(event.get("message") or "").strip(), _first_seen, _times, NAME,
)  # fmt: skip


# --- ResourceQuotas


def _amounts(*, limits: bool) -> Cell:
    def cell(quota: Object, _now: float) -> str:
        hard, used = dig(quota, "status.hard") or {}, dig(quota, "status.used") or {}
        names = [name for name in sorted(hard) if name.startswith("limits.") == limits]
        return ", ".join(f"{name}: {quantity(used.get(name))}/{quantity(hard[name])}" for name in names)

    return cell


CELLS: dict[str, tuple[Cell, ...]] = {
    "Node": (
        NAME, _node_status, _roles, AGE, text("status.nodeInfo.kubeletVersion"), _address("InternalIP"),
        _address("ExternalIP"), text("status.nodeInfo.osImage", UNKNOWN), _kernel,
        text("status.nodeInfo.containerRuntimeVersion", UNKNOWN),
    ),
    "Namespace": (NAME, text("status.phase"), AGE),
    "Event": _EVENT,
    "Event.events.k8s.io": _EVENT,
    "ConfigMap": (NAME, count("data", "binaryData"), AGE),
    "Secret": (NAME, text("type"), count("data"), AGE),
    "LimitRange": (NAME, CREATED),
    "ResourceQuota": (NAME, _amounts(limits=False), _amounts(limits=True), AGE),
    "Lease.coordination.k8s.io": (NAME, text("spec.holderIdentity"), AGE),
    "PriorityClass.scheduling.k8s.io": (NAME, number("value"), truth("globalDefault"), AGE, text("preemptionPolicy")),
    "RuntimeClass.node.k8s.io": (NAME, text("handler"), AGE),
}  # fmt: skip
