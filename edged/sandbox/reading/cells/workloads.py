"""The cells of what runs Pods: Deployments, Jobs and their like, and what belongs to them. Pure."""

from __future__ import annotations

from edged.sandbox.reading import ages
from edged.sandbox.reading.cells.values import (
    AGE,
    NAME,
    NONE,
    UNKNOWN,
    UNSET,
    Cell,
    Object,
    condition,
    count,
    dig,
    items,
    labels_at,
    number,
    pointer,
    quantity,
    selector_at,
    text,
)


def _of_containers(path: str, field: str) -> Cell:
    return lambda obj, _now: ",".join(str(each.get(field) or "") for each in items(obj, f"{path}.containers"))


def _template(path: str) -> tuple[Cell, Cell]:
    """Containers and images of the Pod spec at a path."""
    return _of_containers(path, "name"), _of_containers(path, "image")


_PODS = _template("spec.template.spec")
_SELECTOR = selector_at("spec.selector")


def _ready(obj: Object, _now: float) -> str:
    return f"{dig(obj, 'status.readyReplicas') or 0}/{dig(obj, 'spec.replicas') or 0}"


def _completions(job: Object, _now: float) -> str:
    done, wanted = dig(job, "status.succeeded") or 0, dig(job, "spec.completions")
    if wanted is not None:
        return f"{done}/{wanted}"
    parallelism = dig(job, "spec.parallelism") or 0
    return f"{done}/1 of {parallelism}" if parallelism > 1 else f"{done}/1"


def _duration(job: Object, now: float) -> str:
    start, end = ages.seconds(dig(job, "status.startTime")), ages.seconds(dig(job, "status.completionTime"))
    return "" if start is None else ages.human_duration((now if end is None else end) - start)


def _job_status(job: Object, _now: float) -> str:
    ends, others = ("Complete", "Failed"), ("Suspended", "FailureTarget", "SuccessCriteriaMet")
    true = [kind for kind in (*ends, *others) if condition(job, kind).get("status") == "True"]
    if dig(job, "metadata.deletionTimestamp") and not set(ends).intersection(true):
        return "Terminating"
    return true[0] if true else "Running"


def _suspended(job: Object, _now: float) -> str:
    value = dig(job, "spec.suspend")
    return UNSET if value is None else "True" if value else "False"


def _last_schedule(job: Object, now: float) -> str:
    last = dig(job, "status.lastScheduleTime")
    return NONE if last is None else ages.age(last, now)


def _controller(obj: Object, _now: float) -> str:
    owners = items(obj, "metadata.ownerReferences")
    owner = next((each for each in owners if each.get("controller")), None)
    if owner is None:
        return NONE
    group = str(owner.get("apiVersion") or "").rpartition("/")[0]
    kind = f"{owner.get('kind')}.{group}" if group else str(owner.get("kind"))
    return f"{kind.lower()}/{owner.get('name')}"


# --- HorizontalPodAutoscaler: type of metric -> field, and whether "(avg)" and a name stand beside the values
_METRICS = {
    "External": ("external", " (avg)"), "Pods": ("pods", ""), "Object": ("object", " (avg)"),
    "Resource": ("resource", ""), "ContainerResource": ("containerResource", ""),
}  # fmt: skip


def _metrics(scaler: Object, _now: float) -> str:
    specs, statuses = items(scaler, "spec.metrics"), items(scaler, "status.currentMetrics")
    shown = [_metric(spec, statuses[i] if i < len(statuses) else {}) for i, spec in enumerate(specs)]
    first = ", ".join(shown[:2])
    return (f"{first} + {len(shown) - 2} more..." if len(shown) > 2 else first) or NONE


def _metric(spec: Object, status: Object) -> str:
    if spec.get("type") not in _METRICS:
        return "<unknown type>"
    field, average = _METRICS[spec["type"]]
    source, current = spec.get(field) or {}, status.get(field)
    name = f"{source.get('name') or ''}: " if field in ("resource", "containerResource") else ""
    target, now = source.get("target") or {}, dig(current, "current") or {}
    if target.get("averageValue") is not None or field == "pods":
        missing = UNKNOWN if current is None or average else "<nil>"
        wanted = quantity(target.get("averageValue"), "<nil>")
        return f"{name}{quantity(now.get('averageValue'), missing)}/{wanted}{average}"
    if name:
        used, limit = now.get("averageUtilization"), target.get("averageUtilization")
        shown = "<auto>" if limit is None else f"{limit}%"
        return f"{name}{UNKNOWN if used is None else f'{used}%'}/{shown}"
    missing = UNKNOWN if current is None else "<nil>"
    return f"{quantity(now.get('value'), missing)}/{quantity(target.get('value'), '<nil>')}"


def _target(scaler: Object, _now: float) -> str:
    return f"{dig(scaler, 'spec.scaleTargetRef.kind') or ''}/{dig(scaler, 'spec.scaleTargetRef.name') or ''}"


CELLS: dict[str, tuple[Cell, ...]] = {
    "Deployment.apps": (
        NAME, _ready, number("status.updatedReplicas"), number("status.availableReplicas"), AGE, *_PODS,
        selector_at("spec.selector", ""),
    ),
    "ReplicaSet.apps": (
        NAME, number("spec.replicas"), number("status.replicas"), number("status.readyReplicas"), AGE, *_PODS,
        _SELECTOR,
    ),
    "ReplicationController": (
        NAME, number("spec.replicas"), number("status.replicas"), number("status.readyReplicas"), AGE, *_PODS,
        labels_at("spec.selector"),
    ),
    "StatefulSet.apps": (NAME, _ready, AGE, *_PODS),
    "DaemonSet.apps": (
        NAME, number("status.desiredNumberScheduled"), number("status.currentNumberScheduled"),
        number("status.numberReady"), number("status.updatedNumberScheduled"), number("status.numberAvailable"),
        labels_at("spec.template.spec.nodeSelector"), AGE, *_PODS, _SELECTOR,
    ),
    "Job.batch": (NAME, _job_status, _completions, _duration, AGE, *_PODS, _SELECTOR),
    "CronJob.batch": (
        NAME, text("spec.schedule"), pointer("spec.timeZone", NONE), _suspended, count("status.active"), _last_schedule,
        AGE, *_template("spec.jobTemplate.spec.template.spec"), selector_at("spec.jobTemplate.spec.selector"),
    ),
    "ControllerRevision.apps": (NAME, _controller, number("revision"), AGE),
    "PodTemplate": (NAME, *_template("template.spec"), labels_at("template.metadata.labels")),
    "PodDisruptionBudget.policy": (
        NAME, pointer("spec.minAvailable", "N/A"), pointer("spec.maxUnavailable", "N/A"),
        number("status.disruptionsAllowed"), AGE,
    ),
    "HorizontalPodAutoscaler.autoscaling": (
        NAME, _target, _metrics, pointer("spec.minReplicas", UNSET), number("spec.maxReplicas"),
        number("status.currentReplicas"), AGE,
    ),
    "Scale.autoscaling": (NAME, number("spec.replicas"), number("status.replicas"), AGE),
}  # fmt: skip
