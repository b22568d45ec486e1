"""What the API server sets on a Pod when it makes it, after mutating admission. Pure; Pods are changed in place.

Selectors that take values of the Pod's own labels, requests of the Pod as a whole. Limits of the Pod as a whole that
are missing stay missing: no placement depends on them.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.kube.defaults.pod_spec import Object, object_at, objects_in
from edged.kube.values.container_amounts import sum_of_containers
from edged.kube.values.quantity import nano, text_of
from edged.kube.values.shapes import Container

_OVERCOMMITTED = ("cpu", "memory")
"""Of what the Pod as a whole may ask for: what may be asked for beyond a limit, so huge pages are not among them."""


def prepare(pod: Object) -> None:
    """Raises QuantityError for amounts that are none."""
    labels = object_at(object_at(pod, "metadata"), "labels")
    for term in _affinity_terms(object_at(object_at(pod, "spec"), "affinity")):
        _add_requirements(term, term.get("matchLabelKeys"), "In", labels)
        _add_requirements(term, term.get("mismatchLabelKeys"), "NotIn", labels)
    for constraint in objects_in(object_at(pod, "spec").get("topologySpreadConstraints")):
        _add_requirements(constraint, constraint.get("matchLabelKeys"), "In", labels)
    _pod_level_resources(object_at(pod, "spec"))


def _affinity_terms(affinity: Object) -> Iterator[Object]:
    for name in ("podAffinity", "podAntiAffinity"):
        terms = object_at(affinity, name)
        yield from objects_in(terms.get("requiredDuringSchedulingIgnoredDuringExecution"))
        for weighted in objects_in(terms.get("preferredDuringSchedulingIgnoredDuringExecution")):
            yield object_at(weighted, "podAffinityTerm")


def _add_requirements(of: Object, keys: object, operator: str, labels: Object) -> None:
    """To a selector that is there: none selects nothing, whatever it were joined with. A requirement that is there
    already is not added, so that a Pod may pass here twice."""
    selector = of.get("labelSelector")
    if not isinstance(selector, dict) or not isinstance(keys, list):
        return
    for key in keys:
        if isinstance(key, str) and key in labels:
            requirement = {"key": key, "operator": operator, "values": [labels[key]]}
            expressions = list(selector.get("matchExpressions") or ())
            if requirement not in expressions:
                selector["matchExpressions"] = [*expressions, requirement]


def _pod_level_resources(spec: Object) -> None:
    resources = object_at(spec, "resources")
    requests, limits = dict(object_at(resources, "requests")), dict(object_at(resources, "limits"))
    if not requests and not limits:
        return
    for name, amount in _of_containers(spec, "limits").items():
        if name.startswith("hugepages-") and name not in requests:
            limits.setdefault(name, amount)
    for name, amount in _of_containers(spec, "requests").items():
        if name in _OVERCOMMITTED:
            requests.setdefault(name, amount)
    for name, amount in limits.items():
        if name in _OVERCOMMITTED or name.startswith("hugepages-"):
            requests.setdefault(name, amount)
    resources |= {"requests": requests} if requests else {}
    resources |= {"limits": limits} if limits else {}


def _of_containers(spec: Object, part: str) -> dict[str, str]:
    """What containers ask for together, as text."""

    def amounts(container: Container) -> dict[str, int]:
        given: dict[str, object] = (container.get("resources") or {}).get(part) or {}  # type: ignore[assignment]
        return {name: nano(amount) for name, amount in given.items()}

    total = sum_of_containers(spec, amounts)  # type: ignore[arg-type]
    return {name: text_of(amount, binary=name != "cpu") for name, amount in total.items()}
