"""Pods as people write them, for tests of what the API server fills in; and the objects that they refer to.

tests/cluster/test_pod_defaults.py has the real API server complete them, the tests of this folder and of simulations
look at single rules.
"""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

HEAVY: Object = {
    "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "heavy"}, "handler": "h",
    "overhead": {"podFixed": {"cpu": "250m", "memory": "64Mi"}},
    "scheduling": {"nodeSelector": {"runtime": "heavy"}, "tolerations": [
        {"key": "heavy", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "own", "operator": "Equal", "value": "1", "effect": "NoExecute"}]},
}  # fmt: skip
CLASSES: tuple[Object, ...] = (
    {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "usual"}, "value": 1000,
     "globalDefault": True},
    {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "polite"}, "value": 2000,
     "preemptionPolicy": "Never"},
)  # fmt: skip
LIMITS: Object = {
    "apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "limits"}, "spec": {"limits": [
        {"type": "Container", "default": {"cpu": "2"}, "defaultRequest": {"memory": "64Mi"},
         "max": {"memory": "1Gi"}, "min": {"cpu": "10m"}},
        {"type": "Pod", "max": {"cpu": "8"}}]},
}  # fmt: skip


def container(name: str = "c", **fields: Any) -> Object:
    return {"name": name, "image": "registry.local/app:1", **fields}


def asking(name: str = "c", **resources: Object) -> Object:
    """A container with requests and limits as keywords."""
    return container(name, resources=resources)


def term(**fields: Any) -> Object:
    return {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "w"}}, **fields}


SPECS: dict[str, Object] = {
    "plain": {"containers": [container()]},
    "host's network": {"hostNetwork": True, "initContainers": [
        container("i", restartPolicy="Always", ports=[{"containerPort": 81}])],
        "containers": [container(ports=[{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}])]},
    "ports": {"containers": [container(ports=[{"containerPort": 80, "hostPort": 8080}])]},
    "limits": {"initContainers": [asking("i", limits={"cpu": "2"})],
               "containers": [asking(limits={"cpu": "1", "memory": "1Gi"}, requests={"cpu": "500m"})]},
    "whole Pod": {"resources": {"limits": {"cpu": "3", "memory": "2Gi"}},
                  "containers": [asking(requests={"cpu": "1"}), asking("d", requests={"cpu": "500m"})]},
    "whole Pod with sidecars": {
        "resources": {"requests": {"memory": "1Gi"}, "limits": {"memory": "2Gi"}},
        "initContainers": [{**asking("s", requests={"cpu": "200m"}), "restartPolicy": "Always"},
                           asking("i", requests={"cpu": "1"})],
        "containers": [asking(limits={"cpu": "600m"}), asking("d", requests={"memory": "100Mi"})]},
    "huge pages": {"resources": {"limits": {"cpu": "2", "memory": "1Gi"}}, "containers": [
        asking(limits={"hugepages-2Mi": "4Mi", "memory": "100Mi"})]},
    "label keys": {"containers": [container()], "affinity": {
        "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term(matchLabelKeys=["rev", "none"])]},
        "podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 5, "podAffinityTerm": term(mismatchLabelKeys=["tenant"])}]}},
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
                                       "labelSelector": {"matchLabels": {"app": "w"}}, "matchLabelKeys": ["rev"]}]},
    "a class": {"priorityClassName": "polite", "containers": [container()]},
    "a class of the system": {"priorityClassName": "system-node-critical", "containers": [container()]},
    "a runtime": {"runtimeClassName": "heavy", "nodeSelector": {"disk": "ssd"}, "containers": [container()],
                  "tolerations": [{"key": "own", "operator": "Exists"}]},
    "tolerates all": {"containers": [container()], "tolerations": [{"operator": "Exists"}]},
    "tolerates one": {"containers": [container()], "tolerations": [
        {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}]},
    "numbers": {"containers": [asking(requests={"cpu": 1.5, "memory": 1073741824})]},
    "volumes": {"containers": [container()], "volumes": [
        {"name": "e"}, {"name": "c", "configMap": {"name": "c"}}, {"name": "h", "hostPath": {"path": "/x"}},
        {"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}}}]},
    "scheduling gates": {"containers": [container()], "schedulingGates": [{"name": "x.example/g"}]},
}  # fmt: skip
"""What is defaulted in it -> the spec of a Pod."""
LABELS = {"app": "w", "rev": "2", "tenant": "t"}


def pod(name: str, spec: Object, namespace: str = "default") -> Object:
    metadata = {"name": name, "namespace": namespace, "labels": dict(LABELS)}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
