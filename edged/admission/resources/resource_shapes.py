"""The custom resources as far as edged reads their fields, as kube/values/shapes.py does it for Kubernetes' own kinds.

The schema of their definitions says the same, and an API server holds to it. Definitions may be of another version,
though, and what one namespace writes must not be trusted by whom all others rely on. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Required, TypedDict

from edged.admission.resources.kinds import Kind
from edged.kube.values.shape_checks import problem
from edged.kube.values.shapes import LabelSelector, ObjectMeta


class Rule(TypedDict, total=False):
    apiGroups: list[str]
    apiVersions: list[str]
    operations: list[str]
    resources: list[str]
    scope: str


class Resource(TypedDict):
    apiVersion: str
    kind: str


class MatchCondition(TypedDict, total=False):
    name: str
    expression: str


class Module(TypedDict, total=False):
    """A policy's own part, or a member of a group. `settings` may hold anything, as long as it is an object."""

    module: str
    settings: object
    contextAwareResources: list[Resource]
    timeoutEvalSeconds: int


class PolicySpec(Module, total=False):
    backgroundAudit: bool
    expression: str
    failurePolicy: str
    matchConditions: list[MatchCondition]
    matchPolicy: str
    message: str
    mode: str
    mutating: bool
    namespaceSelector: LabelSelector
    objectSelector: LabelSelector
    policies: dict[str, Module]
    policyServer: str
    rules: list[Rule]
    sideEffects: str
    timeoutSeconds: int


class PolicyObject(TypedDict, total=False):
    metadata: Required[ObjectMeta]
    spec: PolicySpec


class ServerSpec(TypedDict, total=False):
    namespacedPoliciesCapabilities: list[str]
    sigstoreTrustConfig: str
    verificationConfig: str


class ServerObject(TypedDict, total=False):
    metadata: Required[ObjectMeta]
    spec: ServerSpec


class StatusCondition(TypedDict, total=False):
    type: Required[str]
    status: str
    reason: str
    message: str
    lastTransitionTime: str


class Status(TypedDict, total=False):
    policyStatus: str
    mode: str
    conditions: list[StatusCondition]


def spec_problem(obj: Mapping[str, Any], kind: Kind) -> str:
    """`spec.rules[0].resources: must be a list, not a string`; "" when it can be read."""
    if wrong := problem(obj, PolicyObject if kind.is_policy else ServerObject):
        return wrong
    spec = obj.get("spec") or {}
    parts = {"spec": spec, **{f"spec.policies.{name}": member for name, member in (spec.get("policies") or {}).items()}}
    for place, part in parts.items():
        if not isinstance(part.get("settings"), Mapping | None):
            return f"{place}.settings: must be an object"
    return ""


def status_of(obj: Mapping[str, Any]) -> Any:
    """Its status. What makes no sense is as good as none: it is written anew."""
    status = obj.get("status")
    return status if isinstance(status, dict) and not problem(status, Status) else {}
