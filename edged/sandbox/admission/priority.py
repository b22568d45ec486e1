"""Priority: a Pod's priority is that of its PriorityClass, and there is one default class at most. Pure."""

from __future__ import annotations

from edged.kube.values.names import NamespacedName
from edged.sandbox.admission.attributes import Attributes
from edged.sandbox.admission.plugin import CREATE, DELETE, UPDATE, Plugin
from edged.sandbox.cluster import Cluster, Object

BUCKET = "priorityclasses.scheduling.k8s.io"
SYSTEM = ("system-node-critical", "system-cluster-critical")
_COMPUTED = "must not be provided in pod spec; priority admission controller computed"


def admit(cluster: Cluster, attributes: Attributes, pod: Object, old: Object) -> None:
    spec = pod["spec"]
    if attributes.operation == UPDATE:
        for field in ("priority", "preemptionPolicy"):
            if spec.get(field) is None and old.get("spec", {}).get(field) is not None:
                spec[field] = old["spec"][field]
        return
    name, value, policy = _resolved(cluster, attributes, pod)
    if name:
        spec["priorityClassName"] = name
    if spec.get("priority") not in (None, value):
        given = spec["priority"]
        why = f"the integer value of priority ({given}) {_COMPUTED} {value} from the given PriorityClass name"
        raise attributes.forbidden(pod, why)
    spec["priority"] = value
    if spec.get("preemptionPolicy") not in (None, policy):
        given = spec["preemptionPolicy"]
        why = f"the string value of PreemptionPolicy ({given}) {_COMPUTED} {policy} from the given PriorityClass name"
        raise attributes.forbidden(pod, why)
    spec["preemptionPolicy"] = policy


def _resolved(cluster: Cluster, attributes: Attributes, pod: Object) -> tuple[str, int, str]:
    """Name of the class, its value and its preemption policy."""
    name = pod["spec"].get("priorityClassName") or ""
    found = cluster.storage.get(BUCKET, NamespacedName("", name)) if name else default_class(cluster)
    if name and found is None:
        raise attributes.forbidden(pod, f"no PriorityClass with name {name} was found")
    given = found or {"metadata": {"name": ""}}
    return given["metadata"]["name"], given.get("value") or 0, given.get("preemptionPolicy") or "PreemptLowerPriority"


def default_class(cluster: Cluster) -> Object | None:
    """Of several the one with the lowest value."""
    marked = [each for each in cluster.storage.list(BUCKET) if each.get("globalDefault") is True]
    return min(marked, key=lambda each: each.get("value") or 0, default=None)


def validate_class(cluster: Cluster, attributes: Attributes, obj: Object, _old: Object) -> None:
    present = default_class(cluster) if obj.get("globalDefault") is True else None
    if present is None:
        return
    name = present["metadata"]["name"]
    if attributes.operation == CREATE or name != obj["metadata"]["name"]:
        why = f"PriorityClass {name} is already marked as default. Only one default can exist"
        raise attributes.forbidden(obj, why)


def keep_system_class(_cluster: Cluster, attributes: Attributes, _obj: Object, old: Object) -> None:
    """What the registry of kube-apiserver refuses, not its plugin."""
    if attributes.operation == DELETE and old["metadata"]["name"] in SYSTEM:
        raise attributes.forbidden(old, "this is a system priority class and cannot be deleted")


PODS = Plugin("Priority", ("pods",), (CREATE, UPDATE), admit=admit)
CLASSES = Plugin("Priority", (BUCKET,), (CREATE, UPDATE, DELETE), admit=keep_system_class, validate=validate_class)
