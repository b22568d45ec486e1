"""What is refused of Ingresses, network policies, IPAddresses and ServiceCIDRs."""

from __future__ import annotations

from typing import Any

from tests.cluster.beside.bodies import changed, tried
from tests.cluster.beside.steps import MERGE, Object, Story, http, kubectl

NETWORK = "/apis/networking.k8s.io/v1"
IN = NETWORK + "/namespaces/{ns}"
BACKEND: Object = {"service": {"name": "s", "port": {"number": 80}}}
PATH: Object = {"path": "/", "pathType": "Prefix", "backend": BACKEND}


def ruled(*paths: Object, **rule: object) -> Object:
    return {"spec": {"rules": [{**rule, "http": {"paths": list(paths)}}]}}


def backed(backend: Object) -> Object:
    return {"spec": {"defaultBackend": backend}}


INGRESSES: tuple[Any, ...] = (
    {}, {"spec": {}}, {"spec": {"rules": [{}]}}, ruled(), ruled({**PATH, "pathType": None}), ruled({**PATH,
    "pathType": "X"}), ruled({**PATH, "path": "a"}), ruled({**PATH, "path": ""}), ruled({**PATH, "path": "//"}),
    ruled({**PATH, "path": "/a/../b"}), ruled({**PATH, "path": "/a/.."}), ruled({**PATH, "path": "/%2f"}),
    ruled({**PATH, "pathType": "ImplementationSpecific", "path": "a"}),
    ruled({**PATH, "pathType": "ImplementationSpecific", "path": "/a(b)"}), ruled(PATH, host="A_b"), ruled(PATH,
    host="1.2.3.4"), ruled(PATH, host="*.a.b"), ruled(PATH, host="a.*.b"), ruled(PATH, host="*"), ruled({**PATH,
    "backend": {}}),
    backed({}), backed({"service": {"name": ""}}), backed({"service": {"name": "A_", "port": {"number": 80}}}),
    backed({"service": {"name": "s"}}), backed({"service": {"name": "s", "port": {"number": 80, "name": "p"}}}),
    backed({"service": {"name": "s", "port": {"number": 70000}}}), backed({"service": {"name": "s",
    "port": {"name": "A_"}}}), backed({**BACKEND, "resource": {"kind": "K", "name": "n"}}), backed({"resource": {}}),
    backed({"resource": {"apiGroup": "A_", "kind": "a/b", "name": ".."}}), {"spec": {"defaultBackend": BACKEND,
    "tls": [{"hosts": ["A_"], "secretName": "B_"}]}}, {"spec": {"defaultBackend": BACKEND, "tls": [{"hosts": ["*.a.b",
    "*"]}]}},
    {"spec": {"defaultBackend": BACKEND, "ingressClassName": "A_"}}, {"spec": {"defaultBackend": BACKEND,
    "ingressClassName": ""}}, {"metadata": {"annotations": {"kubernetes.io/ingress.class": "x"}}, **backed(BACKEND)},
    {"metadata": {"annotations": {"kubernetes.io/ingress.class": "x"}}, "spec": {"defaultBackend": BACKEND,
    "ingressClassName": "y"}},
)
CLASSES: tuple[Any, ...] = (
    {}, {"spec": {"controller": "x"}}, {"spec": {"controller": "a.b/c", "parameters": {}}},
    {"spec": {"controller": "A_/c"}}, {"spec": {"controller": "a.b/" + "c" * 250}}, {"spec": {"controller": "a.b/c",
    "parameters": {"kind": "K", "name": "n", "scope": "X"}}},
    {"spec": {"controller": "a.b/c", "parameters": {"kind": "K", "name": "n", "scope": "Namespace"}}},
    {"spec": {"controller": "a.b/c", "parameters": {"kind": "K", "name": "n", "namespace": "x"}}},
    {"spec": {"controller": "a.b/c d"}},
    {"spec": {"controller": "a.b/c", "parameters": {"apiGroup": "A_", "kind": "a/b", "name": "..",
    "scope": "Namespace", "namespace": "B_"}}},
)


def ports(*each: Object) -> Object:
    return {"spec": {"podSelector": {}, "ingress": [{"ports": list(each)}]}}


def peers(*each: Object) -> Object:
    return {"spec": {"podSelector": {}, "egress": [{"to": list(each)}], "policyTypes": ["Egress"]}}


POLICIES: tuple[Any, ...] = (
    {"spec": {"podSelector": {"matchLabels": {"a b": "c"}}}},
    {"spec": {"podSelector": {"matchExpressions": [{"key": "a", "operator": "X"}]}}}, ports({"protocol": "X"}),
    ports({"port": 0}), ports({"port": 70000}), ports({"port": "A_"}),
    ports({"port": 80, "endPort": 70}), ports({"endPort": 70}), ports({"port": "http", "endPort": 70}),
    ports({"port": 80, "endPort": 70000}), peers({}), peers({"ipBlock": {}}), peers({"ipBlock": {"cidr": "x"}}),
    peers({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["x"]}}),
    peers({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"]}}), peers({"ipBlock": {"cidr": "10.0.0.0/8",
    "except": ["10.0.0.0/8"]}}), peers({"ipBlock": {"cidr": "10.1.0.0/8"}}), peers({"ipBlock": {"cidr": "10.0.0.0/8"},
    "podSelector": {}}),
    peers({"namespaceSelector": {"matchLabels": {"a": "b c"}}}), {"spec": {"podSelector": {}, "policyTypes": ["X"]}},
    {"spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress", "Ingress"]}}, {}, {"spec": {"podSelector": {},
    "policyTypes": ["Ingress", "Ingress"]}},
    peers({"ipBlock": {"cidr": "fd00::/8", "except": ["10.0.0.0/16"]}}), peers({"ipBlock": {"cidr": "FD00::/8"}}),
)
PARENT = {"resource": "services", "name": "x", "namespace": "y"}

STORIES = (
    Story("kinds-ingresses", (
        *tried(f"{IN}/ingresses", "networking.k8s.io/v1", "Ingress", *INGRESSES),
        http("POST", f"{IN}/ingresses", {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": {"name": "f"}, **backed(BACKEND)}),
        *changed(f"{IN}/ingresses/f", {"spec": {"defaultBackend": None}}, {"spec": {"rules": [{"host": "A_"}]}},
        {"metadata": {"annotations": {"kubernetes.io/ingress.class": "x"}}}),
        *(http("PATCH", f"{IN}/ingresses/f/status?dryRun=All", {"status": {"loadBalancer": {"ingress": [each]}}},
        MERGE) for each in ({"ip": "x"}, {"hostname": "1.2.3.4"}, {"hostname": "A_"})),
        *tried(f"{NETWORK}/ingressclasses", "networking.k8s.io/v1", "IngressClass", *CLASSES, name="{ns}-c"),
        http("POST", f"{NETWORK}/ingressclasses", {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
        "metadata": {"name": "{ns}-c"}, "spec": {"controller": "a.b/c"}}),
        *changed(f"{NETWORK}/ingressclasses/{{ns}}-c", {"spec": {"controller": "d.e/f"}},
        {"spec": {"controller": None}}, {"spec": {"parameters": {"kind": "K", "name": "n"}}}),
        http("DELETE", f"{NETWORK}/ingressclasses/{{ns}}-c"),
        kubectl("create", "ingress", "i", "--rule=host/path"),
    )),
    Story("kinds-policies", (
        *tried(f"{IN}/networkpolicies", "networking.k8s.io/v1", "NetworkPolicy", *POLICIES),
        *tried(f"{NETWORK}/ipaddresses", "networking.k8s.io/v1", "IPAddress", {}, {"spec": {}},
        {"spec": {"parentRef": {}}}, {"spec": {"parentRef": {**PARENT, "group": "A_", "resource": "a/b"}}},
        name="10.99.1.1"),
        http("POST", f"{NETWORK}/ipaddresses", {"apiVersion": "networking.k8s.io/v1", "kind": "IPAddress",
        "metadata": {"name": "10.99.1.2"}, "spec": {"parentRef": PARENT}}),
        *changed(f"{NETWORK}/ipaddresses/10.99.1.2", {"spec": {"parentRef": {"name": "z"}}},
        {"spec": {"parentRef": None}}), http("DELETE", f"{NETWORK}/ipaddresses/10.99.1.2"),
        *tried(f"{NETWORK}/servicecidrs", "networking.k8s.io/v1", "ServiceCIDR", {}, {"spec": {"cidrs": ["x"]}},
        {"spec": {"cidrs": ["10.1.0.1/16"]}}, {"spec": {"cidrs": ["10.1.0.0/16", "10.2.0.0/16"]}},
               {"spec": {"cidrs": ["10.1.0.0/16", "10.2.0.0/16", "fd00::/64"]}},
               {"spec": {"cidrs": ["010.1.0.0/16"]}}, {"spec": {"cidrs": ["fd00:0::/64"]}}, name="{ns}-c"),
    )),
)  # fmt: skip
