"""How attachments get addresses: the protocol of `kos-ipam`, with users, faults and caches that lag.

One virtual network. An address is taken by creating its lock, whose name says which address it is; the status of the
attachment shows it afterwards. Slot `namespace * addresses + address` is where the lock of an address in a namespace
is. What a controller has heard of each object may be any version that it once had, and versions may be skipped; objects
are heard of in any order, but not during a reconcile. A controller may end between any two requests, and the answer to
any write may be lost: to the others both look alike, and a reconcile that wrote nothing before it ended did not happen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.controllers.model.states import (
    FRESH,
    Attachment,
    Controller,
    Lock,
    Network,
    Run,
    Subnet,
    canonical,
)

MISTAKES = {
    "deletes without uid": "a lock is deleted by its name alone",
    "adopts any lock": "a lock that is there already is taken for its own, whoever owns it",
    "trusts absence": "locks are deleted because the cache does not have their owner, without asking for it",
    "keeps orphans": "locks of former editions of an attachment are left to a garbage collector",
    "releases at once": "a lock that is not needed is deleted before the status says that it will be",
    "forgets releases": "the next address that is written makes the status forget what will be deleted",
    "writes without version": "the status is written whatever the attachment's resourceVersion is by now",
    "picks without lock": "an address that is free in the cache is written without its lock",
    "lets waiters sleep": "a lock that goes away wakes nobody but its owner",
    "keeps locks without Subnet": "an attachment without Subnet loses its address and keeps the lock",
    "trusts Subnets": "a Subnet is not read again once the lock is there",
    "validates beside locks": "a Subnet is validated while another namespace has locks of its virtual network",
}
"""What an implementation may get wrong."""


@dataclass(frozen=True)
class Scope:
    """How large the world is. `namespaces`: of each attachment. `spans`: the addresses of each range that a Subnet may
    have; the first is that of the Subnets at the begin. `begin`: namespaces whose Subnet is there at the begin.
    `queued`: whether only keys that something woke are looked at. Without, any may be at any time, and there may be any
    number of faults: more can happen, in fewer states. `faults`: lost answers and ends of controllers."""

    namespaces: tuple[int, ...] = (0, 0)
    addresses: int = 2
    spans: tuple[tuple[int, ...], ...] = ((0, 1),)
    begin: tuple[int, ...] = (0,)
    controllers: int = 2
    collector: bool = False
    queued: bool = True
    deletions: int = 1
    creations: int = 1
    changes: int = 0
    faults: int = 1
    mistakes: frozenset[str] = frozenset()


Steps = Iterator[tuple[str, Network]]


class Addresses:
    """The model of a scope. Labels that begin with `!` are what users and faults do; nobody has to do them."""

    def __init__(self, scope: Scope) -> None:
        if unknown := scope.mistakes - set(MISTAKES):
            raise ValueError(f"no such mistake: {unknown}")
        self._scope = scope
        self._count = max(scope.namespaces) + 1
        self._slots = range(self._count * scope.addresses)

    def initial(self) -> Network:
        scope = self._scope
        attachments = tuple(Attachment(0, 0) for _ in scope.namespaces)
        locks: tuple[Lock | None, ...] = (None,) * len(self._slots)
        subnets = tuple(Subnet(0, 0, 2) if number in scope.begin else None for number in range(self._count))
        queue = frozenset(range(len(attachments)) if scope.queued else ())
        one = Controller(attachments, locks, subnets, queue, None)
        left = (scope.deletions, scope.creations, scope.changes, scope.faults)
        return canonical(Network(attachments, locks, subnets, (one,) * scope.controllers, left))

    def steps(self, state: Network) -> Steps:
        for label, after in self._raw_steps(state):
            yield label, canonical(after)

    def _raw_steps(self, state: Network) -> Steps:
        yield from self._users(state)
        yield from self._subnet_steps(state)
        if self._scope.collector:
            yield from self._collected(state)
        for number, one in enumerate(state.controllers):
            if number and one == state.controllers[number - 1]:
                continue
            if one.run is None:
                yield from self._heard(state, number, one)
                yield from self._begins(state, number, one)
                continue
            yield from self._goes_on(state, number, one, one.run)
            if self._scope.queued and state.left[3]:
                ended = one._replace(run=None, queue=one.queue | self._known(one))
                yield f"! controller {number} ends and comes back", _spent(_with(state, number, ended), 3)

    # Users, the validator of Subnets, the garbage collector.

    def _users(self, state: Network) -> Steps:
        for key, one in enumerate(state.attachments):
            if one and state.left[0]:
                yield f"! attachment {key} is deleted", _spent(_attached(state, key, None), 0)
            if one is None and state.left[1]:
                created = _attached(state, key, Attachment(FRESH, FRESH))
                yield f"! attachment {key} is created", _spent(created, 1)
        if state.left[2]:
            for label, after in self._changes(state):
                yield f"! Subnet {label}", _spent(after, 2)

    def _changes(self, state: Network) -> Steps:
        """In a single namespace nothing keeps a Subnet from being validated; it is then, to have fewer states, and one
        may take the place of another in one step."""
        alone, spans = self._count == 1, range(len(self._scope.spans))
        for namespace, subnet in enumerate(state.subnets):
            if subnet:
                yield f"{namespace} is deleted", _subnetted(state, namespace, None)
            if subnet is None or alone:
                for span in spans:
                    if subnet is None or span != subnet.span:
                        made = Subnet(FRESH, span, 2 if alone else 0)
                        yield f"{namespace} is created with range {span}", _subnetted(state, namespace, made)

    def _subnet_steps(self, state: Network) -> Steps:
        """The validator: one step finds no rival, the next one no lock elsewhere."""
        for namespace, subnet in enumerate(state.subnets):
            if subnet is None or subnet.examined == 2:
                continue
            if subnet.examined == 0 and any(one for other, one in enumerate(state.subnets) if other != namespace):
                continue
            if subnet.examined == 1 and self._locked_elsewhere(state, namespace):
                continue
            examined = subnet._replace(examined=subnet.examined + 1)
            yield f"Subnet {namespace} is examined", _subnetted(state, namespace, examined)

    def _locked_elsewhere(self, state: Network, namespace: int) -> bool:
        if "validates beside locks" in self._scope.mistakes:
            return False
        return any(lock and self._space(slot) != namespace for slot, lock in enumerate(state.locks))

    def _collected(self, state: Network) -> Steps:
        for slot, lock in enumerate(state.locks):
            if lock and _uid(state.attachments[lock.owner]) != lock.owner_uid:
                yield f"the lock {slot} is collected", _locked(state, slot, None)

    # What a controller hears, and whom it looks at then.

    def _heard(self, state: Network, number: int, one: Controller) -> Steps:
        for key, attachment in enumerate(state.attachments):
            if one.attachments[key] != attachment:
                view = one._replace(attachments=_put(one.attachments, key, attachment), queue=self._queue(one, {key}))
                yield f"controller {number} hears of attachment {key}", _with(state, number, view)
        for slot, lock in enumerate(state.locks):
            if one.locks[slot] != lock:
                woken = self._woken(one, slot, lock)
                view = one._replace(locks=_put(one.locks, slot, lock), queue=self._queue(one, woken))
                yield f"controller {number} hears of lock {slot}", _with(state, number, view)
        for namespace, subnet in enumerate(state.subnets):
            if one.subnets[namespace] != subnet:
                woken = {key for key, space in enumerate(self._scope.namespaces) if space == namespace}
                view = one._replace(subnets=_put(one.subnets, namespace, subnet), queue=self._queue(one, woken))
                yield f"controller {number} hears of Subnet {namespace}", _with(state, number, view)

    def _woken(self, one: Controller, slot: int, lock: Lock | None) -> set[int]:
        old = one.locks[slot]
        woken = {each.owner for each in (old, lock) if each}
        if lock is None and "lets waiters sleep" not in self._scope.mistakes:
            space = self._space(slot)
            woken |= {
                key for key, seen in enumerate(one.attachments)
                if seen and seen.refused and self._scope.namespaces[key] == space
            }  # fmt: skip
        return woken

    def _queue(self, one: Controller, woken: set[int]) -> frozenset[int]:
        return one.queue | woken if self._scope.queued else one.queue

    def _known(self, one: Controller) -> set[int]:
        """The keys that a controller looks at when it starts."""
        owners = {lock.owner for lock in one.locks if lock}
        return owners | {key for key, seen in enumerate(one.attachments) if seen}

    # A reconcile.

    def _begins(self, state: Network, number: int, one: Controller) -> Steps:
        for key in one.queue if self._scope.queued else range(len(state.attachments)):
            begun = one._replace(queue=one.queue - {key}, run=self._begun(one, key))
            if begun != one:
                yield f"controller {number} begins with attachment {key}", _with(state, number, begun)

    def _goes_on(self, state: Network, number: int, one: Controller, run: Run) -> Steps:
        ended = one._replace(run=None, queue=self._queue(one, {run.key}))
        for label, server, after, again in self._request(state, one, run):
            now = ended if again else one._replace(run=after)
            yield f"controller {number}: {label}", _with(server, number, now)
            if server is not state and now != ended and state.left[3]:
                lost = _with(server, number, ended)
                lost = _spent(lost, 3) if self._scope.queued else lost
                yield f"! controller {number}: {label}, and nothing more", lost

    def _begun(self, one: Controller, key: int) -> Run | None:
        """What a controller will do about a key, by what it has heard of."""
        seen, subnet = one.attachments[key], one.subnets[self._scope.namespaces[key]]
        subnet = subnet if subnet and subnet.examined == 2 else None
        owned = [(slot, lock.uid, lock.owner_uid) for slot, lock in enumerate(one.locks) if lock and lock.owner == key]
        foreign = tuple(lock for lock in owned if lock[2] != _uid(seen))
        mistakes = self._scope.mistakes
        if foreign and seen is None and "trusts absence" in mistakes:
            return Run("delete", key, seen, subnet, foreign)
        if foreign and not (seen and "keeps orphans" in mistakes):
            return Run("ask for owner", key, seen, subnet, foreign)
        return self._assigned(one, Run("", key, seen, subnet))

    def _assigned(self, one: Controller, run: Run) -> Run | None:
        seen = run.seen
        if seen is None:
            return None
        if seen.slot >= 0:
            lock = one.locks[seen.slot]
            if lock and (lock.uid, lock.owner, lock.owner_uid) == (seen.lock, run.key, seen.uid):
                return self._shown(one, run)
            return run._replace(at="ask for lock")
        return self._unshown(one, run)

    def _own(self, one: Controller, run: Run) -> list[tuple[int, int, int]]:
        assert run.seen
        return [
            (slot, lock.uid, lock.owner_uid) for slot, lock in enumerate(one.locks)
            if lock and (lock.owner, lock.owner_uid) == (run.key, run.seen.uid)
        ]  # fmt: skip

    def _wanted(self, run: Run) -> tuple[int, ...]:
        if run.subnet is None:
            return ()
        first = self._scope.namespaces[run.key] * self._scope.addresses
        return tuple(first + address for address in self._scope.spans[run.subnet.span])

    def _shown(self, one: Controller, run: Run) -> Run | None:
        """The status shows an address whose lock is there."""
        assert run.seen
        surplus = tuple(lock for lock in self._own(one, run) if lock[1] != run.seen.lock)
        if run.seen.slot in self._wanted(run):
            return self._released(run, surplus, keep=True) if surplus else None
        return self._released(run, (*surplus, (run.seen.slot, run.seen.lock, run.seen.uid)), keep=False)

    def _unshown(self, one: Controller, run: Run) -> Run | None:
        """The status shows no address, or one without lock."""
        assert run.seen
        wanted = self._wanted(run)
        own = [*self._own(one, run)]
        usable = [lock for lock in own if lock[0] in wanted and lock[1] not in run.seen.releasing]
        if usable and run.subnet:
            slot, uid, _ = min(usable, key=lambda lock: lock[1])
            if "releases at once" in self._scope.mistakes and len(usable) > 1:
                others = tuple(lock for lock in usable if lock[1] != uid)
                return run._replace(at="delete", todo=others)
            return self._confirmed(run._replace(slot=slot, lock=uid))
        if own:
            return self._released(run, tuple(own), keep=False)
        if run.subnet is None:
            return None if run.seen.refused and run.seen.slot < 0 else run._replace(at="write", slot=-1, lock=-1)
        free = [slot for slot in wanted if one.locks[slot] is None]
        if not free:
            return None if run.seen.refused and run.seen.slot < 0 else run._replace(at="write", slot=-1, lock=-1)
        return run._replace(at="create")

    def _released(self, run: Run, locks: tuple[tuple[int, int, int], ...], *, keep: bool) -> Run | None:
        """Locks that are not wanted: first the status says so, then they are deleted."""
        assert run.seen
        mistakes = self._scope.mistakes
        if not keep and run.subnet is None and "keeps locks without Subnet" in mistakes:
            return None if run.seen.slot < 0 else run._replace(at="write", slot=-1, lock=-1)
        said = {uid for _, uid, _ in locks} <= run.seen.releasing
        if "releases at once" in mistakes or (said and (keep or run.seen.slot < 0)):
            return run._replace(at="delete", todo=locks)
        slot, lock = (run.seen.slot, run.seen.lock) if keep else (-1, -1)
        return run._replace(at="release", todo=locks, slot=slot, lock=lock)

    def _confirmed(self, run: Run) -> Run:
        return run._replace(at="write" if "trusts Subnets" in self._scope.mistakes else "ask for Subnet")

    def _request(
        self, state: Network, one: Controller, run: Run
    ) -> Iterator[tuple[str, Network, Run | None, bool]]:
        """The next request of a reconcile: label, the API server after it, how it goes on, whether it comes again."""
        if run.at == "create":
            yield from self._creates(state, one, run)
            return
        server, after, again = getattr(self, "_" + run.at.replace(" ", "_"))(state, one, run)
        yield f"{run.at} {run.key}", server, after, again

    def _ask_for_owner(self, state: Network, one: Controller, run: Run) -> tuple[Network, Run | None, bool]:
        alive = _uid(state.attachments[run.key])
        dead = tuple(lock for lock in run.todo if lock[2] != alive)
        if dead:
            return state, run._replace(at="delete", todo=dead), False
        return state, self._assigned(one, run._replace(todo=())), False

    def _ask_for_lock(self, state: Network, one: Controller, run: Run) -> tuple[Network, Run | None, bool]:
        assert run.seen
        lock = state.locks[run.seen.slot]
        if lock and (lock.uid, lock.owner, lock.owner_uid) == (run.seen.lock, run.key, run.seen.uid):
            return state, self._shown(one, run), False
        return state, self._unshown(one, run), False

    def _ask_for_Subnet(self, state: Network, one: Controller, run: Run) -> tuple[Network, Run | None, bool]:
        assert run.subnet
        now = state.subnets[self._scope.namespaces[run.key]]
        if now and (now.uid, now.examined) == (run.subnet.uid, 2):
            return state, run._replace(at="write"), False
        return state, None, True

    def _delete(self, state: Network, one: Controller, run: Run) -> tuple[Network, Run | None, bool]:
        (slot, uid, _), *others = run.todo
        lock = state.locks[slot]
        if lock and (lock.uid == uid or "deletes without uid" in self._scope.mistakes):
            state = _locked(state, slot, None)
        # What is left to do about the attachment is done when the key comes again: what changed here wakes it.
        return state, run._replace(todo=tuple(others)) if others else None, False

    def _release(self, state: Network, one: Controller, run: Run) -> tuple[Network, Run | None, bool]:
        releasing = frozenset(uid for _, uid, _ in run.todo)
        written = self._written(state, run, releasing, refused=run.slot < 0)
        if written is None:
            return state, None, True
        return written, run._replace(at="delete", slot=-1, lock=-1), False

    def _write(self, state: Network, one: Controller, run: Run) -> tuple[Network, Run | None, bool]:
        written = self._written(state, run, frozenset(), refused=run.slot < 0)
        return (state, None, True) if written is None else (written, None, False)

    def _written(self, state: Network, run: Run, more: frozenset[int], *, refused: bool) -> Network | None:
        """The API server after the status was written; None if that was refused."""
        assert run.seen
        now, mistakes = state.attachments[run.key], self._scope.mistakes
        if now is None:
            return None
        if now.version != run.seen.version and "writes without version" not in mistakes:
            return None
        forget = run.slot >= 0 and not more and "forgets releases" in mistakes
        releasing = frozenset() if forget else run.seen.releasing | more
        after = Attachment(FRESH, now.uid, run.slot, run.lock, releasing, refused)
        return _attached(state, run.key, after if after[2:] != now[2:] else now)

    def _creates(
        self, state: Network, one: Controller, run: Run
    ) -> Iterator[tuple[str, Network, Run | None, bool]]:
        assert run.seen
        mistakes = self._scope.mistakes
        for slot in self._wanted(run):
            if one.locks[slot]:
                continue
            label, there = f"create lock {slot} for {run.key}", state.locks[slot]
            if "picks without lock" in mistakes:
                yield label, state, self._confirmed(run._replace(slot=slot, lock=-1)), False
            elif there is None:
                made = _locked(state, slot, Lock(FRESH, run.key, run.seen.uid))
                yield label, made, self._confirmed(run._replace(slot=slot, lock=FRESH)), False
            elif self._adopts(there, run):
                yield label, state, self._confirmed(run._replace(slot=slot, lock=there.uid)), False
            else:
                yield label, state, None, True

    def _adopts(self, lock: Lock, run: Run) -> bool:
        if "adopts any lock" in self._scope.mistakes:
            return True
        assert run.seen
        return (lock.owner, lock.owner_uid) == (run.key, run.seen.uid) and lock.uid not in run.seen.releasing

    # What must hold.

    def wrong(self, state: Network) -> str:
        return self._twice(state) or self._unlocked(state) or (self._leaks(state) if self.quiet(state) else "")

    def _twice(self, state: Network) -> str:
        shown = [one.slot % self._scope.addresses for one in state.attachments if one and one.slot >= 0]
        return "two attachments show one address" if len(set(shown)) < len(shown) else ""

    def _unlocked(self, state: Network) -> str:
        for key, one in enumerate(state.attachments):
            if one and one.slot >= 0 and state.locks[one.slot] != Lock(one.lock, key, one.uid):
                return f"attachment {key} shows an address without its lock"
        return ""

    def quiet(self, state: Network) -> bool:
        """Everybody has heard of everything and has nothing to do."""
        here = (state.attachments, state.locks, state.subnets)
        return (
            all(one[:3] == here and self._rests(one) for one in state.controllers)
            and next(self._subnet_steps(state), None) is None
        )

    def _rests(self, one: Controller) -> bool:
        if one.run or one.queue:
            return False
        return self._scope.queued or not any(self._begun(one, key) for key in range(len(one.attachments)))

    def _leaks(self, state: Network) -> str:
        locks = {lock.uid for lock in state.locks if lock}
        shown = {one.lock for one in state.attachments if one and one.slot >= 0}
        if locks != shown:
            return "a lock is left over"
        for key, one in enumerate(state.attachments):
            subnet = state.subnets[self._scope.namespaces[key]]
            if one is None or (subnet and subnet.examined < 2):
                continue
            wanted = self._wanted(Run("", key, one, subnet))
            if one.slot >= 0 and one.slot not in wanted:
                return f"attachment {key} keeps an address outside its Subnet"
            if one.slot < 0 and any(state.locks[slot] is None for slot in wanted):
                return f"attachment {key} waits beside a free address"
        return ""

    def _space(self, slot: int) -> int:
        return slot // self._scope.addresses


def _uid(one: Attachment | None) -> int:
    return one.uid if one else -2


def _put(values: tuple, index: int, value: object) -> tuple:  # type: ignore[type-arg]
    return (*values[:index], value, *values[index + 1 :])


def _attached(state: Network, key: int, one: Attachment | None) -> Network:
    return state._replace(attachments=_put(state.attachments, key, one))


def _locked(state: Network, slot: int, lock: Lock | None) -> Network:
    return state._replace(locks=_put(state.locks, slot, lock))


def _subnetted(state: Network, namespace: int, subnet: Subnet | None) -> Network:
    return state._replace(subnets=_put(state.subnets, namespace, subnet))


def _with(state: Network, number: int, one: Controller) -> Network:
    return state._replace(controllers=_put(state.controllers, number, one))


def _spent(state: Network, index: int) -> Network:
    return state._replace(left=_put(state.left, index, state.left[index] - 1))
