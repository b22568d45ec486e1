"""The Linux back end on a kernel of tables: what it makes, that it makes nothing twice, that it mends what was cut off,
and that it leaves alone what is not its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.fabric import plan
from edged.fabric.errors import FabricError
from edged.fabric.interfaces import LocalInterface, RemoteInterface
from edged.fabric.linux import LinuxFabric
from edged.fabric.names import bridge_name, guest_name, port_name, vxlan_name
from edged.fabric.picture import Forwarding, Neighbour
from tests.fabric.kernel import Killed, Tables
from tests.fuzzing import bounded

A, B = LocalInterface(42, "10.0.0.5"), LocalInterface(42, "10.0.0.6")
FAR = RemoteInterface(42, "10.0.0.7", "192.0.2.7")
OTHER = LocalInterface(43, "10.0.0.5")


def fabric_on(kernel):
    return LinuxFabric(kernel, "", 4789)


def test_a_local_interface():
    kernel = Tables()
    fabric = fabric_on(kernel)
    assert fabric.create_local(A)
    assert set(kernel.links) == {"kosbr42", "kosvx42", guest_name(A.mac), port_name(A.mac)}
    port, bridge, vxlan = (kernel.links[name] for name in (port_name(A.mac), "kosbr42", "kosvx42"))
    assert (port.bridge, port.static, port.answers, port.is_up) == (bridge.index, True, True, True)
    assert (vxlan.bridge, vxlan.static, vxlan.answers, vxlan.is_up) == (bridge.index, True, False, True)
    assert (vxlan.vni, vxlan.local, vxlan.udp_port) == (42, "192.0.2.1", 4789)
    assert kernel.links[A.name].is_up and kernel.addresses == {(A.name, A.ip)}
    assert kernel.forwarding == {Forwarding(port.index, A.mac)}
    assert kernel.neighbours == {Neighbour(bridge.index, A.ip, A.mac)}


def test_a_remote_interface_has_forwarding_on_both_devices_and_a_neighbour():
    kernel = Tables()
    assert fabric_on(kernel).create_remote(FAR)
    vxlan, bridge = kernel.links["kosvx42"], kernel.links["kosbr42"]
    assert kernel.forwarding == {Forwarding(vxlan.index, FAR.mac), Forwarding(vxlan.index, FAR.mac, "192.0.2.7")}
    assert kernel.neighbours == {Neighbour(bridge.index, FAR.ip, FAR.mac)}


def test_what_is_there_is_not_made_again():
    kernel = Tables()
    for _ in range(2):
        fabric = fabric_on(kernel)  # the second is another process
        for interface in (A, B, OTHER):
            fabric.create_local(interface)
        fabric.create_remote(FAR)
    made = len(kernel.done)
    fabric = fabric_on(kernel)
    assert fabric.list_local() == [A, B, OTHER] and fabric.list_remote() == [FAR]
    assert not fabric.create_local(A) and not fabric.create_remote(FAR)
    assert len(kernel.done) == made


def test_a_network_goes_with_its_last_interface():
    kernel = Tables()
    fabric = fabric_on(kernel)
    for interface in (A, B, OTHER):
        fabric.create_local(interface)
    fabric.create_remote(FAR)
    assert fabric.delete_local(A) and not fabric.delete_local(A)
    assert fabric.delete_local(B)
    assert "kosbr42" in kernel.links, "somebody may create a local interface again before the remote one is deleted"
    assert fabric.delete_remote(FAR) and not fabric.delete_remote(FAR)
    assert set(kernel.links) == {"kosbr43", "kosvx43", guest_name(OTHER.mac), port_name(OTHER.mac)}
    assert fabric_on(kernel).delete_local(OTHER)
    assert not kernel.links and not kernel.neighbours and not kernel.forwarding


def test_a_remote_interface_moves_to_another_node():
    kernel = Tables()
    fabric = fabric_on(kernel)
    fabric.create_remote(FAR)
    moved = RemoteInterface(FAR.vni, FAR.ip, "192.0.2.8")
    assert fabric.create_remote(moved) and fabric.list_remote() == [moved]
    assert fabric.delete_remote(FAR), "whatever node it is on"
    assert not kernel.links


def test_a_guest_is_on_one_node():
    kernel = Tables()
    fabric = fabric_on(kernel)
    fabric.create_local(A)
    with pytest.raises(FabricError, match="as a local interface: delete that first"):
        fabric.create_remote(RemoteInterface(A.vni, A.ip, "192.0.2.7"))
    assert not fabric.delete_remote(RemoteInterface(A.vni, A.ip, "192.0.2.7")), "that is the local one's entry"
    assert fabric.list_local() == [A]
    fabric.create_remote(FAR)
    with pytest.raises(FabricError, match="as a remote interface: delete that first"):
        fabric.create_local(LocalInterface(FAR.vni, FAR.ip))


def test_an_interface_that_was_taken_to_another_namespace_stays():
    kernel = Tables()
    fabric = fabric_on(kernel)
    fabric.create_local(A)
    kernel.take_away(A.name)
    made = len(kernel.done)
    assert not fabric.create_local(A) and fabric.list_local() == [A] and len(kernel.done) == made
    assert fabric.delete_local(A) and not kernel.links


@pytest.mark.parametrize("name", [bridge_name(42), vxlan_name(42), port_name(A.mac), guest_name(A.mac)])
def test_devices_of_others_are_in_the_way_and_stay(name):
    kernel = Tables()
    theirs = kernel.add(name, "dummy", group=0)
    fabric = fabric_on(kernel)
    with pytest.raises(FabricError, match=f"^{name} is there and not ours ") as refused:
        fabric.create_local(A)
    assert refused.value.code == "UNAVAILABLE"
    assert fabric.list_local() == [] and fabric.list_remote() == []
    fabric.create_local(OTHER)
    fabric.delete_local(OTHER)
    assert kernel.links == {name: theirs}


def test_entries_of_others_on_our_devices_stay():
    kernel = Tables()
    fabric = fabric_on(kernel)
    fabric.create_local(A)
    vxlan, bridge = kernel.links["kosvx42"], kernel.links["kosbr42"]
    theirs = Forwarding(vxlan.index, "00:00:00:00:00:00", "192.0.2.9")
    known = Neighbour(bridge.index, "198.51.100.1", "0a:0b:0c:0d:0e:0f")
    kernel.forwarding.add(theirs)
    kernel.neighbours.add(known)
    kernel.neighbours.add(Neighbour(bridge.index, B.ip, B.mac))  # ours, of an interface that is not there
    assert fabric.list_local() == [A] and fabric.list_remote() == []
    assert theirs in kernel.forwarding and known in kernel.neighbours and len(kernel.neighbours) == 2


def test_a_new_address_of_the_node_is_taken_over_by_a_list():
    kernel = Tables()
    fabric = fabric_on(kernel)
    fabric.create_local(A)
    kernel.now = plan.Underlay("192.0.2.99", 1500, 4789)
    made = len(kernel.done)
    assert fabric.list_local() == [A]
    assert kernel.done[made:] == [plan.SetSource("kosvx42", 42, "192.0.2.99")] and fabric.host_ip() == "192.0.2.99"


def test_another_udp_port_makes_the_tunnels_anew():
    kernel = Tables()
    first = fabric_on(kernel)
    first.create_local(A)
    first.create_remote(FAR)
    kernel.take_away(A.name)
    fabric = LinuxFabric(kernel, "", 8472)
    assert fabric.list_local() == [A] and fabric.list_remote() == []
    assert kernel.links["kosvx42"].udp_port == 8472
    assert fabric.create_remote(FAR) and fabric.list_remote() == [FAR]


def test_an_operation_that_fails_in_the_middle_is_made_whole_by_the_next():
    kernel = Tables()
    fabric = fabric_on(kernel)
    fabric.create_local(B)
    theirs = kernel.add(guest_name(A.mac), "dummy", group=0)
    with pytest.raises(FabricError):
        fabric.create_local(A)
    kernel.remove(theirs.name)
    assert fabric.create_local(A) and fabric.list_local() == [A, B]
    assert fabric.delete_local(A) and fabric.delete_local(B) and not kernel.links


INTERFACES = [
    A, B, OTHER, FAR, RemoteInterface(43, "10.0.0.9", "192.0.2.7"), RemoteInterface(42, "10.0.0.5", "192.0.2.7"),
]  # fmt: skip
OPERATIONS = st.tuples(st.sampled_from(["create", "delete", "list", "kill"]), st.sampled_from(INTERFACES),
                       st.integers(0, 12))


@bounded
@given(st.lists(OPERATIONS, max_size=25))
def test_after_any_operations_and_kills_a_list_tells_what_is_there(operations):
    kernel = Tables()
    fabric = fabric_on(kernel)
    wanted = {}
    doubtful = set()
    for what, interface, steps in operations:
        guest = interface.vni, interface.ip
        if what == "list":
            fabric.list_local()
            continue
        if what == "kill":  # in the middle of a creation
            kernel.left = steps
        try:
            if what == "delete":
                _delete(fabric, interface)
                if type(wanted.get(guest)) is type(interface):
                    wanted.pop(guest)
            else:
                _create(fabric, interface)
                wanted[guest] = interface
                doubtful.discard(guest)
        except FabricError as error:
            assert error.code == "ALREADY_EXISTS"
        except Killed:
            if wanted.get(guest) != interface:
                doubtful.add(guest)
            fabric = fabric_on(kernel)
        kernel.left = None
    fabric = fabric_on(kernel)
    found = {(each.vni, each.ip): each for each in (*fabric.list_local(), *fabric.list_remote())}
    assert {guest: each for guest, each in found.items() if guest not in doubtful} == {
        guest: each for guest, each in wanted.items() if guest not in doubtful
    }
    made = len(kernel.done)
    assert len(fabric.list_local()) + len(fabric.list_remote()) == len(found) and len(kernel.done) == made
    for each in found.values():
        assert _create(fabric, each) is False
        assert _delete(fabric, each) is True
    assert not kernel.links and not kernel.forwarding and not kernel.neighbours


def _create(fabric, interface):
    return fabric.create_local(interface) if isinstance(interface, LocalInterface) else fabric.create_remote(interface)


def _delete(fabric, interface):
    return fabric.delete_local(interface) if isinstance(interface, LocalInterface) else fabric.delete_remote(interface)
