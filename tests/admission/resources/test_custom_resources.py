"""Custom resources through the real loop: the sandbox in this process, real modules, no webhook calls.

What kubectl and two API servers see of it is tests/cluster/test_custom_resources.py.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import trio
import trio.testing

from edged.admission.config import AdmissionConfig, GroupConfig, PolicyConfig
from edged.admission.endpoint.cel_check import CelChecker
from edged.admission.endpoint.no_registration import NoRegistration
from edged.admission.endpoint.registration import Registration
from edged.admission.host.policy import PolicySet
from edged.admission.host.policy_loader import PolicyLoader
from edged.admission.resources import custom_resources, resource_objects
from edged.admission.resources.conversion import Limits
from edged.admission.resources.custom_resources import CustomResources, config_of, remembered_specs
from edged.admission.resources.definitions import definitions
from edged.admission.resources.kinds import FINALIZER, KINDS
from edged.admission.resources.plan import make_plan
from edged.admission.resources.resource_status import ObjectWriter
from edged.admission.rules.webhooks import Target
from edged.kube import writes
from edged.kube.client import ApiClient, ApiError
from edged.kube.informers import Informers
from edged.kube.values.names import GroupVersionResource
from edged.registry.config import RegistryConfig
from edged.registry.modules import TRUSTED, Modules, Restrictions
from edged.sandbox.server import Sandbox, serve
from edged.telemetry.logs import GuestLines, Logger
from edged.wasm.compile import Compiler
from edged.wasm.config import EngineConfig
from edged.wasm.engine import Engine
from tests.admission.resources.objects import PODS
from tests.admission.resources.objects import resource as stored
from tests.kube.support import QUICK, quiet, session_for
from tests.kube.support import run as run_trio

MODULES = Path(__file__).parents[3] / "modules" / "admission"
PRIVILEGED = MODULES / "pod-privileged" / "pod-privileged.wasm"
CRD = GroupVersionResource("apiextensions.k8s.io", "v1", "customresourcedefinitions")
Object = dict[str, Any]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The definitions are looked for more often, a missing module is tried again sooner."""
    monkeypatch.setattr(resource_objects, "LOOK_S", 0.05)
    monkeypatch.setattr(resource_objects, "LOOK_AGAIN_S", 0.05)
    monkeypatch.setattr(custom_resources, "AGAIN_S", 0.2)


class Host:
    """What the daemon is to the loop; nothing is registered with anybody."""

    def __init__(self, folder: Path, client: ApiClient, informers: Informers, log: Logger, **keys: Any) -> None:
        keys = {"module_dirs": (str(MODULES),), "register": "none", **keys}
        self.engine = Engine()
        self.compiler = Compiler(self.engine, folder / "cache")
        self.log = log
        self.registration: Registration | None = NoRegistration(Target("https://x", b"", "o"), lambda state: None)
        self.policies: PolicySet = {}
        self.taken: set[str] = set()
        self.swaps = 0
        self.modules = Modules(RegistryConfig(), folder / "state", log)
        self.resources = CustomResources(
            AdmissionConfig(**keys), EngineConfig().wall_timeout_s, folder / "state", client, informers, self, log,
            lambda: "2026-01-01T00:00:00Z",
        )  # fmt: skip

    def loader(self) -> PolicyLoader:
        return PolicyLoader(EngineConfig(), self.compiler, GuestLines(self.log), self.log, self.modules)

    def configured_names(self) -> set[str]:
        return self.taken

    def served(self) -> PolicySet:
        return self.policies

    def swap(self) -> None:
        self.policies = dict(self.resources.policies)
        self.swaps += 1
        assert self.registration is not None
        self.registration.update(self.resources.specs(), b"")


class Scene:
    """A sandbox, a client, and loops as a test starts them."""

    def __init__(self, folder: Path, sandbox: Sandbox, client: ApiClient, nursery: trio.Nursery) -> None:
        self.folder = folder
        self.sandbox = sandbox
        self.client = client
        self.nursery = nursery

    async def host(self, **keys: Any) -> Host:
        """Another life of the daemon, on the same state directory."""
        informers = Informers(self.client, times=QUICK, log=quiet())
        await self.nursery.start(informers.run)
        host = Host(self.folder, self.client, informers, quiet(), **keys)
        await host.resources.start()
        self.nursery.start_soon(host.resources.run)
        return host

    async def install(self) -> None:
        for definition in definitions().values():
            await writes.create(self.client, CRD, definition)
        for kind in KINDS.values():

            async def served(resource: GroupVersionResource = kind.resource) -> bool:
                try:
                    await self.client.request("GET", resource.path())
                except ApiError:
                    return False
                return True

            await until(served)

    async def create(self, obj: Object) -> Object:
        metadata = {key: obj["metadata"][key] for key in ("name", "namespace") if key in obj["metadata"]}
        kind = KINDS[obj["kind"]]
        return await writes.create(
            self.client, kind.resource, {**obj, "metadata": metadata}, metadata.get("namespace")
        )  # fmt: skip

    async def live(self, obj: Object) -> Object | None:
        metadata = obj["metadata"]
        try:
            return await writes.get(
                self.client, KINDS[obj["kind"]].resource, metadata["name"], metadata.get("namespace")
            )
        except ApiError as error:
            assert error.code == 404
            return None

    async def phase(self, obj: Object) -> str:
        live = await self.live(obj) or {}
        return str((live.get("status") or {}).get("policyStatus", ""))

    async def wait_phase(self, obj: Object, phase: str) -> None:
        async def reached() -> bool:
            return await self.phase(obj) == phase

        await until(reached)


async def until(check: Callable[[], Any]) -> None:
    """Looks again and again; the test's own deadline ends it."""
    while not await check():
        await trio.sleep(0.02)


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    async with trio.open_nursery() as nursery:
        sandbox = await nursery.start(serve)
        client = ApiClient(session_for(sandbox.url))
        try:
            yield Scene(folder, sandbox, client, nursery)
        finally:
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                await client.aclose()


def policy(name: str, module: Path = PRIVILEGED, **spec: Any) -> Object:
    return stored("ClusterAdmissionPolicy", name, module=f"file://{module}", mutating=False, rules=[PODS], **spec)


SERVER = stored("PolicyServer", "default")


def test_definitions_that_appear_later_are_picked_up_and_may_go_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with scene(tmp_path) as found:
            host = await found.host()
            await host.resources.wait_known()
            assert host.resources.describe()["definitions"] == "not installed"
            assert host.resources.specs() == []
            await found.install()
            await until(lambda: asked_about(host))  # although there is no object yet
            await found.create(SERVER)
            await found.create(policy("late"))
            await found.wait_phase(policy("late"), "active")
            assert "clusterwide-late" in host.policies
            hooks = {spec.name for spec in host.resources.specs()}
            assert {"clusterwide-late", "vpolicyserver.kb.io"} <= hooks
            for definition in definitions().values():
                await writes.delete(found.client, CRD, definition["metadata"]["name"])
            await until(lambda: gone(host))
            assert host.resources.specs() == []

    async def asked_about(host: Host) -> bool:
        return "vpolicyserver.kb.io" in {spec.name for spec in host.resources.specs()} and host.swaps > 0

    async def gone(host: Host) -> bool:
        return host.policies == {} and host.resources.describe()["definitions"] == "not installed"

    run_trio(main, within_s=60)


def test_a_restart_without_the_api_server_keeps_the_policies(tmp_path: Path) -> None:
    async def main() -> None:
        async with scene(tmp_path) as found:
            await found.install()
            host = await found.host()
            await found.create(SERVER)
            await found.create(policy("kept"))
            await found.wait_phase(policy("kept"), "active")
            file = tmp_path / "state" / resource_objects.FILE_NAME
            await until(lambda: remembered(file, "clusterwide-kept"))
            assert os.stat(file).st_mode & 0o777 == 0o600
            found.nursery.cancel_scope.cancel()
            assert host.policies

    async def remembered(file: Path, name: str) -> bool:
        return file.exists() and name in orjson.loads(file.read_bytes())["registered"]

    async def offline() -> None:
        client = ApiClient(session_for("http://127.0.0.1:1"))
        host = Host(tmp_path, client, Informers(client), quiet())
        await host.resources.start()
        assert host.resources.policies["clusterwide-kept"].error is None
        kept = next(spec for spec in host.resources.specs() if spec.name == "clusterwide-kept")
        assert kept.rules

    run_trio(main, within_s=60)
    run_trio(offline, within_s=60)


def test_a_registered_policy_without_its_module_rejects_after_a_restart(tmp_path: Path) -> None:
    """It must not vanish from the API server: what it would have said is not known."""
    module = tmp_path / "modules" / "p.wasm"
    module.parent.mkdir()
    module.write_bytes(PRIVILEGED.read_bytes())

    async def main() -> None:
        async with scene(tmp_path) as found:
            await found.install()
            host = await found.host(module_dirs=(str(module.parent),))
            await found.create(SERVER)
            await found.create(policy("lost", module))
            await found.wait_phase(policy("lost"), "active")
            await until(lambda: saved())
            assert host.policies
            found.nursery.cancel_scope.cancel()

    async def saved() -> bool:
        file = tmp_path / "state" / resource_objects.FILE_NAME
        return file.exists() and orjson.loads(file.read_bytes())["registered"] == ["clusterwide-lost"]

    async def again() -> None:
        module.unlink()
        client = ApiClient(session_for("http://127.0.0.1:1"))
        host = Host(tmp_path, client, Informers(client), quiet(), module_dirs=(str(module.parent),))
        await host.resources.start()
        assert "No such file" in (host.resources.policies["clusterwide-lost"].error or "")
        assert any(spec.name == "clusterwide-lost" and spec.rules for spec in host.resources.specs())

    run_trio(main, within_s=60)
    run_trio(again, within_s=60)


def test_a_module_that_comes_later_is_tried_again(tmp_path: Path) -> None:
    module = tmp_path / "modules" / "p.wasm"
    module.parent.mkdir()

    async def main() -> None:
        async with scene(tmp_path) as found:
            await found.install()
            await found.host(module_dirs=(str(module.parent),))
            await found.create(SERVER)
            await found.create(policy("later", module))
            await found.wait_phase(policy("later"), "pending")
            module.write_bytes(PRIVILEGED.read_bytes())
            await found.wait_phase(policy("later"), "active")

    run_trio(main, within_s=60)


def test_a_link_that_leads_elsewhere_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "link.wasm").symlink_to(PRIVILEGED)

    async def main() -> None:
        async with scene(tmp_path) as found:
            await found.install()
            host = await found.host(module_dirs=(str(folder),))
            await found.create(SERVER)
            await found.create(policy("linked", folder / "link.wasm"))
            await found.wait_phase(policy("linked"), "pending")
            (row,) = host.resources.describe()["resources"]
            assert "leads out of [admission] module_dirs" in row["why"]

    run_trio(main, within_s=60)


def test_a_module_that_takes_for_ever_holds_up_its_own_policy_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "modules" / "slow.wasm"
    slow.parent.mkdir()
    slow.write_bytes(PRIVILEGED.read_bytes())
    fetch = PolicyLoader.fetch

    async def never(self: PolicyLoader, config: Any) -> str:
        if "slow" in config.name:
            await trio.sleep_forever()
        return await fetch(self, config)

    monkeypatch.setattr(PolicyLoader, "fetch", never)
    monkeypatch.setattr(custom_resources, "PATIENCE_S", 0.2)

    async def main() -> None:
        async with scene(tmp_path) as found:
            await found.install()
            host = await found.host(module_dirs=(str(slow.parent), str(MODULES)))
            await found.create(SERVER)
            many = [policy(f"slow-{number}", slow) for number in range(custom_resources.CONCURRENT_LOADS + 1)]
            for each in many:
                await found.create(each)
            await found.create(policy("quick"))
            await found.wait_phase(policy("quick"), "active")
            assert await found.phase(many[0]) in ("", "pending")
            rows = {row["policy"]: row for row in host.resources.describe()["resources"]}
            assert rows["clusterwide-slow-0"]["why"] == custom_resources.LOADING

    run_trio(main, within_s=60)


def test_one_module_is_held_once(tmp_path: Path) -> None:
    async def main() -> None:
        async with scene(tmp_path) as found:
            await found.install()
            host = await found.host()
            await found.create(SERVER)
            for number in range(5):
                await found.create(policy(f"p-{number}"))
            for number in range(5):
                await found.wait_phase(policy(f"p-{number}"), "active")
            templates = {id(getattr(each, "template", None)) for each in host.policies.values()}
            assert len(host.policies) == 5 and len(templates) == 1
            assert host.swaps <= 5

    run_trio(main, within_s=60)


def test_a_name_of_the_configuration_file_is_not_taken(tmp_path: Path) -> None:
    async def main() -> None:
        async with scene(tmp_path) as found:
            await found.install()
            host = await found.host()
            host.taken = {"clusterwide-mine"}
            await found.create(SERVER)
            await found.create(policy("mine"))
            await found.wait_phase(policy("mine"), "pending")
            assert "clusterwide-mine" not in host.policies
            await writes.delete(found.client, KINDS["ClusterAdmissionPolicy"].resource, "mine")
            await until(lambda: is_gone(found))

    async def is_gone(found: Scene) -> bool:
        return await found.live(policy("mine")) is None

    run_trio(main, within_s=60)


def test_settings_are_not_written_for_others_to_read(tmp_path: Path) -> None:
    memory = resource_objects.Memory(tmp_path / "state", quiet())

    async def main() -> None:
        await memory.remember([policy("x", settings={"token": "s"})], ["clusterwide-x"])
        before = os.stat(tmp_path / "state" / resource_objects.FILE_NAME)
        assert before.st_mode & 0o777 == 0o600
        await memory.remember([{**policy("x", settings={"token": "s"}), "status": {"a": 1}}], ["clusterwide-x"])
        assert os.stat(tmp_path / "state" / resource_objects.FILE_NAME).st_ino == before.st_ino  # nothing new

    run_trio(main)
    recalled = resource_objects.Memory(tmp_path / "state", quiet()).recall()
    assert recalled is not None and recalled[1] == {"clusterwide-x"}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"objects": [1], "registered": []}', b'{"objects": 5}'])
def test_a_damaged_memory_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / resource_objects.FILE_NAME).write_bytes(content)
    assert resource_objects.Memory(tmp_path, quiet()).recall() is None


class Client:
    """Keeps what is written; answers with `code`."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []
        self.code = 200

    async def request(self, method: str, path: str, *, body: Any = None, **_: Any) -> Object:
        await trio.lowlevel.checkpoint()
        if self.code != 200:
            raise ApiError(self.code, "", "scripted")
        self.bodies.append(body)
        return {}


def test_what_others_undo_is_written_again_ever_more_rarely() -> None:
    async def main() -> None:
        client = Client()
        writer = ObjectWriter(client, lambda: "now", quiet())  # type: ignore[arg-type]
        obj, status = policy("x"), {"policyStatus": "active", "conditions": []}
        for _ in range(24 * 60):  # a day, looked at every minute, undone every time
            await writer.status(obj, status)
            await trio.sleep(60)
        assert 3 < len(client.bodies) < 35
        written = len(client.bodies)
        await writer.status(obj, {**status, "policyStatus": "pending"})  # something new is said at once
        assert len(client.bodies) == written + 1
        guard = client.bodies[-1]["metadata"]
        assert (guard["resourceVersion"], guard["uid"]) == ("7", "uid-x")

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_a_conflict_is_tried_again_at_the_next_look() -> None:
    async def main() -> None:
        client = Client()
        writer = ObjectWriter(client, lambda: "now", quiet())  # type: ignore[arg-type]
        client.code = 409
        await writer.status(policy("x"), {"policyStatus": "active"})
        await writer.add_finalizer(policy("x"))
        client.code = 200
        await writer.status(policy("x"), {"policyStatus": "active"})
        await writer.add_finalizer(policy("x"))
        assert client.bodies[1]["metadata"]["finalizers"] == [FINALIZER]
        assert len(client.bodies) == 2
        same = replace_status(policy("x"), {"policyStatus": "active"})
        await writer.status(same, {"policyStatus": "active"})
        assert len(client.bodies) == 2

    trio.run(main)


def replace_status(obj: Object, status: Object) -> Object:
    return {**obj, "status": status}


def test_finalizers_of_others_stay() -> None:
    async def main() -> None:
        client = Client()
        writer = ObjectWriter(client, lambda: "now", quiet())  # type: ignore[arg-type]
        obj = policy("x")
        obj["metadata"]["finalizers"] = ["theirs", FINALIZER, "kubewarden"]
        await writer.remove_finalizers(obj)
        assert client.bodies[0]["metadata"]["finalizers"] == ["theirs"]

    trio.run(main)


def test_expressions_are_checked_in_a_child_and_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    good = [
        "request.resource.group != 'x' && object.spec.items.exists(x, x.a == 1)",
        "authorizer.group('').resource('pods').check('get').allowed()",
        "oldObject == null || has(object.metadata.labels)",
    ]
    bad = {"1 +": "Syntax error", "params.a": "undeclared reference to 'params'", "foo(": "Syntax error"}

    async def main() -> None:
        checker = CelChecker()
        found = await checker.problems([*good, *bad])
        assert found.keys() == bad.keys()
        for text, words in bad.items():
            assert words in found[text]

        async def nobody(*_: Any, **__: Any) -> Any:
            raise AssertionError("asked again")

        monkeypatch.setattr(trio, "run_process", nobody)
        assert (await checker.problems(["1 +", good[0]])).keys() == {"1 +"}

    trio.run(main)


def test_commands_know_what_was_served_last(tmp_path: Path) -> None:
    """`edged webhook install` must not withdraw what the daemon registered of custom resources."""
    admission = AdmissionConfig(module_dirs=(str(MODULES),))
    assert remembered_specs(admission, 2.0, tmp_path, quiet()) == []
    changing = policy("x")
    changing["spec"]["mutating"] = True
    objects = [SERVER, changing, policy("never")]
    trio.run(resource_objects.Memory(tmp_path, quiet()).remember, objects, ["clusterwide-x"])
    found = {spec.name: spec for spec in remembered_specs(admission, 2.0, tmp_path, quiet())}
    assert found["clusterwide-x"].mutating and found["clusterwide-x"].hook_name == "clusterwide-x.kubewarden.admission"
    assert "clusterwide-never" not in found
    assert "vpolicyserver.kb.io" in found
    assert remembered_specs(AdmissionConfig(policy_server=""), 2.0, tmp_path, quiet()) == []


def test_credentials_of_the_node_are_for_cluster_scoped_kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a module's URL may do, by who wrote it; members of groups included."""
    seen: dict[str, Restrictions] = {}

    async def path(self: Modules, url: str, restrictions: Restrictions = TRUSTED) -> Path:
        seen[url] = restrictions
        return PRIVILEGED

    monkeypatch.setattr(Modules, "path", path)

    def table(obj: Object) -> PolicyConfig | GroupConfig:
        planned = make_plan([obj], "default", Limits(module_sources=("r.example",)), ()).policies[0]
        assert planned.converted.problem == ""
        config = config_of(planned)
        assert config is not None
        return config

    def made(kind: str, url: str, namespace: str = "") -> Object:
        return stored(kind, "x", namespace, module=f"registry://{url}", mutating=False, rules=[PODS])

    group = stored("AdmissionPolicyGroup", "x", "team", rules=[PODS], expression="a()", message="m",
                   policies={"a": {"module": "registry://r.example/member:1"}})  # fmt: skip

    async def main() -> None:
        client = ApiClient(session_for("http://127.0.0.1:1"))
        loader = Host(tmp_path, client, Informers(client), quiet()).loader()
        for obj in (
            made("ClusterAdmissionPolicy", "r.example/cluster:1"),
            made("AdmissionPolicy", "r.example/own:1", "team"),
            group,
        ):
            assert await loader.fetch(table(obj)) == ""
        assert await loader.fetch(PolicyConfig(name="f", module="registry://r.example/file:1")) == ""
        await client.aclose()

    trio.run(main)
    found = {url.rpartition("/")[2]: (each.credentials, each.inward) for url, each in seen.items()}
    assert found == {
        "cluster:1": (True, False), "own:1": (False, False), "member:1": (False, False), "file:1": (True, True),
    }  # fmt: skip
