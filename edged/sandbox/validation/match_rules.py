"""matchConstraints, matchResources and their rules. Pure.

Facts from pkg/apis/admissionregistration/validation of Kubernetes.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import duplicate, each_invalid, invalid, not_supported, required
from edged.sandbox.validation.formats import path_segment
from edged.sandbox.validation.selectors import label_selector

OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
MUTABLE = ("*", "CONNECT", "CREATE", "UPDATE")
_SCOPES = ("*", "Cluster", "Namespaced")


def match_resources(given: Object | None, path: str) -> Iterator[Cause]:
    """One that is missing is right."""
    if given is None:
        return
    policy = given.get("matchPolicy")
    if policy is None:
        yield required(f"{path}.matchPolicy")
    elif policy not in ("Equivalent", "Exact"):
        yield not_supported(f"{path}.matchPolicy", policy, ("Equivalent", "Exact"))
    for selector in ("namespaceSelector", "objectSelector"):
        yield from label_selector(given.get(selector), f"{path}.{selector}")
    for field in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(given.get(field) or ()):
            yield from _named_rule(rule, f"{path}.{field}[{index}]")


def only_mutable(given: Object | None, path: str) -> Iterator[Cause]:
    """Nothing is mutated when it is deleted."""
    for rule in (given or {}).get("resourceRules") or ():
        for operation in rule.get("operations") or ():
            if operation not in MUTABLE:
                yield not_supported(f"{path}.resourceRules.operations", operation, MUTABLE)


def _named_rule(rule: Object, path: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for index, name in enumerate(rule.get("resourceNames") or ()):
        yield from each_invalid(f"{path}.resourceNames[{index}]", name, path_segment(name))
        if name in seen:
            yield duplicate(f"{path}.resourceNames[{index}]", name)
        seen.add(name)
    yield from _operations(rule.get("operations") or [], f"{path}.operations")
    yield from _listed(rule.get("apiGroups") or [], f"{path}.apiGroups", "API groups", empty_allowed=True)
    yield from _listed(rule.get("apiVersions") or [], f"{path}.apiVersions", "API versions")
    yield from _resources(rule.get("resources") or [], f"{path}.resources")
    scope = rule.get("scope")
    if scope is not None and scope not in _SCOPES:
        yield not_supported(f"{path}.scope", scope, _SCOPES)


def _operations(operations: list[str], path: str) -> Iterator[Cause]:
    if not operations:
        yield required(path)
    if len(operations) > 1 and "*" in operations:
        yield invalid(path, operations, "if '*' is present, must not specify other operations")
    for index, operation in enumerate(operations):
        if operation not in OPERATIONS:
            yield not_supported(f"{path}[{index}]", operation, OPERATIONS)


def _listed(values: list[str], path: str, what: str, *, empty_allowed: bool = False) -> Iterator[Cause]:
    if not values:
        yield required(path)
    if len(values) > 1 and "*" in values:
        yield invalid(path, values, f"if '*' is present, must not specify other {what}")
    for index, value in enumerate(values):
        if not value and not empty_allowed:
            yield required(f"{path}[{index}]")


def _resources(resources: list[str], path: str) -> Iterator[Cause]:
    if not resources:
        yield required(path)
    with_any_below: set[str] = set()
    of_any: set[str] = set()
    plain = False
    for index, resource in enumerate(resources):
        at = f"{path}[{index}]"
        if not resource:
            yield required(at)
            continue
        name, slash, below = resource.partition("/")
        if not slash:
            plain = resource != "*"
            continue
        if name in with_any_below:
            yield invalid(at, resource, f"if '{name}/*' is present, must not specify {resource}")
        if below in of_any:
            yield invalid(at, resource, f"if '*/{below}' is present, must not specify {resource}")
        with_any_below |= {name} if below == "*" else set()
        of_any |= {below} if name == "*" else set()
    if len(resources) > 1 and "*/*" in resources:
        yield invalid(path, resources, "if '*/*' is present, must not specify other resources")
    if "*" in resources and plain:
        yield invalid(path, resources, "if '*' is present, must not specify other resources without subresources")
