"""What a Service gets without a look at others."""

from __future__ import annotations

from edged.sandbox.kinds.service_defaults import carry_over, drop_of_old_type, service


def made(**spec):
    obj = {"metadata": {"uid": "1"}, "spec": spec, "status": {}}
    service(obj)
    return obj


def changed(old, **spec):
    new = {"metadata": old["metadata"], "spec": {**old["spec"], **spec}, "status": {}}
    service(new)
    carry_over(new, old)
    drop_of_old_type(new, old)
    return new["spec"]


def test_a_change_of_type_drops_what_only_the_old_one_has():
    old = made(type="LoadBalancer", externalTrafficPolicy="Local", healthCheckNodePort=30001,
               ports=[{"port": 1, "nodePort": 30000}], clusterIP="10.0.0.1", clusterIPs=["10.0.0.1"])  # fmt: skip
    plain = changed(old, type="ClusterIP", ports=[{"port": 1, "nodePort": 30000}])
    assert not {"healthCheckNodePort", "allocateLoadBalancerNodePorts", "externalTrafficPolicy"} & plain.keys()
    assert "nodePort" not in plain["ports"][0] and plain["clusterIP"] == old["spec"]["clusterIP"]
    assert "clusterIP" not in changed(old, type="ExternalName")


def test_what_a_client_leaves_out_stays():
    old = made(type="NodePort", ports=[{"port": 1, "name": "a", "nodePort": 30000}], clusterIP="10.0.0.1",
               clusterIPs=["10.0.0.1"])  # fmt: skip
    new = changed(old, clusterIP="", clusterIPs=[], ports=[{"port": 2, "name": "a"}])
    assert new["clusterIP"] == old["spec"]["clusterIP"]
    assert new["ports"][0]["nodePort"] == 30000


def test_clients_that_know_one_address_change_both_fields():
    old = made(clusterIP="10.0.0.1", clusterIPs=["10.0.0.1"])
    assert changed(old, clusterIP="10.0.0.2")["clusterIPs"] == ["10.0.0.2"]
