"""Webhook configuration objects against an API server that is a dict: what is written, and what never is."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
import trio

from edged.admission.endpoint import registration as r
from edged.admission.endpoint.registration import State
from edged.admission.rules.webhooks import MUTATING, VALIDATING
from edged.errors import PeerError
from tests.admission.endpoint.fake_server import MWC, OTHER, PEM, SPEC, VWC, FakeServer, Status, dynamic, run


def test_nothing_is_written_before_something_is_served():
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        registration, _ = dynamic(server)
        nursery.start_soon(registration.run)
        await trio.sleep(100)
        assert server.writes == [] and registration.state.phase == "pending"
        registration.update([SPEC, replace(OTHER, mutating=True)], b"")
        await trio.sleep(0.1)
        assert sorted(server.writes) == [("POST", MWC), ("POST", VWC)]
        assert registration.state == State("dynamic", "registered", "", ("a", "b"))
        await trio.sleep(1000)
        assert len(server.writes) == 2
    run(main)


def test_an_edit_and_a_deletion_are_corrected():
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        registration, _ = dynamic(server)
        nursery.start_soon(registration.run)
        registration.update([SPEC], b"")
        await trio.sleep(1)
        server.objects[VWC]["webhooks"][0]["failurePolicy"] = "Ignore"
        await trio.sleep(11)
        assert server.objects[VWC]["webhooks"][0]["failurePolicy"] == "Fail"
        del server.objects[VWC]
        await trio.sleep(11)
        assert server.names() == ["a.policy.edged.dev"]
        assert server.objects[VWC]["kind"] == VALIDATING and MWC not in server.objects
    run(main)


def test_a_foreign_object_is_never_touched():
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        for owner in ({"edged.dev/owner": "edge-2/def"}, {}):
            server.put(VWC, {"metadata": {"name": "edged", "annotations": owner}, "webhooks": []})
            registration, said = dynamic(server)
            registration.update([SPEC], b"")
            with trio.move_on_after(60):
                await registration.run()
            assert registration.state.phase == "refused" and len(said) == 1
            assert "webhook remove --force" in registration.state.message
        assert server.writes == []
    run(main)


def test_two_daemons_with_one_identity_do_not_fight_for_ever():
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        one, _ = dynamic(server)
        two, _ = dynamic(server)
        for registration, bundle in ((one, PEM % b"MQ=="), (two, PEM % b"Mg==")):
            registration.update([SPEC], bundle)
            nursery.start_soon(registration.run)
            await trio.sleep(3)
        await trio.sleep(120)
        writes = len(server.writes)
        assert writes < 12 and "contested" in (one.state.phase, two.state.phase)
        await trio.sleep(60)
        assert len(server.writes) == writes
    run(main)


def test_removed_policies_stay_answered_until_the_api_server_knows():
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        registration, _ = dynamic(server)
        nursery.start_soon(registration.run)
        registration.update([SPEC, OTHER], b"")
        await trio.sleep(1)

        def away(method: str, path: str, body: Any) -> None:
            raise PeerError("no answer")

        server.deny = away
        registration.update([SPEC], b"")
        await trio.sleep(3600)
        assert registration.is_retired("b") and not registration.is_retired("a")
        assert registration.state.phase == "failing"
        server.deny = lambda method, path, body: None
        await trio.sleep(61)
        assert server.names() == ["a.policy.edged.dev"]
        await trio.sleep(31)
        assert not registration.is_retired("b")
        registration.update([SPEC, OTHER], b"")
        assert not registration.is_retired("b")
        registration.update([], b"")
        await trio.sleep(1)
        assert server.names() == []  # kept, empty: taking part again needs no right to create
    run(main)


def test_after_a_restart_policies_that_went_meanwhile_are_still_answered():
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        first, _ = dynamic(server)
        first.update([SPEC, OTHER], b"")
        await first.settle()
        second, _ = dynamic(server)
        second.update([SPEC], b"")
        await second.settle()
        assert second.is_retired("b") and server.names() == ["a.policy.edged.dev"]
    run(main)


def test_an_old_ca_stays_in_the_bundle_for_the_grace_period():
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        registration, _ = dynamic(server)
        nursery.start_soon(registration.run)
        one, two = PEM % b"MQ==", PEM % b"Mg=="

        def bundle() -> bytes:
            return base64.b64decode(server.objects[VWC]["webhooks"][0]["clientConfig"]["caBundle"])

        registration.update([SPEC], one)
        await trio.sleep(1)
        registration.update([SPEC], two)
        await trio.sleep(1)
        assert bundle() == two + one
        await trio.sleep(60)
        assert bundle() == two
    run(main)


def test_a_webhook_that_the_api_server_refuses_does_not_keep_the_others_out():
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        registration, _ = dynamic(server)

        def refuse(method: str, path: str, body: Any) -> None:
            for i, hook in enumerate((body or {}).get("webhooks", ())):
                if hook["name"].startswith("b."):
                    field = f"webhooks[{i}].matchConditions[0].expression"
                    raise Status(422, {"details": {"causes": [{"field": field, "message": "bad CEL"}]}})

        server.deny = refuse
        nursery.start_soon(registration.run)
        registration.update([SPEC, OTHER], b"")
        await trio.sleep(1)
        assert server.names() == ["a.policy.edged.dev"]
        assert registration.state.policies == ("a",) and "bad CEL" in registration.state.problems["b"]
        await trio.sleep(300)
        assert len(server.writes) == 1 and "b" in registration.state.problems
        registration.update([SPEC, replace(OTHER, match_policy="Exact")], b"")
        await trio.sleep(1)
        assert "b" in registration.state.problems
        server.deny = lambda method, path, body: None
        registration.update([SPEC, replace(OTHER, side_effects="NoneOnDryRun")], b"")
        await trio.sleep(1)
        assert registration.state.policies == ("a", "b") and not registration.state.problems
    run(main)


def test_missing_rights_say_what_to_run():
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        registration, said = dynamic(server)

        def forbid(method: str, path: str, body: Any) -> None:
            if method == "POST":
                raise Status(403)

        server.deny = forbid
        nursery.start_soon(registration.run)
        registration.update([SPEC], b"")
        await trio.sleep(300)
        assert [state.phase for state in said] == ["failing"] and "edged webhook install" in said[0].message
    run(main)


def test_missing_rights_of_a_node_that_init_prepared():
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        registration, said = dynamic(server)

        def forbid(method: str, path: str, body: Any) -> None:
            if method == "POST":
                error = Status(403)
                error.args = ('User "system:serviceaccount:kube-system:edged-edge-1" cannot create resource',)
                raise error

        server.deny = forbid
        nursery.start_soon(registration.run)
        registration.update([SPEC], b"")
        await trio.sleep(300)
        assert said[0].message.endswith("; run `edged init`") and "webhook install" not in said[0].message
    run(main)


def test_prepare_creates_empty_objects_once():
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        registration, _ = dynamic(server)
        assert await registration.prepare() == [VALIDATING, MUTATING]
        assert await registration.prepare() == [] and server.names() == server.names(MWC) == []
        registration.update([SPEC], b"")
        await registration.settle()
        assert server.writes[-1] == ("PUT", VWC)
    run(main)


def test_remove_deletes_what_is_ours_only():
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        registration, _ = dynamic(server)
        registration.update([SPEC, replace(OTHER, mutating=True)], b"")
        await registration.settle()
        server.objects[MWC]["metadata"]["annotations"] = {}
        with pytest.raises(r.Refused, match=MUTATING):
            await registration.remove()
        assert VWC not in server.objects and MWC in server.objects
        assert await registration.remove(force=True) == [MUTATING] and not server.objects
    run(main)
