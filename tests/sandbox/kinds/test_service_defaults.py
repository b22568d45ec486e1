"""Addresses and ports of Services."""

from __future__ import annotations

from edged.sandbox.kinds.service_defaults import allocate, service


def made(others=(), **spec):
    obj = {"metadata": {"uid": "1"}, "spec": spec, "status": {}}
    service(obj)
    allocate(obj, None, others)
    return obj


def changed(old, **spec):
    new = {"metadata": old["metadata"], "spec": {**old["spec"], **spec}, "status": {}}
    service(new)
    allocate(new, old, [])
    return new["spec"]


def test_no_two_get_the_same():
    first = made(type="NodePort", ports=[{"port": 1}])
    second = made([first], type="NodePort", ports=[{"port": 1}])
    assert first["spec"]["clusterIP"] != second["spec"]["clusterIP"]
    assert first["spec"]["ports"][0]["nodePort"] != second["spec"]["ports"][0]["nodePort"]


def test_one_port_serves_two_protocols():
    both = [{"port": 53, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}, {"port": 54}]
    dns, other, third = (port["nodePort"] for port in made(type="NodePort", ports=both)["spec"]["ports"])
    assert dns == other != third


def test_headless_without_selector_has_both_families():
    assert made(clusterIP="None")["spec"]["ipFamilies"] == ["IPv4", "IPv6"]
    assert made(clusterIP="None", selector={"a": "b"})["spec"]["ipFamilyPolicy"] == "SingleStack"


def test_a_change_of_type_drops_what_only_the_old_one_has():
    old = made(type="LoadBalancer", externalTrafficPolicy="Local", ports=[{"port": 1}])
    assert old["spec"]["healthCheckNodePort"]
    plain = changed(old, type="ClusterIP")
    assert not {"healthCheckNodePort", "allocateLoadBalancerNodePorts", "externalTrafficPolicy"} & plain.keys()
    assert "nodePort" not in plain["ports"][0] and plain["clusterIP"] == old["spec"]["clusterIP"]
    assert "clusterIP" not in changed(old, type="ExternalName")


def test_what_a_client_leaves_out_stays():
    old = made(type="NodePort", ports=[{"port": 1, "name": "a"}])
    new = changed(old, clusterIP="", clusterIPs=[], ports=[{"port": 2, "name": "a"}])
    assert new["clusterIP"] == old["spec"]["clusterIP"]
    assert new["ports"][0]["nodePort"] == old["spec"]["ports"][0]["nodePort"]
