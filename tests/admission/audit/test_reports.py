"""Reports and results in both formats, field by field."""

from __future__ import annotations

from typing import Any

from edged.admission.audit import reports
from edged.admission.audit.reports import KINDS, PolicyFacts

OBJECT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "shop", "uid": "uid-1", "resourceVersion": "77", "labels": {"a": "b"}},
}
NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "edge", "uid": "uid-2", "resourceVersion": "5"}}


def result(outcome: str = "pass", message: str = "", **facts: Any) -> dict[str, Any]:
    return reports.result(PolicyFacts("clusterwide-p", "p", **facts), outcome, message, 1700000000.9)


def test_a_result_of_a_custom_resources_policy():
    found = result(
        "fail", "no", namespace="shop", uid="u", resource_version="3", mutating=True, context_aware=True,
        severity="high", category="PSP",
    )  # fmt: skip
    assert found == {
        "source": "kubewarden",
        "policy": "clusterwide-p",
        "category": "PSP",
        "severity": "high",
        "timestamp": {"seconds": 1700000000, "nanos": 0},
        "result": "fail",
        "scored": True,
        "resourceSelector": {},
        "message": "no",
        "properties": {
            "mutating": "true", "context-aware": "true", "policy-resource-version": "3", "policy-uid": "u",
            "policy-name": "p", "policy-namespace": "shop",
        },
    }  # fmt: skip


def test_what_is_empty_is_left_out():
    found = result()
    assert not {"severity", "category", "message"} & found.keys()
    assert found["properties"] == {"validating": "true", "policy-name": "p"}


def test_monitoring_policies_inform_and_unknown_severities_are_dropped():
    assert result(monitor=True, severity="critical")["severity"] == "info"
    assert "severity" not in result(severity="catastrophic")  # the report as a whole would be refused


def test_a_report_on_a_namespaced_object():
    entries = [result("pass"), result("fail", "no"), result("error", "trap")]
    found = reports.report(KINDS["policyreport"], OBJECT, entries, skipped=2, errored=1, run="run-1")
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "uid-1"}
    assert found == {
        "apiVersion": "wgpolicyk8s.io/v1alpha2",
        "kind": "PolicyReport",
        "metadata": {
            "name": "uid-1",
            "namespace": "shop",
            "labels": {
                "app.kubernetes.io/managed-by": "kubewarden",
                "kubewarden.io/policyreport-version": "v2",
                "kubewarden.io/audit-scanner-run-uid": "run-1",
            },
            "ownerReferences": [owner],
        },
        "scope": owner | {"namespace": "shop", "resourceVersion": "77"},
        "summary": {"pass": 1, "fail": 1, "warn": 0, "error": 2, "skip": 2},
        "results": entries,
    }


def test_a_report_on_a_cluster_scoped_object():
    found = reports.report(KINDS["openreports"], NODE, [], skipped=0, errored=0, run="r")
    assert (found["apiVersion"], found["kind"]) == ("openreports.io/v1alpha1", "ClusterReport")
    assert "namespace" not in found["metadata"] and "namespace" not in found["scope"]
    assert found["summary"] == {"pass": 0, "fail": 0, "warn": 0, "error": 0, "skip": 0}


def test_where_reports_are():
    open_reports = KINDS["openreports"]
    assert str(open_reports.resource("shop")) == "reports.v1alpha1.openreports.io"
    assert str(open_reports.resource("")) == "clusterreports.v1alpha1.openreports.io"
    assert str(KINDS["policyreport"].resource("")) == "clusterpolicyreports.v1alpha2.wgpolicyk8s.io"


def test_the_patch_has_everything_but_identity():
    made = reports.report(KINDS["policyreport"], OBJECT, [result()], skipped=0, errored=0, run="r")
    patch = reports.patch_of(made)
    assert patch["metadata"].keys() == {"labels", "ownerReferences"}
    assert {key: patch[key] for key in ("scope", "summary", "results")} == {
        key: made[key] for key in ("scope", "summary", "results")
    }
    assert patch.keys() == {"metadata", "scope", "summary", "results"}


def test_selectors():
    managed = "app.kubernetes.io/managed-by=kubewarden"
    assert managed == reports.OWNED
    assert reports.stale("r") == f"{managed},kubewarden.io/audit-scanner-run-uid!=r"
