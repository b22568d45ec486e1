"""NodePorts: host ports that are taken, and addresses that clash."""

import pytest

from edged.scheduling.objects.pods import HostPort
from edged.scheduling.plugins.node_ports import _frees_a_port, conflict
from tests.scheduling.makers import node, pod, pod_info
from tests.scheduling.plugins.support import reason


def test_host_ports():
    taken = [pod("q", node="a", ports=[{"containerPort": 80, "hostPort": 80}])]
    text = "node(s) didn't have free ports for the requested pod ports"
    assert reason(node("a"), pods=taken, ports=[{"containerPort": 1, "hostPort": 80}]) == (2, text)
    assert (
        reason(node("a"), pods=taken, ports=[{"containerPort": 1, "hostPort": 80, "protocol": "UDP"}]) is None
    )


SIDECAR = {"name": "s", "image": "s", "restartPolicy": "Always", "ports": [{"containerPort": 1, "hostPort": 80}]}
BY = {
    "a container": {"ports": SIDECAR["ports"]},
    "a sidecar": {"initContainers": [SIDECAR]},
    "an init container": {"initContainers": [{**SIDECAR, "restartPolicy": None}]},
    "an ephemeral container": {"ephemeralContainers": [SIDECAR]},
}


@pytest.mark.parametrize("incoming", BY)
@pytest.mark.parametrize("running", BY)
def test_ports_of_sidecars_count_as_those_of_containers_and_no_others(running, incoming):
    """Of Pods that run and of Pods that come; an init container has ended before another Pod could mind."""
    both = {running, incoming} <= {"a container", "a sidecar"}
    found = reason(node("a"), pods=[pod("q", node="a", **BY[running])], **BY[incoming])
    assert (found is not None) is both


def test_the_end_of_a_pod_whose_sidecar_has_the_port_wakes_who_waits_for_it():
    waiting = pod_info("p", ports=[{"containerPort": 1, "hostPort": 80}])
    assert _frees_a_port(waiting, pod_info("q", node="a", initContainers=[SIDECAR]), None)
    assert not _frees_a_port(waiting, pod_info("q", node="a", **BY["an init container"]), None)
    assert not _frees_a_port(waiting, pod_info("q", initContainers=[SIDECAR]), None), "it had no node"


@pytest.mark.parametrize(
    ("wanted", "used", "clash"),
    [("0.0.0.0", "10.0.0.1", True), ("10.0.0.1", "0.0.0.0", True), ("10.0.0.1", "10.0.0.2", False)],
)
def test_the_any_address_clashes_with_all(wanted, used, clash):
    assert conflict([HostPort(wanted, "TCP", 80)], {("TCP", 80): {used}}) is clash
