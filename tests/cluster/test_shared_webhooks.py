"""Policies that share webhooks, on a real API server: each sees and says what it would alone, whatever happens."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from edged.admission.resources.definitions import definitions
from edged.wasm import binary, bindings
from edged.wasm.compile import METADATA_SECTION
from tests.cluster.cluster import Cluster
from tests.cluster.edged import MODULES, Edged, create, get, pod, policy, wait_for
from tests.cluster.raw import JSON, Client
from tests.cluster.test_custom_resources import PRIVILEGED, Setup, install, resource, uninstall
from tests.cluster.test_custom_resources import policy as custom_policy

NAMESPACE = "sharing"
RECORDER = """(module
  (import "wapc" "__guest_request" (func $request (param i32 i32)))
  (import "wapc" "__guest_response" (func $respond (param i32 i32)))
  (import "wapc" "__console_log" (func $log (param i32 i32)))
  (memory (export "memory") 4)
  (data (i32.const 0) "{\\22valid\\22:true}") (data (i32.const 16) "\\22v1\\22")
  (data (i32.const 32) "{\\22accepted\\22:true}")
  (func (export "__guest_call") (param $op_len i32) (param $len i32) (result i32)
    (if (i32.eq (local.get $op_len) (i32.const 17))
      (then (call $respond (i32.const 0) (i32.const 14)) (return (i32.const 1))))
    (if (i32.eq (local.get $op_len) (i32.const 16))
      (then (call $respond (i32.const 16) (i32.const 4)) (return (i32.const 1))))
    (call $request (i32.const 1024) (i32.const 2048))
    (call $log (i32.const 2048) (local.get $len))
    (call $respond (i32.const 32) (i32.const 17))
    (i32.const 1)))"""
"""A policy that accepts, and writes into the log what it was asked."""
HPA = {"apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"], "operations": ["CREATE", "UPDATE"]}
PODS = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}


@pytest.fixture(scope="module")
def cluster(kube_cluster: Cluster) -> Cluster:
    kube_cluster.kubectl("create", "namespace", NAMESPACE)
    return kube_cluster


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("modules") / "recorder.wasm"
    metadata = json.dumps({"protocolVersion": "v1", "rules": [], "mutating": False}).encode()
    path.write_bytes(binary.append_custom_section(bindings.wat2wasm(RECORDER), METADATA_SECTION, metadata))
    return path


def recording(module: Path, name: str, *rules: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return {"name": name, "module": f"file://{module}", "rules": list(rules),
            "namespace_selector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}}, **keys}  # fmt: skip


def scaler(version: str) -> dict[str, Any]:
    cpu: dict[str, Any] = {"targetCPUUtilizationPercentage": 50}
    if version == "v2":
        target = {"type": "Utilization", "averageUtilization": 50}
        cpu = {"metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]}
    spec = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"}, "maxReplicas": 3}
    return {"apiVersion": f"autoscaling/{version}", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "scaled", "namespace": NAMESPACE}, "spec": {**spec, **cpu}}  # fmt: skip


def asked(edged: Edged) -> dict[str, list[Any]]:
    """Policy -> resource, kind, operation and object of each request, without what differs between two creations."""
    found: dict[str, list[Any]] = {}
    for source, line in re.findall(r' msg=guest source=(\S+) line=("(?:[^"\\]|\\.)*")', edged.log):
        request = json.loads(json.loads(line))["request"]
        obj = request["object"]
        metadata = {key: obj["metadata"][key] for key in ("name", "namespace", "annotations") if key in obj["metadata"]}
        said = [request["resource"], request["kind"], request["operation"], {**obj, "metadata": metadata}]
        found.setdefault(source, []).append(said)
    return found


@pytest.mark.kube
def test_every_policy_sees_the_same_objects_whether_webhooks_are_shared_or_not(
    cluster: Cluster, recorder: Path
) -> None:
    """HPA in two versions is what an API server converts; policies ask for either, for both, and for any."""
    first, second = {**HPA, "apiVersions": ["v1"]}, {**HPA, "apiVersions": ["v2"]}
    policies = [
        recording(recorder, "first", first),
        recording(recorder, "first-of-updates", {**first, "operations": ["UPDATE"]}),
        recording(recorder, "second", second),
        recording(recorder, "second-and-pods", PODS, second),
        recording(recorder, "pods", PODS),
        recording(recorder, "both", {**HPA, "apiVersions": ["v1", "v2"]}),
        recording(recorder, "any", {**HPA, "apiVersions": ["*"]}),
        recording(recorder, "exactly-first", first, match_policy="Exact"),
        recording(recorder, "exactly-second", second, match_policy="Exact"),
    ]
    seen = []
    for webhooks, expected in (("each", len(policies)), ("shared", 5)):
        with Edged(kubeconfig=cluster.kubeconfig, policies=policies, admission={"webhooks": webhooks}) as edged:
            edged.wait_registered()
            hooks = get(cluster.kubectl, "validatingwebhookconfiguration", "edged")
            assert hooks is not None and len(hooks["webhooks"]) == expected, hooks
            assert create(cluster.kubectl, pod("marker"), "-n", NAMESPACE, "--dry-run=server").returncode == 0
            wait_for(lambda edged=edged: "pods" in asked(edged), "a first request")  # type: ignore[misc]
            for version in ("v1", "v2"):
                assert create(cluster.kubectl, scaler(version)).returncode == 0
                cluster.kubectl("label", "hpa", "scaled", "-n", NAMESPACE, f"changed={version}")
                cluster.kubectl("delete", "hpa", "scaled", "-n", NAMESPACE)
            seen.append(asked(edged))
            edged.configure([])
            assert edged.reload() == ""
            edged.wait_registered()
    each, shared = seen
    assert set(each) == {entry["name"] for entry in policies}
    versions = {name: [said[0]["version"] for said in found] for name, found in each.items()}
    assert versions["first"] == ["v1"] * 4 and versions["second"] == ["v2"] * 4
    assert versions["any"][0] == "v1" and "v2" in versions["any"]
    for name in each:
        assert shared[name] == each[name], name


@pytest.mark.kube
def test_a_policy_that_moves_between_webhooks_lets_nothing_pass(cluster: Cluster) -> None:
    """While Pods are created without a pause, the policy that denies them goes from one webhook to another and back."""
    denying = policy("denying", "pod-privileged", namespace=NAMESPACE)
    moved = {**denying, "side_effects": "NoneOnDryRun"}
    beside = policy("beside", "pod-privileged", namespace=NAMESPACE, mode="monitor")
    with Edged(kubeconfig=cluster.kubeconfig, policies=[denying, beside]) as edged:
        edged.wait_registered()
        privileged = json.dumps(pod("x", privileged=True))

        def said(client: Client) -> str:
            return str(client("POST", f"/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All", privileged, JSON)[2])

        first = Client(cluster)
        wait_for(lambda: "[denying]" in said(first), "denial")
        stop, passed, counted = threading.Event(), list[str](), list[int]()

        def creating() -> None:
            client = Client(cluster)
            while not stop.is_set():
                if "[denying]" not in (text := said(client)):
                    passed.append(text)
                counted.append(1)
            client.close()

        threads = [threading.Thread(target=creating) for _ in range(3)]
        for thread in threads:
            thread.start()
        keys = set()
        try:
            for policies in ([moved, beside], [denying, beside], [moved, beside], [denying, beside]):
                edged.configure(policies)
                assert edged.reload() == ""
                edged.wait_registered()
                more = sum(counted) + 30
                wait_for(lambda more=more: sum(counted) > more or passed, "requests")  # type: ignore[misc]
                keys.add(str(sorted(edged.registration["webhooks"])))
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert passed == [] and len(keys) == 2
        first.close()
        edged.configure([])
        assert edged.reload() == ""
        edged.wait_registered()


@pytest.mark.kube
@pytest.mark.parametrize("is_lost", [False, True])
def test_a_policy_whose_module_is_gone_after_a_restart_keeps_its_rules(
    cluster: Cluster, tmp_path: Path, is_lost: bool
) -> None:
    """Also where the state directory is lost: the object says who is in it."""
    module = tmp_path / "gone.wasm"
    module.write_bytes((MODULES / "pod-privileged" / "pod-privileged.wasm").read_bytes())
    keeps = policy("keeps", "pod-privileged", namespace=NAMESPACE)
    goes = {**policy("goes", "pod-privileged", namespace=NAMESPACE), "module": f"file://{module}"}
    with Edged(kubeconfig=cluster.kubeconfig, policies=[keeps, goes]) as edged:
        edged.wait_registered()
        (webhook,) = edged.registration["webhooks"]
        assert re.fullmatch(r"shared-[0-9a-f]{20}\.webhooks\.edged\.dev", webhook)
        assert edged.registration["webhooks"][webhook] == ["goes", "keeps"]
        before = hooks(cluster)

        def said() -> str:
            return create(cluster.kubectl, pod("x", privileged=True), "-n", NAMESPACE, "--dry-run=server").stderr

        wait_for(lambda: "[keeps]" in said() and "[goes]" in said(), "denials of both")
        edged.stop()
        module.unlink()
        if is_lost:
            (edged.state_dir / "registration.json").unlink()
        edged.start()
        edged.wait_registered()
        assert hooks(cluster) == before
        assert "[goes]" in said() and "[keeps]" in said()  # the one denies because it cannot be read
        edged.configure([])
        assert edged.reload() == ""
        edged.wait_registered()


def hooks(cluster: Cluster) -> Any:
    found = get(cluster.kubectl, "validatingwebhookconfiguration", "edged")
    assert found is not None
    return [[hook["name"], hook["rules"]] for hook in found["webhooks"]]


@pytest.mark.kube
def test_members_of_a_webhook_that_is_refused_are_named_and_nobody_else_is_touched(cluster: Cluster) -> None:
    wrong = [{"name": "wrong", "expression": "request.foo == 'a'"}]
    keeps = policy("keeps", "pod-privileged", namespace=NAMESPACE)
    refused = [policy(name, "pod-privileged", namespace=NAMESPACE, match_conditions=wrong) for name in ("one", "two")]
    with Edged(kubeconfig=cluster.kubeconfig, policies=[keeps, *refused]) as edged:
        edged.wait_phase("registered")
        found = edged.registration
        assert found["policies"] == ["keeps"] and len(found["webhooks"]) == 1
        assert sorted(found["problems"]) == ["one", "two"]
        assert all("undefined field 'foo'" in text for text in found["problems"].values())
        edged.configure([])
        assert edged.reload() == ""
        edged.wait_registered()


@pytest.mark.kube
def test_custom_resources_share_with_those_of_their_own_origin(cluster: Cluster) -> None:
    """Those of the cluster, those of each namespace, and those of the file: a mistake of one touches no other."""
    one, two, alone = (custom_policy(name, namespaceSelector={}) for name in ("s-one", "s-two", "s-alone"))
    alone["metadata"]["annotations"] = {"edged.dev/webhook": "own"}
    rules = [PODS]
    theirs = [resource("AdmissionPolicy", name, space, module=PRIVILEGED, rules=rules, mutating=False)
              for name, space in (("a", "team-1"), ("b", "team-1"), ("a", "team-2"))]  # fmt: skip
    install(cluster)
    policies, admission = [policy("of-file", "pod-privileged")], {"module_dirs": [str(MODULES)]}
    with Edged(kubeconfig=cluster.kubeconfig, policies=policies, admission=admission) as edged:
        setup = Setup(cluster, edged)
        try:
            setup.namespace("team-1", "team-2")
            wait_for(lambda: "vpolicyserver.kb.io" in setup.hooks(), "webhooks of the kinds")
            assert setup.apply(resource("PolicyServer", "default")).returncode == 0
            setup.serve(one, two, alone, *theirs)
            webhooks = edged.registration["webhooks"]
            together = sorted(webhooks.values())
            assert together == [
                ["clusterwide-s-alone"], ["clusterwide-s-one", "clusterwide-s-two"],
                ["namespaced-team-1-a", "namespaced-team-1-b"], ["namespaced-team-2-a"], ["of-file"],
            ]  # fmt: skip
            assert webhooks["clusterwide-s-alone.kubewarden.admission"] == ["clusterwide-s-alone"]
            wait_for(lambda: "is privileged" in setup.try_pod("team-1").stderr, "denial")
            setup.delete(one)
            assert ["clusterwide-s-two"] in edged.registration["webhooks"].values()
            edged.kill()
            edged.start()
            for obj in (two, alone, *theirs):
                setup.wait_status(obj, "active")
            wait_for(lambda: "denied" in setup.try_pod("team-2").stderr, "denial")
            setup.delete(theirs[0])
            wait_for(lambda: ["namespaced-team-1-b"] in edged.registration["webhooks"].values(), "one less")
        finally:
            uninstall(cluster)
            for name in definitions():
                crd = f"{name.removesuffix('.yaml')}.policies.kubewarden.io"
                cluster.kubectl("delete", "crd", crd, "--timeout=20s")
