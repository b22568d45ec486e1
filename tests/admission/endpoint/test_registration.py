"""Registration against an API server that is a dict, on virtual time: what is written, and what never is."""

from __future__ import annotations

import base64
import copy
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
import trio
from trio.testing import MockClock

from edged.admission.endpoint import registration as r
from edged.admission.endpoint.registration import DynamicRegistration, State, StaticRegistration, make_registration
from edged.admission.rules.webhooks import MUTATING, VALIDATING, Target, WebhookSpec, owner_of
from edged.errors import ConfigError, PeerError

PODS = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
TARGET = Target("https://10.0.0.1:8443", b"", "edge-1/abc")
SPEC = WebhookSpec("a", [PODS])
OTHER = WebhookSpec("b", [PODS])
PEM = b"-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n"


class Status(PeerError):
    def __init__(self, code: int, body: dict[str, Any] | None = None) -> None:
        super().__init__(f"status {code}")
        self.code = code
        self.body = body or {}


class FakeServer:
    """Webhook objects by kind's plural; counts writes; `deny` makes requests fail."""

    def __init__(self) -> None:
        self.server = "https://10.0.0.1:6443"
        self.objects: dict[str, dict[str, Any]] = {}
        self.writes: list[tuple[str, str]] = []
        self.addresses = ["10.0.0.1"]
        self.version = {"major": "1", "minor": "37+"}
        self.deny: Callable[[str, str, Any], None] = lambda method, path, body: None
        self.revision = 0

    async def request(self, method: str, path: str, *, query: Mapping[str, str] | None = None,
                      body: dict[str, Any] | None = None) -> dict[str, Any]:
        await trio.lowlevel.checkpoint()
        self.deny(method, path, body)
        if path == "/version":
            return self.version
        if path == r.ENDPOINTS_PATH:
            return {"items": [{"endpoints": [{"addresses": [a]} for a in self.addresses]}]}
        plural = path.split("/")[4]
        if method == "GET":
            if plural not in self.objects:
                raise Status(404)
            return copy.deepcopy(self.objects[plural])
        self.writes.append((method, plural))
        if method == "DELETE":
            return self.objects.pop(plural)
        assert body is not None
        if method == "POST" and plural in self.objects:
            raise Status(409)
        if method == "PUT" and body["metadata"]["resourceVersion"] != self._version(plural):
            raise Status(409)
        self.put(plural, body)
        return copy.deepcopy(self.objects[plural])

    def _version(self, plural: str) -> str:
        return str(self.objects[plural]["metadata"]["resourceVersion"])

    def put(self, plural: str, body: dict[str, Any]) -> None:
        self.revision += 1
        self.objects[plural] = copy.deepcopy(body)
        self.objects[plural]["metadata"]["resourceVersion"] = str(self.revision)

    def names(self, plural: str = "validatingwebhookconfigurations") -> list[str]:
        return [hook["name"] for hook in self.objects[plural]["webhooks"]]


VWC, MWC = "validatingwebhookconfigurations", "mutatingwebhookconfigurations"


def run(main: Callable[[trio.Nursery], Awaitable[None]]) -> None:
    async def wrapped() -> None:
        async with trio.open_nursery() as nursery:
            await main(nursery)
            nursery.cancel_scope.cancel()

    trio.run(wrapped, clock=MockClock(autojump_threshold=0))


def dynamic(server: FakeServer, target: Target = TARGET) -> tuple[DynamicRegistration, list[State]]:
    said: list[State] = []
    return DynamicRegistration(target, said.append, server), said


# --- dynamic
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


@pytest.mark.parametrize(("addresses", "server_url", "refused"), [
    (["127.0.0.1"], "https://10.0.0.1:6443", ""),
    (["127.0.0.1", "10.0.0.2"], "https://127.0.0.1:6443", "2 API servers"),
    (["203.0.113.7"], "https://127.0.0.1:6443", "another host"),
    ([], "https://10.0.0.1:6443", "no API server endpoint"),
    ([], "https://127.0.0.1:6443", ""),
])
def test_a_loopback_url_needs_the_one_api_server_on_this_host(addresses, server_url, refused):
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        server.addresses, server.server = addresses, server_url
        registration, _ = dynamic(server, replace(TARGET, url="https://127.0.0.1:8443"))
        registration.update([SPEC], b"")
        with trio.move_on_after(30):
            await registration.run()
        if refused:
            assert registration.state.phase == "refused" and refused in registration.state.message
            assert not server.writes
        else:
            assert registration.state.phase == "registered"
    run(main)


def test_a_policy_whose_rules_cannot_be_read_keeps_its_registration(tmp_path):
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        unknown = [replace(SPEC, rules=None), replace(OTHER, rules=None)]
        for registration, _ in (dynamic(server), static(tmp_path)):
            registration.update([replace(SPEC, mutating=True)], b"")
            await registration.settle()
            registration.update(unknown, b"")
            await registration.settle()
            assert registration.state.policies == ("a",) and list(registration.state.problems) == ["b"]
        assert server.names(MWC) == ["a.policy.edged.dev"]
        assert (tmp_path / "mutating/edged.json").exists()
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


# --- static
def static(directory: Path, server: FakeServer | None = None,
           target: Target = TARGET) -> tuple[StaticRegistration, list[State]]:
    said: list[State] = []
    return StaticRegistration(target, said.append, directory, server), said


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(path.read_bytes())
    return found


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


# --- the rest
def test_make_registration():
    server = FakeServer()
    assert make_registration("none", TARGET, print).state.phase == "off"
    assert isinstance(make_registration("dynamic", TARGET, print, client=server), DynamicRegistration)
    assert isinstance(make_registration("static", TARGET, print, static_dir=Path("/x")), StaticRegistration)
    with pytest.raises(ConfigError):
        make_registration("dynamic", replace(TARGET, url="http://x"), print, client=server)
    with pytest.raises(ConfigError):
        make_registration("dynamic", TARGET, print)


def test_owner_identity(tmp_path):
    (tmp_path / "id").write_text("0123456789abcdef\n")
    found = r.owner_identity("edge-1", tmp_path / "id")
    assert found.startswith("edge-1/") and len(found) == len("edge-1/") + 8
    assert r.owner_identity("edge-1", tmp_path / "absent") == "edge-1"


def test_small_functions():
    assert r.parse_version({"major": "1", "minor": "36+"}) == (1, 36)
    with pytest.raises(PeerError):
        r.parse_version({})
    assert r.is_loopback_url("https://[::1]:1") and r.is_loopback_url("https://localhost")
    assert not r.is_loopback_url("https://10.0.0.1")
    assert r.is_local_address("127.0.0.1") and not r.is_local_address("203.0.113.7")
    assert r.join_bundles([PEM % b"MQ==", PEM % b"Mg==" + PEM % b"MQ=="]) == PEM % b"MQ==" + PEM % b"Mg=="
    with pytest.raises(ConfigError):
        r.join_bundles([b"no certificate"])
