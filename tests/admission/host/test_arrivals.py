"""Modules that come over the network after the start: who takes whose place, and how long a round waits."""

from __future__ import annotations

from dataclasses import dataclass, field

import trio
import trio.testing

from edged.admission.config import PolicyConfig
from edged.admission.host import arrivals
from edged.admission.host.policy import Group, Policy, PolicySet
from edged.admission.rules.capabilities import Grants
from edged.telemetry.logs import Logger
from edged.wasm.instance import Budget

CONFIG = PolicyConfig(name="p", module="registry://r.example/p:v1")


def policy(*, error: str | None = None, is_waiting: bool = False) -> Policy:
    made = Policy(CONFIG, b"{}", Grants((), frozenset()), 1.0, Budget())
    made.error, made.is_waiting = error, is_waiting
    return made


@dataclass
class Host:
    """A daemon whose loader gives one policy after the other, and the times at which it was asked."""

    now: Policy
    loads: list[Policy]
    reloaded: Policy | None = None
    asked_at: list[float] = field(default_factory=list)
    tried_at: list[float] = field(default_factory=list)

    def configured(self) -> PolicySet:
        return {"p": self.now}

    served = configured

    def loader(self) -> Host:
        return self

    async def load_one(self, config: PolicyConfig, templates: object) -> Policy:
        self.asked_at.append(trio.current_time())
        await trio.sleep(0)
        if self.reloaded is not None:
            self.now = self.reloaded
        return self.loads.pop(0)

    def tried_all(self) -> None:
        self.tried_at.append(trio.current_time())

    def replace(self, old: Policy | Group, new: Policy | Group) -> None:
        assert old is self.now and isinstance(new, Policy)
        self.now = new


def run(host: Host) -> list[float]:
    """The times at which a module was looked for, seconds after the start."""
    clock = trio.testing.MockClock(autojump_threshold=0)

    async def main() -> float:
        begun = trio.current_time()
        await arrivals.run(host, Logger(write=lambda line: None))
        return begun

    begun = trio.run(main, clock=clock)
    return [at - begun for at in host.asked_at]


def test_what_arrived_takes_the_place_of_what_waited() -> None:
    arrived = policy()
    host = Host(policy(error="still being fetched", is_waiting=True), [arrived])
    assert run(host) == [0.0]
    assert host.now is arrived


def test_pauses_get_longer() -> None:
    waiting = [policy(error="no route", is_waiting=True) for _ in range(4)]
    host = Host(policy(error="still being fetched", is_waiting=True), [*waiting, policy()])
    assert run(host) == [0.0, 1.0, 3.0, 7.0, 15.0]


def test_a_good_module_stays_where_the_new_one_is_bad() -> None:
    kept, arrived = policy(is_waiting=True), policy()
    host = Host(kept, [policy(error="not a module"), arrived])
    assert run(host) == [0.0, 1.0]
    assert host.now is arrived


def test_a_reload_that_comes_first_is_not_undone() -> None:
    host = Host(policy(is_waiting=True), [policy()], reloaded=policy())
    run(host)
    assert host.now is host.reloaded


def test_when_everything_was_tried_is_told() -> None:
    loads = [policy(error="no route", is_waiting=True), policy()]
    host = Host(policy(error="still being fetched", is_waiting=True), loads)
    run(host)
    assert host.tried_at[0] < host.asked_at[1], "after the first round, whatever came of it"
    nothing = Host(policy(), [])
    run(nothing)
    assert len(nothing.tried_at) == 1 and not nothing.asked_at
