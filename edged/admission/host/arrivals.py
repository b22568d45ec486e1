"""Policies of the configuration file that could not be loaded yet: their modules come over the network, or a disk was
full.

Each is loaded by itself, again and again, and put in the place of what answered meanwhile: "still being fetched", the
version of before, or an earlier module of a tag that moves. None waits for another. A reload that changes what is
wanted ends the attempts that nobody wants any more. edged/daemon runs it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Protocol

import trio

from edged.admission.host.policy import Group, Policy, PolicySet, awaiting, templates_of, wanted
from edged.admission.host.policy_loader import PolicyLoader
from edged.process.boundary import boundary
from edged.records import dataclass
from edged.telemetry.logs import Logger

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 300.0
TRIED_S = 60.0
"""So long readiness waits for the first attempts: a registry that drips its bytes would keep it for an hour."""


class Host(Protocol):
    """What the daemon offers."""

    def configured(self) -> PolicySet: ...
    def served(self) -> PolicySet: ...
    def loader(self) -> PolicyLoader: ...
    def replace(self, old: Policy | Group, new: Policy | Group) -> None: ...
    def tried_all(self) -> None: ...


@dataclass(slots=True, eq=False)
class _Attempts:
    """At one policy. `policy`: what answers under its name now."""

    policy: Policy | Group
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    tried: bool = False


async def run(host: Host, log: Logger, changed: Callable[[], trio.Event] = trio.Event) -> None:
    """Until every policy of the configuration file is loaded. `changed` gives an event that is set when there are other
    policies."""
    await _Arrivals(host, log, changed).run()


class _Arrivals:
    """The attempts under way, by policy's name."""

    def __init__(self, host: Host, log: Logger, changed: Callable[[], trio.Event]) -> None:
        self._host = host
        self._log = log
        self._changed = changed
        self._attempts: dict[str, _Attempts] = {}
        self._progress = trio.Event()

    async def run(self) -> None:
        until_told = trio.current_time() + TRIED_S
        async with trio.open_nursery() as nursery:
            while True:
                self._progress, changed = trio.Event(), self._changed()
                self._begin(nursery)
                if all(attempts.tried for attempts in self._attempts.values()) or trio.current_time() >= until_told:
                    self._host.tried_all()
                    until_told = float("inf")
                if not self._attempts:
                    return
                with trio.move_on_at(until_told):
                    await _either(self._progress, changed)

    def _begin(self, nursery: trio.Nursery) -> None:
        """Attempts at what waits, and at nothing else."""
        waiting = {name: policy for name, policy in self._host.configured().items() if policy.is_waiting}
        for name, attempts in list(self._attempts.items()):
            policy = waiting.get(name)
            if policy is attempts.policy:
                continue
            if policy is not None and wanted(policy) == wanted(attempts.policy):
                attempts.policy = policy  # a reload that wants the same: a download under way goes on
            else:
                attempts.scope.cancel()
                del self._attempts[name]
        for name, policy in waiting.items():
            if name not in self._attempts:
                self._attempts[name] = attempts = _Attempts(policy)
                nursery.start_soon(self._load_at_last, attempts)

    async def _load_at_last(self, attempts: _Attempts) -> None:
        """Until it is loaded, with pauses."""
        pause_s = FIRST_PAUSE_S
        with attempts.scope:
            while attempts.policy.is_waiting:
                await _load(self._host, attempts, self._log)
                attempts.tried = True
                self._progress.set()
                if attempts.policy.is_waiting:
                    await trio.sleep(pause_s)
                    pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        if self._attempts.get(attempts.policy.name) is attempts:
            del self._attempts[attempts.policy.name]
        self._progress.set()


async def _load(host: Host, attempts: _Attempts, log: Logger) -> None:
    """One attempt. What fails unexpectedly goes on waiting."""
    with boundary(log, "load", attempts.policy.name):
        new = await host.loader().load_one(wanted(attempts.policy), templates_of(host.served()))
        old = attempts.policy
        if new.error and not old.error:
            if old.successor is None or old.successor_error == new.error:
                return  # what answers is good, the new one is not
            new = awaiting(old, old.successor, new.error)
        if host.configured().get(old.name) is old:  # else: a reload came first
            host.replace(old, new)
        attempts.policy = new


async def _either(*events: trio.Event) -> None:
    """Returns when one of them is set."""
    async with trio.open_nursery() as nursery:

        async def wait(event: trio.Event) -> None:
            await event.wait()
            nursery.cancel_scope.cancel()

        for event in events:
            nursery.start_soon(wait, event)
