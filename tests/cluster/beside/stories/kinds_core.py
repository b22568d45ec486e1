"""What is refused of ConfigMaps, Secrets, quotas, limit ranges, Namespaces, Nodes, Endpoints and Events."""

from __future__ import annotations

import base64
from typing import Any

from tests.cluster.beside.bodies import changed, tried
from tests.cluster.beside.steps import Story, http, kubectl

IN = "/api/v1/namespaces/{ns}"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


MAPS: tuple[Any, ...] = (
    {"data": {"a b": "x"}}, {"data": {"": "x"}}, {"data": {"..": "x"}}, {"data": {"..a": "x"}}, {"data": {".": "x"}},
    {"data": {"a" * 254: "x"}}, {"data": {"a": 5}}, {"data": {"a": True}}, {"data": {"a": None}}, {"data": {"a": {}}},
    {"data": ["a"]}, {"data": "a"}, {"binaryData": {"a": "?"}}, {"binaryData": {"a b": "eA=="}},
    {"data": {"a": "x"}, "binaryData": {"a": "eA=="}}, {"data": {"a": "x" * (1 << 20)}},
    {"data": {"a": "x" * ((1 << 20) + 1)}}, {"binaryData": {"a": "eA="}}, {"immutable": "yes"}, {"data": {"é": "x"}},
    {"data": {"a/b": "x"}},
)
SECRETS: tuple[Any, ...] = (
    {"data": {"a": "no base64!"}}, {"data": {"a b": "eA=="}}, {"data": {"a": "x" * (1 << 20)}},
    {"data": {"a": b64("x" * ((1 << 20) + 1))}}, {"data": {"a": 5}}, {"stringData": {"a b": "x"}}, {"type": ""},
    {"stringData": {"a": 5}}, {"data": {"a": "eA"}}, {"data": {"a": ""}},
    {"type": "kubernetes.io/tls"}, {"type": "kubernetes.io/tls", "data": {"tls.crt": ""}},
    {"type": "kubernetes.io/tls", "data": {"tls.crt": "", "tls.key": ""}},
    {"type": "kubernetes.io/tls", "stringData": {"tls.crt": "x", "tls.key": "y"}},
    {"type": "kubernetes.io/dockerconfigjson"},
    {"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": "x"}},
    {"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": "[]"}},
    {"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": "{"}},
    {"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": ""}},
    {"type": "kubernetes.io/dockercfg"}, {"type": "kubernetes.io/dockercfg", "stringData": {".dockercfg": "1"}},
    {"type": "kubernetes.io/basic-auth"}, {"type": "kubernetes.io/basic-auth", "stringData": {"username": "x"}},
    {"type": "kubernetes.io/ssh-auth"}, {"type": "kubernetes.io/ssh-auth", "data": {"ssh-privatekey": ""}},
    {"type": "kubernetes.io/service-account-token"}, {"type": "any"},
)
QUOTAS: tuple[Any, ...] = (
    {"spec": {"hard": {"foo": 1}}}, {"spec": {"hard": {"pods": "1.5"}}}, {"spec": {"hard": {"pods": -1}}},
    {"spec": {"hard": {"cpu": "-1"}}}, {"spec": {"hard": {"a b": 1}}}, {"spec": {"hard": {"example.com/x": 1}}},
    {"spec": {"hard": {"requests.example.com/gpu": "1.5"}}}, {"spec": {"hard": {"count/pods": "1.5"}}},
    {"spec": {"scopes": ["Foo"]}}, {"spec": {"scopes": ["BestEffort", "NotBestEffort"]}},
    {"spec": {"scopes": ["Terminating", "NotTerminating"]}}, {"spec": {"hard": {"cpu": "1"},
    "scopes": ["BestEffort"]}},
    {"spec": {"hard": {"services": "1"}, "scopes": ["Terminating"]}}, {"spec": {"hard": {"pods": "x"}}},
    {"spec": {"scopeSelector": {"matchExpressions": [{"scopeName": "Foo", "operator": "In"}]}}},
    {"spec": {"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "In"}]}}},
    {"spec": {"scopeSelector": {"matchExpressions": [{"scopeName": "BestEffort", "operator": "In",
    "values": ["a"]}]}}},
    {"spec": {"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "Exists",
    "values": ["a"]}]}}},
    {"spec": {"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "Like"}]}}},
    {"spec": {"hard": {"ephemeral-storage": "1Zi"}}}, {"spec": {"hard": {"memory": "1gb"}}},
)
LIMITS: tuple[Any, ...] = (
    {"spec": {"limits": [{"type": "Foo"}]}}, {"spec": {"limits": [{"type": ""}]}}, {"spec": {"limits": [{}]}},
    {"spec": {"limits": [{"type": "Container"}, {"type": "Container"}]}}, {"spec": {}}, {},
    {"spec": {"limits": [{"type": "Container", "max": {"foo": 1}}]}},
    {"spec": {"limits": [{"type": "Container", "max": {"cpu": 1}, "min": {"cpu": 2}}]}},
    {"spec": {"limits": [{"type": "Pod", "default": {"cpu": 1}, "defaultRequest": {"cpu": 1}}]}},
    {"spec": {"limits": [{"type": "Container", "default": {"cpu": 1}, "defaultRequest": {"cpu": 2}}]}},
    {"spec": {"limits": [{"type": "Container", "default": {"cpu": 5}, "max": {"cpu": 2}}]}},
    {"spec": {"limits": [{"type": "Container", "default": {"cpu": "100m"}, "min": {"cpu": "200m"}}]}},
    {"spec": {"limits": [{"type": "Container", "defaultRequest": {"cpu": "100m"}, "min": {"cpu": "200m"}}]}},
    {"spec": {"limits": [{"type": "Container", "defaultRequest": {"cpu": 3}, "max": {"cpu": 2}}]}},
    {"spec": {"limits": [{"type": "PersistentVolumeClaim"}]}},
    {"spec": {"limits": [{"type": "Container", "maxLimitRequestRatio": {"cpu": "500m"}}]}},
    {"spec": {"limits": [{"type": "Container", "maxLimitRequestRatio": {"memory": 3}, "max": {"memory": "2Gi"},
    "min": {"memory": "1Gi"}}]}},
    {"spec": {"limits": [{"type": "Container", "max": {"storage": "1Gi"}}]}},
    {"spec": {"limits": [{"type": "Container", "max": {"cpu": "x"}}]}},
    {"spec": {"limits": [{"type": "example.com/X", "max": {"foo": "1"}}]}},
)
SUBSETS: tuple[Any, ...] = (
    [{}], [{"addresses": [{"ip": "x"}]}], [{"addresses": [{"ip": "127.0.0.1"}]}], [{"addresses": [{"ip": "0.0.0.0"}]}],
    [{"addresses": [{"ip": "169.254.1.1"}]}], [{"addresses": [{"ip": "224.0.0.1"}]}], [{"addresses": [{}]}],
    [{"addresses": [{"ip": "1.2.3.4", "hostname": "A.b"}]}], [{"addresses": [{"ip": "1.2.3.4", "nodeName": "A_"}]}],
    [{"addresses": [{"ip": "1.2.3.4"}], "ports": [{"port": 0}]}], [{"addresses": [{"ip": "1.2.3.4"}],
    "ports": [{"port": 70000}]}],
    [{"addresses": [{"ip": "1.2.3.4"}], "ports": [{"port": 1}, {"port": 2}]}],
    [{"addresses": [{"ip": "1.2.3.4"}], "ports": [{"port": 1, "protocol": "X", "name": "A"}]}],
    [{"addresses": [{"ip": "1.2.3.4"}], "ports": [{"port": 1, "appProtocol": "a b"}]}],
    [{"addresses": [{"ip": "01.2.3.4"}]}],
    [{"addresses": [{"ip": "1.2.3.4"}], "ports": [{"port": 1}]}],
)
NODES: tuple[Any, ...] = (
    {"spec": {"taints": [{}]}}, {"spec": {"taints": [{"key": "a", "effect": "No"}]}},
    {"spec": {"taints": [{"key": "a b", "effect": "NoSchedule"}]}},
    {"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}, {"key": "a", "effect": "NoSchedule"}]}},
    {"spec": {"taints": [{"key": "a", "value": "b c", "effect": "NoSchedule"}]}}, {"spec": {"podCIDR": "x"}},
    {"spec": {"podCIDRs": ["10.0.0.0/24", "10.1.0.0/24"]}}, {"spec": {"podCIDR": "10.0.0.0/24",
    "podCIDRs": ["10.1.0.0/24"]}},
    {"spec": {"configSource": {}}}, {"status": {"capacity": {"cpu": "x"}}}, {"status": {"capacity": {"cpu": "-1"}}},
    {"spec": {"taints": [{"key": "a"}]}}, {"spec": {"externalID": "x"}}, {"status": {"capacity": {"pods": "1.5"}}},
)
REGARDING = {"kind": "ConfigMap", "namespace": "{ns}", "name": "x"}
EVENTS: tuple[Any, ...] = (
    {}, {"involvedObject": REGARDING}, {"involvedObject": {**REGARDING, "namespace": "other"}},
    {"involvedObject": {"kind": "Node", "name": "n"}},
    {"involvedObject": REGARDING, "type": "Odd", "reason": "R" * 200, "message": "m" * 2000},
    {"involvedObject": REGARDING, "count": -1},
    {"involvedObject": REGARDING, "eventTime": "2020-01-01T00:00:00.000000Z"},
)
NEW_EVENT = {"eventTime": "2020-01-01T00:00:00.000000Z", "action": "a", "reason": "r", "type": "Normal",
             "reportingController": "a.b/c", "reportingInstance": "i", "regarding": REGARDING}
NEW_EVENTS: tuple[Any, ...] = (
    {}, {"regarding": REGARDING}, NEW_EVENT, {**NEW_EVENT, "type": "Odd"}, {**NEW_EVENT, "reason": ""}, {**NEW_EVENT,
    "action": "a" * 200},
    {**NEW_EVENT, "reportingController": "a b"}, {**NEW_EVENT, "reportingInstance": ""}, {**NEW_EVENT,
    "note": "n" * 1025},
    {**NEW_EVENT, "series": {"count": 1}}, {**NEW_EVENT, "regarding": {**REGARDING, "namespace": "x"}},
)

STORIES = (
    Story("kinds-configs", (
        *tried(f"{IN}/configmaps", "v1", "ConfigMap", *MAPS),
        *tried(f"{IN}/secrets", "v1", "Secret", *SECRETS),
        http("POST", f"{IN}/secrets?dryRun=All", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x",
        "annotations": {"kubernetes.io/service-account.name": "no"}}, "type": "kubernetes.io/service-account-token"},
        left_out="controllers"),
        http("POST", f"{IN}/configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "f"},
        "immutable": True, "data": {"a": "1"}, "binaryData": {"b": "eA=="}}),
        *changed(f"{IN}/configmaps/f", {"immutable": False}, {"immutable": None}, {"data": {"a": "2"}},
        {"binaryData": {"b": None}},
                 {"immutable": False, "data": {"c": "d"}}, {"data": {"a b": "2"}},
                 {"metadata": {"labels": {"fine": "yes"}}}),
        http("POST", f"{IN}/secrets", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "f"},
        "immutable": True, "data": {"a": "eA=="}}),
        *changed(f"{IN}/secrets/f", {"type": "other"}, {"type": None}, {"immutable": False}, {"data": {"a": ""}},
        {"stringData": {"a": "2"}},
                 {"type": "kubernetes.io/tls"}),
    )),
    Story("kinds-quotas", (
        *tried(f"{IN}/resourcequotas", "v1", "ResourceQuota", *QUOTAS),
        *tried(f"{IN}/limitranges", "v1", "LimitRange", *LIMITS),
        http("POST", f"{IN}/resourcequotas", {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "f"},
        "spec": {"hard": {"pods": "1"}, "scopes": ["BestEffort"]}}),
        *changed(f"{IN}/resourcequotas/f", {"spec": {"scopes": ["NotBestEffort"]}}, {"spec": {"scopes": None}},
        {"spec": {"hard": {"pods": "-1"}}}),
        http("PATCH", f"{IN}/resourcequotas/f/status?dryRun=All", {"status": {"hard": {"foo": "1"}}},
        "application/merge-patch+json"),
    )),
    Story("kinds-endpoints", (
        *tried(f"{IN}/endpoints", "v1", "Endpoints", *({"subsets": each} for each in SUBSETS), {}),
        kubectl("get", "endpoints"),
    )),
    Story("kinds-nodes", (
        *tried("/api/v1/nodes", "v1", "Node", *NODES, name="{ns}-n"),
        http("POST", "/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "{ns}-n"},
        "spec": {"podCIDR": "10.9.0.0/24", "providerID": "p"}}),
        *changed("/api/v1/nodes/{ns}-n", {"spec": {"podCIDR": "10.8.0.0/24"}}, {"spec": {"providerID": "q"}},
        {"spec": {"providerID": None}},
                 {"spec": {"taints": [{"key": "a", "effect": "x"}]}}, {"spec": {"externalID": "x"}},
                 {"spec": {"configSource": {"configMap": {"name": "a"}}}}),
        http("PATCH", "/api/v1/nodes/{ns}-n/status?dryRun=All", {"status": {"capacity": {"cpu": "x"}}},
        "application/merge-patch+json"),
        http("PATCH", "/api/v1/nodes/{ns}-n/status?dryRun=All", {"status": {"addresses": [{"type": "InternalIP",
        "address": "1"}, {"type": "InternalIP", "address": "1"}]}}, "application/merge-patch+json"),
        http("DELETE", "/api/v1/nodes/{ns}-n"),
    )),
    Story("kinds-events", (
        *tried(f"{IN}/events", "v1", "Event", *EVENTS),
        *tried("/apis/events.k8s.io/v1/namespaces/{ns}/events", "events.k8s.io/v1", "Event", *NEW_EVENTS),
        http("POST", "/apis/events.k8s.io/v1/namespaces/{ns}/events", {"apiVersion": "events.k8s.io/v1",
        "kind": "Event", "metadata": {"name": "e"}, **NEW_EVENT}),
        *changed("/apis/events.k8s.io/v1/namespaces/{ns}/events/e", {"reason": "other"}, {"note": "other"},
        {"action": "x", "type": "Warning"},
                 {"regarding": {"name": "y"}}, {"series": {"count": 2,
                 "lastObservedTime": "2020-01-01T00:00:00.000000Z"}}),
        *tried("/api/v1/namespaces", "v1", "Namespace", {"spec": {"finalizers": ["a"]}},
        {"spec": {"finalizers": ["a b"]}}, {"status": {"phase": "X"}}, name="{ns}-a"),
        http("PATCH", "/api/v1/namespaces/{ns}/status?dryRun=All", {"status": {"phase": "Terminating"}},
        "application/merge-patch+json"),
        http("DELETE", "/api/v1/namespaces/kube-system"),
        http("DELETE", "/api/v1/namespaces/default"),
    )),
)  # fmt: skip
