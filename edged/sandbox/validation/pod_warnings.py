"""What kube-apiserver warns of in Pods and templates that it takes. Pure.

Facts from kubernetes' pkg/api/pod/warnings.go and pkg/api/node.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.kube.values.quantity import to_milli
from edged.sandbox.cluster import Object
from edged.sandbox.validation.addresses import ip_warnings
from edged.sandbox.validation.amounts import amount_of, text_of
from edged.sandbox.validation.causes import part, quoted
from edged.sandbox.validation.container_warnings import container_warnings
from edged.sandbox.validation.formats import dns_label, label_value
from edged.sandbox.validation.path_warnings import overlapping_paths
from edged.sandbox.validation.pod_annotations import SECCOMP_POD

NODE_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region":
        'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
    "app.kubernetes.io/created-by": "deprecated since v1.9",
    "scheduler.alpha.kubernetes.io/preferAvoidPods": "deprecated since v1.22; use Taints and Tolerations instead",
    "node-role.kubernetes.io/master": 'use "node-role.kubernetes.io/control-plane" instead',
}  # fmt: skip
"""Labels of Nodes that are not to be used any more."""
_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod":
        'non-functional in v1.16+; use the "priorityClassName" field instead',
    "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
}  # fmt: skip
_VOLUMES = (
    ("photonPersistentDisk", "photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("gitRepo", "gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    ("scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"),
)  # fmt: skip
"""(field, what the text calls it, the text)"""
_SECCOMP = 'non-functional in v1.27+; use the "seccompProfile" field instead'
_NULL_SELECTOR = "a null labelSelector results in matching no pod"
_REQUIRED, _PREFERRED = (f"{word}DuringSchedulingIgnoredDuringExecution" for word in ("required", "preferred"))
BYTES = ("memory", "ephemeral-storage")
"""Resources of which there are only whole units."""


def pod_warnings(obj: Object) -> Iterator[str]:
    """Of a new Pod."""
    wrong = dns_label(part(obj, "metadata").get("name") or "")
    if wrong:
        use = "this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended"
        yield f"metadata.name: {use}: [{' '.join(wrong)}]"
    yield from template_warnings(obj, "")


def template_warnings(template: Object, field: str) -> Iterator[str]:
    """Of a template at `field`; "" for a Pod."""
    spec, annotations = part(template, "spec"), part(template, "metadata", "annotations")
    before = f"{field}." if field else ""
    where = f"{before}spec"
    yield from _node_labels(spec, where)
    for key, text in _ANNOTATIONS.items():
        if key in annotations:
            yield f"{before}metadata.annotations[{key}]: {text}"
    yield from _volumes(spec, where)
    yield from overlapping_paths(spec.get("volumes") or [])
    yield from _twice(spec, where)
    yield from fractions(spec.get("overhead") or {}, f"{where}.overhead")
    if SECCOMP_POD in annotations and part(spec, "securityContext").get("seccompProfile") is None:
        yield f"{before}metadata.annotations[{SECCOMP_POD}]: {_SECCOMP}"
    yield from container_warnings(spec, annotations, field)
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        why = "must be >= 0; negative values are invalid and will be treated as 1"
        yield f"{where}.terminationGracePeriodSeconds: {why}"
    yield from _pod_affinity(spec, where)
    for index, server in enumerate(part(spec, "dnsConfig").get("nameservers") or ()):
        yield from ip_warnings(f"{where}.dnsConfig.nameservers[{index}]", server)
    for index, alias in enumerate(spec.get("hostAliases") or ()):
        yield from ip_warnings(f"{where}.hostAliases[{index}].ip", alias.get("ip") or "")


def fractions(amounts: Object, field: str) -> Iterator[str]:
    for name in BYTES:
        if name in amounts and to_milli(amount_of(amounts[name])) % 1000:
            value = quoted(text_of(amounts[name]))
            yield f"{field}[{name}]: fractional byte value {value} is invalid, must be an integer"


def _node_labels(spec: Object, field: str) -> Iterator[str]:
    for key in spec.get("nodeSelector") or {}:
        if key in NODE_LABELS:
            yield f"{field}.nodeSelector[{key}]: {NODE_LABELS[key]}"
    node, where = part(spec, "affinity", "nodeAffinity"), f"{field}.affinity.nodeAffinity"
    for index, term in enumerate(part(node, _REQUIRED).get("nodeSelectorTerms") or ()):
        yield from _term(term, f"{where}.{_REQUIRED}.nodeSelectorTerms[{index}]", values_too=False)
    for index, weighted in enumerate(node.get(_PREFERRED) or ()):
        yield from _term(part(weighted, "preference"), f"{where}.{_PREFERRED}[{index}].preference", values_too=True)
    for index, constraint in enumerate(spec.get("topologySpreadConstraints") or ()):
        key, place = constraint.get("topologyKey") or "", f"{field}.topologySpreadConstraints[{index}]"
        if key in NODE_LABELS:
            yield f"{place}.topologyKey: {key} is {NODE_LABELS[key]}"
        if constraint.get("labelSelector") is None:
            yield f"{place}.labelSelector: {_NULL_SELECTOR}"


def _term(term: Object, field: str, *, values_too: bool) -> Iterator[str]:
    for index, expression in enumerate(term.get("matchExpressions") or ()):
        key, where = expression.get("key") or "", f"{field}.matchExpressions[{index}]"
        if key in NODE_LABELS:
            yield f"{where}.key: {key} is {NODE_LABELS[key]}"
        for number, value in enumerate((expression.get("values") or ()) if values_too else ()):
            yield from (f"{where}.values[{number}]: {value} is invalid, {why}" for why in label_value(value))


def _volumes(spec: Object, field: str) -> Iterator[str]:
    for index, volume in enumerate(spec.get("volumes") or ()):
        where = f"{field}.volumes[{index}]"
        for name, shown, text in _VOLUMES:
            if volume.get(name) is not None:
                yield f"{where}.{shown}: {text}"
        requests = part(volume, "ephemeral", "volumeClaimTemplate", "spec", "resources", "requests")
        if "storage" in requests and to_milli(amount_of(requests["storage"])) % 1000:
            place = f"{where}.ephemeral.volumeClaimTemplate.spec.resources.requests[storage]"
            value = quoted(text_of(requests["storage"]))
            yield f"{place}: fractional byte value {value} is invalid, must be an integer"


def _twice(spec: Object, field: str) -> Iterator[str]:
    for name, key, what in (("hostAliases", "ip", "ip"), ("imagePullSecrets", "name", "name")):
        seen: set[str] = set()
        for index, each in enumerate(spec.get(name) or ()):
            value = each.get(key) or ""
            if value in seen:
                yield f"{field}.{name}[{index}].{key}: duplicate {what} {quoted(value)}"
            seen.add(value)
    for index, each in enumerate(spec.get("imagePullSecrets") or ()):
        if not each.get("name"):
            yield f'{field}.imagePullSecrets[{index}].name: invalid empty name ""'


def _pod_affinity(spec: Object, field: str) -> Iterator[str]:
    for name in ("podAffinity", "podAntiAffinity"):
        terms, where = part(spec, "affinity", name), f"{field}.affinity.{name}"
        for index, term in enumerate(terms.get(_REQUIRED) or ()):
            if term.get("labelSelector") is None:
                yield f"{where}.{_REQUIRED}[{index}].labelSelector: {_NULL_SELECTOR}"
        for index, weighted in enumerate(terms.get(_PREFERRED) or ()):
            if part(weighted, "podAffinityTerm").get("labelSelector") is None:
                yield f"{where}.{_PREFERRED}[{index}].podAffinityTerm.labelSelector: {_NULL_SELECTOR}"
