"""HorizontalPodAutoscalers and PodDisruptionBudgets. Pure.

Facts from kubernetes' pkg/apis/autoscaling/validation/validation.go and pkg/apis/policy/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.kube.values import quantity
from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import (
    each_invalid,
    forbidden,
    invalid,
    not_negative,
    not_supported,
    part,
    required,
)
from edged.sandbox.validation.formats import dns_label, path_segment
from edged.sandbox.validation.resource_names import container_name
from edged.sandbox.validation.rollouts import at_most_all, int_or_percent
from edged.sandbox.validation.selectors import label_selector

LONGEST_WINDOW_S, LONGEST_PERIOD_S = 3600, 1800
_SOURCES = {
    "ContainerResource": "containerResource", "External": "external", "Object": "object", "Pods": "pods",
    "Resource": "resource",
}  # fmt: skip
"""Type of a metric -> the field that belongs to it."""
_CHECKED = ("object", "external", "pods", "resource", "containerResource")
_SELECTS = ("Disabled", "Max", "Min")
_EVICTIONS = ("AlwaysAllow", "IfHealthyBudget")
_UTILIZATION = "must set either a target raw value or a target utilization"
_BOTH = "may not set both a target raw value and a target utilization"


def autoscaler(obj: Object, old: Object | None) -> Iterator[Cause]:
    spec = part(obj, "spec")
    least, most = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    if most < (1 if least is None else least):
        yield invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`")
    reference = spec.get("scaleTargetRef") or {}
    yield from _reference(reference, "spec.scaleTargetRef", needed=True)
    if "/" not in (reference.get("apiVersion") or ""):
        why = "apiVersion must specify API group"
        yield invalid("spec.scaleTargetRef.apiVersion", reference.get("apiVersion") or "", why)
    metrics = spec.get("metrics") or []
    for index, metric in enumerate(metrics):
        yield from _metric(metric, f"spec.metrics[{index}]")
    if least == 0 and not {"Object", "External"} & {metric.get("type") for metric in metrics}:
        why = "must specify at least one Object or External metric to support scaling to zero replicas"
        yield forbidden("spec.metrics", why)
    for name in ("scaleUp", "scaleDown"):
        rules = part(spec, "behavior").get(name)
        if rules is not None:
            yield from _rules(rules, f"spec.behavior.{name}")
    if least is not None and least < 0:
        yield invalid("spec.minReplicas", least, "must be greater than or equal to 0")
    if most == 0:
        yield required("spec.maxReplicas")
    elif most < 0:
        yield invalid("spec.maxReplicas", most, "must be greater than or equal to 1")


def autoscaler_status(obj: Object, old: Object | None) -> Iterator[Cause]:
    for name in ("currentReplicas", "desiredReplicas"):
        yield from not_negative(f"status.{name}", part(obj, "status").get(name))


def disruption_budget(obj: Object, old: Object | None) -> Iterator[Cause]:
    spec = part(obj, "spec")
    least, most, eviction = (spec.get(n) for n in ("minAvailable", "maxUnavailable", "unhealthyPodEvictionPolicy"))
    if least is not None and most is not None:
        printed = {"MinAvailable": least, "Selector": spec.get("selector"), "MaxUnavailable": most,
                   "UnhealthyPodEvictionPolicy": eviction}  # fmt: skip
        yield invalid("spec", printed, "minAvailable and maxUnavailable cannot be both set")
    for name, value in (("minAvailable", least), ("maxUnavailable", most)):
        if value is not None:
            yield from int_or_percent(f"spec.{name}", value)
            yield from at_most_all(f"spec.{name}", value)
    yield from label_selector(spec.get("selector"), "spec.selector")
    if eviction is not None and eviction not in _EVICTIONS:
        yield not_supported("spec.unhealthyPodEvictionPolicy", eviction, _EVICTIONS)


def disruption_budget_status(obj: Object, old: Object | None) -> Iterator[Cause]:
    for name in ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"):
        yield from not_negative(f"status.{name}", part(obj, "status").get(name))


def _reference(reference: Object, field: str, needed: bool = False) -> Iterator[Cause]:
    for name in ("kind", "name"):
        value = reference.get(name) or ""
        if value:
            yield from each_invalid(f"{field}.{name}", value, path_segment(value))
        elif needed:
            yield required(f"{field}.{name}")
    version = reference.get("apiVersion") or ""
    if version.count("/") > 1:
        yield invalid(f"{field}.apiVersion", version, f"unexpected GroupVersion string: {version}")


def _metric(metric: Object, field: str) -> Iterator[Cause]:
    kind = metric.get("type") or ""
    if not kind:
        yield required(f"{field}.type", "must specify a metric source type")
    if kind not in _SOURCES:
        yield not_supported(f"{field}.type", kind, tuple(_SOURCES))
    present = [name for name in _CHECKED if metric.get(name) is not None]
    if present:
        yield from _source(present[0], metric[present[0]], f"{field}.{present[0]}")
    expected = _SOURCES.get(kind, "")
    if expected and metric.get(expected) is None:
        yield required(f"{field}.{expected}", "must populate information for the given metric source")
    if not expected:
        yield not_supported(f"{field}.type", kind, tuple(_SOURCES))
    if len(present) != 1:
        for name in present:
            if name != expected:
                yield forbidden(f"{field}.{name}", "must populate the given metric source only")


def _source(name: str, source: Object, field: str) -> Iterator[Cause]:
    target = source.get("target") or {}
    value, average = target.get("value"), target.get("averageValue")
    if name == "object":
        yield from _reference(source.get("describedObject") or {}, f"{field}.describedObject", needed=True)
    if name in ("object", "external", "pods"):
        metric = part(source, "metric").get("name") or ""
        if metric:
            yield from each_invalid(f"{field}.metric.name", metric, path_segment(metric))
        else:
            yield required(f"{field}.metric.name", "must specify a metric name")
    else:
        yield from _resource(name, source, field)
    yield from _target(target, f"{field}.target")
    if name == "pods":
        if average is None:
            yield required(f"{field}.target.averageValue", "must specify a positive target averageValue")
    elif name == "object" and value is None and average is None:
        yield required(f"{field}.target.averageValue", "must set either a target value or averageValue")
    elif name == "external":
        what = "a target value for metric {} a per-pod target"
        if value is None and average is None:
            yield required(f"{field}.target.averageValue", f"must set either {what.format('or')}")
        if value is not None and average is not None:
            yield forbidden(f"{field}.target.value", f"may not set both {what.format('and')}")
    elif name in ("resource", "containerResource"):
        utilization = target.get("averageUtilization")
        if utilization is None and average is None:
            yield required(f"{field}.target.averageUtilization", _UTILIZATION)
        if utilization is not None and average is not None:
            yield forbidden(f"{field}.target.averageValue", _BOTH)


def _resource(name: str, source: Object, field: str) -> Iterator[Cause]:
    resource = source.get("name") or ""
    if not resource:
        yield required(f"{field}.name", "must specify a resource name")
    elif name == "containerResource":
        yield from container_name(f"{field}.name", resource)
    if name == "containerResource":
        container = source.get("container") or ""
        if container:
            yield from each_invalid(f"{field}.container", container, dns_label(container))
        else:
            yield required(f"{field}.container", "must specify a container")


def _target(target: Object, field: str) -> Iterator[Cause]:
    kind = target.get("type") or ""
    if not kind:
        yield required(f"{field}.type", "must specify a metric target type")
    if kind not in ("Utilization", "Value", "AverageValue"):
        yield invalid(f"{field}.type", kind, "must be either Utilization, Value, or AverageValue")
    for name in ("value", "averageValue"):
        if target.get(name) is not None and _nanos(target[name]) <= 0:
            yield invalid(f"{field}.{name}", quantity.canonical(target[name]), "must be positive")
    if target.get("averageUtilization") is not None and target["averageUtilization"] < 1:
        yield invalid(f"{field}.averageUtilization", target["averageUtilization"], "must be greater than 0")


def _nanos(value: object) -> int:
    try:
        return quantity.nano(value)
    except quantity.QuantityError:
        return 1


def _rules(rules: Object, field: str) -> Iterator[Cause]:
    window, select = rules.get("stabilizationWindowSeconds"), rules.get("selectPolicy")
    where = f"{field}.stabilizationWindowSeconds"
    if window is not None and window < 0:
        yield invalid(where, window, "must be greater than or equal to zero")
    if window is not None and window > LONGEST_WINDOW_S:
        yield invalid(where, window, f"must be less than or equal to {LONGEST_WINDOW_S}")
    if select is not None and select not in _SELECTS:
        yield not_supported(f"{field}.selectPolicy", select, _SELECTS)
    if rules.get("policies") == []:
        yield required(f"{field}.policies", "must specify at least one Policy")
    for index, policy in enumerate(rules.get("policies") or ()):
        yield from _policy(policy, f"{field}.policies[{index}]")
    tolerance = rules.get("tolerance")
    if tolerance is not None and _nanos(tolerance) < 0:
        yield invalid(f"{field}.tolerance", quantity.canonical(tolerance), "must be greater than or equal to 0")


def _policy(policy: Object, field: str) -> Iterator[Cause]:
    kind, value, period = policy.get("type") or "", policy.get("value") or 0, policy.get("periodSeconds") or 0
    if kind not in ("Percent", "Pods"):
        yield not_supported(f"{field}.type", kind, ("Percent", "Pods"))
    if value <= 0:
        yield invalid(f"{field}.value", value, "must be greater than zero")
    if period <= 0:
        yield invalid(f"{field}.periodSeconds", period, "must be greater than zero")
    if period > LONGEST_PERIOD_S:
        yield invalid(f"{field}.periodSeconds", period, f"must be less than or equal to {LONGEST_PERIOD_S}")
