"""Audits as users meet them: objects that were there before the policy, `edged audit`, reports that kubectl reads.

The same assertions on edged's own API server and on the real one.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import test_custom_resources as custom
from tests.cluster.cluster import Cluster
from tests.cluster.edged import Edged, Server, pod, policy, wait_for

CRDS = Path(__file__).parents[2] / "config" / "crds" / "reports"
KINDS = {
    "policyreport": ("policyreports.wgpolicyk8s.io", "clusterpolicyreports.wgpolicyk8s.io"),
    "openreports": ("reports.openreports.io", "clusterreports.openreports.io"),
}
PODS = [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}]
NAMESPACES = [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["namespaces"], "operations": ["*"]}]
_numbers = count(1)


def install(server: Server, name: str) -> None:
    """The report kinds of one format, served when this returns."""
    file = {"policyreport": "policyreports", "openreports": "openreports"}[name]
    server.kubectl("apply", "-f", str(CRDS / f"{file}.yaml"))
    for crd in KINDS[name]:
        server.kubectl("wait", "--for=condition=Established", f"crd/{crd}", "--timeout=30s")
        wait_for(lambda crd=crd: server.kubectl("get", crd, "-A", check=False).returncode == 0, f"{crd} served")


def uninstall(server: Server) -> None:
    crds = [crd for kinds in KINDS.values() for crd in kinds]
    server.kubectl("delete", "crd", *crds, "--ignore-not-found", "--wait=true")
    for crd in crds:
        wait_for(lambda crd=crd: server.kubectl("get", crd, "-A", check=False).returncode != 0, f"{crd} gone")


def fill(server: Server, namespace: str, pods: Sequence[dict[str, Any]], **labels: str) -> None:
    """A namespace with Pods."""
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}
    server.kubectl("create", "-f", "-", stdin=json.dumps(space))
    if pods:
        objects = {"apiVersion": "v1", "kind": "List", "items": pods}
        server.kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps(objects), timeout_s=300)


def some_pods(number: int, *, privileged: int = 0) -> list[dict[str, Any]]:
    return [pod(f"p-{n:04}", privileged=n < privileged) for n in range(number)]


def reports(server: Server, kind: str, namespace: str = "") -> dict[str, dict[str, Any]]:
    """Reports by the name of the object that they are about."""
    where = ["-n", namespace] if namespace else []
    found = json.loads(server.kubectl("get", kind, *where, "-o", "json", timeout_s=120).stdout)["items"]
    return {report["scope"]["name"]: report for report in found}


def audit(edged: Edged, *arguments: str, code: int) -> subprocess.CompletedProcess[str]:
    done = edged.command("audit", *arguments, check=False)
    assert done.returncode == code, f"{done.returncode}\n{done.stderr}{done.stdout}\n{edged.log[-2000:]}"
    return done


@pytest.fixture
def server(api_server: Server) -> Iterator[Server]:
    """Without reports of either format before and after."""
    uninstall(api_server)
    yield api_server
    uninstall(api_server)


@pytest.fixture
def prefix() -> str:
    """Of names that no other test has."""
    return f"au{next(_numbers)}"


def test_objects_of_several_namespaces_are_reported_on(server: Server, prefix: str) -> None:
    one, two, other = f"{prefix}-one", f"{prefix}-two", f"{prefix}-other"
    install(server, "policyreport")
    fill(server, one, some_pods(500, privileged=3), audit=prefix)
    fill(server, two, some_pods(520), audit=prefix)
    fill(server, other, some_pods(3, privileged=3))
    selected = {"namespace_selector": {"matchLabels": {"audit": prefix}}}
    policies = [
        policy("no-privileged", "pod-privileged", rules=PODS, **selected),
        policy("watching", "pod-privileged", rules=PODS, mode="monitor", **selected),
        policy("spaces", "pod-privileged", rules=NAMESPACES, object_selector={"matchLabels": {"audit": prefix}}),
        policy("left-out", "pod-privileged", rules=PODS, background_audit=False, **selected),
    ]
    with Edged(kubeconfig=server.kubeconfig, policies=policies, register="none") as edged:
        done = audit(edged, "-o", "json", "--page-size", "60", code=1)
        found = json.loads(done.stdout)["summary"]
        # 500 + 520 Pods, each asked about twice, and all namespaces, of which two have the label
        assert (found["pass"], found["fail"], found["error"]) == (2 * 1020 - 6 + 2, 6, 0)
        assert found["skipped_policies"] == ["left-out"] and found["problems"] == []
        assert f"namespace {one}" in done.stderr

        in_one = reports(server, "policyreports", one)
        assert len(in_one) == 500 and len(reports(server, "policyreports", two)) == 520
        assert reports(server, "policyreports", other) == {}
        assert sum(report["summary"]["fail"] for report in in_one.values()) == 6
        _check_failing(in_one["p-0001"], one)
        _check_spaces(reports(server, "clusterpolicyreports"), (one, two))

        server.kubectl("delete", "pod", "p-0001", "-n", one, "--grace-period=0", "--force")
        # The sandbox deletes what has no owner any more; the real one has no controllers here: the next run does it.
        edged.configure(
            [policy("no-privileged", "pod-privileged", rules=PODS, namespace=one)],
        )
        assert edged.reload() == ""
        audit(edged, code=1)
        after = reports(server, "policyreports", one)
        assert "p-0001" not in after and len(after) == 499
        assert [entry["policy"] for entry in after["p-0000"]["results"]] == ["no-privileged"]
        assert reports(server, "policyreports", two) == {}
        assert reports(server, "clusterpolicyreports") == {}

        told = edged.status()["audit"]
        assert told["last"]["fail"] == 2 and told["last"]["reports_written"] == 499
        assert told["next"]


def test_rules_name_groups_and_versions_that_have_not_everything(server: Server, prefix: str) -> None:
    """A resource is missing when none of its rule's groups and versions has it. What has no objects is no error."""
    install(server, "policyreport")
    fill(server, prefix, some_pods(2), audit=prefix)
    selected = {"namespace_selector": {"matchLabels": {"audit": prefix}}}

    def rules(groups: list[str], resources: list[str], *versions: str) -> list[dict[str, Any]]:
        return [{"apiGroups": groups, "apiVersions": [*versions, "v1"], "resources": resources,
                 "operations": ["CREATE"]}]  # fmt: skip

    usual = rules(["", "apps", "batch"], ["pods", "deployments", "jobs", "pods/exec"], "v1beta1")
    asked = rules(["authentication.k8s.io", "authorization.k8s.io"], ["tokenreviews", "subjectaccessreviews"])
    policies = [
        policy("usual", "pod-privileged", rules=usual, **selected),
        policy("reviews", "pod-privileged", rules=[*asked, *rules([""], ["bindings", "pods/exec"])], **selected),
        policy("wild", "pod-privileged", rules=rules(["*"], ["*/*"]), **selected),
    ]
    with Edged(kubeconfig=server.kubeconfig, policies=policies, register="none") as edged:
        found = json.loads(audit(edged, "-o", "json", code=0).stdout)["summary"]
        assert (found["pass"], found["unasked_policies"], found["problems"]) == (2, {}, [])
        assert found["skipped_policies"] == ["reviews", "wild"]
        (told,) = found["without_objects"].items()
        assert told[0] == "reviews" and "bindings.v1" in told[1] and "tokenreviews of " in told[1]
        assert "usual" not in audit(edged, code=0).stdout
        made = reports(server, "policyreports", prefix)
        assert {(each["summary"]["error"], each["summary"]["skip"]) for each in made.values()} == {(0, 2)}

        group = f"{prefix}.example.com"
        edged.configure([policy("later", "pod-privileged", rules=rules(["", group], ["pods", "gadgets"]), **selected)])
        assert edged.reload() == ""
        said = f"not asked about all that its rules name: the API server does not serve gadgets of v1, {group}/v1"
        assert said in audit(edged, code=1).stdout
        server.kubectl("create", "-f", "-", stdin=json.dumps(_definition(group)))
        server.kubectl("wait", "--for=condition=Established", f"crd/gadgets.{group}", "--timeout=30s")
        wait_for(lambda: server.kubectl("get", f"gadgets.{group}", check=False).returncode == 0, "gadgets served")
        assert "2 objects in" in audit(edged, code=0).stdout


def _definition(group: str) -> dict[str, Any]:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"gadgets.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "gadgets", "singular": "gadget", "kind": "Gadget", "listKind": "GadgetList"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


def _check_failing(report: dict[str, Any], namespace: str) -> None:
    """Every field of one report."""
    metadata, scope = report["metadata"], report["scope"]
    assert report["apiVersion"] == "wgpolicyk8s.io/v1alpha2" and report["kind"] == "PolicyReport"
    assert metadata["name"] == scope["uid"] and metadata["namespace"] == namespace
    run = metadata["labels"].pop("kubewarden.io/audit-scanner-run-uid")
    assert len(run) == 36
    assert metadata["labels"] == {
        "app.kubernetes.io/managed-by": "kubewarden", "kubewarden.io/policyreport-version": "v2",
    }  # fmt: skip
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "p-0001", "uid": scope["uid"]}
    assert metadata["ownerReferences"] == [owner]
    assert scope == owner | {"namespace": namespace, "resourceVersion": scope["resourceVersion"]}
    assert report["summary"] == {"pass": 0, "fail": 2, "warn": 0, "error": 0, "skip": 1}
    results = {entry["policy"]: entry for entry in report["results"]}
    assert sorted(results) == ["no-privileged", "watching"]
    assert abs(results["watching"].pop("timestamp")["seconds"] - time.time()) < 300
    assert results["watching"].pop("message") == results["no-privileged"]["message"] != ""
    assert results["watching"] == {
        "source": "kubewarden", "policy": "watching", "severity": "info", "result": "fail", "scored": True,
        "resourceSelector": {}, "properties": {"validating": "true", "policy-name": "watching"},
        "category": "Pod security",
    }  # fmt: skip
    assert results["no-privileged"].get("severity") != "info"


def _check_spaces(found: dict[str, dict[str, Any]], names: tuple[str, str]) -> None:
    """Namespaces that no policy selects have a report, too: an empty one."""
    assert set(names) < set(found) and "kube-system" in found
    assert found["kube-system"]["results"] == []
    for name in names:
        report = found[name]
        assert report["kind"] == "ClusterPolicyReport" and "namespace" not in report["metadata"]
        assert report["summary"]["pass"] == 1
        assert [owner["kind"] for owner in report["metadata"]["ownerReferences"]] == ["Namespace"]


def test_open_reports_take_the_place_of_older_ones(server: Server, prefix: str) -> None:
    one = f"{prefix}-one"
    install(server, "policyreport")
    fill(server, one, some_pods(12, privileged=1))
    policies = [policy("no-privileged", "pod-privileged", rules=PODS, namespace=one)]
    with Edged(kubeconfig=server.kubeconfig, policies=policies, register="none") as edged:
        audit(edged, "-n", one, code=1)
        assert len(reports(server, "policyreports", one)) == 12
        foreign = {
            "apiVersion": "wgpolicyk8s.io/v1alpha2", "kind": "PolicyReport", "metadata": {"name": "of-somebody-else"},
            "scope": {"kind": "Pod", "name": "foreign"},
        }  # fmt: skip
        server.kubectl("create", "-n", one, "-f", "-", stdin=json.dumps(foreign))
        install(server, "openreports")
        audit(edged, "-n", one, code=1)
        assert list(reports(server, "policyreports", one)) == ["foreign"]
        found = reports(server, "reports.openreports.io", one)
        assert len(found) == 12 and found["p-0000"]["summary"]["fail"] == 1
        assert found["p-0000"]["apiVersion"] == "openreports.io/v1alpha1"


def test_without_report_kinds_an_audit_says_so_or_does_without(server: Server, prefix: str) -> None:
    one = f"{prefix}-one"
    fill(server, one, some_pods(5, privileged=1))
    policies = [policy("no-privileged", "pod-privileged", rules=PODS, namespace=one)]
    with Edged(kubeconfig=server.kubeconfig, policies=policies, register="none") as edged:
        done = audit(edged, "-n", one, code=1)
        assert "no reports were written" in done.stdout
        assert "5 objects in 1 namespaces: 4 pass, 1 fail, 0 error" in done.stdout
        rows = [line.split()[:5] for line in done.stdout.splitlines() if line.startswith(one)]
        assert rows == [[one, "Pod", "p-0000", "no-privileged", "fail"]]
        done = audit(edged, "-n", one, "--report-kind", "policyreport", code=1)
        assert "the cluster has no PolicyReport" in done.stdout
        done = audit(edged, "-n", f"{prefix}-nowhere", code=1)
        assert f"there is no namespace {prefix}-nowhere" in done.stdout
        server.kubectl("delete", "pod", "p-0000", "-n", one, "--grace-period=0", "--force")
        audit(edged, "-n", one, "--disable-store", code=0)
        lines = audit(edged, "-n", one, "--output-scan", code=0).stdout.splitlines()
        assert [json.loads(line)["scope"]["name"] for line in lines] == [f"p-{n:04}" for n in range(1, 5)]
        audit(edged, "--page-size", "0", code=2)


def test_policies_of_custom_resources_are_audited(server: Server, prefix: str) -> None:
    one, two = f"{prefix}-one", f"{prefix}-two"
    install(server, "policyreport")
    custom.install(server)
    fill(server, one, some_pods(3, privileged=1), audit=prefix)
    fill(server, two, some_pods(2, privileged=1))
    spec: dict[str, Any] = {"module": custom.PRIVILEGED, "rules": PODS, "mutating": False}
    cluster_wide = custom.resource(
        "ClusterAdmissionPolicy", prefix, **spec, namespaceSelector={"matchLabels": {"audit": prefix}}
    )
    cluster_wide["metadata"]["annotations"] = {"io.kubewarden.policy.severity": "critical"}
    at_home = custom.resource("AdmissionPolicy", "home", two, **spec)
    quiet = custom.resource("AdmissionPolicy", "quiet", two, **spec, backgroundAudit=False)
    try:
        with custom.daemon(server) as edged:
            setup = custom.Setup(server, edged)
            wait_for(lambda: "vpolicyserver.kb.io" in setup.hooks(), "webhooks of the kinds")
            assert setup.apply(custom.resource("PolicyServer", "default")).returncode == 0
            setup.serve(cluster_wide, at_home, quiet)
            audit(edged, "-n", one, code=1)
            audit(edged, "-n", two, code=1)
            live = setup.live(cluster_wide)
            assert live is not None
    finally:
        custom.uninstall(server)
    (found,) = reports(server, "policyreports", one)["p-0000"]["results"]
    assert (found["policy"], found["severity"], found["result"]) == (f"clusterwide-{prefix}", "critical", "fail")
    assert found["properties"]["policy-uid"] == live["metadata"]["uid"]
    assert found["properties"]["policy-name"] == prefix
    report = reports(server, "policyreports", two)["p-0000"]
    (found,) = report["results"]
    assert found["policy"] == f"namespaced-{two}-home" and found["result"] == "fail"
    assert found["properties"]["policy-namespace"] == two
    assert report["summary"] == {"pass": 0, "fail": 1, "warn": 0, "error": 0, "skip": 1}


@pytest.mark.kube
def test_the_rendered_rights_are_enough(kube_cluster: Cluster, prefix: str, tmp_path: Path) -> None:
    uninstall(kube_cluster)
    install(kube_cluster, "policyreport")
    one = f"{prefix}-one"
    fill(kube_cluster, one, some_pods(3, privileged=1))
    policies = [policy("no-privileged", "pod-privileged", rules=PODS, namespace=one)]
    admission = {"policy_server": "", "audit_reports": "policyreport"}
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_bytes(kube_cluster.kubeconfig.read_bytes())
    edged = Edged(kubeconfig=kubeconfig, policies=policies, register="none", admission=admission)
    name = ["--name", prefix]
    kube_cluster.kubectl("apply", "-f", "-", stdin=edged.command("rbac", "render", *name).stdout)
    token = kube_cluster.kubectl("create", "token", prefix, "-n", "kube-system").stdout.strip()
    content = json.loads(kubeconfig.read_text())
    content["users"][0]["user"] = {"token": token}
    kubeconfig.write_text(json.dumps(content))
    with edged:
        audit(edged, "-n", one, code=1)
        told = edged.status()["audit"]["last"]
        assert "problems" not in told and (told["scanned"], told["reports_written"]) == (3, 3)
        kube_cluster.kubectl("delete", "pod", "p-0000", "-n", one, "--grace-period=0", "--force")
        audit(edged, code=0)
        assert sorted(reports(kube_cluster, "policyreports", one)) == ["p-0001", "p-0002"]
        kube_cluster.kubectl("delete", "clusterrole", prefix)
        done = audit(edged, "-n", one, code=1)
        assert "forbidden" in done.stdout
    uninstall(kube_cluster)


@pytest.mark.kube
def test_a_run_waits_for_an_api_server_that_is_away(kube_programs: dict[str, Path]) -> None:
    with Cluster() as cluster:
        install(cluster, "policyreport")
        fill(cluster, "one", some_pods(400, privileged=1))
        policies = [policy("no-privileged", "pod-privileged", rules=PODS, namespace="one")]
        admission = {"audit_interval_s": 2}
        with Edged(kubeconfig=cluster.kubeconfig, policies=policies, register="none", admission=admission) as edged:
            wait_for(lambda: edged.status()["audit"].get("running", {}).get("scanned", 0) > 20, "an audit is under way")
            run = edged.status()["audit"]["running"]["run"]
            cluster.stop_apiserver()
            wait_for(lambda: edged.status()["audit"].get("running", {}).get("waiting"), "it waits")
            cluster.start_apiserver()

            def done() -> dict[str, Any] | None:
                last: dict[str, Any] = edged.status()["audit"].get("last", {})
                return last if last.get("run") == run else None

            last = wait_for(done, "the same run is done", seconds=120)
            assert (last["scanned"], last["fail"], last.get("problems")) == (400, 1, None)
            assert len(reports(cluster, "policyreports", "one")) == 400
