"""Modules that come over the network after the start: who takes whose place, and how long a round waits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import trio
import trio.testing

from edged.admission.config import PolicyConfig
from edged.admission.host import arrivals
from edged.admission.host.policy import Group, Policy, PolicySet, awaiting
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


@dataclass
class Several:
    """A daemon with several policies, each of which takes its time; when each was loaded."""

    now: PolicySet
    takes_s: dict[str, list[float]]
    loaded_at: dict[str, list[float]] = field(default_factory=dict)
    tried_at: list[float] = field(default_factory=list)
    changed: trio.Event = field(default_factory=trio.Event)

    def configured(self) -> PolicySet:
        return self.now

    served = configured

    def loader(self) -> Several:
        return self

    async def load_one(self, config: PolicyConfig, templates: object) -> Policy:
        takes = self.takes_s[config.module].pop(0)
        await trio.sleep(abs(takes))
        made = Policy(config, b"{}", Grants((), frozenset()), 1.0, Budget())
        if takes < 0:
            made.error, made.is_waiting = "no route", True
        self.loaded_at.setdefault(config.module, []).append(round(trio.current_time()))
        return made

    def tried_all(self) -> None:
        self.tried_at.append(round(trio.current_time()))

    def replace(self, old: Policy | Group, new: Policy | Group) -> None:
        self.now = {name: new if policy is old else policy for name, policy in self.now.items()}

    def reload(self, *policies: Policy | Group) -> None:
        self.now = {policy.name: policy for policy in policies}
        changed, self.changed = self.changed, trio.Event()
        changed.set()


def waits(name: str, module: str = "") -> Policy:
    config = PolicyConfig(name=name, module=f"registry://r.example/{module or name}:v1")
    made = Policy(config, b"{}", Grants((), frozenset()), 1.0, Budget())
    made.error, made.is_waiting = "still being fetched", True
    return made


def url(name: str) -> str:
    return f"registry://r.example/{name}:v1"


def run_several(host: Several, *, then: Callable[[], Awaitable[None]] | None = None) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(arrivals.run, host, Logger(write=lambda line: None), lambda: host.changed)
            if then is not None:
                await then()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_one_whose_registry_heals_does_not_wait_for_one_that_drips() -> None:
    host = Several({"a": waits("a"), "b": waits("b")}, {url("a"): [3600.0], url("b"): [-0.001, -1.0, -1.0, 1.0]})
    run_several(host)
    assert host.loaded_at == {url("a"): [3600], url("b"): [0, 2, 5, 10]}
    assert host.tried_at[0] == 60, "nor does readiness"
    assert not any(policy.is_waiting for policy in host.now.values())


def test_a_reload_ends_the_attempts_that_nobody_wants_any_more() -> None:
    first, other = waits("a"), waits("a", "other")
    host = Several({"a": first}, {url("a"): [3600.0, 3600.0], url("other"): [1.0]})

    async def then() -> None:
        await trio.sleep(10)
        host.reload(other)

    run_several(host, then=then)
    assert host.loaded_at == {url("other"): [11]} and host.now["a"].config.module == url("other")


def test_a_reload_that_wants_the_same_lets_a_download_go_on() -> None:
    host = Several({"a": waits("a")}, {url("a"): [100.0]})

    async def then() -> None:
        for _ in range(5):
            await trio.sleep(10)
            host.reload(waits("a"))

    run_several(host, then=then)
    assert host.loaded_at == {url("a"): [100]} and not host.now["a"].is_waiting


def test_the_version_of_before_answers_until_the_new_one_is_loaded() -> None:
    old = waits("a", "old")
    old.error = None
    wish = waits("a", "new").config
    host = Several({"a": awaiting(old, wish, "not yet")}, {url("new"): [-1.0, 1.0]})
    seen = []

    async def then() -> None:
        for _ in range(4):
            await trio.sleep(1.2)
            seen.append((host.now["a"].config.module, host.now["a"].successor_error))

    run_several(host, then=then)
    assert seen == [(url("old"), "no route"), (url("old"), "no route"), (url("new"), ""), (url("new"), "")]
    assert host.now["a"].config == wish and host.now["a"].successor is None
