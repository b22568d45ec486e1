"""The plugin: Pods are refused or warned of, workloads warned of, namespaces told what their Pods violate. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from edged.kube.defaults.pod_spec import object_at, objects_in
from edged.kube.values.names import NamespacedName
from edged.sandbox.admission.attributes import Attributes
from edged.sandbox.admission.plugin import CREATE, UPDATE, Plugin
from edged.sandbox.admission.pod_security.labels import LevelVersion, Policy, policy_of
from edged.sandbox.admission.pod_security.registry import details, evaluate, reasons
from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.protocol.api_status import forbidden, invalid

_TEMPLATES: Final = {
    "replicationcontrollers": "spec.template", "podtemplates": "template", "replicasets.apps": "spec.template",
    "deployments.apps": "spec.template", "statefulsets.apps": "spec.template", "daemonsets.apps": "spec.template",
    "jobs.batch": "spec.template", "cronjobs.batch": "spec.jobTemplate.spec.template",
}  # fmt: skip
"""bucket -> where its Pods' template is."""
MOST_PODS: Final = 3000
"""How many Pods of a namespace are looked at when its labels change."""


def validate(cluster: Cluster, attributes: Attributes, obj: Object, old: Object) -> None:
    if attributes.resource.bucket == "namespaces":
        if not attributes.subresource:
            _namespace(cluster, attributes, obj, old)
        return
    namespace = cluster.storage.get("namespaces", NamespacedName("", attributes.namespace))
    if namespace is None:
        return
    policy, _wrong = policy_of(object_at(namespace["metadata"], "labels"))
    if attributes.resource.bucket == "pods":
        if attributes.operation == CREATE or _significant(obj["spec"], object_at(old, "spec")):
            _pod(attributes, policy, obj)
    elif not attributes.subresource:
        template: Object = obj
        for key in _TEMPLATES[attributes.resource.bucket].split("."):
            template = object_at(template, key)
        if template:
            _warn(attributes, policy.warn, template)


def _pod(attributes: Attributes, policy: Policy, pod: Object) -> None:
    found = evaluate(policy.enforce, pod["metadata"], pod["spec"])
    if found:
        why = f'violates PodSecurity "{policy.enforce}": {details(found)}'
        raise forbidden(attributes.resource.named, attributes.name, why)
    _warn(attributes, policy.warn, pod)


def _warn(attributes: Attributes, level: LevelVersion, of: Object) -> None:
    found = evaluate(level, object_at(of, "metadata"), object_at(of, "spec"))
    if found:
        attributes.warnings.append(f'would violate PodSecurity "{level}": {details(found)}')


def _significant(new: Object, old: Object) -> bool:
    """Whether an update of a Pod is looked at: containers that are new, or have another image."""
    for field in ("containers", "initContainers"):
        before, after = list(objects_in(old.get(field))), list(objects_in(new.get(field)))
        if [each.get("image") for each in before] != [each.get("image") for each in after]:
            return True
    images = {each.get("name"): each.get("image") for each in objects_in(old.get("ephemeralContainers"))}
    added = objects_in(new.get("ephemeralContainers"))
    return any(each.get("name") not in images or images[each["name"]] != each.get("image") for each in added)


# --- namespaces


def _namespace(cluster: Cluster, attributes: Attributes, obj: Object, old: Object) -> None:
    policy, wrong = policy_of(object_at(obj["metadata"], "labels"))
    before, wrong_before = policy_of(object_at(object_at(old, "metadata"), "labels"))
    if wrong and (attributes.operation == CREATE or wrong != wrong_before):
        raise invalid(attributes.resource.named, attributes.name, wrong)
    new, was = policy.enforce, before.enforce
    if attributes.operation == CREATE or new == was or new.level == "privileged":
        return
    if new.minor == was.minor and new.strictness <= was.strictness:
        return
    attributes.warnings.extend(_violations(cluster, attributes.name, new))


def _violations(cluster: Cluster, namespace: str, level: LevelVersion) -> Iterator[str]:
    pods = _first_of_each_owner(cluster.storage.list("pods", namespace))
    names: dict[str, list[str]] = {}
    for pod in pods[:MOST_PODS]:
        if found := evaluate(level, pod["metadata"], pod["spec"]):
            names.setdefault(reasons(found), []).append(pod["metadata"]["name"])
    if len(pods) > MOST_PODS:
        counted = f"the first {MOST_PODS} of {len(pods)} existing pods"
        yield f"new PodSecurity enforce level only checked against {counted}"
    if names:
        yield f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "{level}"'
    yield from sorted(f"{_pods(found)}: {why}" for why, found in names.items())


def _pods(names: list[str]) -> str:
    others = len(names) - 1
    more = f" (and {others} other pod{'s' if others > 1 else ''})" if others else ""
    return min(names) + more


def _first_of_each_owner(pods: list[Object]) -> list[Object]:
    """Pods of one controller are alike: one of each comes first."""
    seen: set[str] = set()
    first: list[Object] = []
    rest: list[Object] = []
    for pod in pods:
        owners = objects_in(pod["metadata"].get("ownerReferences"))
        owner = next((str(each.get("uid")) for each in owners if each.get("controller")), "")
        (rest if owner and owner in seen else first).append(pod)
        seen.add(owner)
    return [*first, *rest]


PLUGIN = Plugin(
    "PodSecurity", ("namespaces", "pods", *_TEMPLATES), (CREATE, UPDATE), ("", "ephemeralcontainers", "resize"),
    validate=validate,
)  # fmt: skip
