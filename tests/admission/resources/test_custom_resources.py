"""Custom resources through the real loop: the sandbox in this process, real modules, no webhook calls.

What kubectl and two API servers see of it is tests/cluster/test_custom_resources.py.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import orjson
import pytest
import trio
import trio.testing

from edged.admission.host.policy_loader import PolicyLoader
from edged.admission.resources import custom_resources, resource_loads, resource_objects, resource_reports
from edged.admission.resources.definitions import definitions
from edged.admission.resources.kinds import KINDS
from edged.admission.resources.plan import trimmed
from edged.admission.resources.resource_memory import FILE_NAME, Memory
from edged.kube import writes
from edged.kube.client import ApiClient
from edged.kube.informers import Informers
from edged.telemetry.logs import Logger
from tests.admission.resources.scene import CRD, MODULES, PRIVILEGED, SERVER, Host, Scene, policy, scene, until
from tests.kube.support import QUICK, quiet, session_for
from tests.kube.support import run as run_trio


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The definitions are looked for more often, a missing module is tried again sooner."""
    monkeypatch.setattr(resource_objects, "LOOK_S", 0.05)
    monkeypatch.setattr(resource_objects, "LOOK_AGAIN_S", 0.05)
    monkeypatch.setattr(custom_resources, "AGAIN_S", 0.2)
    monkeypatch.setattr(resource_loads, "AGAIN_S", 0.2)


def test_definitions_that_appear_later_are_picked_up_and_may_go_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with scene(tmp_path) as found:
            host = await found.host()
            await host.resources.wait_settled()
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
            file = tmp_path / "state" / FILE_NAME
            await until(lambda: remembered(file, "clusterwide-kept"))
            assert os.stat(file).st_mode & 0o777 == 0o600
            found.nursery.cancel_scope.cancel()
            assert host.policies

    async def remembered(file: Path, name: str) -> bool:
        return file.exists() and name in orjson.loads(file.read_bytes())["registered"]

    async def offline() -> None:
        client = ApiClient(session_for("http://127.0.0.1:1"))
        host = Host(tmp_path, client, Informers(client, log=quiet()), quiet())
        host.resources.recall()
        await host.resources.start()
        assert host.resources.policies["clusterwide-kept"].error is None
        kept = next(spec for spec in host.resources.specs() if spec.name == "clusterwide-kept")
        assert kept.rules

    run_trio(main, within_s=60)
    run_trio(offline, within_s=60)


def test_what_was_remembered_is_not_written_when_the_api_server_answers_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no version to write over: the plan of what was remembered is over once the objects are known."""
    said: list[str] = []
    log = Logger(write=lambda line: said.append(line.decode()))

    async def main() -> None:
        async with scene(tmp_path) as found:
            await found.install()
            await found.create(SERVER)
            await found.create(policy("kept"))
            objects = [trimmed(live) for each in (SERVER, policy("kept")) if (live := await found.live(each))]
            await Memory(tmp_path / "state", log).remember(objects, ["clusterwide-kept"])
            informers = Informers(found.client, times=QUICK, log=log)
            await found.nursery.start(informers.run)
            host = Host(tmp_path, found.client, informers, log)
            host.resources.recall()
            await host.resources.start()
            assert [planned.obj for planned, _ in host.resources.known()] == objects[1:]

            async def until_known(loads: resource_loads.Loads) -> None:
                await until(lambda: known())
                await wait_idle(loads)

            async def known() -> bool:
                return host.resources._objects.known

            wait_idle = resource_loads.Loads.wait_idle
            monkeypatch.setattr(resource_loads.Loads, "wait_idle", until_known)
            found.nursery.start_soon(host.resources.run)
            await found.wait_phase(policy("kept"), "active")

    run_trio(main, within_s=60)
    assert [line for line in said if "internal error" in line] == []


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
        file = tmp_path / "state" / FILE_NAME
        return file.exists() and orjson.loads(file.read_bytes())["registered"] == ["clusterwide-lost"]

    async def again() -> None:
        module.unlink()
        client = ApiClient(session_for("http://127.0.0.1:1"))
        host = Host(tmp_path, client, Informers(client, log=quiet()), quiet(), module_dirs=(str(module.parent),))
        host.resources.recall()
        await host.resources.start()
        assert "the module file is missing" in (host.resources.policies["clusterwide-lost"].error or "")
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
            many = [policy(f"slow-{number}", slow) for number in range(resource_loads.CONCURRENT_LOADS + 1)]
            for each in many:
                await found.create(each)
            await found.create(policy("quick"))
            await found.wait_phase(policy("quick"), "active")
            assert await found.phase(many[0]) in ("", "pending")
            rows = {row["policy"]: row for row in host.resources.describe()["resources"]}
            assert rows["clusterwide-slow-0"]["why"] == resource_reports.LOADING

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
