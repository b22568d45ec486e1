"""NodePorts: host ports that are taken, and addresses that clash."""

import pytest

from edged.scheduling.objects.pods import HostPort
from edged.scheduling.plugins.node_ports import conflict
from tests.scheduling.makers import node, pod
from tests.scheduling.plugins.support import reason


def test_host_ports():
    taken = [pod("q", node="a", ports=[{"containerPort": 80, "hostPort": 80}])]
    text = "node(s) didn't have free ports for the requested pod ports"
    assert reason(node("a"), pods=taken, ports=[{"containerPort": 1, "hostPort": 80}]) == (2, text)
    assert (
        reason(node("a"), pods=taken, ports=[{"containerPort": 1, "hostPort": 80, "protocol": "UDP"}]) is None
    )


@pytest.mark.parametrize(
    ("wanted", "used", "clash"),
    [("0.0.0.0", "10.0.0.1", True), ("10.0.0.1", "0.0.0.0", True), ("10.0.0.1", "10.0.0.2", False)],
)
def test_the_any_address_clashes_with_all(wanted, used, clash):
    assert conflict([HostPort(wanted, "TCP", 80)], {("TCP", 80): {used}}) is clash
