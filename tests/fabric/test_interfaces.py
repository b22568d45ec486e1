"""What a module may say, and what it is told where it says something else."""

import pytest

from edged.fabric.errors import FabricError
from edged.fabric.interfaces import LocalInterface, RemoteInterface, local_interface, no_arguments, remote_interface
from tests import hostile_values

LOCAL = LocalInterface(42, "10.0.0.5")
REMOTE = RemoteInterface(42, "10.0.0.6", "192.0.2.7")


def test_arguments_are_what_lists_answer():
    assert LOCAL.to_json() == {"name": "kos06000005002a", "vni": 42, "guestMAC": "06:00:00:05:00:2a",
                               "guestIP": "10.0.0.5"}
    assert local_interface(LOCAL.to_json()) == LOCAL
    assert remote_interface(REMOTE.to_json()) == REMOTE


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "eth0"}, "args.name: must be kos06000005002a, which the MAC says, not 'eth0'"),
        ({"vni": 0}, "args.vni: must be an integer from 1 to 2097151, not 0"),
        ({"vni": 2097152}, "args.vni: must be an integer from 1 to 2097151, not 2097152"),
        ({"vni": True}, "args.vni: must be an integer from 1 to 2097151, not True"),
        ({"guestIP": "10.0.0"}, "args.guestIP: must be an IPv4 address, not '10.0.0'"),
        ({"guestIP": "203.0.113.9"}, "args.guestIP: must be a private address (RFC 1918), not 203.0.113.9"),
        ({"guestMAC": "06:00:00:05:00:2A"},
         "args.guestMAC: must be 06:00:00:05:00:2a, which vni and guestIP say, not '06:00:00:05:00:2A'"),
        ({"guestIp": "10.0.0.5"}, "args.guestIp: unknown; did you mean guestIP?"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(change, said):
    with pytest.raises(FabricError) as refused:
        local_interface({**LOCAL.to_json(), **change})
    assert (refused.value.code, str(refused.value)) == ("INVALID", said)


@pytest.mark.parametrize("host", ["0.0.0.0", "255.255.255.255", "224.0.0.1", "fe80::1", "", None])
def test_the_other_node_has_to_be_one(host):
    with pytest.raises(FabricError, match=r"^args\.hostIP: must be "):
        remote_interface({**REMOTE.to_json(), "hostIP": host})


@pytest.mark.parametrize("field", ["name", "vni", "guestMAC", "guestIP"])
def test_every_field_is_needed_and_takes_no_hostile_value(field):
    args = LOCAL.to_json()
    for value in hostile_values.anything():
        if value == args[field] and type(value) is type(args[field]):
            continue
        with pytest.raises(FabricError, match=r"^args\."):
            local_interface({**args, field: value})
    del args[field]
    with pytest.raises(FabricError, match=rf"^args\.{field}: is missing$"):
        local_interface(args)


def test_arguments_where_none_are_taken():
    no_arguments({})
    for args in ({"x": 1}, [], None, "x"):
        with pytest.raises(FabricError):
            no_arguments(args)
