"""What the ways of registering share."""

from __future__ import annotations

import base64
import random
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from edged.admission.endpoint.dynamic_registration import GRACE_S, DynamicRegistration
from edged.admission.endpoint.registration import join_bundles
from edged.admission.endpoint.registration_memory import FILE_NAME, RegistrationMemory, encoded
from edged.admission.endpoint.revisions import Key
from edged.admission.rules.webhook_objects import generate
from edged.admission.rules.webhooks import RESOURCE_SUFFIX, VALIDATING, WebhookSpec
from edged.errors import ConfigError, PeerError
from tests.admission.endpoint.fake_server import (
    MWC,
    OTHER,
    PEM,
    PODS,
    SPEC,
    TARGET,
    VWC,
    FakeServer,
    dynamic,
    read,
    run,
    static,
)
from tests.kube.support import quiet

ONE, TWO = PEM % b"MQ==", PEM % b"Mg=="
THIRD = WebhookSpec("c", [PODS])


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


def test_what_a_former_life_registered_for_custom_resources_stays_until_it_is_known_which_there_are(tmp_path):
    """The file's policies are registered at once meanwhile, and those that left the file are withdrawn."""
    def hooks(server: FakeServer) -> tuple[set[str], set[str]]:
        manifests = {hook["name"] for path in tmp_path.glob("*/edged.json") for hook in read(path)["webhooks"]}
        return {name for plural in server.objects for name in server.names(plural)}, manifests

    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        resource = WebhookSpec("clusterwide-p", [PODS], hook_name=f"clusterwide-p.{RESOURCE_SUFFIX}")
        for registration, _ in (dynamic(server), static(tmp_path)):
            registration.update([OTHER, resource], ONE)
            await registration.settle()
        lives = [dynamic(server)[0], static(tmp_path)[0]]
        for registration in lives:
            registration.update([SPEC], TWO, is_whole=False)
            await registration.settle()
            assert registration.settled_revision == 1 and registration.told_at is not None
            assert registration.is_retired("b") and not registration.is_retired("clusterwide-p")
        wanted = {"a.policy.edged.dev", resource.hook_name}
        assert hooks(server) == (wanted, wanted)
        for registration in lives:
            registration.update([SPEC], TWO)
            await registration.settle()
            assert registration.is_retired("clusterwide-p")
        assert hooks(server) == ({"a.policy.edged.dev"}, {"a.policy.edged.dev"})
    run(main)


def test_bundles_are_joined_without_repetitions():
    assert join_bundles([PEM % b"MQ==", PEM % b"Mg==" + PEM % b"MQ=="]) == PEM % b"MQ==" + PEM % b"Mg=="
    with pytest.raises(ConfigError):
        join_bundles([b"no certificate"])


class SlowServer(FakeServer):
    """Writes take `write_s`; `loses` is the share of answers that are lost, before or after the write was done.
    `goes_by` is what such an API server calls: its informers lag `LAG_S` behind what is stored."""

    LAG_S = 5.0

    def __init__(self, write_s: float = 0.0, loses: float = 0.0, seed: int = 0) -> None:
        super().__init__()
        self.write_s = write_s
        self.loses = loses
        self._random = random.Random(seed)
        self._history: list[tuple[float, str, set[str], set[bytes]]] = []

    async def request(self, method: str, path: str, *, query: Mapping[str, str] | None = None,
                      body: dict[str, Any] | None = None) -> dict[str, Any]:
        if method == "GET":
            return await super().request(method, path, query=query, body=body)
        await trio.sleep(self.write_s * self._random.uniform(0.5, 1.5))
        lost = self._random.random() < self.loses
        if lost and self._random.random() < 0.5:
            raise PeerError("lost before")
        answer = await super().request(method, path, query=query, body=body)
        await trio.sleep(self.write_s * self._random.uniform(0, 0.5))
        if lost:
            raise PeerError("lost after")
        return answer

    def put(self, plural: str, body: dict[str, Any]) -> None:
        super().put(plural, body)
        hooks = body["webhooks"]
        names = {hook["name"].removesuffix(".policy.edged.dev") for hook in hooks}
        bundles = {base64.b64decode(hook["clientConfig"].get("caBundle", "")) for hook in hooks}
        self._history.append((trio.current_time(), plural, names, bundles))

    def goes_by(self) -> set[str]:
        """Every name that one of its informers may know now."""
        names: set[str] = set()
        for plural in (VWC, MWC):
            written = [(at, known) for at, kind, known, _ in self._history if kind == plural]
            known_before = [known for at, known in written if at <= trio.current_time() - self.LAG_S]
            names |= set().union(*known_before[-1:], *(known for at, known in written
                                                       if at > trio.current_time() - self.LAG_S))
        return names

    def trusts(self, bundle: bytes) -> bool:
        """Whether every webhook that it may call trusts a certificate that is signed by it."""
        old = trio.current_time() - self.LAG_S
        for plural in (VWC, MWC):
            written = [(at, bundles) for at, kind, _, bundles in self._history if kind == plural]
            in_force = [b for at, b in written if at <= old][-1:] + [b for at, b in written if at > old]
            if any(bundle not in known for bundles in in_force for known in bundles):
                return False
        return True


class Remembered(RegistrationMemory):
    """Written at once: a thread does not know of virtual time."""

    async def remember(self, keys: Iterable[Key]) -> None:
        self._file._write(encoded(keys))


def test_a_slow_write_retires_nothing_that_the_api_server_still_calls():
    """A policy goes while another change is being written; the write that removes it then fails for long."""
    async def main(nursery: trio.Nursery) -> None:
        server = SlowServer(write_s=10)
        registration, _ = dynamic(server)
        nursery.start_soon(registration.run)
        registration.update([SPEC, OTHER], ONE)
        await trio.sleep(30)
        registration.update([SPEC, OTHER, THIRD], ONE)
        await trio.sleep(2)
        registration.update([SPEC, THIRD], TWO)  # while that is under way

        def away(method: str, path: str, body: Any) -> None:
            if method == "GET" or trio.current_time() > 60:
                raise PeerError("no answer")

        server.deny = away  # the write under way is the last request that is answered
        for _ in range(60):
            await trio.sleep(10)
            assert registration.is_retired("b") and "b.policy.edged.dev" in server.names()
        server.deny = lambda method, path, body: None
        while "b.policy.edged.dev" in server.names():
            await trio.sleep(1)
        await trio.sleep(GRACE_S - 5)
        assert registration.is_retired("b") and server.names() == ["a.policy.edged.dev", "c.policy.edged.dev"]
        assert base64.b64decode(server.objects[VWC]["webhooks"][0]["clientConfig"]["caBundle"]) == TWO + ONE
        await trio.sleep(2 * GRACE_S)
        assert not registration.is_retired("b")
        assert base64.b64decode(server.objects[VWC]["webhooks"][0]["clientConfig"]["caBundle"]) == TWO
    run(main)


@pytest.mark.parametrize("seed", range(25))
def test_whatever_happens_to_writes_every_path_that_may_be_called_is_answered(tmp_path: Path, seed: int) -> None:
    """Updates at random times, writes that are slow, fail, or are done and not answered, and restarts in the middle."""
    async def main(nursery: trio.Nursery) -> None:
        chance = random.Random(seed)
        server = SlowServer(write_s=chance.choice([0, 2, 20]), loses=chance.choice([0, 0.3, 0.7]), seed=seed)

        async def life(wanted: list[WebhookSpec]) -> tuple[DynamicRegistration, trio.CancelScope]:
            memory = Remembered(tmp_path, quiet())
            registration = DynamicRegistration(TARGET, lambda state: None, quiet(), server, memory)
            scope = trio.CancelScope()

            async def running() -> None:
                with scope:
                    await registration.run()

            registration.update(wanted, ONE)
            nursery.start_soon(running)
            return registration, scope

        all_specs = [WebhookSpec(name, [PODS], mutating=name in "de") for name in "abcde"]
        wanted = chance.sample(all_specs, 3)
        registration, scope = await life(wanted)
        for _ in range(30):
            await trio.sleep(chance.choice([0.1, 3, 12, 40]))
            answered = {spec.name for spec in wanted} | {name for name in "abcde" if registration.is_retired(name)}
            assert server.goes_by() <= answered, (server.goes_by(), answered)
            if chance.random() < 0.1:
                scope.cancel()
                registration, scope = await life(wanted)
            wanted = chance.sample(all_specs, chance.randrange(5))
            registration.update(wanted, ONE)
        server.loses = 0
        await trio.sleep(1000)
        assert registration.state.phase == "registered", registration.state
        assert not [name for name in "abcde" if registration.is_retired(name)]
    run(main)


def test_a_removed_policy_is_answered_from_the_first_moment_of_the_next_life(tmp_path: Path) -> None:
    """The API server's memory is older than its objects: nothing but the file knows of "b" any more. A custom resource
    is another matter: before it is known which there are, nobody knows that it is gone."""
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        memory = RegistrationMemory(tmp_path, quiet())
        first = DynamicRegistration(TARGET, lambda state: None, quiet(), server, memory)
        theirs = WebhookSpec("clusterwide-x", [PODS], hook_name=f"clusterwide-x.{RESOURCE_SUFFIX}")
        first.update([SPEC, OTHER, theirs], ONE)
        await first.settle()
        first.update([SPEC], ONE)
        await first.settle()
        second = DynamicRegistration(TARGET, lambda state: None, quiet(), server, RegistrationMemory(tmp_path, quiet()))
        assert second.is_retired("b") and not second.is_retired("clusterwide-x") and not second.is_retired("other")
        second.update([SPEC], ONE)
        assert second.is_retired("b") and second.is_retired("clusterwide-x") and not second.is_retired("a")
        await second.settle()
        await trio.sleep(GRACE_S + 1)
        assert not second.is_retired("b")
    run(main)


def test_a_new_ca_is_not_written_alone_before_the_api_server_goes_by_it() -> None:
    """What is shown is signed by the old one until then."""
    async def main(nursery: trio.Nursery) -> None:
        server = SlowServer(write_s=60)
        registration, _ = dynamic(server)
        nursery.start_soon(registration.run)
        registration.update([SPEC], ONE)
        await trio.sleep(200)
        registration.update([SPEC, OTHER], ONE)
        await trio.sleep(30)
        registration.update([SPEC, OTHER], TWO)

        async def heard() -> None:
            await registration.heard()
            nonlocal shown
            shown = TWO

        shown = ONE
        nursery.start_soon(heard)
        for _ in range(600):
            await trio.sleep(1)
            assert any(shown in known for known in [base64.b64decode(hook["clientConfig"]["caBundle"])
                                                    for hook in server.objects[VWC]["webhooks"]])
        assert shown == TWO and server.trusts(TWO)
    run(main)


def test_objects_of_a_former_life_are_trusted_without_its_memory() -> None:
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        first, _ = dynamic(server)
        first.update([SPEC], ONE)
        await first.settle()
        second, _ = dynamic(server)
        second.update([SPEC], TWO)
        await second.settle()
        assert base64.b64decode(server.objects[VWC]["webhooks"][0]["clientConfig"]["caBundle"]) == TWO + ONE
    run(main)


@pytest.mark.parametrize("bundle", [
    "=!", "\u00e4", base64.b64encode(PEM % b"\xc3").decode(), base64.b64encode(PEM % b"!").decode(),
    base64.b64encode(PEM % b"-----BEGIN CERTIFICATE-----").decode(), base64.b64encode(b"\xff" * 100).decode(),
])
def test_an_object_with_a_broken_bundle_is_written_anew(tmp_path: Path, bundle: str) -> None:
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        for _ in range(2):  # also in the next life
            broken = generate([SPEC], replace(TARGET, ca_bundle=ONE)).objects[VALIDATING]
            broken["webhooks"][0]["clientConfig"]["caBundle"] = bundle
            server.put(VWC, broken)
            memory = RegistrationMemory(tmp_path, quiet())
            registration = DynamicRegistration(TARGET, lambda state: None, quiet(), server, memory)
            registration.update([SPEC], ONE)
            await registration.settle()
            assert base64.b64decode(server.objects[VWC]["webhooks"][0]["clientConfig"]["caBundle"]) == ONE
    run(main)


def test_what_is_remembered_but_no_certificate_keeps_nobody_from_registering(tmp_path: Path) -> None:
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        (tmp_path / FILE_NAME).write_bytes(encoded(["b.policy.edged.dev", b"no certificate", TWO, PEM % b"!"]))
        memory = RegistrationMemory(tmp_path, quiet())
        registration = DynamicRegistration(TARGET, lambda state: None, quiet(), server, memory)
        assert registration.is_retired("b")
        registration.update([SPEC], ONE)
        await registration.settle()
        assert base64.b64decode(server.objects[VWC]["webhooks"][0]["clientConfig"]["caBundle"]) == ONE + TWO
    run(main)
