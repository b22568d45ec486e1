"""What must hold of a virtual network, at every revision and when nothing is left to do."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from edged.kube.values.names import NamespacedName
from tests.modules.controllers.api import Api, Object, Place


class Watcher:
    """Takes every event of the API server's log once and checks the state after it."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._place = 0
        self._state: dict[Place, Object] = {}
        self._validated: set[str] = set()

    def check(self) -> None:
        while self._place < len(self._api.events):
            event = self._api.events[self._place]
            self._place += 1
            place = Place(event.kind, event.key)
            if event.change == "deleted":
                self._state.pop(place, None)
            else:
                self._state[place] = event.object
            self._no_address_twice()
            self._every_address_is_locked()
            self._subnets_are_disjoint()

    def _of(self, kind: str) -> list[Object]:
        return [obj for place, obj in self._state.items() if place.kind == kind]

    def _no_address_twice(self) -> None:
        shown = Counter(
            (status["addressVNI"], status["ipv4"]) for each in self._of("NetworkAttachment")
            if (status := each.get("status", {})).get("ipv4")
        )  # fmt: skip
        assert not [each for each, count in shown.items() if count > 1], (self._place, shown)

    def _every_address_is_locked(self) -> None:
        for each in self._of("NetworkAttachment"):
            status, metadata = each.get("status", {}), each["metadata"]
            if not status.get("ipv4"):
                continue
            lock = self._state.get(Place("IPLock", NamespacedName(metadata["namespace"], lock_name(status))))
            assert lock is not None, (self._place, metadata["name"], status)
            assert lock["metadata"]["uid"] == status["lockUID"], (self._place, metadata["name"])
            assert lock["metadata"]["ownerReferences"][0]["uid"] == metadata["uid"], (self._place, metadata["name"])

    def _subnets_are_disjoint(self) -> None:
        subnets = self._of("Subnet")
        good = [each for each in subnets if each.get("status", {}).get("validated")]
        for number, one in enumerate(good):
            for other in good[:number]:
                assert not conflict(one, other), (self._place, one, other)
        uids = {each["metadata"]["uid"] for each in good}
        lost = {each["metadata"]["uid"] for each in subnets} & self._validated - uids
        assert not lost, "validated is for ever"
        self._validated |= uids


def lock_name(status: Object) -> str:
    return f"v1-{status['addressVNI']}-{status['ipv4'].replace('.', '-')}"


def conflict(one: Object, other: Object) -> bool:
    if one["spec"]["vni"] != other["spec"]["vni"]:
        return False
    ranges = IPv4Network(one["spec"]["ipv4"]), IPv4Network(other["spec"]["ipv4"])
    return one["metadata"]["namespace"] != other["metadata"]["namespace"] or ranges[0].overlaps(ranges[1])


def assignable(subnet: Object) -> set[str]:
    addresses = [str(each) for each in IPv4Network(subnet["spec"]["ipv4"])]
    return set(addresses[2:-1] if len(addresses) >= 5 else addresses)


def quiet_state_is_right(api: Api) -> None:
    """Each lock is somebody's address, each address is of a validated Subnet, nobody waits beside a free one, and who
    has none is told why; a Subnet without rivals is validated."""
    addressed = [each for each in api.of("NetworkAttachment") if each.get("status", {}).get("ipv4")]
    locks = {each["metadata"]["uid"] for each in api.of("IPLock")}
    assert locks == {each["status"]["lockUID"] for each in addressed}
    taken = {(each["status"]["addressVNI"], each["status"]["ipv4"]) for each in addressed}
    for each in api.of("NetworkAttachment"):
        namespace, name = each["metadata"]["namespace"], each["spec"]["subnet"]
        subnet: Any = api.objects.get(Place("Subnet", NamespacedName(namespace, name)))
        good = subnet is not None and subnet.get("status", {}).get("validated")
        if each in addressed:
            assert good and each["status"]["addressVNI"] == subnet["spec"]["vni"]
            assert each["status"]["ipv4"] in assignable(subnet)
            assert "errors" not in each["status"] and "addressContention" not in each["status"]
            continue
        assert each["status"]["errors"]["ipam"]
        if good:
            assert all((subnet["spec"]["vni"], address) in taken for address in assignable(subnet))


def subnets_are_judged(api: Api) -> None:
    for each in api.of("Subnet"):
        rivals = [other for other in api.of("Subnet") if other is not each and conflict(each, other)]
        if not rivals:
            assert each["status"]["validated"], each


def address(text: str) -> int:
    return int(IPv4Address(text))
