"""Whom a shared webhook calls while policies come, go and move, and what is known of them after a restart."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from edged.admission.endpoint.dynamic_registration import GRACE_S, DynamicRegistration
from edged.admission.endpoint.memberships import Memberships
from edged.admission.endpoint.registration_memory import FILE_NAME, MOST_BYTES, RegistrationMemory, encoded
from edged.admission.rules.shared_webhooks import hook_name, key_in, key_of
from edged.admission.rules.webhooks import RESOURCE_SUFFIX, WebhookSpec, rules_of
from edged.errors import PeerError
from edged.json_text import loads
from tests.admission.endpoint.fake_server import PODS, SPEC, TARGET, VWC, FakeServer, dynamic, run
from tests.hostile_values import anything
from tests.kube.support import quiet

SHARING = replace(TARGET, is_sharing=True)
SERVICES = {**PODS, "resources": ["services"]}
HPA = {**PODS, "apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"]}
OTHER = WebhookSpec("b", [SERVICES])
THEIRS = WebhookSpec("clusterwide-x", [PODS], hook_name=f"clusterwide-x.{RESOURCE_SUFFIX}")


def key(spec: WebhookSpec) -> str:
    found = key_of(spec, SHARING)
    assert found is not None
    return found


def asked(registration: DynamicRegistration, at: str) -> dict[str, Any] | None:
    """Members, with their rules, of the webhook with that key."""
    members = registration.members(at)
    return None if members is None else {spec.name: spec.rules for spec in members}


def remembering(server: FakeServer, folder: Path) -> DynamicRegistration:
    return DynamicRegistration(SHARING, lambda state: None, quiet(), server, RegistrationMemory(folder, quiet()))


def away(method: str, path: str, body: Any) -> None:
    raise PeerError("no answer")


def present(method: str, path: str, body: Any) -> None:
    return None


def test_a_policy_that_moves_is_asked_at_both_webhooks_by_the_rules_that_it_has_there() -> None:
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        registration, _ = dynamic(server, SHARING)
        nursery.start_soon(registration.run)
        first, second = [{**HPA, "apiVersions": ["v1"]}], [{**HPA, "apiVersions": ["v2"]}]
        moving = WebhookSpec("m", first)
        registration.update([SPEC, moving], b"")
        await trio.sleep(1)
        here, there = key(moving), key(SPEC)
        assert here != there and asked(registration, here) == {"m": first}
        assert registration.state.policies == ("a", "m")
        server.deny = away
        registration.update([SPEC, replace(moving, rules=second)], b"")
        await trio.sleep(3600)  # nobody knows whether it was written
        assert asked(registration, here) == {"m": first}
        assert asked(registration, there) == {"a": SPEC.rules, "m": second}
        server.deny = present
        while hook_name(here) in server.names():
            await trio.sleep(1)
        assert asked(registration, here) == {"m": first}
        await trio.sleep(2 * GRACE_S)
        assert asked(registration, here) is None and asked(registration, there) == {"a": SPEC.rules, "m": second}

    run(main)


def test_a_removed_policy_says_nothing_and_its_webhook_is_answered_until_the_api_server_knows() -> None:
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        registration, _ = dynamic(server, SHARING)
        nursery.start_soon(registration.run)
        registration.update([SPEC, OTHER], b"")
        assert asked(registration, key(SPEC)) is None  # what a former life may have left is not known yet
        await trio.sleep(1)
        assert server.names() == [hook_name(key(SPEC))] and asked(registration, "0" * 20) is None
        server.deny = away
        registration.update([SPEC], b"")
        assert asked(registration, key(SPEC)) == {"a": SPEC.rules}
        registration.update([], b"")
        await trio.sleep(3600)
        assert asked(registration, key(SPEC)) == {}
        server.deny = present
        await trio.sleep(100 + 2 * GRACE_S)
        assert asked(registration, key(SPEC)) is None

    run(main)


def test_from_webhooks_of_their_own_to_shared_ones_and_back(tmp_path: Path) -> None:
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        registration, _ = dynamic(server)
        registration.update([SPEC, OTHER], b"")
        await registration.settle()
        registration = remembering(server, tmp_path)
        registration.update([SPEC], b"")
        await registration.settle()
        assert server.names() == [hook_name(key(SPEC))]
        assert registration.is_retired("b") and not registration.is_retired("a")  # /validate/a is a policy's still
        memory = RegistrationMemory(tmp_path, quiet())
        registration = DynamicRegistration(TARGET, lambda state: None, quiet(), server, memory)
        registration.update([SPEC, OTHER], b"")
        assert asked(registration, key(SPEC)) == {"a": SPEC.rules}
        await registration.settle()
        assert server.names() == ["a.policy.edged.dev", "b.policy.edged.dev"]

    run(main)


def test_a_policy_whose_module_cannot_be_read_after_a_restart_keeps_its_rules(tmp_path: Path) -> None:
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()

        def life() -> DynamicRegistration:
            return remembering(server, tmp_path)

        first = life()
        theirs = replace(THEIRS, namespace="team", webhook_timeout_s=7, match_policy="Exact")
        first.update([SPEC, OTHER, theirs], b"")
        await first.settle()
        before = server.objects[VWC]["webhooks"]
        for _ in range(3):  # whatever was lost stays known, too
            second = life()
            lost = WebhookSpec(THEIRS.name, None, hook_name=THEIRS.hook_name, is_lost=True)
            second.update([SPEC, replace(OTHER, rules=None), lost], b"")
            assert asked(second, key(SPEC)) == {"a": SPEC.rules, "b": OTHER.rules}
            assert asked(second, key(theirs)) == {theirs.name: theirs.rules}
            await second.settle()
            assert second.state.policies == ("a", "b", "clusterwide-x") and not second.state.problems
            assert server.objects[VWC]["webhooks"] == before
        second.update([SPEC, replace(OTHER, rules=None, monitor=True), replace(SPEC, name="new", rules=None)], b"")
        await second.settle()
        assert second.state.policies == ("a", "b") and list(second.state.problems) == ["new"]
        assert asked(second, key(replace(OTHER, monitor=True))) == {"b": OTHER.rules}  # what the file says changed

    run(main)


def test_a_policy_whose_module_cannot_be_read_keeps_the_conditions_of_its_module(tmp_path: Path) -> None:
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        condition = {"name": "module.edged.dev/c", "expression": "true"}
        before = replace(SPEC, module_conditions=(condition,))
        first = remembering(server, tmp_path)
        first.update([before], b"")
        await first.settle()
        second = remembering(server, tmp_path)
        second.update([replace(SPEC, module_conditions=None)], b"")
        await second.settle()
        assert server.objects[VWC]["webhooks"][0]["matchConditions"] == [condition]
        assert second.members(key(before)) == (before,)

    run(main)


def test_without_a_state_directory_the_objects_say_whom_the_api_server_relies_on(tmp_path: Path) -> None:
    """A module that is not read yet, a policy that moved meanwhile, one that is gone, a custom resource."""

    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        theirs = replace(THEIRS, rules=[SERVICES])
        first = remembering(server, tmp_path / "first")
        first.update([SPEC, OTHER, replace(OTHER, name="c"), replace(OTHER, name="gone"), theirs], b"")
        await first.settle()
        before = server.objects[VWC]["webhooks"]
        moved = replace(OTHER, name="c", side_effects="NoneOnDryRun")
        second = remembering(server, tmp_path / "second")
        second.update([SPEC, replace(OTHER, rules=None), moved], b"", is_whole=False)
        assert asked(second, key(SPEC)) is None, "nobody knows whom it calls"
        server.deny = lambda method, path, body: away(method, path, body) if method == "PUT" else None
        with pytest.raises(PeerError):
            await second.settle()
        everything = rules_of(replace(SPEC, rules=[PODS, SERVICES]))
        assert asked(second, key(SPEC)) == {"a": [PODS], "b": everything, "c": everything}
        assert asked(second, key(theirs)) == {THEIRS.name: rules_of(theirs)}
        server.deny = present
        await second.settle()
        assert second.state.policies == ("a", "b", "c")
        by_name = {hook["name"]: hook for hook in before}
        for hook in server.objects[VWC]["webhooks"]:
            assert hook["name"] == hook_name(key(moved)) or hook == by_name[hook["name"]]
        second.update([SPEC, OTHER, moved], b"")
        await second.settle()
        assert asked(second, key(SPEC)) == {"a": [PODS], "b": [SERVICES], "c": everything}

    run(main)


def test_until_it_is_known_which_custom_resources_there_are_none_of_theirs_turns_silent(tmp_path: Path) -> None:
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()

        def life() -> DynamicRegistration:
            return remembering(server, tmp_path)

        def rules_called_for() -> Any:
            [theirs] = [hook for hook in server.objects[VWC]["webhooks"] if hook["name"] == hook_name(key(THEIRS))]
            return theirs["rules"]

        other = replace(OTHER, name="clusterwide-y", hook_name=f"clusterwide-y.{RESOURCE_SUFFIX}")
        first = life()
        first.update([SPEC, THEIRS, other], b"")
        await first.settle()
        before = rules_called_for()
        second = life()
        second.update([THEIRS], b"", is_whole=False)
        assert asked(second, key(THEIRS)) == {THEIRS.name: THEIRS.rules, other.name: other.rules}
        assert asked(second, key(SPEC)) == {}  # of the file, and gone
        await second.settle()
        assert rules_called_for() == before
        assert asked(second, key(THEIRS)) == {THEIRS.name: THEIRS.rules, other.name: other.rules}
        second.update([THEIRS], b"")
        await second.settle()
        assert [rule["resources"] for rule in rules_called_for()] == [["pods"]]
        assert asked(second, key(THEIRS)) == {THEIRS.name: THEIRS.rules}

    run(main)


@pytest.mark.parametrize("seed", range(15))
def test_whatever_happens_no_webhook_that_may_be_called_forgets_a_member(tmp_path: Path, seed: int) -> None:
    """Policies change rules, webhooks and sharing at random, writes are lost before or after they were done, and the
    daemon is restarted in the middle. Whom any object that may be in force meant to call is called, by its rules
    there."""

    async def main(nursery: trio.Nursery) -> None:
        chance = random.Random(seed)
        server = FakeServer()
        history: list[dict[str, list[tuple[str, Any]]]] = [{}]  # of objects that may be in force: whom they call
        meant: dict[str, list[tuple[str, Any]]] = {}

        def faulty(method: str, path: str, body: Any) -> None:
            if method in ("PUT", "POST") and VWC in path:
                history.append(dict(meant))
            if chance.random() < 0.3:
                raise PeerError("lost")

        def life() -> DynamicRegistration:
            return remembering(server, tmp_path)

        def some() -> list[WebhookSpec]:
            specs = []
            for name in chance.sample("abcd", chance.randrange(1, 5)):
                rules = chance.choice([[PODS], [SERVICES], [{**HPA, "apiVersions": ["v1"]}], [PODS, SERVICES]])
                specs.append(WebhookSpec(name, rules, monitor=chance.random() < 0.3, is_own=chance.random() < 0.2))
            return specs

        registration = life()
        server.deny = faulty
        for _ in range(60):
            specs = some()
            if chance.random() < 0.2:
                registration = life()
            registration.update(specs, b"")
            meant = {}
            for spec in specs:
                if found := key_of(spec, SHARING):
                    meant.setdefault(found, []).append((spec.name, spec.rules))
            for _ in range(chance.randrange(3)):
                try:
                    await registration.settle()
                    history = [dict(meant)]
                except PeerError:
                    pass
            wanted = {spec.name for spec in specs}
            for called in history:
                for at, members in called.items():
                    found_there = asked(registration, at)
                    assert found_there is not None
                    for name, rules in members:
                        assert name not in wanted or _covers(found_there[name], rules, specs, name, at)

    def _covers(found: Any, rules: Any, specs: list[WebhookSpec], name: str, at: str) -> bool:
        """One that is in that webhook now has its present rules; another one those that it had."""
        spec = next(spec for spec in specs if spec.name == name)
        return bool(found == spec.rules) if key_of(spec, SHARING) == at else all(rule in found for rule in rules)

    run(main)


@pytest.mark.parametrize("mangle", [
    lambda policy: policy.pop("rules"), lambda policy: policy.update(more=1),
    lambda policy: policy.update(rules=[{"apiGroups": 5}]), lambda policy: policy.update(rules=None),
    lambda policy: policy.update(match_conditions=[{}]), lambda policy: policy.update(module_conditions=5),
    lambda policy: policy.update(namespace_selector=[]),
    lambda policy: policy.update(monitor="no"), lambda policy: policy.update(timeout_s="2"),
])  # fmt: skip
def test_of_what_cannot_be_read_nothing_is_known_and_its_policy_is_asked_about_everything(
    mangle: Callable[[dict[str, Any]], None]
) -> None:
    first, second = Memberships(), Memberships()
    hook = hook_name(key(SPEC))
    keys = first.keys({hook: [SPEC, OTHER]})
    content = loads(encoded(keys, (), first.encoded()))["policies"]
    mangle(next(policy for policy in content.values() if policy["name"] == "a"))
    second.recall(keys, content)
    found = second.of(hook, lambda each: True)
    assert found == {"a": [WebhookSpec("a", None)], "b": [OTHER]}
    assert second.filled([replace(OTHER, rules=None)], keys) == [OTHER]


@pytest.mark.parametrize("value", anything())
def test_any_value_in_the_file_is_survived(tmp_path: Path, value: object) -> None:
    memberships = Memberships()
    keys = memberships.keys({hook_name(key(SPEC)): [SPEC]})
    policy = dict(next(iter(memberships.encoded().values())))
    for name in policy:
        try:
            content = encoded(keys, (), {"x": {**policy, name: value}, "y": value})
        except ValueError:
            continue  # no JSON
        (tmp_path / FILE_NAME).write_bytes(content)
        memory = RegistrationMemory(tmp_path, quiet())
        second = Memberships()
        second.recall(memory.recall(), memory.policies)
        second.filled([replace(SPEC, rules=None)], keys)


def test_the_file_is_bounded_and_keeps_what_was_offered_last() -> None:
    memberships = Memberships()
    long = [{**PODS, "resources": [f"r{number}" for number in range(50_000)]}]
    hook = hook_name(key(SPEC))
    keys = memberships.keys({hook: [WebhookSpec(f"p{i}", long) for i in range(20)]})
    memberships.keys({hook: [WebhookSpec("p0", long)]})
    data = encoded(keys, (), memberships.encoded())
    assert len(data) < MOST_BYTES + 10_000
    names = {policy["name"] for policy in loads(data)["policies"].values()}
    assert {"p0", "p19"} <= names and "p1" not in names


def test_what_nobody_relies_on_is_forgotten() -> None:
    memberships = Memberships()
    hook = hook_name(key(SPEC))
    kept, _ = memberships.keys({hook: [SPEC, OTHER]})
    memberships.keep([kept, "a.policy.edged.dev", b"certificate"])
    assert memberships.keys_of(hook) == [kept] and len(memberships.encoded()) == 1
    assert key_in(hook) == key(SPEC)
