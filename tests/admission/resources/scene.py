"""A sandbox, a client, and the loop of custom resources with real modules and no webhook calls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
import trio.testing

from edged.admission.config import AdmissionConfig
from edged.admission.endpoint.no_registration import NoRegistration
from edged.admission.endpoint.registration import Registration
from edged.admission.host.policy import PolicySet
from edged.admission.host.policy_loader import PolicyLoader
from edged.admission.resources.custom_resources import CustomResources
from edged.admission.resources.definitions import definitions
from edged.admission.resources.kinds import KINDS
from edged.admission.resources.resource_configs import limits_of
from edged.admission.rules.webhooks import Target
from edged.kube import writes
from edged.kube.client import ApiClient, ApiError
from edged.kube.informers import Informers
from edged.kube.values.names import GroupVersionResource
from edged.registry.config import RegistryConfig
from edged.registry.modules import Modules
from edged.sandbox.server import Sandbox, serve
from edged.telemetry.logs import GuestLines, Logger
from edged.wasm.compile import Compiler
from edged.wasm.config import EngineConfig
from edged.wasm.engine import Engine
from tests.admission.resources.objects import PODS
from tests.admission.resources.objects import resource as stored
from tests.kube.support import QUICK, quiet, session_for

MODULES = Path(__file__).parents[3] / "modules" / "admission"
PRIVILEGED = MODULES / "pod-privileged" / "pod-privileged.wasm"
CRD = GroupVersionResource("apiextensions.k8s.io", "v1", "customresourcedefinitions")
Object = dict[str, Any]


class Host:
    """What the daemon is to the loop; nothing is registered with anybody."""

    def __init__(self, folder: Path, client: ApiClient, informers: Informers, log: Logger, **keys: Any) -> None:
        keys = {"module_dirs": (str(MODULES),), "register": "none", **keys}
        self.engine = Engine()
        self.compiler = Compiler(self.engine, folder / "cache")
        self.log = log
        self.registration: Registration | None = NoRegistration(Target("https://x", b"", "o"), lambda state: None, log)
        self.policies: PolicySet = {}
        self.taken: set[str] = set()
        self.swaps = 0
        self.modules = Modules(RegistryConfig(), folder / "state", log)
        admission = AdmissionConfig(**keys)
        limits = limits_of(admission, EngineConfig().wall_timeout_s)
        self.resources = CustomResources(
            admission.policy_server, limits, folder / "state", client, informers, self, log,
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
        host.resources.recall()
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
