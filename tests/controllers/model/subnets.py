"""How Subnets are examined: the protocol of `kos-subnets`, with users, faults and caches that lag.

All Subnets are of one virtual network; a place is a name in a namespace with the range that a Subnet of that name has.
Of two places with overlapping ranges or in different namespaces (`rivals`) at most one may be validated. What a
controller has heard of each Subnet may be any version that it once had, and versions may be skipped, as when a watch
has to list again. A reconcile may end before any of its requests, and the answer to its write may be lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

MISTAKES = {
    "asks the cache": "rivals are looked for in the cache",
    "writes without version": "the verdict is written whatever the resourceVersion is by now",
    "writes by name": "the resourceVersion is left out and the uid not sent: the verdict may meet another edition",
    "blocked by the validated only": "a rival that is not validated does not count",
    "examines again": "a validated Subnet is examined again and may be refused",
    "expects news of rivals": "a Subnet in whose way stands one that the cache does not show is not looked at again",
    "wakes nobody": "the deletion of a Subnet does not wake those that it stood against",
}
"""What an implementation may get wrong."""


class Subnet(NamedTuple):
    """`verdict`: 0 not examined, 1 refused, 2 validated. `fell`: whether it was validated once and then refused."""

    version: int
    uid: int
    verdict: int = 0
    fell: bool = False


class Run(NamedTuple):
    """A reconcile: what it read of its Subnet, and its verdict once it has looked for rivals (0 before)."""

    key: int
    seen: Subnet
    verdict: int


class Controller(NamedTuple):
    subnets: tuple[Subnet | None, ...]
    queue: frozenset[int]
    run: Run | None


class World(NamedTuple):
    """`left`: how often Subnets may still be deleted and created."""

    subnets: tuple[Subnet | None, ...]
    controllers: tuple[Controller, ...]
    left: tuple[int, int]


FRESH = 1_000_000


@dataclass(frozen=True)
class Scope:
    """`places` of Subnets; `rivals`: pairs of them that may not both be used. Nothing exists at the begin."""

    places: int = 2
    rivals: frozenset[tuple[int, int]] = frozenset({(0, 1)})
    controllers: int = 2
    deletions: int = 2
    creations: int = 3
    mistakes: frozenset[str] = frozenset()

    def against(self, place: int) -> list[int]:
        """The rivals of a place."""
        return [other for other in range(self.places) if {(place, other), (other, place)} & self.rivals]


Steps = Iterator[tuple[str, World]]


class Subnets:
    """The model of a scope."""

    def __init__(self, scope: Scope) -> None:
        if unknown := scope.mistakes - set(MISTAKES):
            raise ValueError(f"no such mistake: {unknown}")
        self._scope = scope

    def initial(self) -> World:
        empty: tuple[Subnet | None, ...] = (None,) * self._scope.places
        one = Controller(empty, frozenset(), None)
        return World(empty, (one,) * self._scope.controllers, (self._scope.deletions, self._scope.creations))

    def steps(self, state: World) -> Steps:
        for label, after in self._raw_steps(state):
            yield label, _canonical(after)

    def _raw_steps(self, state: World) -> Steps:
        for place, subnet in enumerate(state.subnets):
            if subnet and state.left[0]:
                yield f"! Subnet {place} is deleted", _set(state, place, None)._replace(left=_less(state.left, 0))
            if subnet is None and state.left[1]:
                created = _set(state, place, Subnet(FRESH, FRESH))
                yield f"! Subnet {place} is created", created._replace(left=_less(state.left, 1))
        for number, one in enumerate(state.controllers):
            yield from self._heard(state, number, one)
            if one.run:
                yield from self._goes_on(state, number, one, one.run)
            else:
                yield from self._begins(state, number, one)

    def _heard(self, state: World, number: int, one: Controller) -> Steps:
        for place, subnet in enumerate(state.subnets):
            if one.subnets[place] != subnet:
                old = one.subnets[place]
                view = one._replace(subnets=_put(one.subnets, place, subnet))
                woken = {place} if subnet else set()
                if old and (subnet is None or subnet.uid != old.uid):
                    woken |= self._freed(view)
                view = view._replace(queue=one.queue | woken)
                yield f"controller {number} hears of Subnet {place}", _with(state, number, view)

    def _freed(self, one: Controller) -> set[int]:
        """Every Subnet that is not validated, once another one is gone: which of them it stood against is not known."""
        if "wakes nobody" in self._scope.mistakes:
            return set()
        return {place for place, subnet in enumerate(one.subnets) if subnet and subnet.verdict < 2}

    def _begins(self, state: World, number: int, one: Controller) -> Steps:
        for key in one.queue:
            seen = one.subnets[key]
            idle = seen is None or (seen.verdict == 2 and "examines again" not in self._scope.mistakes)
            begun = one._replace(queue=one.queue - {key}, run=None if idle or seen is None else Run(key, seen, 0))
            yield f"controller {number} begins with Subnet {key}", _with(state, number, begun)

    def _goes_on(self, state: World, number: int, one: Controller, run: Run) -> Steps:
        again = one._replace(run=None, queue=one.queue | {run.key})
        if not run.verdict:
            verdict = self._judged(state, one, run)
            after = one._replace(run=None if verdict == run.seen.verdict else run._replace(verdict=verdict))
            if verdict == 1 and self._unheard(state, one, run):
                after = after._replace(queue=one.queue | {run.key})
            yield f"controller {number} looks for rivals of Subnet {run.key}", _with(state, number, after)
        else:
            written = self._written(state, run)
            label = f"controller {number} writes {('', 'refused', 'validated')[run.verdict]} to Subnet {run.key}"
            yield label, _with(written or state, number, again if written is None else one._replace(run=None))
            yield f"! {label}, and hears no answer", _with(written or state, number, again)
        yield f"! controller {number} gives up Subnet {run.key}", _with(state, number, again)

    def _judged(self, state: World, one: Controller, run: Run) -> int:
        asked = one.subnets if "asks the cache" in self._scope.mistakes else state.subnets
        rivals = [asked[place] for place in self._scope.against(run.key)]
        if "blocked by the validated only" in self._scope.mistakes:
            return 1 if any(rival and rival.verdict == 2 for rival in rivals) else 2
        return 1 if any(rivals) else 2

    def _unheard(self, state: World, one: Controller, run: Run) -> bool:
        """Whether a rival is not in the cache. It may come and go before the watch tells of it: then nothing would wake
        the Subnet."""
        if "expects news of rivals" in self._scope.mistakes:
            return False
        pairs = ((state.subnets[place], one.subnets[place]) for place in self._scope.against(run.key))
        return any(rival and (seen is None or seen.uid != rival.uid) for rival, seen in pairs)

    def _written(self, state: World, run: Run) -> World | None:
        """The API server after the write, None if it was refused with a conflict."""
        now, mistakes = state.subnets[run.key], self._scope.mistakes
        if now is None:
            return state
        known = "writes by name" in mistakes or ("writes without version" in mistakes and now.uid == run.seen.uid)
        if now.version != run.seen.version and not known:
            return None
        fell = now.fell or (now.verdict == 2 and run.verdict == 1)
        return _set(state, run.key, Subnet(FRESH, now.uid, run.verdict, fell) if now.verdict != run.verdict else now)

    def wrong(self, state: World) -> str:
        for one, other in sorted(self._scope.rivals):
            if all(subnet and subnet.verdict == 2 for subnet in (state.subnets[one], state.subnets[other])):
                return f"the rivals {one} and {other} are both validated"
        for place, subnet in enumerate(state.subnets):
            if subnet and subnet.fell:
                return f"Subnet {place} was validated and is not any more"
        return self._left(state) if self.quiet(state) else ""

    def quiet(self, state: World) -> bool:
        """Everybody has heard of everything and has nothing to do."""
        return all(one.run is None and not one.queue and one.subnets == state.subnets for one in state.controllers)

    def _left(self, state: World) -> str:
        for place, subnet in enumerate(state.subnets):
            rivals = any(state.subnets[other] for other in self._scope.against(place))
            if subnet and not rivals and subnet.verdict != 2:
                return f"Subnet {place} has no rival and is not validated"
            if subnet and subnet.verdict == 0:
                return f"Subnet {place} was never examined"
        return ""


def _canonical(state: World) -> World:
    places = range(len(state.subnets))
    ranks: list[dict[int, int]] = []
    views = [state.subnets, *(one.subnets for one in state.controllers)]
    for place in places:
        numbers = {-1}
        for subnets in views:
            if subnet := subnets[place]:
                numbers.update(subnet[:2])
        for one in state.controllers:
            if one.run and one.run.key == place:
                numbers.update(one.run.seen[:2])
        ranks.append({number: rank for rank, number in enumerate(sorted(numbers), -1)})
    controllers = sorted((_numbered(one, ranks) for one in state.controllers), key=hash)
    return World(_ranked(state.subnets, ranks), tuple(controllers), state.left)


def _numbered(one: Controller, ranks: list[dict[int, int]]) -> Controller:
    return Controller(_ranked(one.subnets, ranks), one.queue, one.run and _run(one.run, ranks))


def _ranked(subnets: tuple[Subnet | None, ...], ranks: list[dict[int, int]]) -> tuple[Subnet | None, ...]:
    return tuple([one and _rank(one, ranks[place]) for place, one in enumerate(subnets)])


def _rank(one: Subnet, ranks: dict[int, int]) -> Subnet:
    return Subnet(ranks[one.version], ranks[one.uid], one.verdict, one.fell)


def _run(run: Run, ranks: list[dict[int, int]]) -> Run:
    return run._replace(seen=_rank(run.seen, ranks[run.key]))


def _put(values: tuple, index: int, value: object) -> tuple:  # type: ignore[type-arg]
    return (*values[:index], value, *values[index + 1 :])


def _set(state: World, place: int, subnet: Subnet | None) -> World:
    return state._replace(subnets=_put(state.subnets, place, subnet))


def _with(state: World, number: int, one: Controller) -> World:
    return state._replace(controllers=_put(state.controllers, number, one))


def _less(left: tuple[int, int], index: int) -> tuple[int, int]:
    return _put(left, index, left[index] - 1)
