"""What changed objects get from the registry, after admission and before validation. Objects are changed in place.

Source: the PrepareForUpdate of kubernetes/pkg/registry/*/*/strategy.go, beside what strategies.py says of all kinds.
"""

from __future__ import annotations

from collections.abc import Callable

from edged.kube.defaults.pod_spec import Object, object_at, objects_in, set_missing
from edged.sandbox.cluster import Cluster
from edged.sandbox.kinds.creations import claim_sources
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.kinds.strategies import set_template_generation


def prepare(cluster: Cluster, resource: Resource, subresource: str, old: Object, new: Object) -> None:
    set_template_generation(resource, old, new)
    function = _FUNCTIONS.get((resource.bucket, subresource))
    if function is not None:
        function(cluster, old, new)


def _claim(_cluster: Cluster, _old: Object, new: Object) -> None:
    claim_sources(new)


def _node(_cluster: Cluster, old: Object, new: Object) -> None:
    if "configSource" not in object_at(old, "spec"):
        object_at(new, "spec").pop("configSource", None)


def _volume_status(cluster: Cluster, old: Object, new: Object) -> None:
    """The time of the phase's last change."""
    status, before = object_at(new, "status"), object_at(old, "status")
    time, was = status.get("lastPhaseTransitionTime"), before.get("lastPhaseTransitionTime")
    if status.get("phase") != before.get("phase"):
        if time is None or time == was:
            status["lastPhaseTransitionTime"] = cluster.timestamp()
    elif time is None and was is not None:
        status["lastPhaseTransitionTime"] = was


def _pod_status(_cluster: Cluster, old: Object, new: Object) -> None:
    status, before = object_at(new, "status"), object_at(old, "status")
    kept = ("qosClass", "resourceClaimStatuses", "extendedResourceClaimStatus", "observedGeneration")
    set_missing(status, {key: before[key] for key in kept if key in before})
    known = {each.get("type"): each for each in objects_in(before.get("conditions"))}
    for condition in objects_in(status.get("conditions")):
        generation = known.get(condition.get("type"), {}).get("observedGeneration")
        if generation and not condition.get("observedGeneration"):
            condition["observedGeneration"] = generation


_Function = Callable[[Cluster, Object, Object], None]
_FUNCTIONS: dict[tuple[str, str], _Function] = {
    ("nodes", ""): _node,
    ("persistentvolumeclaims", ""): _claim,
    ("persistentvolumes", "status"): _volume_status,
    ("pods", "status"): _pod_status,
}
