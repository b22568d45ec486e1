"""Manifest files: what is written, what is left alone, and for how long removed policies and CAs stay known."""

from __future__ import annotations

import base64
from dataclasses import replace
from random import Random
from typing import Any

import pytest
import trio

from edged.admission.endpoint import registration as r
from edged.admission.endpoint.registration import State
from edged.admission.endpoint.static_registration import GRACE_S, parse_version
from edged.admission.rules.shared_webhooks import hook_name, key_of
from edged.admission.rules.webhook_check import entry_problem
from edged.admission.rules.webhooks import MUTATING, WebhookSpec, owner_of
from edged.errors import ConfigError, PeerError
from edged.json_text import JsonError, dumps
from tests import hostile_values
from tests.admission.endpoint.fake_server import (
    OTHER,
    PEM,
    PODS,
    SPEC,
    TARGET,
    FakeServer,
    ReadingServer,
    read,
    run,
    static,
)


def test_static_files_are_written_and_kept_right(tmp_path):
    async def main(nursery: trio.Nursery) -> None:
        registration, _ = static(tmp_path / "static", FakeServer())
        nursery.start_soon(registration.run)
        registration.update([SPEC], PEM % b"MQ==")
        await trio.sleep(1)
        path = tmp_path / "static/validating/edged.json"
        obj = read(path)
        assert obj["metadata"]["name"] == "edged.static.k8s.io" and owner_of(obj) == TARGET.owner
        assert list((tmp_path / "static").rglob("*.*")) == [path]
        assert (tmp_path / "static/mutating").is_dir()  # the API server does not start without the folder
        assert path.stat().st_mode & 0o777 == 0o644
        assert registration.state.settled_at == pytest.approx(trio.current_time() + 149, abs=1)
        inode = path.stat().st_ino
        await trio.sleep(300)
        assert path.stat().st_ino == inode  # not written again for nothing
        path.unlink()
        await trio.sleep(11)
        assert read(path) == obj
        registration.update([replace(SPEC, mutating=True)], PEM % b"MQ==")
        await trio.sleep(1)
        assert not path.exists() and (tmp_path / "static/mutating/edged.json").exists()
    run(main)


def test_static_retires_removed_policies_and_cas_for_150_s(tmp_path):
    async def main(nursery: trio.Nursery) -> None:
        one, two = PEM % b"MQ==", PEM % b"Mg=="
        registration, _ = static(tmp_path)
        nursery.start_soon(registration.run)
        registration.update([SPEC, OTHER], one)
        await trio.sleep(1)
        registration.update([SPEC], two)
        await trio.sleep(1)
        path = tmp_path / "validating/edged.json"

        def bundle() -> bytes:
            return base64.b64decode(read(path)["webhooks"][0]["clientConfig"]["caBundle"])

        assert registration.is_retired("b") and bundle() == two + one
        await trio.sleep(140)
        assert registration.is_retired("b") and bundle() == two + one
        await trio.sleep(20)
        assert not registration.is_retired("b") and bundle() == two
        # the same across a restart, from the file
        again, _ = static(tmp_path)
        again.update([OTHER], PEM % b"Mw==")
        await again.settle()
        assert again.is_retired("a") and bundle() == PEM % b"Mw==" + two
    run(main)


def test_static_is_refused_below_1_36_but_not_before_the_api_server_runs(tmp_path):
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        server.version = {"major": "1", "minor": "35"}
        registration, _ = static(tmp_path, server)
        registration.update([SPEC], b"")
        with pytest.raises(r.Refused, match=r"1\.35"):
            await registration.settle()
        assert not list(tmp_path.iterdir())

        def away(method: str, path: str, body: Any) -> None:
            raise PeerError("no answer")

        server.deny = away
        await registration.settle()
        assert (tmp_path / "validating/edged.json").exists()
    run(main)


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b'{"metadata": {"annotations": {"edged.dev/owner": "edge-2"}}}'])
def test_files_that_are_not_ours_are_left_alone(tmp_path, content):
    async def main(nursery: trio.Nursery) -> None:
        path = tmp_path / "validating/edged.json"
        path.parent.mkdir()
        path.write_bytes(content)
        registration, _ = static(tmp_path)
        registration.update([SPEC], b"")
        with pytest.raises(r.Refused, match=r"edged\.json"):
            await registration.settle()
        with pytest.raises(r.Refused):
            registration.remove()
        assert path.read_bytes() == content
        assert registration.remove(force=True) == [path] and not path.exists()
    run(main)


@pytest.mark.parametrize("content", [b"", b"\0" * 4096])
def test_what_a_power_cut_left_of_a_file_is_written_anew(tmp_path, content):
    async def main(nursery: trio.Nursery) -> None:
        path = tmp_path / "validating/edged.json"
        path.parent.mkdir()
        path.write_bytes(content)
        registration, _ = static(tmp_path)
        registration.update([SPEC], b"")
        await registration.settle()
        assert owner_of(read(path)) == TARGET.owner
    run(main)


def test_a_file_of_ours_that_somebody_damaged_is_written_anew(tmp_path):
    async def main(nursery: trio.Nursery) -> None:
        registration, _ = static(tmp_path)
        registration.update([SPEC], b"")
        await registration.settle()
        path = tmp_path / "validating/edged.json"
        good = read(path)
        count = 0
        for _, broken in hostile_values.mutations(good, Random(3), each=3):
            if not isinstance(broken, dict) or owner_of(broken) != TARGET.owner:
                continue
            try:
                path.write_bytes(dumps(broken))
            except JsonError:
                continue
            again, _ = static(tmp_path)
            again.update([SPEC, replace(OTHER, rules=None)], b"")
            await again.settle()
            assert read(path)["webhooks"][:1] == good["webhooks"]
            count += 1
        assert count > 200
    run(main)


def test_what_the_api_server_would_refuse_reaches_no_file(tmp_path):
    """Each spec with one field of its broken in every way: the file holds the other policies, and what of this one is
    right."""
    valid = {
        "rules": [dict(PODS)], "failure_policy": "Fail", "match_policy": "Equivalent", "side_effects": "None",
        "namespace_selector": {"matchLabels": {"a": "b"}}, "webhook_timeout_s": 3,
        "object_selector": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]},
        "match_conditions": [{"name": "x", "expression": "true"}], "hook_name": "x.kubewarden.admission",
    }  # fmt: skip

    async def main(nursery: trio.Nursery) -> None:
        refused = 0
        for place, broken in hostile_values.mutations(valid, Random(5), each=6, yaml=True):
            if not isinstance(broken, dict) or not broken.keys() <= valid.keys():
                continue
            registration, said = static(tmp_path)
            registration.update([OTHER, replace(SPEC, **broken)], b"")
            await registration.settle()
            hooks = {hook["name"]: hook for hook in read(tmp_path / "validating/edged.json")["webhooks"]}
            assert "b.policy.edged.dev" in hooks, place
            assert all(entry_problem(hook, mutating=False) == "" for hook in hooks.values()), place
            refused += SPEC.name in said[-1].problems
        assert refused > 150
    run(main)


def test_static_remove(tmp_path):
    async def main(nursery: trio.Nursery) -> None:
        registration, _ = static(tmp_path)
        registration.update([SPEC], b"")
        await registration.settle()
        assert registration.remove() == [tmp_path / "validating/edged.json"]
        assert registration.remove() == []
    run(main)


def test_an_unwritable_directory_is_an_error_not_the_end(tmp_path):
    async def main(nursery: trio.Nursery) -> None:
        (tmp_path / "file").write_text("")
        registration, said = static(tmp_path / "file")
        nursery.start_soon(registration.run)
        registration.update([SPEC], b"")
        await trio.sleep(100)
        assert said and said[-1].phase in ("failing", "refused") and "file" in said[-1].message
    run(main)


def test_versions():
    assert parse_version({"major": "1", "minor": "36+"}) == (1, 36)
    with pytest.raises(PeerError):
        parse_version({})


# --- what the API server goes by
BUNDLE = PEM % b"MQ=="
BAD = replace(OTHER, match_conditions=[{"name": "x", "expression": "object.refused == 1"}])


def refuses(obj: dict[str, Any]) -> bool:
    return "refused" in repr(obj)


def test_a_policy_is_called_when_the_api_server_says_so_and_not_before(tmp_path):
    async def main(nursery: trio.Nursery) -> None:
        reader = ReadingServer(tmp_path, every_s=60)
        registration, _ = static(tmp_path, reader=reader)
        reader.read()
        nursery.start_soon(registration.run)
        await trio.sleep(10)
        assert reader.asked == 0  # nothing is written yet
        registration.update([SPEC], BUNDLE)
        await trio.sleep(5)
        assert registration.state.phase == "registered" and registration.state.policies == ("a",)
        assert list(registration.state.waiting) == ["a"] and not registration.state.message
        reader.read()
        await trio.sleep(30)
        assert registration.state.waiting == {} and registration.state.message == ""
        registration.update([SPEC, OTHER], BUNDLE)
        await trio.sleep(5)
        assert list(registration.state.waiting) == ["b"]  # "a" is called as it should be all the time
        assert "has not read the last change" in registration.state.waiting["b"] and not registration.state.message
        assert registration.state.settled_at is not None and registration.state.phase == "registered"
        reader.read()
        await trio.sleep(30)
        assert registration.state == State("static", "registered", "", ("a", "b"))
        asked = reader.asked
        await trio.sleep(3600)
        assert reader.asked - asked in range(10, 15)  # now and then
        reader.reads = False
        await trio.sleep(310)
        assert list(registration.state.waiting) == ["a", "b"] and "reads no manifests" in registration.state.message
    run(main)


def test_a_policy_whose_shared_webhook_has_its_rules_already_is_in_force_at_once(tmp_path):
    async def main(nursery: trio.Nursery) -> None:
        reader = ReadingServer(tmp_path)
        registration, _ = static(tmp_path, reader=reader, target=replace(TARGET, is_sharing=True))
        nursery.start_soon(registration.run)
        registration.update([SPEC], BUNDLE)
        await trio.sleep(5)
        reader.read()
        await trio.sleep(30)
        assert registration.state.waiting == {}
        key = str(key_of(SPEC, registration.target))
        more = WebhookSpec("c", [{**PODS, "resources": ["services"]}])
        registration.update([SPEC, OTHER, more], BUNDLE)
        await trio.sleep(5)
        assert registration.state.policies == ("a", "b", "c") and list(registration.state.waiting) == ["c"]
        assert registration.members(key) == (SPEC, OTHER, more)
        registration.update([OTHER, more], BUNDLE)
        await trio.sleep(5)
        assert registration.members(key) == (OTHER, more) and list(registration.state.waiting) == ["c"]
        reader.read()
        await trio.sleep(30)
        assert registration.state.waiting == {} and list(reader.hooks) == [hook_name(key)]
    run(main)


def test_a_change_that_the_api_server_refuses_is_said_and_costs_nobody_else(tmp_path):
    async def main(nursery: trio.Nursery) -> None:
        reader = ReadingServer(tmp_path)
        reader.refuses = refuses
        registration, _ = static(tmp_path, reader=reader)
        nursery.start_soon(registration.run)
        registration.update([SPEC], BUNDLE)
        await trio.sleep(1)
        nursery.start_soon(reader.run)
        await trio.sleep(20)
        assert registration.state.waiting == {}
        registration.update([SPEC, BAD, replace(SPEC, name="m", mutating=True)], BUNDLE)
        await trio.sleep(5)
        state = registration.state
        assert list(state.waiting) == ["b"] and "refused" in state.waiting["b"] and "would not start" in state.message
        registration.update([replace(SPEC, timeout_s=1, webhook_timeout_s=9), BAD], BUNDLE)
        await trio.sleep(5)
        assert list(registration.state.waiting) == ["a", "b"]  # "a" is called, but not as it should be
        registration.update([SPEC], BUNDLE)
        await trio.sleep(5)
        assert registration.state == State("static", "registered", "", ("a",))
    run(main)


def test_a_path_is_retired_after_the_api_server_is_known_to_go_by_something_later(tmp_path):
    async def main(nursery: trio.Nursery) -> None:
        reader = ReadingServer(tmp_path, every_s=5)
        reader.refuses = refuses
        registration, _ = static(tmp_path, reader=reader)
        nursery.start_soon(registration.run)
        registration.update([SPEC, OTHER], BUNDLE)
        await trio.sleep(1)
        nursery.start_soon(reader.run)
        await trio.sleep(100)
        registration.update([SPEC, replace(BAD, name="c")], PEM % b"Mg==")
        await trio.sleep(3600)
        assert "b.policy.edged.dev" in reader.hooks and registration.is_retired("b")
        bundle = base64.b64decode(read(tmp_path / "validating/edged.json")["webhooks"][0]["clientConfig"]["caBundle"])
        assert bundle == PEM % b"Mg==" + BUNDLE
        reader.deny = PeerError("no answer")
        registration.update([SPEC], PEM % b"Mg==")
        await trio.sleep(3600)
        assert "b.policy.edged.dev" not in reader.hooks and registration.is_retired("b"), "nobody knows that it took it"
        reader.deny = None
        await trio.sleep(40)
        assert registration.is_retired("b") and registration.is_retired("c")
        await trio.sleep(GRACE_S)
        assert not registration.is_retired("b") and not registration.is_retired("c")
        await trio.sleep(11)
        bundle = base64.b64decode(read(tmp_path / "validating/edged.json")["webhooks"][0]["clientConfig"]["caBundle"])
        assert bundle == PEM % b"Mg=="
    run(main)


@pytest.mark.parametrize("seed", range(25))
def test_whatever_an_api_server_reads_every_path_that_it_calls_is_answered_and_known(tmp_path, seed):
    """Updates at random times, an API server that reads late, refuses some, does not answer, is restarted."""
    async def main(nursery: trio.Nursery) -> None:
        chance = Random(seed)
        reader = ReadingServer(tmp_path, every_s=chance.choice([0.5, 10, 60]))
        reader.refuses = refuses
        specs = [WebhookSpec(name, [PODS], mutating=name in "de",
                             match_conditions=[{"name": "x", "expression": "refused"}] if name == "c" else [])
                 for name in "abcde"]
        wanted = chance.sample(specs, 2)
        registration, _ = static(tmp_path, reader=reader)
        nursery.start_soon(registration.run)
        registration.update(wanted, BUNDLE)
        await trio.sleep(1)
        nursery.start_soon(reader.run)
        for _ in range(40):
            await trio.sleep(chance.choice([0.1, 2, 20, 200]))
            answered = {spec.name for spec in wanted} | {name for name in "abcde" if registration.is_retired(name)}
            assert {name.removesuffix(".policy.edged.dev") for name in reader.hooks} <= answered
            reader.deny = PeerError("no answer") if chance.random() < 0.2 else None
            wanted = chance.sample(specs, chance.randrange(5))
            registration.update(wanted, BUNDLE)
            await trio.sleep(chance.choice([0, 1, 30]))
            state = registration.state
            known = set(state.policies) - state.waiting.keys()
            if registration.settled_revision == registration.revision:
                assert known <= {name.removesuffix(".policy.edged.dev") for name in reader.hooks}
        reader.deny = None
        registration.update([SPEC], BUNDLE)
        await trio.sleep(600)
        assert not [name for name in "abcde" if registration.is_retired(name)]
        assert registration.state == State("static", "registered", "", ("a",))
    run(main)


@pytest.mark.parametrize(
    ("identity", "is_named", "is_direct", "matches", "known"),
    [
        ("sha256:here", False, True, True, True),
        ("sha256:else", False, False, True, True),  # nobody else can go by what this edged wrote
        ("sha256:else", True, True, False, False),
        ("sha256:else", False, True, False, False),
    ])
def test_which_api_server_is_believed(tmp_path, identity, is_named, is_direct, matches, known):
    """What another one says does not change what is known of the right one."""
    async def main(nursery: trio.Nursery) -> None:
        reader, other = ReadingServer(tmp_path), ReadingServer(tmp_path / "other")
        reader.is_named, reader.is_direct, reader.identity = is_named, is_direct, identity
        registration, _ = static(tmp_path, reader=reader)
        nursery.start_soon(registration.run)
        registration.update([SPEC], BUNDLE)
        await trio.sleep(0.1)
        reader.directory = tmp_path if matches else other.directory
        reader.read()
        await trio.sleep(30)
        assert (registration.state.waiting == {}) is known
        if not known and not is_named:
            assert "static_api_server" in registration.state.message
        if known:
            reader.identity, reader.directory = "sha256:yet another", other.directory
            reader.read()
            await trio.sleep(601)
            assert (registration.state.waiting == {}) is not is_named
    run(main)


def test_an_api_server_that_cannot_be_asked_is_said_and_asked_again(tmp_path):
    async def main(nursery: trio.Nursery) -> None:
        reader = ReadingServer(tmp_path)
        registration, _ = static(tmp_path, reader=reader)
        reader.deny = PeerError("may not")
        nursery.start_soon(registration.run)
        registration.update([SPEC], BUNDLE)
        await trio.sleep(0.2)
        assert registration.state.phase == "pending"  # nothing is known yet, not even that nothing is known
        await trio.sleep(100)
        assert registration.state.message == "may not" and registration.state.waiting == {"a": "may not"}
        reader.deny = ValueError("odd")
        nursery.start_soon(reader.run)
        await trio.sleep(100)
        assert "ValueError" in registration.state.message
        assert registration._log.internal_errors.counts["write"] > 1
        reader.deny = None
        await trio.sleep(31)
        assert registration.state.waiting == {} and registration.state.message == ""
        reader.deny = PeerError("away")
        await trio.sleep(3600)
        assert registration.state.waiting == {}  # when it comes back it reads the same files
        assert reader.asked < 150
    run(main)


def test_a_new_certificate_waits_for_evidence(tmp_path):
    async def main(nursery: trio.Nursery) -> None:
        reader = ReadingServer(tmp_path)
        registration, _ = static(tmp_path, reader=reader)
        nursery.start_soon(registration.run)
        registration.update([SPEC], BUNDLE)
        await trio.sleep(20)
        registration.update([SPEC], PEM % b"Mg==")
        with trio.move_on_after(3600) as scope:
            await registration.heard()
        assert scope.cancelled_caught
        reader.read()
        with trio.fail_after(31):
            await registration.heard()
    run(main)


def test_after_a_restart_evidence_is_there_at_once_and_nothing_is_said_before(tmp_path):
    async def main(nursery: trio.Nursery) -> None:
        reader = ReadingServer(tmp_path)
        first, _ = static(tmp_path, reader=reader)
        first.update([SPEC], BUNDLE)
        await first.settle()
        reader.read()
        again, said = static(tmp_path, reader=reader)
        again.update([SPEC], BUNDLE)
        nursery.start_soon(again.run)
        await trio.sleep(2)
        assert [state.phase for state in said] == ["pending", "registered"]
        assert said[-1].waiting == {}
        third, said = static(tmp_path, reader=reader)
        third.update([SPEC, OTHER], BUNDLE)
        nursery.start_soon(third.run)
        await trio.sleep(2)
        assert list(said[-1].waiting) == ["b"]  # the API server goes by the former life's file, which has "a"
    run(main)


def test_files_of_others_in_the_folder_count_as_the_api_server_counts_them(tmp_path):
    async def main(nursery: trio.Nursery) -> None:
        reader = ReadingServer(tmp_path)
        reader.refuses = refuses
        registration, _ = static(tmp_path, reader=reader)
        nursery.start_soon(registration.run)
        registration.update([SPEC], BUNDLE)
        await trio.sleep(1)
        nursery.start_soon(reader.run)
        await trio.sleep(20)
        other = tmp_path / "validating/00-other.json"
        other.write_text('{"webhooks": []}')
        await trio.sleep(20)
        assert registration.state.waiting == {} and registration.state.message == ""
        other.write_text("{")
        await trio.sleep(20)
        assert registration.state.waiting == {} and "refused" in registration.state.message
        registration.update([SPEC, OTHER], BUNDLE)
        await trio.sleep(20)
        assert list(registration.state.waiting) == ["b"] and "refused" in registration.state.message
        other.unlink()
        await trio.sleep(40)
        assert registration.state.waiting == {} and registration.state.message == ""
    run(main)


def test_what_one_file_says_is_not_lost_when_the_other_cannot_be_written(tmp_path, monkeypatch):
    async def main(nursery: trio.Nursery) -> None:
        reader = ReadingServer(tmp_path)
        registration, _ = static(tmp_path, reader=reader)
        nursery.start_soon(registration.run)
        registration.update([SPEC, OTHER], BUNDLE)
        await trio.sleep(1)
        nursery.start_soon(reader.run)
        await trio.sleep(20)
        settle_file = registration._settle_file

        def full(kind: str, desired: Any) -> bool:
            if kind == MUTATING:
                raise ConfigError("disk full")
            return settle_file(kind, desired)

        monkeypatch.setattr(registration, "_settle_file", full)
        registration.update([replace(SPEC, timeout_s=1, webhook_timeout_s=9)], BUNDLE)
        reader.refuses = lambda obj: True
        await trio.sleep(5)
        assert registration.state.phase == "failing" and registration.is_retired("b")
        assert list(registration.state.waiting) == ["a"] and "disk full" in registration.state.message
        reader.refuses = refuses
        assert registration.goes_by_earlier  # nobody was told of all of it
        monkeypatch.undo()
        await trio.sleep(100)
        assert registration.state == State("static", "registered", "", ("a",))
        await trio.sleep(GRACE_S)
        assert not registration.is_retired("b")
    run(main)
