"""RuntimeClass: a Pod gets the overhead and the placement of its RuntimeClass. Pure."""

from __future__ import annotations

from contextlib import suppress

from edged.kube.defaults.pod_spec import object_at, objects_in
from edged.kube.defaults.toleration_sets import merged
from edged.kube.values.names import NamespacedName
from edged.kube.values.quantity import QuantityError, nano
from edged.sandbox.admission.attributes import Attributes
from edged.sandbox.admission.plugin import Plugin
from edged.sandbox.cluster import Cluster, Object

_OTHER = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
_ALONE = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"


def admit(cluster: Cluster, attributes: Attributes, pod: Object, _old: Object) -> None:
    spec, found = pod["spec"], _class_of(cluster, attributes, pod)
    if object_at(found, "overhead"):
        overhead = object_at(found["overhead"], "podFixed")
        if spec.get("overhead") and not _same(spec["overhead"], overhead):
            raise attributes.forbidden(pod, _OTHER)
        spec["overhead"] = dict(overhead)
    if object_at(found, "scheduling"):
        _place(attributes, pod, found["scheduling"])


def validate(cluster: Cluster, attributes: Attributes, pod: Object, _old: Object) -> None:
    overhead = object_at(_class_of(cluster, attributes, pod), "overhead")
    given = object_at(pod["spec"], "overhead")
    if overhead and not _same(given, object_at(overhead, "podFixed")):
        raise attributes.forbidden(pod, _OTHER)
    if not overhead and given:
        raise attributes.forbidden(pod, _ALONE)


def _class_of(cluster: Cluster, attributes: Attributes, pod: Object) -> Object:
    name = pod["spec"].get("runtimeClassName")
    if name is None:
        return {}
    found = cluster.storage.get("runtimeclasses.node.k8s.io", NamespacedName("", name))
    if found is None:
        raise attributes.forbidden(pod, f'pod rejected: RuntimeClass "{name}" not found')
    return found


def _same(one: Object, other: Object) -> bool:
    if one.keys() != other.keys():
        return False
    with suppress(QuantityError):
        return all(nano(one[name]) == nano(other[name]) for name in one)
    return False


def _place(attributes: Attributes, pod: Object, scheduling: Object) -> None:
    spec = pod["spec"]
    wanted, selector = object_at(scheduling, "nodeSelector"), object_at(spec, "nodeSelector")
    for key in sorted(wanted.keys() & selector.keys()):
        if wanted[key] != selector[key]:
            why = f"runtimeClass.scheduling.nodeSelector[{key}] = {wanted[key]}"
            why = f"conflict: {why}; pod.spec.nodeSelector[{key}] = {selector[key]}"
            raise attributes.forbidden(pod, why)
    if wanted:
        spec["nodeSelector"] = {**selector, **wanted}
    if scheduling.get("tolerations"):
        more = objects_in(scheduling["tolerations"])
        spec["tolerations"] = merged([*objects_in(spec.get("tolerations")), *more])


PLUGIN = Plugin("RuntimeClass", ("pods",), admit=admit, validate=validate)
