"""What is refused of Services and EndpointSlices, and what may not change."""

from __future__ import annotations

from typing import Any

from tests.cluster.beside.bodies import changed, tried
from tests.cluster.beside.steps import Object, Story, http, kubectl

IN = "/api/v1/namespaces/{ns}/services"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices"
PORT: Object = {"port": 80}


def specs(*each: Object) -> tuple[Object, ...]:
    return tuple({"spec": spec} for spec in each)


PORTS: tuple[Any, ...] = (
    {}, {"ports": []}, {"ports": [{}]}, {"ports": [{"port": 0}]}, {"ports": [{"port": 65536}]},
    {"ports": [{"port": -1}]}, {"ports": [{"port": "http"}]},
    {"ports": [PORT, {"port": 81}]}, {"ports": [{**PORT, "name": "a"}, {"port": 81, "name": "a"}]},
    {"ports": [{**PORT, "name": "A_"}]},
    {"ports": [{**PORT, "name": "a"}, {**PORT, "name": "b"}]}, {"ports": [{**PORT, "protocol": "HTTP"}]},
    {"ports": [{**PORT, "protocol": "udp"}]},
    {"ports": [{**PORT, "targetPort": 0}]}, {"ports": [{**PORT, "targetPort": 70000}]}, {"ports": [{**PORT,
    "targetPort": "HTTP_"}]},
    {"ports": [{**PORT, "targetPort": "a-very-long-port-name"}]}, {"ports": [{**PORT, "targetPort": ""}]},
    {"ports": [{**PORT, "targetPort": "1"}]},
    {"ports": [{**PORT, "targetPort": "a--b"}]}, {"ports": [{**PORT, "nodePort": 30080}]}, {"ports": [{**PORT,
    "appProtocol": "a b"}]},
    {"ports": [{**PORT, "name": "a" * 64}]}, {"ports": [{**PORT, "name": "a.b"}]}, {"ports": [{**PORT,
    "nodePort": 30081}], "type": "Node"},
    {"type": "NodePort", "ports": [{**PORT, "nodePort": 80}]}, {"type": "NodePort", "ports": [{**PORT,
    "nodePort": 40000}]},
    {"type": "NodePort", "ports": [{**PORT, "nodePort": -1}]},
    {"type": "NodePort", "ports": [{**PORT, "name": "a", "nodePort": 30090}, {"port": 81, "name": "b",
    "nodePort": 30090}]},
)
KINDS: tuple[Any, ...] = (
    {"ports": [PORT], "type": "X"}, {"type": "ExternalName"}, {"type": "ExternalName", "externalName": "A_b"},
    {"type": "ExternalName", "externalName": "a.b."},
    {"type": "ExternalName", "externalName": "a.b", "clusterIP": "None"}, {"type": "ExternalName",
    "externalName": "1.2.3.4"},
    {"type": "ExternalName", "externalName": "a.b", "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"},
    {"type": "ExternalName", "externalName": "a.b", "clusterIPs": ["10.0.0.9"]}, {"ports": [PORT],
    "externalName": "a.b"},
    {"ports": [PORT], "clusterIP": "x"}, {"ports": [PORT],
    "clusterIP": "none"}, {"clusterIP": "None"},
    {"ports": [PORT], "clusterIP": "010.0.0.9"}, {"ports": [PORT], "clusterIPs": ["10.0.0.9"]}, {"ports": [PORT],
    "clusterIP": "None", "clusterIPs": ["10.0.0.9"]},
    {"ports": [PORT], "clusterIP": "None", "clusterIPs": ["None", "10.0.0.9"]}, {"ports": [PORT],
    "clusterIP": "10.0.0.9", "clusterIPs": ["10.0.0.9", "10.0.0.10"]},
    {"ports": [PORT], "clusterIP": "10.0.0.9", "clusterIPs": ["10.0.0.9", "10.0.0.10", "10.0.0.11"]},
    {"ports": [PORT], "type": "NodePort", "clusterIP": "None"},
    {"ports": [PORT], "type": "LoadBalancer", "clusterIP": "None"}, {"ports": [PORT], "ipFamilies": ["IPv5"]},
    {"ports": [PORT], "ipFamilies": ["IPv4", "IPv4"]},
    {"ports": [PORT], "ipFamilies": ["IPv6"]}, {"ports": [PORT], "ipFamilyPolicy": "X"}, {"ports": [PORT],
    "ipFamilyPolicy": "RequireDualStack"},
    {"ports": [PORT], "ipFamilies": ["IPv4", "IPv6"]}, {"ports": [PORT], "ipFamilyPolicy": "PreferDualStack"},
    {"ports": [PORT], "clusterIP": "::1"},
    {"ports": [PORT], "ipFamilies": ["IPv6"], "clusterIP": "10.0.0.9"}, {"ports": [PORT], "ipFamilies": ["IPv4",
    "IPv6"], "ipFamilyPolicy": "SingleStack"},
    {"ports": [PORT], "sessionAffinity": "X"}, {"ports": [PORT], "sessionAffinity": "None",
    "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 5}}},
    {"ports": [PORT], "sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 0}}},
    {"ports": [PORT], "sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 86401}}},
    {"ports": [PORT], "externalIPs": ["x"]}, {"ports": [PORT], "externalIPs": ["127.0.0.1"]}, {"ports": [PORT],
    "externalIPs": ["1.2.3.4"]},
    {"ports": [PORT], "externalIPs": ["0.0.0.0"]}, {"clusterIP": "None", "externalIPs": ["1.2.3.4"],
    "sessionAffinity": "ClientIP"},
    {"ports": [PORT], "loadBalancerSourceRanges": ["1.2.3.0/24"]}, {"ports": [PORT], "type": "LoadBalancer",
    "loadBalancerSourceRanges": ["x"]},
    {"ports": [PORT], "type": "LoadBalancer", "loadBalancerSourceRanges": ["1.2.3.4/33", "1.2.3.4/24"]},
    {"ports": [PORT], "loadBalancerClass": "a.b/c"},
    {"ports": [PORT], "type": "LoadBalancer", "loadBalancerClass": "a b"}, {"ports": [PORT],
    "allocateLoadBalancerNodePorts": True},
    {"ports": [PORT], "externalTrafficPolicy": "Local"}, {"ports": [PORT], "type": "NodePort",
    "externalTrafficPolicy": "X"}, {"ports": [PORT], "internalTrafficPolicy": "X"},
    {"ports": [PORT], "healthCheckNodePort": 30111}, {"ports": [PORT], "type": "LoadBalancer",
    "healthCheckNodePort": 30111}, {"ports": [PORT], "trafficDistribution": "X"},
    {"ports": [PORT], "trafficDistribution": "PreferClose"}, {"ports": [PORT], "selector": {"a b": "c"}},
    {"ports": [PORT], "selector": {"a": "b c"}},
    {"ports": [{"port": 0, "name": "A"}], "type": "X", "sessionAffinity": "Y", "clusterIP": "z"},
)
PLAIN = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "f"}, "spec": {"ports": [PORT],
"clusterIP": "10.0.0.77"}}
ENDPOINT = {"addresses": ["10.1.2.3"]}
PIECES: tuple[Any, ...] = (
    {}, {"addressType": "X", "endpoints": []}, {"addressType": "IPv4", "endpoints": [{"addresses": []}]},
    {"addressType": "IPv4", "endpoints": [{"addresses": ["x"]}]},
    {"addressType": "IPv4", "endpoints": [{"addresses": ["::1"]}]}, {"addressType": "IPv6", "endpoints": [ENDPOINT]},
    {"addressType": "FQDN", "endpoints": [{"addresses": ["a.b"]}]},
    {"addressType": "IPv4", "endpoints": [{"addresses": ["127.0.0.1"]}]}, {"addressType": "IPv4",
    "endpoints": [{"addresses": [f"10.1.1.{i}" for i in range(101)]}]},
    {"addressType": "IPv4", "endpoints": [{**ENDPOINT, "hostname": "A"}]}, {"addressType": "IPv4",
    "endpoints": [{**ENDPOINT, "nodeName": "A_"}]},
    {"addressType": "IPv4", "endpoints": [ENDPOINT], "ports": [{"name": "A_", "port": 80}]}, {"addressType": "IPv4",
    "endpoints": [ENDPOINT], "ports": [{"port": 1}, {"port": 2}]},
    {"addressType": "IPv4", "endpoints": [ENDPOINT], "ports": [{"port": 0}]}, {"addressType": "IPv4",
    "endpoints": [ENDPOINT], "ports": [{"port": 1, "protocol": "X"}]},
    {"addressType": "IPv4", "endpoints": [ENDPOINT], "ports": [{"port": 1, "appProtocol": "a b"}]},
    {"addressType": "IPv4", "endpoints": [{**ENDPOINT, "hints": {"forZones": [{"name": ""}]}}]},
    {"addressType": "IPv4", "endpoints": [{**ENDPOINT, "deprecatedTopology": {"kubernetes.io/hostname": "x"}}]},
    {"addressType": "IPv4", "endpoints": [{"addresses": ["01.2.3.4"]}]},
    {"endpoints": [ENDPOINT]}, {"addressType": "IPv4"}, {"addressType": "IPv4", "endpoints": [{**ENDPOINT,
    "zone": "a b"}]},
)

STORIES = (
    Story("kinds-services", (
        *tried(IN, "v1", "Service", *specs(*PORTS, *KINDS), {}),
        kubectl("create", "service", "clusterip", "c", "--tcp=0:80", "--dry-run=server"),
        kubectl("expose", "deployment", "nothing", "--port=80"),
    )),
    Story("kinds-service-changes", (
        http("POST", IN, PLAIN), http("POST", IN, {**PLAIN, "metadata": {"name": "same"}}),
        *changed(f"{IN}/f", *specs({"clusterIP": "10.0.0.78"}, {"clusterIP": None}, {"clusterIP": "None"},
        {"clusterIP": ""}, {"clusterIPs": ["10.0.0.78"]},
                 {"clusterIP": "10.0.0.78", "clusterIPs": ["10.0.0.78"]}, {"clusterIP": None, "clusterIPs": None},
                 {"ipFamilies": ["IPv6"]}, {"ipFamilyPolicy": "X"},
                 {"type": "ExternalName"}, {"type": "ExternalName", "externalName": "a.b"}, {"type": "X"},
                 {"ports": []}, {"ports": [{"port": 0}]}, {"sessionAffinity": "X"},
                 {"type": None}, {"ipFamilies": ["IPv4", "IPv6"]}, {"loadBalancerClass": "a.b/c"})),
        http("PATCH", f"{IN}/f/status?dryRun=All", {"status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}},
        "application/merge-patch+json"),
        http("POST", IN, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "lb"},
        "spec": {"type": "LoadBalancer", "ports": [PORT], "loadBalancerClass": "a.b/c"}}),
        *changed(f"{IN}/lb", *specs({"loadBalancerClass": "d.e/f"}, {"loadBalancerClass": None},
        {"externalTrafficPolicy": None})),
        *(http("PATCH", f"{IN}/lb/status?dryRun=All", {"status": {"loadBalancer": {"ingress": [each]}}},
        "application/merge-patch+json")
          for each in ({"ip": "x"}, {"hostname": "1.2.3.4"}, {"hostname": "A_"}, {"ip": "1.2.3.4", "ipMode": "X"},
          {"hostname": "a.b", "ipMode": "VIP"})),
        http("POST", IN, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "np"},
        "spec": {"type": "NodePort", "ports": [{**PORT, "nodePort": 30999}]}}),
        http("POST", IN, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "np2"},
        "spec": {"type": "NodePort", "ports": [{**PORT, "nodePort": 30999}]}}),
        http("DELETE", f"{IN}/np"), http("DELETE", f"{IN}/lb"), http("DELETE", f"{IN}/f"), http("DELETE",
        f"{IN}/same"),
    )),
    Story("kinds-slices", (
        *tried(SLICES, "discovery.k8s.io/v1", "EndpointSlice", *PIECES),
        http("POST", SLICES, {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "f"},
        "addressType": "IPv4", "endpoints": [ENDPOINT]}),
        *changed(f"{SLICES}/f", {"addressType": "IPv6"}, {"endpoints": [{"addresses": []}]}),
    )),
)  # fmt: skip
