"""Names and MACs: one for each guest, and back."""

from hypothesis import given
from hypothesis import strategies as st

from edged.fabric import names
from edged.fabric.names import Meaning
from tests.fuzzing import bounded

VNIS = st.integers(1, names.LARGEST_VNI)
ADDRESSES = st.one_of(
    st.integers(10 << 24, (11 << 24) - 1), st.integers(0xAC100000, 0xAC1FFFFF), st.integers(0xC0A80000, 0xC0A8FFFF)
).map(lambda number: ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0)))


def test_mac_has_number_and_address_in_its_places():
    assert names.mac_of(0x1F_12_34, "10.1.2.3") == "fe:01:02:03:12:34"
    assert names.mac_of(1, "172.16.0.9") == "02:10:00:09:00:01"
    assert names.mac_of(1, "192.168.0.9") == "02:a8:00:09:00:01"
    assert names.mac_of(42, "10.0.0.5") == "06:00:00:05:00:2a"


def test_names_of_a_guest_and_a_network():
    mac = names.mac_of(42, "10.0.0.5")
    assert names.guest_name(mac) == "kos06000005002a"
    assert (names.bridge_name(42), names.vxlan_name(42)) == ("kosbr42", "kosvx42")
    assert names.bridge_mac(42) == "02:00:00:00:00:2a" and names.guest_of(names.bridge_mac(42)) is None


@bounded
@given(VNIS, ADDRESSES)
def test_each_guest_is_found_again_by_its_mac_and_its_names(vni, ip):
    mac = names.mac_of(vni, ip)
    first = int(mac[:2], 16)
    assert first & 3 == 2, "unicast, locally administered"
    assert names.guest_of(mac) == (vni, ip)
    assert names.meaning(names.guest_name(mac)) == Meaning("guest", vni, ip)
    assert names.meaning(names.port_name(mac)) == Meaning("port", vni, ip)
    assert names.meaning(names.bridge_name(vni)) == Meaning("bridge", vni, "")
    assert names.meaning(names.vxlan_name(vni)) == Meaning("vxlan", vni, "")
    for name in (names.guest_name(mac), names.port_name(mac), names.vxlan_name(vni)):
        assert len(name) <= 15 and name.startswith(names.PREFIX)
    assert names.guest_of(names.bridge_mac(vni)) is None


@bounded
@given(st.one_of(st.text(), st.from_regex(r"kos(br|vx|p)?[0-9a-v]{0,13}", fullmatch=True)))
def test_what_a_name_says_is_what_makes_it(name):
    said = names.meaning(name)
    if said is None:
        return
    mac = names.mac_of(said.vni, said.ip) if said.ip else ""
    made = {"bridge": lambda: names.bridge_name(said.vni), "vxlan": lambda: names.vxlan_name(said.vni),
            "guest": lambda: names.guest_name(mac), "port": lambda: names.port_name(mac)}[said.role]()
    assert made == name


def test_names_that_are_nearly_ours_say_nothing():
    for name in ("kosbr0", "kosbr2097152", "kosbr01", "kosvx", "kos0a00000505002", "kosp", "kos00000005002a", "eth0"):
        assert names.meaning(name) is None
