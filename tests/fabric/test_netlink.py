"""The fabric on Linux: nodes that are network namespaces, their helpers, and guests that ping each other."""

import os
import subprocess
import sys

import pytest

from edged.fabric.interfaces import LocalInterface, RemoteInterface
from edged.fabric.names import port_name
from edged.fabric.operations import OPERATIONS
from edged.json_text import loads
from tests.fabric import nodes

A, B = LocalInterface(42, "10.0.0.5"), LocalInterface(42, "10.0.0.6")
FAR = LocalInterface(42, "10.0.0.7")
OTHER, OTHER_FAR = LocalInterface(43, "10.0.0.5"), LocalInterface(43, "10.0.0.8")
IN_THE_FIRST, IN_THE_SECOND = "192.0.2.1", "192.0.2.2"


@pytest.fixture
def site(tmp_path):
    why = nodes.lacking()
    if why and os.environ.get("CI") == "true":
        pytest.fail(why)
    if why:
        pytest.skip(why)
    with nodes.site(tmp_path) as made:
        yield made


def remote(interface, host_ip):
    return RemoteInterface(interface.vni, interface.ip, host_ip)


def joined(site):
    """A and B of network 42 on the first node, FAR on the second; OTHER and OTHER_FAR of network 43 likewise."""
    first, second = site.two_nodes()
    for node, here, there, host_ip in (
        (first, (A, B, OTHER), (FAR, OTHER_FAR), IN_THE_SECOND),
        (second, (FAR, OTHER_FAR), (A, B, OTHER), IN_THE_FIRST),
    ):  # fmt: skip
        for interface in here:
            assert node.ask("CreateLocalIfc", interface) == {"created": True}
        for interface in there:
            assert node.ask("CreateRemoteIfc", remote(interface, host_ip)) == {"created": True}
    return first, second


def test_guests_of_one_network_reach_each_other_and_no_others(site):
    first, second = joined(site)
    a, b, other = (site.guest(first, interface) for interface in (A, B, OTHER))
    far, other_far = site.guest(second, FAR), site.guest(second, OTHER_FAR)
    assert a.reaches(B.ip) and b.reaches(A.ip), "within a node"
    assert a.reaches(FAR.ip) and far.reaches(A.ip) and far.reaches(B.ip), "across nodes"
    assert other.reaches(OTHER_FAR.ip) and other_far.reaches(OTHER.ip), "the same addresses in another network"
    assert not a.reaches(OTHER_FAR.ip, 1) and not far.reaches(OTHER_FAR.ip, 1) and not other.reaches(FAR.ip, 1)
    second.ask("DeleteRemoteIfc", remote(A, IN_THE_FIRST))
    assert not far.reaches(A.ip, 1) and far.reaches(B.ip)


def test_a_network_teaches_nobody_and_floods_nothing(site):
    """A guest that sends from another's MAC does not get its frames."""
    first, second = joined(site)
    a, b, far = site.guest(first, A), site.guest(first, B), site.guest(second, FAR)
    subprocess.run(["ip", "-n", b.name, "link", "set", B.name, "address", A.mac], check=True)
    b.reaches(FAR.ip, 2)  # sends frames from A's MAC, whatever comes back
    assert far.reaches(A.ip) and a.reaches(FAR.ip)
    for node in (first, second):
        entries = loads(node.bridge("-j", "fdb", "show") or "[]")
        ours = [each for each in entries if each["ifname"].startswith("kos") and each["mac"][:2] in ("02", "06")]
        assert ours and all(each["state"] in ("static", "permanent") for each in ours)


def test_in_the_node_s_namespace_an_interface_has_mac_and_address(site):
    node = site.node()
    node.start()
    assert node.ask("Name") == {"name": "linux", "hostIP": "192.0.2.1"}
    node.ask("CreateLocalIfc", A)
    link = node.links()[A.name]
    assert link["address"] == A.mac and "UP" in link["flags"] and link["mtu"] == 1450
    assert f"inet {A.ip}/32" in node.ip("address", "show", "dev", A.name)
    assert {each["group"] for name, each in node.links().items() if name.startswith("kos")} == {"7040883"}


def test_interfaces_outlive_the_helper_and_are_adopted(site):
    first, second = joined(site)
    a, b = site.guest(first, A), site.guest(first, B)
    site.guest(second, FAR)
    before = {name: link["ifindex"] for name, link in first.links().items()}
    with a.pinging(FAR.ip) as pings, b.pinging(A.ip) as near:
        first.kill()
        first.start()
        assert first.ask("ListLocalIfcs") == {"items": [each.to_json() for each in (A, B, OTHER)]}
        assert first.ask("ListRemoteIfcs") == {
            "items": [remote(each, IN_THE_SECOND).to_json() for each in (FAR, OTHER_FAR)]
        }
        created = [first.ask("CreateLocalIfc", each) for each in (A, B, OTHER)]
        created += [first.ask("CreateRemoteIfc", remote(each, IN_THE_SECOND)) for each in (FAR, OTHER_FAR)]
        pings.more()
        near.more()
    assert created == [{"created": False}] * 5
    assert {name: link["ifindex"] for name, link in first.links().items()} == before
    assert (pings.lost, near.lost) == (0, 0) and pings.answered >= 20 and near.answered >= 20


def test_orphans_are_listed_and_removed_by_who_asked(site):
    node = site.node()
    node.start()
    for interface in (A, B, OTHER):
        node.ask("CreateLocalIfc", interface)
    node.ask("CreateRemoteIfc", remote(FAR, IN_THE_SECOND))
    node.kill()
    node.start()
    found = [LocalInterface(each["vni"], each["guestIP"]) for each in node.ask("ListLocalIfcs")["items"]]
    assert found == [A, B, OTHER]
    for orphan in found:
        if orphan != A:
            assert node.ask("DeleteLocalIfc", orphan) == {"deleted": True}
            assert node.ask("DeleteLocalIfc", orphan) == {"deleted": False}
    assert {name for name in node.links() if name.startswith("kos")} == {
        "kosbr42", "kosvx42", A.name, port_name(A.mac)
    }
    node.ask("DeleteLocalIfc", A)
    assert "kosbr42" in node.links()
    node.ask("DeleteRemoteIfc", remote(FAR, IN_THE_SECOND))
    assert not [name for name in node.links() if name.startswith("kos")]


def test_what_a_kill_left_half_is_made_whole_by_a_list(site):
    """Killed after ever more of an operation: whatever is there then, a list makes it whole or takes it away."""
    node = site.node()
    for interface in (LocalInterface(42, f"10.0.1.{number}") for number in range(1, 9)):
        node.start()
        node.ask("Name")
        node.send("CreateLocalIfc", interface.to_json())
        node.kill()
        node.start()
        listed = node.ask("ListLocalIfcs")["items"]
        there = interface.to_json() in listed
        assert node.ask("CreateLocalIfc", interface) == {"created": not there}
        assert interface.to_json() in node.ask("ListLocalIfcs")["items"]
        node.stop()
    node.start()
    assert len(node.ask("ListLocalIfcs")["items"]) == 8


def test_a_change_by_hand_is_mended_by_a_list(site):
    first, second = joined(site)
    a = site.guest(first, A)
    site.guest(second, FAR)
    first.ip("link", "set", "kosbr42", "down")  # its neighbours go
    first.bridge("link", "set", "dev", "kosvx42", "learning", "on")
    first.ip("link", "set", port_name(B.mac), "nomaster")
    assert len(first.ask("ListLocalIfcs")["items"]) == 3 and len(first.ask("ListRemoteIfcs")["items"]) == 2
    assert a.reaches(FAR.ip) and site.guest(first, B).reaches(A.ip)


def test_devices_of_others_are_never_touched(site):
    node = site.node()
    node.ip("link", "add", "kosbr42", "type", "bridge")
    node.ip("link", "add", A.name, "type", "veth", "peer", "name", "kostheirs")
    node.ip("link", "add", "kosvx43", "type", "vxlan", "id", "430", "dstport", "4790")
    theirs = {"kosbr42", A.name, "kostheirs", "kosvx43", "cable", "elbac"}
    before = {name: (node.links()[name]["ifindex"], node.links()[name]["flags"]) for name in theirs}
    node.start()
    assert node.ask("ListLocalIfcs") == {"items": []} and node.ask("ListRemoteIfcs") == {"items": []}
    for interface in (A, OTHER):
        with pytest.raises(AssertionError, match="is there and not ours"):
            node.ask("CreateLocalIfc", interface)
    node.ask("CreateLocalIfc", LocalInterface(44, "10.0.0.5"))
    node.ask("DeleteLocalIfc", LocalInterface(44, "10.0.0.5"))
    assert {name: (node.links()[name]["ifindex"], node.links()[name]["flags"]) for name in theirs} == before
    assert set(node.links()) == theirs | {"lo"}


def test_a_number_that_another_tunnel_has_is_told(site):
    node = site.node()
    node.ip("link", "add", "flannel", "type", "vxlan", "id", "42", "dstport", "4789")
    node.start()
    with pytest.raises(AssertionError, match=r"AddVxlan kosvx42: File exists"):
        node.ask("CreateLocalIfc", A)
    node.ip("link", "del", "flannel")
    assert node.ask("CreateLocalIfc", A) == {"created": True}


ASK = """
import os, socket, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
with socket.socket(socket.AF_UNIX) as asking:
    asking.connect(sys.argv[1])
    sys.stdout.write(asking.makefile().readline())
"""


def test_another_user_is_refused(site, tmp_path):
    node = site.node()
    node.start()
    for folder in (tmp_path, *tmp_path.parents[:3]):
        os.chmod(folder, 0o755)
    said = subprocess.run([sys.executable, "-c", ASK, str(node.socket)], check=True, capture_output=True, text=True)
    assert "user 65534 may not use this socket" in loads(said.stdout)["error"]["message"]


def test_the_address_is_that_of_the_default_route_where_none_is_set(site):
    node = site.node('port = 4790\n')
    node._config.write_text(node._config.read_text().replace('host_ip = "192.0.2.1"', ""))
    node.start()
    with pytest.raises(AssertionError, match="no default route with an IPv4 address: set host_ip"):
        node.ask("CreateLocalIfc", A)
    node.ip("route", "add", "default", "via", "192.0.2.254", "dev", "cable")
    node.ask("CreateLocalIfc", A)
    data = node.links()["kosvx42"]["linkinfo"]["info_data"]
    assert (data["local"], data["port"], data["learning"]) == ("192.0.2.1", 4790, False)


@pytest.mark.parametrize("op", ["Exec", "SetLink", "Netlink"])
def test_there_are_seven_operations(site, op):
    node = site.node()
    node.start()
    assert len(OPERATIONS) == 7
    with pytest.raises(AssertionError, match="UNSUPPORTED"):
        node.ask(op)
