"""Reading YAML: a list of Pods of 3 MB by edged's reader, and by PyYAML's with libyaml as edged used it before."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import yaml

from edged import json_text, yaml_text
from tests.bench.support import median, say

PODS, ROUNDS = 1000, 5


def run(*, quick: bool = False) -> dict[str, Any]:
    pods = [_pod(number) for number in range(PODS // 10 if quick else PODS)]
    value = {"apiVersion": "v1", "kind": "List", "items": pods}
    text, json = yaml_text.dumps(value).encode(), json_text.dumps(value)
    loader = _before()
    assert yaml_text.load(text) == yaml.load(text, Loader=loader) == value
    say(f"YAML: {len(text) / 1e6:.1f} MB")
    seconds: dict[str, list[float]] = {"edged": [], "before": [], "json": [], "written": []}
    for _ in range(1 if quick else ROUNDS):  # by turns: another load of the machine meets all alike
        seconds["edged"].append(_cpu(lambda: yaml_text.load(text)))
        seconds["before"].append(_cpu(lambda: yaml.load(text, Loader=loader)))
        seconds["json"].append(_cpu(lambda: json_text.loads(json)))
        seconds["written"].append(_cpu(lambda: yaml_text.dumps(value)))
    ours, before = median(seconds["edged"]), median(seconds["before"])
    return {
        "yaml_mb": round(len(text) / 1e6, 1),
        "yaml_read_ms": round(ours * 1000),
        "yaml_read_before_ms": round(before * 1000),
        "yaml_read_ratio": round(before / ours, 1),
        "yaml_as_json_ms": round(median(seconds["json"]) * 1000),
        "yaml_written_ms": round(median(seconds["written"]) * 1000),
    }


def _cpu(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _before() -> type[yaml.SafeLoader]:
    """PyYAML's safe loader, where times stay text."""
    resolvers = {
        first: [rule for rule in rules if rule[0] != "tag:yaml.org,2002:timestamp"]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return type("Loader", (yaml.CSafeLoader,), {"yaml_implicit_resolvers": resolvers})


def _pod(number: int) -> dict[str, Any]:
    """As `kubectl get pods -o yaml` shows one."""
    at = "2026-01-02T03:04:05Z"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"web-{number}-x7k2p", "namespace": f"team-{number % 20}", "uid": f"5d1c6f0e-{number:04}-4c7e",
            "resourceVersion": str(number * 7919), "creationTimestamp": at, "generateName": f"web-{number}-",
            "labels": {"app": "web", "tier": "front", "pod-template-hash": f"h{number:x}"},
            "annotations": {"checksum/config": f"{number:064x}g", "prometheus.io/scrape": "true"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "controller": True}],
        },
        "spec": {
            "nodeName": f"node-{number % 100}", "restartPolicy": "Always", "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst", "serviceAccountName": "default", "priority": 0, "enableServiceLinks": True,
            "tolerations": [
                {"effect": "NoExecute", "key": f"node.kubernetes.io/{key}", "operator": "Exists"}
                for key in ("not-ready", "unreachable")
            ],
            "containers": [_container(number, index) for index in range(2)],
            "volumes": [{"name": "data", "projected": {"sources": [{"configMap": {"name": "ca", "optional": False}}]}}],
        },
        "status": {
            "phase": "Running", "podIP": f"10.0.{number // 250}.{number % 250}", "startTime": at,
            "conditions": [
                {"type": kind, "status": "True", "lastProbeTime": None, "lastTransitionTime": at}
                for kind in ("Ready", "Initialized", "ContainersReady", "PodScheduled")
            ],
        },
    }  # fmt: skip


def _container(number: int, index: int) -> dict[str, Any]:
    return {
        "name": f"c{index}", "image": f"registry.example/web:{number}", "imagePullPolicy": "IfNotPresent",
        "env": [{"name": f"VALUE_{key}", "value": f"value {key} of {number}"} for key in range(4)],
        "ports": [{"containerPort": 8080, "protocol": "TCP"}], "terminationMessagePath": "/dev/termination-log",
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "128Mi"}},
        "volumeMounts": [{"mountPath": "/var/run/secrets/data", "name": "data", "readOnly": True}],
    }  # fmt: skip
