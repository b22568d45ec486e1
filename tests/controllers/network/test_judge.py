"""`judge.py` finds each fault, at the revision where it is."""

from __future__ import annotations

from itertools import count

import pytest

from tests.controllers.network.judge import Change, Judge, Name

_revisions = count(1)


def put(judge, kind, name, *, namespace="a", uid="", spec=None, status=None, owner=None) -> int:
    revision = next(_revisions)
    metadata = {"name": name, "namespace": namespace, "uid": uid or name}
    if owner:
        metadata["ownerReferences"] = [{"uid": owner}]
    obj = {"kind": kind, "metadata": metadata, "spec": spec or {}, "status": status or {}}
    judge.take(Change(revision, Name(kind, namespace, name), obj))
    return revision


def subnet(judge, name="s", ipv4="10.0.0.0/30", vni=1, validated=True, **more) -> int:
    return put(judge, "Subnet", name, spec={"ipv4": ipv4, "vni": vni}, status={"validated": validated}, **more)


def attached(judge, name, ipv4, *, namespace="a", lock=True, vni=1, lock_owner=None) -> int:
    uid = f"lock-{name}"
    if lock:
        lock_name = f"v1-{vni}-{ipv4.replace('.', '-')}"
        put(judge, "IPLock", lock_name, namespace=namespace, uid=uid, owner=lock_owner or name)
    status = {"ipv4": ipv4, "addressVNI": vni, "lockUID": uid}
    return put(judge, "NetworkAttachment", name, namespace=namespace, spec={"subnet": "s"}, status=status)


def said(judge: Judge) -> list[str]:
    """Apart from what comes of it that a test has no Subnet."""
    return [fault for fault in judge.verdict.faults if "no Subnet ever gave" not in fault]


def test_a_network_without_faults() -> None:
    judge = Judge()
    subnet(judge)
    attached(judge, "one", "10.0.0.0")
    attached(judge, "two", "10.0.0.1")
    assert not judge.verdict.faults and not judge.at_rest()
    assert str(judge.verdict) == "never two: 5 revisions\nnone leaks: 2 locks, 2 attachments with an address"


def test_one_address_in_two_namespaces() -> None:
    judge = Judge()
    attached(judge, "one", "10.0.0.0")
    revision = attached(judge, "two", "10.0.0.0", namespace="b")
    assert said(judge) == [f"revision {revision}: a/one and b/two both show 10.0.0.0"]
    attached(Judge(), "three", "10.0.0.0", vni=2)


def test_an_address_without_its_lock() -> None:
    judge = Judge()
    revision = attached(judge, "one", "10.0.0.0", lock=False)
    assert said(judge) == [f"revision {revision}: a/one shows 10.0.0.0 without its lock"]
    forgiving = Judge(["lock-one"])
    attached(forgiving, "one", "10.0.0.0", lock=False)
    assert not said(forgiving)


def test_a_lock_of_somebody_else() -> None:
    judge = Judge()
    attached(judge, "one", "10.0.0.0", lock_owner="two")
    assert "another owner" in judge.verdict.faults[0]


@pytest.mark.parametrize(
    ("ipv4", "vni", "namespace", "bad"),
    [
        ("10.0.0.0/24", 1, "a", True), ("10.0.1.0/24", 1, "a", False), ("10.0.1.0/24", 1, "b", True),
        ("10.0.0.0/24", 2, "b", False),
    ],
)  # fmt: skip
def test_subnets_in_each_others_way(ipv4, vni, namespace, bad) -> None:
    judge = Judge()
    subnet(judge)
    subnet(judge, "t", ipv4, vni, namespace=namespace)
    assert bool(judge.verdict.faults) == bad


def test_a_verdict_that_falls() -> None:
    judge = Judge()
    subnet(judge)
    subnet(judge, validated=False, uid="another")
    assert not judge.verdict.faults
    subnet(judge, uid="third")
    subnet(judge, validated=False, uid="third")
    assert "was validated and is not any more" in judge.verdict.faults[0]


def test_what_is_wrong_at_rest() -> None:
    judge = Judge()
    subnet(judge)
    put(judge, "IPLock", "v1-1-10-0-0-3", owner="gone")
    put(judge, "NetworkAttachment", "waiting", spec={"subnet": "s"})
    attached(judge, "outside", "10.0.0.9")
    assert judge.at_rest() == [
        "1 locks of no address", "a/outside has an address outside its Subnet", "a/waiting waits beside a free address",
    ]  # fmt: skip
    assert "LEAK: 2 locks, 1 attachments" in str(judge.verdict)


def test_an_address_of_a_subnet_that_was_never_validated() -> None:
    judge = Judge()
    subnet(judge, validated=False)
    revision = attached(judge, "one", "10.0.0.0")
    assert judge.verdict.faults == [f"revision {revision}: a/one shows 10.0.0.0, which no Subnet ever gave"]


def test_a_subnet_that_nobody_is_in_the_way_of() -> None:
    judge = Judge()
    subnet(judge, "one", validated=False)
    assert judge.at_rest() == ["a/one is not validated and in nobody's way"]
    subnet(judge, "two", validated=False)
    assert judge.at_rest() == []
