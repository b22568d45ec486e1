"""Deployments, ReplicaSets, ReplicationControllers, StatefulSets, DaemonSets and PodTemplates. Pure.

Facts from kubernetes' pkg/apis/apps/validation/validation.go and pkg/apis/core/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.kube.values.selectors import parse_label_selector
from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import (
    each_invalid,
    forbidden,
    immutable,
    invalid,
    not_negative,
    not_supported,
    part,
    required,
    unchanged,
)
from edged.sandbox.validation.claims import claim_spec
from edged.sandbox.validation.formats import dns_label
from edged.sandbox.validation.pod_templates import pod_template
from edged.sandbox.validation.rollouts import (
    daemon_set_strategy,
    deployment_strategy,
    stateful_set_strategy,
)
from edged.sandbox.validation.selectors import is_empty, label_selector, printed, printed_labels

_UNMATCHED = "`selector` does not match template `labels`"
_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


def deployment(obj: Object, old: Object | None) -> Iterator[Cause]:
    spec = part(obj, "spec")
    yield from not_negative("spec.replicas", spec.get("replicas"))
    yield from _selected(spec, "deployment", "ReplicaSet")
    yield from deployment_strategy(spec.get("strategy") or {}, "spec.strategy")
    yield from not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from not_negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))
    deadline = spec.get("progressDeadlineSeconds")
    yield from not_negative("spec.progressDeadlineSeconds", deadline)
    if deadline is not None and deadline <= (spec.get("minReadySeconds") or 0):
        yield invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")
    yield from _selector_fixed(obj, old)


def replica_set(obj: Object, old: Object | None) -> Iterator[Cause]:
    spec = part(obj, "spec")
    yield from not_negative("spec.replicas", spec.get("replicas"))
    yield from not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from _selected(spec, "deployment", "ReplicaSet")
    yield from _selector_fixed(obj, old)


def replication_controller(obj: Object, old: Object | None) -> Iterator[Cause]:
    spec = part(obj, "spec")
    selector, template = spec.get("selector") or {}, spec.get("template")
    if not selector:
        yield required("spec.selector")
    if template is None:
        yield required("spec.template")
    else:
        labels = part(template, "metadata").get("labels")
        if any((labels or {}).get(key) != value for key, value in selector.items()):
            yield invalid("spec.template.metadata.labels", printed_labels(labels), _UNMATCHED)
        yield from pod_template(template, "spec.template")
        yield from _long_running(template, "spec.template", "ReplicationController")
    yield from not_negative("spec.replicas", spec.get("replicas"))
    yield from not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))


def stateful_set(obj: Object, old: Object | None) -> Iterator[Cause]:
    spec = part(obj, "spec")
    policy = spec.get("podManagementPolicy") or "OrderedReady"
    if policy not in ("OrderedReady", "Parallel"):
        yield invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'")
    yield from stateful_set_strategy(spec.get("updateStrategy") or {}, "spec.updateStrategy")
    retention = spec.get("persistentVolumeClaimRetentionPolicy")
    for name in ("whenDeleted", "whenScaled") if retention is not None else ():
        value = (retention or {}).get(name) or "Retain"
        if value not in ("Retain", "Delete"):
            yield not_supported(f"spec.persistentVolumeClaimRetentionPolicy.{name}", value, ("Retain", "Delete"))
    for index, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
        yield from claim_spec(part(claim, "spec"), f"spec.volumeClaimTemplates[{index}].spec")
    yield from not_negative("spec.replicas", spec.get("replicas"))
    yield from not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from not_negative("spec.ordinals.start", part(spec, "ordinals").get("start"))
    if spec.get("serviceName"):
        yield from each_invalid("spec.serviceName", spec["serviceName"], dns_label(spec["serviceName"]))
    yield from _stateful_template(spec)
    if old is not None:
        yield from _stateful_fixed(spec, part(old, "spec"))


def daemon_set(obj: Object, old: Object | None) -> Iterator[Cause]:
    spec = part(obj, "spec")
    yield from _selector_fixed(obj, old)
    selector, template = spec.get("selector"), spec.get("template") or {}
    yield from label_selector(selector, "spec.selector")
    labels = part(template, "metadata").get("labels")
    if not _unreadable(selector) and not _matches(selector, labels):
        yield invalid("spec.template.metadata.labels", printed_labels(labels), _UNMATCHED)
    if selector is not None and is_empty(selector):
        yield invalid("spec.selector", printed(selector), "empty selector is invalid for daemonset")
    yield from pod_template(template, "spec.template")
    yield from _long_running(template, "spec.template", "DaemonSet")
    yield from not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    yield from daemon_set_strategy(spec.get("updateStrategy") or {}, "spec.updateStrategy")
    yield from not_negative("spec.revisionHistoryLimit", spec.get("revisionHistoryLimit"))


def pod_template_object(obj: Object, old: Object | None) -> Iterator[Cause]:
    yield from pod_template(obj.get("template") or {}, "template")


def stateful_set_warnings(obj: Object, old: Object | None) -> Iterator[str]:
    if (part(obj, "spec").get("revisionHistoryLimit") or 0) < 0:
        yield ("spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is "
               "recommended")  # fmt: skip


def _selected(spec: Object, named: str, owner: str) -> Iterator[Cause]:
    """The selector, and the template that it has to match. The findings about ReplicaSets name deployments, too."""
    selector, template = spec.get("selector"), spec.get("template") or {}
    if selector is None:
        yield required("spec.selector")
    else:
        yield from label_selector(selector, "spec.selector")
        if is_empty(selector):
            yield invalid("spec.selector", printed(selector), f"empty selector is invalid for {named}")
    if _unreadable(selector):
        yield invalid("spec.selector", printed(selector), "invalid label selector")
        return
    labels = part(template, "metadata").get("labels")
    if not _everything(selector) and not _matches(selector, labels):
        yield invalid("spec.template.metadata.labels", printed_labels(labels), _UNMATCHED)
    yield from pod_template(template, "spec.template")
    yield from _long_running(template, "spec.template", owner)


def _stateful_template(spec: Object) -> Iterator[Cause]:
    selector, template = spec.get("selector"), spec.get("template") or {}
    if selector is None:
        yield required("spec.selector")
    else:
        yield from label_selector(selector, "spec.selector")
        if is_empty(selector):
            yield invalid("spec.selector", printed(selector), "empty selector is invalid for statefulset")
    if _unreadable(selector):
        yield invalid("spec.selector", printed(selector), "")
    else:
        labels = part(template, "metadata").get("labels")
        if not _everything(selector) and not _matches(selector, labels):
            yield invalid("spec.template.metadata.labels", printed_labels(labels), _UNMATCHED)
        yield from pod_template(_with_claims(spec, template), "spec.template")
    yield from _long_running(template, "spec.template", "StatefulSet")


def _with_claims(spec: Object, template: Object) -> Object:
    """The template with a volume for each claim template, without the names that a StatefulSet gives its Pods."""
    claims = [part(each, "metadata").get("name") or "" for each in spec.get("volumeClaimTemplates") or ()]
    pod = {key: value for key, value in part(template, "spec").items() if key not in ("hostname", "subdomain")}
    if claims:
        volumes = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in dict.fromkeys(claims)]
        pod["volumes"] = volumes + [each for each in pod.get("volumes") or () if each.get("name") not in claims]
    return {**template, "spec": pod}


def _stateful_fixed(spec: Object, before: Object) -> Iterator[Cause]:
    """Since 1.37 each fixed field is named; before it was one text about all of spec."""
    for field in ("selector", "volumeClaimTemplates", "serviceName", "podManagementPolicy"):
        if (spec.get(field) or None) != (before.get(field) or None):
            yield immutable(f"spec.{field}", spec.get(field))


def _selector_fixed(obj: Object, old: Object | None) -> Iterator[Cause]:
    if old is not None:
        before, after = (printed(part(each, "spec").get("selector")) for each in (old, obj))
        yield from unchanged("spec.selector", before, after)


def _long_running(template: Object, field: str, owner: str) -> Iterator[Cause]:
    pod = part(template, "spec")
    policy = pod.get("restartPolicy") or "Always"
    if policy != "Always":
        yield not_supported(f"{field}.spec.restartPolicy", policy, ("Always",))
    if pod.get("activeDeadlineSeconds") is not None:
        why = f"activeDeadlineSeconds in {owner} is not Supported"
        yield forbidden(f"{field}.spec.activeDeadlineSeconds", why)


def _unreadable(selector: Object | None) -> bool:
    """Whether apimachinery cannot make a selector of it."""
    return any(label_selector(selector, ""))


def _everything(selector: Object | None) -> bool:
    return selector is not None and is_empty(selector)


def _matches(selector: Object | None, labels: Object | None) -> bool:
    read = parse_label_selector(selector)  # type: ignore[arg-type]
    return read is not None and read.matches(labels or {})
