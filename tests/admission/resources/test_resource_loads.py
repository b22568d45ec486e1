"""Loads of custom resources' policies beside each other: which go on, and which end when their object changes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import trio
import trio.testing

from edged.admission.config import GroupConfig, PolicyConfig
from edged.admission.host.policy import Group, Policy, PolicySet
from edged.admission.host.policy_loader import NOT_YET
from edged.admission.resources.conversion import Limits
from edged.admission.resources.plan import Plan, make_plan
from edged.admission.resources.resource_loads import Loads
from edged.admission.rules.capabilities import Grants
from edged.telemetry.logs import Logger
from edged.wasm.account import Budget
from tests.admission.resources.objects import namespaced, server

HOST = "r.example"


@dataclass
class Registries:
    """A daemon whose modules take their time, by name; what was begun, what was given up."""

    takes_s: dict[str, float]
    begun: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    def loader(self) -> Any:
        return self

    def served(self) -> PolicySet:
        return {}

    async def fetch(self, config: PolicyConfig | GroupConfig) -> str:
        assert isinstance(config, PolicyConfig)
        name = config.module.rpartition("/")[2].partition(":")[0]
        self.begun.append(name)
        try:
            await trio.sleep(self.takes_s[name])
        finally:
            self.ended.append(name)
        return ""

    async def load_one(self, config: PolicyConfig, templates: object, *, fetch: bool) -> Policy:
        return Policy(config, b"{}", Grants((), frozenset()), 1.0, Budget())

    def refused(self, config: PolicyConfig, error: str, *, again: bool = False) -> Policy | Group:
        raise AssertionError(error)


def plan(**modules: str) -> Plan:
    """By policy's name, the module that it names."""
    objects = [namespaced(name, module=f"registry://{HOST}/{module}:v1") for name, module in modules.items()]
    return make_plan([server(), *objects], "default", Limits(module_sources=(HOST,)), set())


def run(host: Registries, main: Callable[[Loads, trio.Nursery], Awaitable[None]]) -> Loads:
    loads = Loads(host, (), Logger(write=lambda line: None), lambda: None)

    async def whole() -> None:
        async with trio.open_nursery() as nursery:
            await main(loads, nursery)

    trio.run(whole, clock=trio.testing.MockClock(autojump_threshold=0))
    return loads


def test_one_that_drips_holds_up_no_other() -> None:
    host = Registries({"drips": 3600.0, "quick": 0.1})
    seen = []

    async def main(loads: Loads, nursery: trio.Nursery) -> None:
        loads.begin(plan(**{f"slow{n}": "drips" for n in range(8)}, good="quick"), nursery)
        await trio.sleep(1)
        seen.append(set(loads.policies))

    loads = run(host, main)
    assert seen == [{"namespaced-team-good"}] and len(loads.policies) == 9


def test_an_object_that_changes_ends_the_load_of_what_it_was() -> None:
    host = Registries({"drips": 3600.0, "quick": 0.1})

    async def main(loads: Loads, nursery: trio.Nursery) -> None:
        loads.begin(plan(p="drips"), nursery)
        await trio.sleep(1)
        loads.begin(plan(p="drips"), nursery)  # the same: it goes on
        await trio.sleep(1)
        assert host.begun == ["drips"] and not host.ended
        loads.begin(plan(p="quick"), nursery)
        await trio.sleep(1)
        assert host.ended == ["drips", "quick"] and not loads.busy
        await loads.wait_idle()

    loads = run(host, main)
    assert [policy.config.module for policy in loads.policies.values() if isinstance(policy, Policy)] == [
        f"registry://{HOST}/quick:v1"
    ]


def test_an_object_that_goes_ends_its_load() -> None:
    host = Registries({"drips": 3600.0})

    async def main(loads: Loads, nursery: trio.Nursery) -> None:
        loads.begin(plan(p="drips"), nursery)
        await trio.sleep(1)
        loads.keep(set())
        await trio.sleep(1)
        assert host.ended == ["drips"] and not loads.busy
        loads.begin(plan(), nursery)
        with trio.fail_after(1):
            await loads.wait_idle()

    assert not run(host, main).policies


def test_a_start_does_not_wait_for_one_that_takes_long_to_compile() -> None:
    """A tenant's module may take all the time there is, at each start. It rejects until it is loaded."""

    class Compiling(Registries):
        async def load_one(self, config: PolicyConfig, templates: object, *, fetch: bool) -> Policy:
            assert not fetch
            await trio.sleep(3600.0 if "bomb" in config.module else 0.1)
            return await super().load_one(config, templates, fetch=fetch)

        def refused(self, config: PolicyConfig, error: str, *, again: bool = False) -> Policy | Group:
            assert again
            return Policy(config, b"{}", Grants((), frozenset()), 1.0, Budget(), error=error)

    host = Compiling({"bomb": 0.1})

    async def main(loads: Loads, nursery: trio.Nursery) -> None:
        remembered = plan(a="bomb", **{f"good{n}": "quick" for n in range(5)}, z="bomb")
        with trio.fail_after(60):
            await loads.load_all_remembered(remembered)
        assert {name: policy.error for name, policy in loads.policies.items()} == {
            **{f"namespaced-team-good{n}": None for n in range(5)},
            "namespaced-team-a": NOT_YET,
            "namespaced-team-z": NOT_YET,
        }
        loads.begin(remembered, nursery)
        assert loads.is_loading("namespaced-team-a") and not loads.is_loading("namespaced-team-good0")
        nursery.cancel_scope.cancel()

    run(host, main)
