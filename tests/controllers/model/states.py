"""What a state of the model of addresses holds, and its one form: numbers that are compared only with each other are
replaced by their ranks, and controllers that are alike stand in order."""

from __future__ import annotations

from typing import NamedTuple

FRESH = 1_000_000
"""The number of whatever is made in a step. There is one at most of each kind, and ranks take its place afterwards."""


class Attachment(NamedTuple):
    """`version`: the resourceVersion. `uid`: the version at its creation. `slot`: of the address in its status, -1
    without; `lock`: the uid of its lock. `releasing`: uids of locks that will be deleted, so that nobody shows them any
    more. `refused`: the status says why there is no address."""

    version: int
    uid: int
    slot: int = -1
    lock: int = -1
    releasing: frozenset[int] = frozenset()
    refused: bool = False


class Lock(NamedTuple):
    """`owner`: which attachment, by its name; `owner_uid`: which edition of it."""

    uid: int
    owner: int
    owner_uid: int


class Subnet(NamedTuple):
    """`span`: which of the scope's ranges. `examined`: 0 new, 1 found without rivals, 2 validated."""

    uid: int
    span: int
    examined: int


class Run(NamedTuple):
    """A reconcile between two requests. `at`: the request that comes next. `seen`, `subnet`: what it read first.
    `todo`: (slot, uid, owner's uid) of locks that it will delete. `slot`, `lock`: the address that it will write."""

    at: str
    key: int
    seen: Attachment | None
    subnet: Subnet | None
    todo: tuple[tuple[int, int, int], ...] = ()
    slot: int = -1
    lock: int = -1


class Controller(NamedTuple):
    """What it has heard of, by kind and name; the keys that wait; the reconcile under way."""

    attachments: tuple[Attachment | None, ...]
    locks: tuple[Lock | None, ...]
    subnets: tuple[Subnet | None, ...]
    queue: frozenset[int]
    run: Run | None


class Network(NamedTuple):
    """`left`: how often users may still delete and create attachments, change Subnets, and how many faults may come."""

    attachments: tuple[Attachment | None, ...]
    locks: tuple[Lock | None, ...]
    subnets: tuple[Subnet | None, ...]
    controllers: tuple[Controller, ...]
    left: tuple[int, int, int, int]


def canonical(state: Network) -> Network:
    """The one form of all states that differ by numbers and by the order of controllers."""
    state = _renumbered(state)
    first, *others = state.controllers
    if others and any(other != first for other in others):
        state = state._replace(controllers=tuple(sorted(state.controllers, key=hash)))
    return state


def _renumbered(state: Network) -> Network:
    versions: list[set[int]] = [{-1} for _ in state.attachments]
    locks, subnets = {-1}, {-1}
    _collect(state, versions, locks, subnets)
    for one in state.controllers:
        _collect(one, versions, locks, subnets)
        if run := one.run:
            _collect_run(run, versions[run.key], locks, subnets)
    if all(max(numbers) == len(numbers) - 2 for numbers in (*versions, locks, subnets)):
        return state
    ranks = _Ranks([_ranks(numbers) for numbers in versions], _ranks(locks), _ranks(subnets))
    controllers = [Controller(*ranks.view(one), one.queue, ranks.run(one.run)) for one in state.controllers]
    return Network(*ranks.view(state), tuple(controllers), state.left)


def _ranks(numbers: set[int]) -> dict[int, int]:
    return {number: rank for rank, number in enumerate(sorted(numbers), -1)}


def _collect(view: Network | Controller, versions: list[set[int]], locks: set[int], subnets: set[int]) -> None:
    """Not the uids that only a list of locks to be released still has: they are gone, and nobody asks for them."""
    for key, one in enumerate(view.attachments):
        if one:
            versions[key].update(one[:2])
            locks.add(one.lock)
    for lock in view.locks:
        if lock:
            versions[lock.owner].add(lock.owner_uid)
            locks.add(lock.uid)
    subnets.update(subnet.uid for subnet in view.subnets if subnet)


def _collect_run(run: Run, versions: set[int], locks: set[int], subnets: set[int]) -> None:
    for _, uid, owner in run.todo:
        locks.add(uid)
        versions.add(owner)
    locks.add(run.lock)
    if run.seen:
        versions.update(run.seen[:2])
        locks.add(run.seen.lock)
    if run.subnet:
        subnets.add(run.subnet.uid)


class _Ranks(NamedTuple):
    versions: list[dict[int, int]]
    locks: dict[int, int]
    subnets: dict[int, int]

    def view(
        self, of: Network | Controller
    ) -> tuple[tuple[Attachment | None, ...], tuple[Lock | None, ...], tuple[Subnet | None, ...]]:
        versions, locks, subnets = self
        return (
            tuple([one and self.attachment(key, one) for key, one in enumerate(of.attachments)]),
            tuple([one and Lock(locks[one[0]], one[1], versions[one[1]][one[2]]) for one in of.locks]),
            tuple([one and Subnet(subnets[one[0]], *one[1:]) for one in of.subnets]),
        )

    def attachment(self, key: int, one: Attachment) -> Attachment:
        version, locks = self.versions[key], self.locks
        releasing = frozenset(locks[uid] for uid in one.releasing if uid in locks) if one.releasing else one.releasing
        return Attachment(version[one.version], version[one.uid], one.slot, locks[one.lock], releasing, one.refused)

    def run(self, run: Run | None) -> Run | None:
        if run is None:
            return None
        version = self.versions[run.key]
        todo = tuple([(slot, self.locks[uid], version[owner]) for slot, uid, owner in run.todo])
        subnet = run.subnet and Subnet(self.subnets[run.subnet.uid], *run.subnet[1:])
        seen = run.seen and self.attachment(run.key, run.seen)
        return Run(run.at, run.key, seen, subnet, todo, run.slot, self.locks[run.lock])
