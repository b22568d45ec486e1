"""Built-in admission of Pods: LimitRanger, Priority, RuntimeClass, tolerations, Nodes."""

from __future__ import annotations

from typing import Any

from tests.cluster.beside.steps import MERGE, Story, http, kubectl

PODS = "/api/v1/namespaces/{ns}/pods"
RANGES = "/api/v1/namespaces/{ns}/limitranges"
CLAIMS = "/api/v1/namespaces/{ns}/persistentvolumeclaims"
CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"
RUNTIMES = "/apis/node.k8s.io/v1/runtimeclasses"


def pod(name: str, requests: dict[str, str] | None = None, limits: dict[str, str] | None = None,
        **spec: Any) -> dict[str, Any]:  # fmt: skip
    resources = {**({"requests": requests} if requests else {}), **({"limits": limits} if limits else {})}
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"containers": [{"name": "c", "image": "a:1", "resources": resources}], **spec},
    }  # fmt: skip


def limit_range(name: str, *items: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": name}, "spec": {"limits": list(items)}}


def claim(name: str, size: str) -> dict[str, Any]:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}, "storageClassName": "x"}
    return {"metadata": {"name": name}, "spec": spec}


INIT = [{"name": "i", "image": "a:1"}]

STORIES = (
    Story("admission-limits", (
        http("POST", RANGES, limit_range("containers", {
            "type": "Container", "default": {"cpu": "500m", "memory": "256Mi"}, "defaultRequest": {"cpu": "100m"},
            "max": {"memory": "1Gi"}, "min": {"cpu": "50m"}, "maxLimitRequestRatio": {"cpu": "5"}})),
        http("POST", PODS, pod("plain")),
        http("POST", PODS, pod("init", initContainers=INIT)),
        http("POST", PODS, pod("own", {"cpu": "200m"}, {"cpu": "1"})),
        http("POST", PODS, pod("much", limits={"memory": "2Gi"})),
        http("POST", PODS, pod("little", {"cpu": "10m"}, {"cpu": "20m"})),
        http("POST", PODS, pod("apart", {"cpu": "100m"}, {"cpu": "1"})),
        http("POST", PODS, pod("odd", {"cpu": "10m", "memory": "2Gi"}, {"memory": "2G"})),
        http("POST", PODS, pod("higher", {"cpu": "700m"})),
        kubectl("run", "k", "--image=a:1"),
        kubectl("get", "limitrange", "containers"),
        http("PATCH", f"{PODS}/own", {"metadata": {"labels": {"a": "b"}}}, MERGE),
        http("DELETE", f"{RANGES}/containers"),
        http("POST", RANGES, limit_range("pods", {
            "type": "Pod", "max": {"cpu": "1"}, "min": {"memory": "64Mi"}})),
        http("POST", PODS, pod("none")),
        http("POST", PODS, pod("two", {"cpu": "600m", "memory": "64Mi"}, {"cpu": "600m"}, initContainers=[
            {"name": "i", "image": "a:1", "resources": {"limits": {"cpu": "2"}}}])),
        http("POST", PODS, pod("good", {"cpu": "600m", "memory": "64Mi"}, {"cpu": "1"})),
        http("POST", RANGES, limit_range("claims", {
            "type": "PersistentVolumeClaim", "max": {"storage": "2Gi"}, "min": {"storage": "1Gi"}})),
        http("POST", CLAIMS, claim("a", "3Gi")),
        http("POST", CLAIMS, claim("a", "500Mi")),
        http("POST", CLAIMS, claim("a", "2Gi")),
        http("PATCH", f"{CLAIMS}/a", {"spec": {"resources": {"requests": {"storage": "9Gi"}}}}, MERGE),
        http("PATCH", f"{CLAIMS}/a/status", {"status": {"phase": "Bound"}}, MERGE),
        http("PATCH", f"{CLAIMS}/a", {"spec": {"resources": {"requests": {"storage": "1900Mi"}}}}, MERGE),
    )),
    Story("admission-priority", (
        http("POST", PODS, pod("none", priorityClassName="none")),
        http("POST", PODS, pod("five", priority=5)),
        http("POST", PODS, pod("never", preemptionPolicy="Never")),
        http("POST", CLASSES, {"metadata": {"name": "{ns}-high"}, "value": 100, "preemptionPolicy": "Never"}),
        http("POST", PODS, pod("high", priorityClassName="{ns}-high")),
        http("POST", PODS, pod("wrong", priorityClassName="{ns}-high", priority=7)),
        http("POST", PODS, pod("same", priorityClassName="{ns}-high", priority=100)),
        http("POST", PODS, pod("other", priorityClassName="{ns}-high", preemptionPolicy="PreemptLowerPriority")),
        http("POST", PODS, pod("critical", priorityClassName="system-cluster-critical")),
        kubectl("create", "priorityclass", "{ns}-k", "--value=5", "--description=a"),
        http("DELETE", f"{CLASSES}/{{ns}}-high"),
        http("DELETE", f"{CLASSES}/{{ns}}-k"),
        http("GET", f"{PODS}/high"),
    )),
    Story("admission-runtime", (
        http("POST", RUNTIMES, {"metadata": {"name": "{ns}-r"}, "handler": "h", "overhead": {"podFixed": {
            "cpu": "100m", "memory": "64Mi"}}, "scheduling": {"nodeSelector": {"a": "b"}, "tolerations": [
                {"key": "k", "operator": "Exists", "effect": "NoSchedule"}]}}),
        http("POST", RUNTIMES, {"metadata": {"name": "{ns}-plain"}, "handler": "h"}),
        http("POST", PODS, pod("a", runtimeClassName="{ns}-r")),
        http("POST", PODS, pod("b", runtimeClassName="{ns}-r", nodeSelector={"a": "c"})),
        http("POST", PODS, pod("c", runtimeClassName="{ns}-r", overhead={"cpu": "1"})),
        http("POST", PODS, pod("d", runtimeClassName="{ns}-none")),
        http("POST", PODS, pod("e", overhead={"cpu": "1"})),
        http("POST", PODS, pod("f", runtimeClassName="{ns}-plain", tolerations=[
            {"key": "node.kubernetes.io/not-ready", "effect": "NoExecute", "tolerationSeconds": 5,
             "operator": "Exists"}])),
        http("POST", PODS, pod("g", tolerations=[{"operator": "Exists"}])),
        http("POST", PODS, {**pod(""), "metadata": {"generateName": "gen-"},
                            "spec": pod("", runtimeClassName="{ns}-none")["spec"]}),
        http("DELETE", f"{RUNTIMES}/{{ns}}-r"),
        http("DELETE", f"{RUNTIMES}/{{ns}}-plain"),
    )),
    Story("admission-nodes", (
        http("POST", "/api/v1/nodes", {"metadata": {"name": "{ns}-n"}}),
        http("GET", "/api/v1/nodes/{ns}-n"),
        http("PATCH", "/api/v1/nodes/{ns}-n", {"spec": {"taints": None}}, MERGE),
        http("POST", "/api/v1/nodes", {"metadata": {"name": "{ns}-t"}, "spec": {"taints": [
            {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule", "value": "x"},
            {"key": "a", "effect": "NoExecute"}]}}),
        http("POST", "/api/v1/nodes", {"metadata": {"name": "{ns}-ready"}, "status": {
            "conditions": [{"type": "Ready", "status": "True"}]}}),
        http("GET", "/api/v1/nodes/{ns}-ready", left_out="ready-nodes"),
        http("DELETE", "/api/v1/nodes/{ns}-n"),
        http("DELETE", "/api/v1/nodes/{ns}-t"),
        kubectl("delete", "node", "{ns}-ready"),
    )),
)  # fmt: skip
