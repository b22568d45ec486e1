"""Tables: the rows that `kubectl get` prints. Pure; `now` is seconds since the epoch.

Columns follow kube-apiserver's printers for the kinds people look at; every other kind has Name and Age, and custom
resources have what their additionalPrinterColumns say.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from edged.sandbox.kinds.resources import Resource

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    cell: Callable[[Object, float], Any]
    type: str = "string"
    priority: int = 0

    def definition(self) -> Object:
        form = "name" if self.name == "Name" else ""
        return {
            "name": self.name, "type": self.type, "format": form, "description": "", "priority": self.priority,
        }  # fmt: skip


def table(resource: Resource, objects: list[Object], metadata: Object, now: float, include: str = "Metadata") -> Object:
    """A Table of those objects; `include`: Metadata, Object or None, as the query parameter includeObject."""
    columns = columns_of(resource)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": [column.definition() for column in columns],
        "rows": [_row(columns, obj, now, include) for obj in objects],
    }


def _row(columns: list[Column], obj: Object, now: float, include: str) -> Object:
    row: Object = {"cells": [column.cell(obj, now) for column in columns]}
    if include == "Object":
        row["object"] = obj
    elif include != "None":
        row["object"] = partial(obj)
    return row


def partial(obj: Object) -> Object:
    """The object as PartialObjectMetadata."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


def columns_of(resource: Resource) -> list[Column]:
    if resource.columns:
        return [_NAME, *(_printer_column(spec) for spec in resource.columns)]
    if resource.custom:
        return [_NAME, _AGE]
    return _COLUMNS.get(resource.kind, [_NAME, _AGE])


def seconds(timestamp: str | None) -> float | None:
    """An RFC 3339 time -> seconds since the epoch; None for anything else."""
    if not timestamp:
        return None
    try:
        return datetime.fromisoformat(timestamp.replace("Z", "+00:00")).astimezone(UTC).timestamp()
    except ValueError:
        return None


def age(timestamp: str | None, now: float) -> str:
    """`5s`, `2m10s`, `3d`: apimachinery's duration.HumanDuration; `<unknown>` without a time."""
    then = seconds(timestamp)
    return "<unknown>" if then is None else human_duration(now - then)


def human_duration(elapsed: float) -> str:
    total = int(elapsed)
    if total < -1:
        return "<invalid>"
    total = max(total, 0)
    minutes, hours, days = total // 60, total // 3600, total // 86400
    if total < 120:
        return f"{total}s"
    if minutes < 10:
        return _two(minutes, "m", total % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    return _two(days // 365, "y", days % 365, "d") if days < 2920 else f"{days // 365}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"


def dig(obj: object, path: str) -> Any:
    """The value at a path such as `spec.nodeName`; None where a step is missing."""
    for part in path.split("."):
        obj = obj.get(part) if isinstance(obj, dict) else None
    return obj


def _at(path: str, absent: object = "<none>") -> Callable[[Object, float], Any]:
    def cell(obj: Object, _now: float) -> Any:
        value = dig(obj, path)
        return absent if value is None or value == "" else value

    return cell


def _count(path: str) -> Callable[[Object, float], Any]:
    return lambda obj, _now: len(dig(obj, path) or ())


_NAME = Column("Name", _at("metadata.name"))
_AGE = Column("Age", lambda obj, now: age(dig(obj, "metadata.creationTimestamp"), now))


# --- custom resources


def _printer_column(spec: Object) -> Column:
    path, kind = spec["jsonPath"], spec["type"]

    def cell(obj: Object, now: float) -> Any:
        values = json_path(obj, path)
        if not values:
            return None
        if kind == "date":
            return age(str(values[0]), now)
        if kind in ("integer", "number", "boolean"):
            return values[0]
        return " ".join(_text(value) for value in values) if len(values) > 1 else _text(values[0])

    return Column(spec["name"], cell, kind, spec.get("priority", 0))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        from edged.json_text import dumps

        return dumps(value).decode()
    return str(value)


_STEP = re.compile(
    r"\.(?P<name>[A-Za-z0-9_\-/]+)|\[['\"](?P<quoted>[^'\"]*)['\"]\]|\[(?P<index>-?\d+)\]|(?P<all>\[\*\])"
    r"|\[\?\(@\.(?P<filter>[\w.]+)\s*==\s*['\"](?P<value>[^'\"]*)['\"]\)\]"
)


def json_path(obj: object, path: str) -> list[Any]:
    """The JSONPath that printer columns use: fields, ['quoted'], [0], [*], [?(@.type=="Ready")]."""
    path = path.strip().removeprefix("{").removesuffix("}").replace("\\.", "\0")
    values, position = [obj], 0
    path = path if path.startswith((".", "[")) else "." + path
    while position < len(path):
        match = re.compile(_STEP.pattern.replace(r"\-/]+)", "\\-/\0]+)")).match(path, position)
        if match is None:
            return []
        values = [found for value in values for found in _step(value, match)]
        position = match.end()
    return values


def _step(value: object, match: re.Match[str]) -> list[Any]:
    name = match["name"] or match["quoted"]
    if name is not None:
        name = name.replace("\0", ".")
        return [value[name]] if isinstance(value, dict) and value.get(name) is not None else []
    if not isinstance(value, list):
        return []
    if match["index"] is not None:
        index = int(match["index"])
        return [value[index]] if -len(value) <= index < len(value) else []
    if match["filter"] is not None:
        return [item for item in value if str(dig(item, match["filter"])) == match["value"]]
    return list(value)


# --- Pods


def _pod_ready(obj: Object, _now: float) -> str:
    statuses = dig(obj, "status.containerStatuses") or []
    return f"{sum(1 for s in statuses if s.get('ready'))}/{len(dig(obj, 'spec.containers') or [])}"


def _pod_restarts(obj: Object, _now: float) -> str:
    return str(sum(s.get("restartCount", 0) for s in dig(obj, "status.containerStatuses") or []))


def _pod_status(obj: Object, _now: float) -> str:
    if dig(obj, "metadata.deletionTimestamp"):
        return "Terminating"
    for condition in dig(obj, "status.conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "SchedulingGated":
            return "SchedulingGated"
    word = dig(obj, "status.reason") or dig(obj, "status.phase") or "Unknown"
    for status in reversed(dig(obj, "status.containerStatuses") or []):
        state = status.get("state") or {}
        word = dig(state, "waiting.reason") or dig(state, "terminated.reason") or word
    return str(word)


def _pod_gates(obj: Object, _now: float) -> str:
    gates = [gate["conditionType"] for gate in dig(obj, "spec.readinessGates") or []]
    conditions = {c.get("type"): c.get("status") for c in dig(obj, "status.conditions") or []}
    return f"{sum(conditions.get(g) == 'True' for g in gates)}/{len(gates)}" if gates else "<none>"


# --- Nodes


def _node_status(obj: Object, _now: float) -> str:
    ready = [c for c in dig(obj, "status.conditions") or [] if c.get("type") == "Ready"]
    words = [("Ready" if ready[0].get("status") == "True" else "NotReady") if ready else "Unknown"]
    if dig(obj, "spec.unschedulable"):
        words.append("SchedulingDisabled")
    return ",".join(words)


def _node_roles(obj: Object, _now: float) -> str:
    labels = dig(obj, "metadata.labels") or {}
    prefix = "node-role.kubernetes.io/"
    roles = {key[len(prefix) :] for key in labels if key.startswith(prefix)} - {""}
    return ",".join(sorted(roles)) or "<none>"


def _node_address(kind: str) -> Callable[[Object, float], str]:
    def cell(obj: Object, _now: float) -> str:
        for address in dig(obj, "status.addresses") or []:
            if address.get("type") == kind:
                return str(address["address"])
        return "<none>"

    return cell


# --- others


def _event_seen(obj: Object, now: float) -> str:
    last = dig(obj, "series.lastObservedTime") or obj.get("lastTimestamp") or obj.get("eventTime")
    return age(last or obj.get("firstTimestamp") or dig(obj, "metadata.creationTimestamp"), now)


def _event_object(obj: Object, _now: float) -> str:
    return f"{(dig(obj, 'involvedObject.kind') or '').lower()}/{dig(obj, 'involvedObject.name') or ''}"


def _event_source(obj: Object, _now: float) -> str:
    component = dig(obj, "source.component") or obj.get("reportingComponent") or ""
    host = dig(obj, "source.host") or ""
    return f"{component}, {host}" if host else component


def _service_ports(obj: Object, _now: float) -> str:
    ports = dig(obj, "spec.ports") or []
    texts = [
        f"{p['port']}:{p['nodePort']}/{p.get('protocol', 'TCP')}" if p.get("nodePort")
        else f"{p['port']}/{p.get('protocol', 'TCP')}"
        for p in ports
    ]  # fmt: skip
    return ",".join(texts) or "<none>"


def _selector(path: str) -> Callable[[Object, float], str]:
    def cell(obj: Object, _now: float) -> str:
        selector = dig(obj, path) or {}
        labels = selector.get("matchLabels", selector) if isinstance(selector, dict) else {}
        return ",".join(f"{k}={v}" for k, v in sorted(labels.items()) if isinstance(v, str)) or "<none>"

    return cell


def _containers(field: str) -> Callable[[Object, float], str]:
    def cell(obj: Object, _now: float) -> str:
        return ",".join(c.get(field, "") for c in dig(obj, "spec.template.spec.containers") or [])

    return cell


def _ready_of(obj: Object, _now: float) -> str:
    return f"{dig(obj, 'status.readyReplicas') or 0}/{dig(obj, 'spec.replicas') or 0}"


def _job_completions(obj: Object, _now: float) -> str:
    done, completions = dig(obj, "status.succeeded") or 0, dig(obj, "spec.completions")
    return f"{done}/{completions}" if completions is not None else f"{done}/1 of {dig(obj, 'spec.parallelism') or 1}"


def _job_status(obj: Object, _now: float) -> str:
    for condition in dig(obj, "status.conditions") or []:
        if condition.get("status") == "True" and condition.get("type") in ("Complete", "Failed", "Suspended"):
            return str(condition["type"])
    return "Running"


def _job_duration(obj: Object, now: float) -> str:
    start = seconds(dig(obj, "status.startTime"))
    end = seconds(dig(obj, "status.completionTime"))
    return "" if start is None else human_duration((end or now) - start)


def _data_count(obj: Object, _now: float) -> str:
    return str(len(obj.get("data") or {}) + len(obj.get("binaryData") or {}))


def _claim_capacity(obj: Object, _now: float) -> str:
    return str(dig(obj, "status.capacity.storage") or "")


def _yes_no(path: str) -> Callable[[Object, float], str]:
    return lambda obj, _now: "true" if dig(obj, path) else "false"


def _number(name: str, path: str, absent: object = 0) -> Column:
    return Column(name, _at(path, absent), "integer")


_WORKLOAD_TAIL = [
    Column("Containers", _containers("name"), priority=1),
    Column("Images", _containers("image"), priority=1),
    Column("Selector", _selector("spec.selector"), priority=1),
]
_COLUMNS: dict[str, list[Column]] = {
    "Pod": [
        _NAME, Column("Ready", _pod_ready), Column("Status", _pod_status), Column("Restarts", _pod_restarts), _AGE,
        Column("IP", _at("status.podIP"), priority=1), Column("Node", _at("spec.nodeName"), priority=1),
        Column("Nominated Node", _at("status.nominatedNodeName"), priority=1),
        Column("Readiness Gates", _pod_gates, priority=1),
    ],
    "Node": [
        _NAME, Column("Status", _node_status), Column("Roles", _node_roles), _AGE,
        Column("Version", _at("status.nodeInfo.kubeletVersion", "")),
        Column("Internal-IP", _node_address("InternalIP"), priority=1),
        Column("External-IP", _node_address("ExternalIP"), priority=1),
        Column("OS-Image", _at("status.nodeInfo.osImage", "<unknown>"), priority=1),
        Column("Kernel-Version", _at("status.nodeInfo.kernelVersion", "<unknown>"), priority=1),
        Column("Container-Runtime", _at("status.nodeInfo.containerRuntimeVersion", "<unknown>"), priority=1),
    ],
    "Event": [
        Column("Last Seen", _event_seen), Column("Type", _at("type", "")), Column("Reason", _at("reason", "")),
        Column("Object", _event_object), Column("Subobject", _at("involvedObject.fieldPath", ""), priority=1),
        Column("Source", _event_source, priority=1),
        Column("Message", lambda obj, _now: (obj.get("message") or "").strip()),
        Column("First Seen", lambda obj, now: age(
            obj.get("firstTimestamp") or obj.get("eventTime") or dig(obj, "metadata.creationTimestamp"), now
        ), priority=1),
        Column("Count", lambda obj, _now: str(dig(obj, "series.count") or obj.get("count") or 1), priority=1),
        Column("Name", _at("metadata.name"), priority=1),
    ],
    "CustomResourceDefinition": [_NAME, Column("Created At", _at("metadata.creationTimestamp"), "date")],
    "ConfigMap": [_NAME, Column("Data", _data_count), _AGE],
    "Secret": [_NAME, Column("Type", _at("type")), Column("Data", _data_count), _AGE],
    "Namespace": [_NAME, Column("Status", _at("status.phase")), _AGE],
    "ServiceAccount": [_NAME, _AGE],
    "Service": [
        _NAME, Column("Type", _at("spec.type")), Column("Cluster-IP", _at("spec.clusterIP")),
        Column("External-IP", lambda obj, _now: ",".join(dig(obj, "spec.externalIPs") or []) or "<none>"),
        Column("Port(s)", _service_ports), _AGE, Column("Selector", _selector("spec.selector"), priority=1),
    ],
    "Deployment": [
        _NAME, Column("Ready", _ready_of), _number("Up-to-date", "status.updatedReplicas"),
        _number("Available", "status.availableReplicas"), _AGE, *_WORKLOAD_TAIL,
    ],
    "ReplicaSet": [
        _NAME, _number("Desired", "spec.replicas"), _number("Current", "status.replicas"),
        _number("Ready", "status.readyReplicas"), _AGE, *_WORKLOAD_TAIL,
    ],
    "StatefulSet": [_NAME, Column("Ready", _ready_of), _AGE, *_WORKLOAD_TAIL[:2]],
    "DaemonSet": [
        _NAME, _number("Desired", "status.desiredNumberScheduled"), _number("Current", "status.currentNumberScheduled"),
        _number("Ready", "status.numberReady"), _number("Up-to-date", "status.updatedNumberScheduled"),
        _number("Available", "status.numberAvailable"),
        Column("Node Selector", _selector("spec.template.spec.nodeSelector")), _AGE, *_WORKLOAD_TAIL,
    ],
    "Job": [
        _NAME, Column("Status", _job_status), Column("Completions", _job_completions),
        Column("Duration", _job_duration), _AGE, *_WORKLOAD_TAIL,
    ],
    "CronJob": [
        _NAME, Column("Schedule", _at("spec.schedule")), Column("Timezone", _at("spec.timeZone")),
        Column("Suspend", lambda obj, _now: "True" if dig(obj, "spec.suspend") else "False"),
        Column("Active", _count("status.active"), "integer"),
        Column("Last Schedule", lambda obj, now: (
            age(dig(obj, "status.lastScheduleTime"), now) if dig(obj, "status.lastScheduleTime") else "<none>"
        )), _AGE,
    ],
    "PodDisruptionBudget": [
        _NAME, Column("Min Available", _at("spec.minAvailable", "N/A")),
        Column("Max Unavailable", _at("spec.maxUnavailable", "N/A")),
        _number("Allowed Disruptions", "status.disruptionsAllowed"), _AGE,
    ],
    "PersistentVolumeClaim": [
        _NAME, Column("Status", _at("status.phase", "")), Column("Volume", _at("spec.volumeName", "")),
        Column("Capacity", _claim_capacity),
        Column("Access Modes", lambda obj, _now: ",".join(dig(obj, "spec.accessModes") or [])),
        Column("StorageClass", _at("spec.storageClassName", "")), _AGE,
    ],
    "Lease": [_NAME, Column("Holder", _at("spec.holderIdentity", "")), _AGE],
    "PriorityClass": [
        _NAME, _number("Value", "value"), Column("Global-Default", _yes_no("globalDefault")), _AGE,
        Column("PreemptionPolicy", _at("preemptionPolicy", "PreemptLowerPriority")),
    ],
    "StorageClass": [
        _NAME, Column("Provisioner", _at("provisioner")), Column("ReclaimPolicy", _at("reclaimPolicy", "Delete")),
        Column("VolumeBindingMode", _at("volumeBindingMode", "Immediate")),
        Column("AllowVolumeExpansion", _yes_no("allowVolumeExpansion")), _AGE,
    ],
    "MutatingWebhookConfiguration": [_NAME, Column("Webhooks", _count("webhooks"), "integer"), _AGE],
    "ValidatingWebhookConfiguration": [_NAME, Column("Webhooks", _count("webhooks"), "integer"), _AGE],
    "ClusterRole": [_NAME, Column("Created At", _at("metadata.creationTimestamp"), "date")],
    "Role": [_NAME, Column("Created At", _at("metadata.creationTimestamp"), "date")],
    "ClusterRoleBinding": [
        _NAME, Column("Role", lambda obj, _now: f"{dig(obj, 'roleRef.kind')}/{dig(obj, 'roleRef.name')}"), _AGE,
    ],
    "RoleBinding": [
        _NAME, Column("Role", lambda obj, _now: f"{dig(obj, 'roleRef.kind')}/{dig(obj, 'roleRef.name')}"), _AGE,
    ],
}  # fmt: skip
