"""Defaults of the fields of Pods and of templates."""

from __future__ import annotations

import copy

from edged.kube.defaults import pod_spec
from tests.kube.defaults.pods import SPECS, Object, asking, container


def defaulted(spec: Object) -> Object:
    obj = {"spec": copy.deepcopy(spec)}
    pod_spec.pod(obj)
    return obj["spec"]


def test_ports_of_the_hosts_network_are_ports_of_the_host() -> None:
    spec = defaulted(SPECS["host's network"])
    assert spec["containers"][0]["ports"] == [
        {"containerPort": 80, "hostPort": 80, "protocol": "TCP"},
        {"containerPort": 53, "hostPort": 53, "protocol": "UDP"},
    ]
    assert spec["initContainers"][0]["ports"] == [{"containerPort": 81, "hostPort": 81, "protocol": "TCP"}]
    assert defaulted(SPECS["ports"])["containers"][0]["ports"][0]["hostPort"] == 8080
    plain = defaulted({"containers": [container(ports=[{"containerPort": 80}])]})
    assert plain["containers"][0]["ports"] == [{"containerPort": 80, "protocol": "TCP"}]


def test_limits_are_requests_in_pods_but_not_in_templates() -> None:
    limited = {"containers": [asking(limits={"cpu": "1", "memory": "1Gi"}, requests={"cpu": "500m"})]}
    assert defaulted(limited)["containers"][0]["resources"]["requests"] == {"cpu": "500m", "memory": "1Gi"}
    template = copy.deepcopy(limited)
    pod_spec.pod_spec(template)
    assert template["containers"][0]["resources"]["requests"] == {"cpu": "500m"}


def test_a_second_time_nothing_changes_and_odd_values_stay() -> None:
    for spec in SPECS.values():
        once = defaulted(spec)
        assert defaulted(once) == once
    odd = {"containers": [7, {"name": "c", "ports": "x", "resources": []}], "volumes": {"a": 1}}
    assert defaulted(odd)["containers"][1]["ports"] == "x"
