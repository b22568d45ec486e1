"""Judges the history of a virtual network, revision by revision. Pure, and independent of edged: what is tested does
not judge itself.

    never two: at no revision do two attachments of one virtual network show one address, each address shown has its
    lock with the uid that the status names and the attachment as its owner, and of Subnets that are in each other's way
    at most one is validated, for as long as it lives once it was; no address is shown that no validated Subnet gave.
    none leaks: at rest, locks are exactly those of the addresses shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any, NamedTuple

Object = dict[str, Any]
KINDS = {"Subnet": "subnets", "NetworkAttachment": "networkattachments", "IPLock": "iplocks"}
"""Kind -> resource."""


class Name(NamedTuple):
    kind: str
    namespace: str
    name: str


class Change(NamedTuple):
    """`object`: None where it was deleted. `at_s`: when the watcher heard of it (monotonic)."""

    revision: int
    name: Name
    object: Object | None
    at_s: float = 0.0


def name_of(obj: Object) -> Name:
    """Of an object as a watch gives it."""
    return Name(obj["kind"], obj["metadata"]["namespace"], obj["metadata"]["name"])


@dataclass
class Verdict:
    """`faults`: what was wrong, and at which revision; the first `MOST` of them."""

    revisions: int = 0
    faults: list[str] = field(default_factory=list)
    shown: int = 0
    locks: int = 0

    def __str__(self) -> str:
        faults = f"{len(self.faults)} FAULTS in " if self.faults else ""
        twice = "; ".join([f"{faults}{self.revisions} revisions", *self.faults])
        leaks = "none leaks" if self.locks == self.shown else "LEAK"
        return f"never two: {twice}\n{leaks}: {self.locks} locks, {self.shown} attachments with an address"


MOST = 20


class Judge:
    """Takes changes in the order of revisions. `forgiven`: uids of locks that a test deletes by hand: that a status
    shows them for a while is no fault."""

    def __init__(self, forgiven: Iterable[str] = ()) -> None:
        self.verdict = Verdict()
        self.objects: dict[Name, Object] = {}
        self._forgiven = set(forgiven)
        self._validated: set[str] = set()
        self._usable: set[tuple[str, int, str]] = set()

    def take(self, change: Change) -> None:
        """One revision."""
        if change.object is None:
            self.objects.pop(change.name, None)
        else:
            self.objects[change.name] = change.object
        self.verdict.revisions += 1
        self.verdict.locks = sum(name.kind == "IPLock" for name in self.objects)
        self.verdict.shown = sum(1 for _ in self._addressed())
        for fault in self._faults(change.name.kind):
            if len(self.verdict.faults) < MOST:
                self.verdict.faults.append(f"revision {change.revision}: {fault}")

    def _faults(self, kind: str) -> Iterator[str]:
        if kind == "Subnet":
            yield from self._rivals()
            yield from self._fallen()
            return
        yield from self._twice()
        yield from self._unlocked()
        yield from self._unvalidated()

    def _addressed(self) -> Iterator[tuple[Name, Object]]:
        for name, obj in self.objects.items():
            if name.kind == "NetworkAttachment" and obj.get("status", {}).get("ipv4"):
                yield name, obj

    def _twice(self) -> Iterator[str]:
        seen: dict[tuple[int, str], Name] = {}
        for name, obj in self._addressed():
            address = obj["status"].get("addressVNI", 0), obj["status"]["ipv4"]
            if other := seen.get(address):
                yield f"{other.namespace}/{other.name} and {name.namespace}/{name.name} both show {address[1]}"
            seen[address] = name

    def _unlocked(self) -> Iterator[str]:
        for name, obj in self._addressed():
            status, uid = obj["status"], obj["metadata"]["uid"]
            lock = self.objects.get(Name("IPLock", name.namespace, lock_name(status)))
            if status.get("lockUID") in self._forgiven:
                continue
            if lock is None or lock["metadata"]["uid"] != status.get("lockUID"):
                yield f"{name.namespace}/{name.name} shows {status['ipv4']} without its lock"
            elif [owner["uid"] for owner in lock["metadata"].get("ownerReferences", ())] != [uid]:
                yield f"the lock of {name.namespace}/{name.name} has another owner"

    def _unvalidated(self) -> Iterator[str]:
        for name, obj in self._addressed():
            status = obj["status"]
            address = name.namespace, status.get("addressVNI", 0), status["ipv4"]
            if address not in self._usable:
                yield f"{name.namespace}/{name.name} shows {status['ipv4']}, which no Subnet ever gave"

    def _subnets(self) -> Iterator[tuple[Name, Object]]:
        for name, obj in self.objects.items():
            if name.kind == "Subnet" and obj.get("status", {}).get("validated"):
                yield name, obj

    def _rivals(self) -> Iterator[str]:
        good = list(self._subnets())
        for number, (name, one) in enumerate(good):
            for other_name, other in good[:number]:
                if in_the_way(one, other):
                    one_name, two_name = "/".join(other_name[1:]), "/".join(name[1:])
                    yield f"{one_name} and {two_name} are both validated"

    def _fallen(self) -> Iterator[str]:
        for name, obj in self.objects.items():
            uid = obj["metadata"]["uid"]
            if name.kind == "Subnet" and uid in self._validated and not obj.get("status", {}).get("validated"):
                yield f"{name.namespace}/{name.name} was validated and is not any more"
        for name, obj in self._subnets():
            if obj["metadata"]["uid"] not in self._validated:
                self._validated.add(obj["metadata"]["uid"])
                self._usable |= {(name.namespace, obj["spec"]["vni"], address) for address in assignable(obj)}

    def at_rest(self) -> list[str]:
        """What is wrong when nothing is left to do."""
        locks = {obj["metadata"]["uid"] for name, obj in self.objects.items() if name.kind == "IPLock"}
        shown = {obj["status"].get("lockUID") for _, obj in self._addressed()}
        faults = [f"{len(locks - shown)} locks of no address"] if locks - shown else []
        return faults + list(self._outside()) + list(self._idle()) + list(self._refused())

    def _refused(self) -> Iterator[str]:
        subnets = [(name, obj) for name, obj in self.objects.items() if name.kind == "Subnet"]
        for name, obj in subnets:
            alone = not any(in_the_way(obj, other) for other_name, other in subnets if other_name != name)
            if alone and not obj.get("status", {}).get("validated"):
                yield f"{name.namespace}/{name.name} is not validated and in nobody's way"

    def _outside(self) -> Iterator[str]:
        for name, obj in self._addressed():
            subnet = self.objects.get(Name("Subnet", name.namespace, obj["spec"]["subnet"]))
            if subnet is None or not subnet.get("status", {}).get("validated"):
                yield f"{name.namespace}/{name.name} has an address and no Subnet"
            elif (
                obj["status"]["ipv4"] not in assignable(subnet)
                or obj["status"].get("addressVNI") != subnet["spec"]["vni"]
            ):  # fmt: skip
                yield f"{name.namespace}/{name.name} has an address outside its Subnet"

    def _idle(self) -> Iterator[str]:
        taken = {(obj["status"].get("addressVNI"), obj["status"]["ipv4"]) for _, obj in self._addressed()}
        for name, obj in self.objects.items():
            if name.kind != "NetworkAttachment" or obj.get("status", {}).get("ipv4"):
                continue
            subnet = self.objects.get(Name("Subnet", name.namespace, obj["spec"]["subnet"]))
            if subnet is None or not subnet.get("status", {}).get("validated"):
                continue
            if any((subnet["spec"]["vni"], address) not in taken for address in assignable(subnet)):
                yield f"{name.namespace}/{name.name} waits beside a free address"


def lock_name(status: Object) -> str:
    """Of the address that a status shows."""
    return f"v1-{status.get('addressVNI', 0)}-{status['ipv4'].replace('.', '-')}"


def in_the_way(one: Object, other: Object) -> bool:
    """Whether two Subnets may not both be used."""
    if one["spec"]["vni"] != other["spec"]["vni"]:
        return False
    if one["metadata"]["namespace"] != other["metadata"]["namespace"]:
        return True
    return IPv4Network(one["spec"]["ipv4"]).overlaps(IPv4Network(other["spec"]["ipv4"]))


def assignable(subnet: Object) -> list[str]:
    """The addresses that attachments may have: all but the first two and the last one, where that leaves any."""
    addresses = [str(address) for address in IPv4Network(subnet["spec"]["ipv4"])]
    return addresses[2:-1] if len(addresses) >= 5 else addresses
