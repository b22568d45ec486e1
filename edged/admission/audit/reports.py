"""What an audit writes: results, reports and their labels, in both formats that dashboards read. Pure.

The wgpolicyk8s.io (PolicyReport) and openreports.io (Report) formats hold the same fields under other names of group
and kind. Labels, properties and names of objects are those of Kubewarden's audit scanner, so that tools for its
reports keep working. admission/audit/audit_run.py writes them; admission/audit/scope.py decides what is in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Required, TypedDict

from edged.kube.values.names import GroupVersionResource
from edged.records import dataclass

if TYPE_CHECKING:
    from edged.kube.values.shapes import KubernetesObject

MANAGED_BY = "app.kubernetes.io/managed-by"
RUN = "kubewarden.io/audit-scanner-run-uid"
FORMAT = "kubewarden.io/policyreport-version"
OWNED = f"{MANAGED_BY}=kubewarden"
SEVERITIES = ("critical", "high", "medium", "low", "info")
SEVERITY_ANNOTATION = "io.kubewarden.policy.severity"
CATEGORY_ANNOTATION = "io.kubewarden.policy.category"
OUTCOMES = ("pass", "fail", "error")


@dataclass(frozen=True, slots=True)
class ReportKinds:
    """One format: where its reports are, and what they are called."""

    api_version: str
    namespaced: GroupVersionResource
    namespaced_kind: str
    cluster: GroupVersionResource
    cluster_kind: str

    def resource(self, namespace: str) -> GroupVersionResource:
        """Of reports in a namespace, "" for those of cluster-scoped objects."""
        return self.namespaced if namespace else self.cluster


def _kinds(group: str, version: str, kind: str) -> ReportKinds:
    plural = f"{kind.lower()}s"
    return ReportKinds(
        f"{group}/{version}",
        GroupVersionResource(group, version, plural),
        kind,
        GroupVersionResource(group, version, f"cluster{plural}"),
        f"Cluster{kind}",
    )


KINDS: Mapping[str, ReportKinds] = {
    "policyreport": _kinds("wgpolicyk8s.io", "v1alpha2", "PolicyReport"),
    "openreports": _kinds("openreports.io", "v1alpha1", "Report"),
}
"""By the name that configuration has for them."""


@dataclass(frozen=True, slots=True)
class PolicyFacts:
    """What a result says of its policy. `uid` and `resource_version` are "" for one that is no custom resource;
    `name` and `namespace` are the resource's own, `id` the name under which it answers."""

    id: str
    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    monitor: bool = False
    mutating: bool = False
    context_aware: bool = False
    severity: str = ""
    category: str = ""


class Result(TypedDict, total=False):
    """An entry of `results`: one policy's answer about the object."""

    source: Required[str]
    policy: Required[str]
    timestamp: Required[dict[str, int]]
    result: Required[str]
    scored: Required[bool]
    resourceSelector: Required[dict[str, object]]
    properties: Required[dict[str, str]]
    category: str
    severity: str
    message: str


class ReportMetadata(TypedDict, total=False):
    name: Required[str]
    namespace: str
    labels: Required[dict[str, str]]
    ownerReferences: Required[list[dict[str, str]]]


class Report(TypedDict):
    """The report on one object."""

    apiVersion: str
    kind: str
    metadata: ReportMetadata
    scope: dict[str, str]
    summary: dict[str, int]
    results: list[Result]


def result(policy: PolicyFacts, outcome: str, message: str, now: float) -> Result:
    """One entry of `results`. `outcome` is one of OUTCOMES, `now` seconds since 1970. What would be empty is left out
    where the format has a list of values (severity)."""
    severity = "info" if policy.monitor else policy.severity
    entry: Result = {
        "source": "kubewarden",
        "policy": policy.id,
        "timestamp": {"seconds": int(now), "nanos": 0},
        "result": outcome,
        "scored": True,
        "resourceSelector": {},
        "properties": _properties(policy),
    }
    if policy.category:
        entry["category"] = policy.category
    if severity in SEVERITIES:
        entry["severity"] = severity
    if message:
        entry["message"] = message
    return entry


def _properties(policy: PolicyFacts) -> dict[str, str]:
    properties = {"mutating" if policy.mutating else "validating": "true", "policy-name": policy.name}
    if policy.context_aware:
        properties["context-aware"] = "true"
    if policy.namespace:
        properties["policy-namespace"] = policy.namespace
    if policy.uid:
        properties |= {"policy-uid": policy.uid, "policy-resource-version": policy.resource_version}
    return properties


def report(
    kinds: ReportKinds,
    obj: KubernetesObject,
    results: Sequence[Result],
    *,
    skipped: int,
    errored: int,
    run: str,
) -> Report:
    """The report on one object (with apiVersion and kind). `skipped` and `errored`: policies that were not asked, and
    that could not be."""
    metadata = obj["metadata"]
    namespace = metadata.get("namespace") or ""
    reference = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "name": metadata["name"], "uid": metadata["uid"]}
    scope = reference | {"resourceVersion": metadata.get("resourceVersion", "")}
    head: ReportMetadata = {
        "name": metadata["uid"],
        "labels": {MANAGED_BY: "kubewarden", FORMAT: "v2", RUN: run},
        "ownerReferences": [reference],
    }
    if namespace:
        head["namespace"] = scope["namespace"] = namespace
    return {
        "apiVersion": kinds.api_version,
        "kind": kinds.namespaced_kind if namespace else kinds.cluster_kind,
        "metadata": head,
        "scope": scope,
        "summary": summary(results, skipped, errored),
        "results": list(results),
    }


def summary(results: Sequence[Result], skipped: int, errored: int) -> dict[str, int]:
    """How many results of each kind. Nothing is ever a warning."""
    counts = {outcome: sum(entry["result"] == outcome for entry in results) for outcome in OUTCOMES}
    return {
        "pass": counts["pass"],
        "fail": counts["fail"],
        "warn": 0,
        "error": counts["error"] + errored,
        "skip": skipped,
    }


def patch_of(made: Report) -> dict[str, object]:
    """The merge patch that turns an older report on the same object into this one."""
    metadata = {"labels": made["metadata"]["labels"], "ownerReferences": made["metadata"]["ownerReferences"]}
    return {"metadata": metadata, "scope": made["scope"], "summary": made["summary"], "results": made["results"]}


def stale(run: str) -> str:
    """Label selector of the reports that this run did not write."""
    return f"{OWNED},{RUN}!={run}"
