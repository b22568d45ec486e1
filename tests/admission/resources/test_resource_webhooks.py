"""Custom resources with static manifests: "active" is said of what the API server is known to go by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

from edged.admission.endpoint.registration import State
from edged.admission.endpoint.static_registration import StaticRegistration
from edged.admission.resources import custom_resources, resource_objects
from tests.admission.endpoint.fake_server import PEM, TARGET, ReadingServer
from tests.admission.resources.scene import SERVER, Host, Scene, policy, scene, until
from tests.kube.support import quiet
from tests.kube.support import run as run_trio


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource_objects, "LOOK_S", 0.05)
    monkeypatch.setattr(resource_objects, "LOOK_AGAIN_S", 0.05)
    monkeypatch.setattr(custom_resources, "AGAIN_S", 0.2)


async def static_host(found: Scene, folder: Path, reader: ReadingServer) -> Host:
    host = await found.host()

    def wake(state: State) -> None:
        host.resources.wake()

    host.registration = StaticRegistration(TARGET, wake, quiet(), folder, reader=reader)
    host.registration.update(host.resources.specs(), PEM % b"MQ==")
    found.nursery.start_soon(host.registration.run)
    return host


def test_pending_until_the_api_server_goes_by_it_and_nobody_else_waits(tmp_path: Path) -> None:
    async def main() -> None:
        async with scene(tmp_path) as found:
            reader = ReadingServer(tmp_path / "static", every_s=0.1)
            reader.refuses = lambda obj: "refused" in repr(obj)
            await found.install()
            host = await static_host(found, tmp_path / "static", reader)
            await found.create(SERVER)
            await found.create(policy("first"))
            await found.wait_phase(policy("first"), "pending")
            await until(lambda: is_waiting(host, "clusterwide-first"))
            assert await found.phase(policy("first")) == "pending"
            found.nursery.start_soon(reader.run)
            await found.wait_phase(policy("first"), "active")

            condition = [{"name": "refused", "expression": "true"}]
            await found.create(policy("bad", matchConditions=condition))
            await until(lambda: is_waiting(host, "clusterwide-bad"))
            await found.wait_phase(policy("bad"), "pending")
            await until(lambda: tells(found, policy("bad"), "refused"))
            assert await found.phase(policy("first")) == "active"
            reader.refuses = lambda obj: False
            await found.wait_phase(policy("bad"), "active")
            assert await found.phase(policy("first")) == "active"

    async def is_waiting(host: Host, name: str) -> bool:
        return host.registration is not None and name in host.registration.state.waiting

    async def tells(found: Scene, obj: dict[str, Any], text: str) -> bool:
        live = await found.live(obj) or {}
        return text in repr((live.get("status") or {}).get("conditions"))

    run_trio(main, within_s=90)


def test_a_policy_that_went_loses_its_finalizer_although_nobody_knows_what_the_api_server_goes_by(
    tmp_path: Path,
) -> None:
    """Its path is answered for as long as it may be called. That must not keep anybody from deleting it."""
    async def main() -> None:
        async with scene(tmp_path) as found:
            reader = ReadingServer(tmp_path / "static")
            await found.install()
            host = await static_host(found, tmp_path / "static", reader)
            await found.create(SERVER)
            obj = await found.create(policy("first"))
            await found.wait_phase(obj, "pending")
            await until(lambda: registered(host))
            await found.client.request("DELETE", obj_path(obj))
            await until(lambda: gone(found, obj))
            assert is_answered(host)
            await until(lambda: dropped(host))
            assert is_answered(host) and host.registration is not None
            with trio.move_on_after(1):
                await host.registration.heard()
                raise AssertionError("nobody said that it is gone")

    async def registered(host: Host) -> bool:
        return host.registration is not None and "clusterwide-first" in host.registration.state.policies

    async def dropped(host: Host) -> bool:
        return "clusterwide-first" not in host.policies

    def is_answered(host: Host) -> bool:
        name = "clusterwide-first"
        return name in host.policies or (host.registration is not None and host.registration.is_retired(name))

    async def gone(found: Scene, obj: dict[str, Any]) -> bool:
        return await found.live(obj) is None

    run_trio(main, within_s=90)


def obj_path(obj: dict[str, Any]) -> str:
    return f"/apis/policies.kubewarden.io/v1/clusteradmissionpolicies/{obj['metadata']['name']}"
