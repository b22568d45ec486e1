"""A shared webhook that the API server refuses: the culprit alone is left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import trio

from edged.admission.endpoint.dynamic_registration import DynamicRegistration
from edged.admission.endpoint.split_webhooks import AGAIN_AFTER_S, Splits
from edged.admission.rules.shared_webhooks import hook_name, key_of
from edged.admission.rules.webhook_objects import generate
from edged.admission.rules.webhooks import WebhookSpec
from tests.admission.endpoint.fake_server import PODS, TARGET, FakeServer, Status, dynamic, run, static

SHARING = replace(TARGET, is_sharing=True)
RESOURCES = {"a": "pods", "b": "services", "c": "secrets", "d": "configmaps"}
SPECS = [WebhookSpec(name, [{**PODS, "resources": [each]}]) for name, each in RESOURCES.items()]
SHARED = hook_name(str(key_of(SPECS[0], SHARING)))


def refusing(*resources: str) -> Callable[[str, str, Any], None]:
    """An API server that takes no webhook with such a rule."""

    def deny(method: str, path: str, body: Any) -> None:
        causes = []
        for index, hook in enumerate((body or {}).get("webhooks", ())):
            named = {each for rule in hook["rules"] for each in rule["resources"]}
            causes += [{"field": f"webhooks[{index}].rules", "message": f"not {each}"}
                       for each in sorted(named & set(resources))]
        if causes:
            raise Status(422, {"details": {"causes": causes}})

    return deny


def members(registration: DynamicRegistration) -> list[str]:
    found = registration.members(str(key_of(SPECS[0], SHARING)))
    assert found is not None
    return [spec.name for spec in found]


def test_the_others_stay_in_force_together_and_the_culprit_has_the_api_servers_words() -> None:
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        server.deny = refusing("services", "configmaps")
        registration, _ = dynamic(server, SHARING)
        nursery.start_soon(registration.run)
        registration.update(SPECS, b"")
        await trio.sleep(5)
        assert server.names() == [SHARED] and len(server.writes) == 1
        assert registration.state.policies == ("a", "c")
        assert {name: f"not {RESOURCES[name]}" in why for name, why in registration.state.problems.items()} == {
            "b": True, "d": True}  # fmt: skip
        await trio.sleep(AGAIN_AFTER_S / 2)
        assert members(registration) == ["a", "c"] and len(server.writes) == 1
        registration.update([*SPECS[:3], replace(SPECS[3], rules=[{**PODS, "resources": ["events"]}])], b"")
        await trio.sleep(5)
        assert registration.state.policies == ("a", "c", "d") and list(registration.state.problems) == ["b"]
        server.deny = refusing()
        await trio.sleep(AGAIN_AFTER_S)
        assert registration.state.policies == ("a", "b", "c", "d") and not registration.state.problems
        assert server.names() == [SHARED] and members(registration) == ["a", "b", "c", "d"]

    run(main)


def test_what_is_refused_only_together_stays_apart() -> None:
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()

        def deny(method: str, path: str, body: Any) -> None:
            for index, hook in enumerate((body or {}).get("webhooks", ())):
                if len(hook["rules"]) > 1:
                    raise Status(422, {"details": {"causes": [{"field": f"webhooks[{index}]", "message": "too many"}]}})

        server.deny = deny
        registration, _ = dynamic(server, SHARING)
        nursery.start_soon(registration.run)
        registration.update(SPECS, b"")
        await trio.sleep(5)
        assert server.names() == [f"{name}.policy.edged.dev" for name in "abcd"]
        assert registration.state.policies == ("a", "b", "c", "d")
        await trio.sleep(AGAIN_AFTER_S / 2)
        assert len(server.writes) == 1

    run(main)


def test_where_every_member_is_refused_all_of_them_are_named() -> None:
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        server.deny = refusing(*RESOURCES.values())
        registration, _ = dynamic(server, SHARING)
        registration.update([*SPECS, WebhookSpec("other", [{**PODS, "resources": ["events"]}], monitor=True)], b"")
        await registration.settle()
        assert registration.state.policies == ("other",) and sorted(registration.state.problems) == ["a", "b", "c", "d"]

    run(main)


def test_trials_of_a_static_registration_find_the_culprit_before_anything_is_written(tmp_path: Any) -> None:
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        for kind in ("validatingwebhookconfigurations", "mutatingwebhookconfigurations"):
            trial = {"metadata": {"name": "edged-trial-edge-1", "annotations": {"edged.dev/owner": TARGET.owner}}}
            server.objects[f"{kind}/edged-trial-edge-1"] = trial | {"webhooks": []}
        server.deny = refusing("services")
        registration, _ = static(tmp_path, server, SHARING)
        registration.update(SPECS, b"")
        await registration.settle()
        assert registration.state.policies == ("a", "c", "d")
        assert registration.state.problems == {"b": "the API server does not take it: rules: not services"}
        await registration.settle()
        assert registration.state.policies == ("a", "c", "d")

    run(main)


def test_a_policy_that_is_registered_differently_is_tried_anew() -> None:
    splits = Splits()
    alone = generate([SPECS[0]], TARGET)
    assert splits.learn(alone, {"a.policy.edged.dev": "no"}, 0.0) and not splits.learn(alone, {"kept": "no"}, 0.0)
    assert splits.applied(SPECS[:2], 1.0) == ([SPECS[1]], {"a": "no"})
    changed = replace(SPECS[0], match_policy="Exact")
    assert splits.applied([changed], 1.0) == ([changed], {})
    assert splits.applied(SPECS[:1], AGAIN_AFTER_S) == (SPECS[:1], {})
    splits.learn(alone, {"a.policy.edged.dev": "no"}, 0.0)
    splits.forget()
    assert splits.applied(SPECS[:1], 1.0) == (SPECS[:1], {})
