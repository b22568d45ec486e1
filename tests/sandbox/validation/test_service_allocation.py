"""Addresses, families and ports that Services get or ask for."""

from __future__ import annotations

import itertools

import pytest

from edged.sandbox.kinds.resources import Resource
from edged.sandbox.kinds.service_defaults import service
from edged.sandbox.protocol.api_status import ApiStatus
from edged.sandbox.validation.service_allocation import settle

NUMBERS = itertools.count()
SERVICES = Resource("", "v1", "Service", "services", "service", "services", True)


class Stored:
    """The Services that are there."""

    def __init__(self, *services) -> None:
        self.storage = self
        self.services = services

    def list(self, _bucket):
        return self.services


def made(*others, dry_run=False, **spec):
    obj = {"metadata": {"uid": "1", "name": f"s{next(NUMBERS)}", "namespace": "n"}, "spec": spec, "status": {}}
    service(obj)
    settle(Stored(*others), SERVICES, obj, None, dry_run=dry_run)
    return obj


def refused(*others, dry_run=False, **spec):
    with pytest.raises(ApiStatus) as caught:
        made(*others, dry_run=dry_run, **spec)
    return caught.value.message


def test_no_two_get_the_same():
    first = made(type="NodePort", ports=[{"port": 1}])
    second = made(first, type="NodePort", ports=[{"port": 1}])
    assert first["spec"]["clusterIP"] != second["spec"]["clusterIP"]
    assert first["spec"]["ports"][0]["nodePort"] != second["spec"]["ports"][0]["nodePort"]


def test_one_port_serves_two_protocols():
    both = [{"port": 53, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}, {"port": 54}]
    dns, other, third = (port["nodePort"] for port in made(type="NodePort", ports=both)["spec"]["ports"])
    assert dns == other != third


def test_headless_without_selector_has_both_families():
    assert made(clusterIP="None")["spec"]["ipFamilies"] == ["IPv4", "IPv6"]
    assert made(clusterIP="None", selector={"a": "b"})["spec"]["ipFamilyPolicy"] == "SingleStack"


def test_addresses_that_cannot_be_had_are_refused():
    taken = made(clusterIP="10.96.0.7")
    assert "already allocated" in refused(taken, clusterIP="10.96.0.7")
    assert "does not match the current range" in refused(clusterIP="1.1.1.1")
    assert "not in the valid range" in refused(clusterIP="1.1.1.1", dry_run=True)
    assert "IPv6 is not configured" in refused(clusterIP="::1")
    assert "must be empty when `clusterIP` is not specified" in refused(clusterIPs=["10.96.0.8"])


def test_node_ports_are_of_their_range_and_one_services():
    taken = made(type="NodePort", ports=[{"port": 1, "nodePort": 30000}])
    assert "already allocated" in refused(taken, type="NodePort", ports=[{"port": 1, "nodePort": 30000}])
    assert "not in the valid range" in refused(type="NodePort", ports=[{"port": 1, "nodePort": 80}])
