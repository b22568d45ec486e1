"""One custom resource that makes edged itself fail: the others are loaded, registered and reported on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

from edged.admission.resources import custom_resources, resource_loads, resource_objects, resource_reports
from edged.admission.resources.resource_memory import Memory
from edged.admission.resources.resource_status import ObjectWriter
from edged.kube.client import ApiClient, ApiError
from edged.kube.informers import Informers
from edged.telemetry.logs import Logger
from tests.admission.resources.scene import SERVER, Host, Object, policy, scene, until
from tests.kube.support import quiet, session_for
from tests.kube.support import run as run_trio

ERRORS = [ValueError("odd"), RecursionError("too deep"), ExceptionGroup("both", [ValueError("a"), KeyError("b")])]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource_objects, "LOOK_S", 0.05)
    monkeypatch.setattr(resource_objects, "LOOK_AGAIN_S", 0.05)
    monkeypatch.setattr(custom_resources, "AGAIN_S", 0.2)
    monkeypatch.setattr(custom_resources, "AWAY_S", 0.1)
    monkeypatch.setattr(resource_loads, "AGAIN_S", 0.2)


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"deeper": value}
    return value


def internal_errors(host: Host) -> int:
    return host.log.internal_errors.counts.get("resource", 0) + host.log.internal_errors.counts.get("load", 0)


def test_settings_that_no_json_holds_are_the_problem_of_their_object(tmp_path: Path) -> None:
    async def main() -> None:
        async with scene(tmp_path) as found:
            await found.install()
            host = await found.host()
            await found.create(SERVER)
            deep = policy("deep", settings=nested(260))
            await found.create(policy("good"))
            await found.wait_phase(policy("good"), "active")
            host.resources._objects.items = lambda: [SERVER, deep, policy("good")]  # type: ignore[method-assign]
            host.resources.wake()

            async def is_described() -> bool:
                rows = {row["policy"]: row for row in host.resources.describe()["resources"]}
                return "nested" in rows.get("clusterwide-deep", {}).get("why", "")

            await until(is_described)
            answer = host.resources.policies["clusterwide-deep"]
            assert answer.error is not None and "nested" in answer.error
            assert host.resources.policies["clusterwide-good"].error is None
            assert internal_errors(host) == 0

    run_trio(main, within_s=60)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("place", ["convert", "config_of", "links_problem", "status"])
def test_a_failure_at_one_object_leaves_the_others_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, error: Exception
) -> None:
    armed = [True]

    def breaking(work: Any, name_of: Any) -> Any:
        def broken(*args: Any) -> Any:
            if armed[0] and name_of(*args).endswith("bad"):
                raise error
            return work(*args)

        return broken

    module: Any = {
        "convert": custom_resources, "config_of": resource_loads, "links_problem": resource_loads,
        "status": resource_reports,
    }[place]  # fmt: skip
    attribute = "policy_status" if place == "status" else place
    name_of = {
        "convert": lambda obj, *_: obj["metadata"]["name"],
        "config_of": lambda planned: planned.name,
        "links_problem": lambda config, _: config.name,
        "status": lambda obj, *_: obj["metadata"]["name"],
    }[place]
    monkeypatch.setattr(module, attribute, breaking(getattr(module, attribute), name_of))

    async def main() -> None:
        async with scene(tmp_path) as found:
            await found.install()
            host = await found.host()
            await found.create(SERVER)
            await found.create(policy("bad"))
            await found.create(policy("good"))
            await found.wait_phase(policy("good"), "active")
            assert internal_errors(host) > 0 and not host.resources._loads.busy
            if place in ("config_of", "links_problem"):
                why = {row["policy"]: row["why"] for row in host.resources.describe()["resources"]}
                assert type(error).__name__ in why["clusterwide-bad"]
            armed[0] = False
            host.resources.wake()
            await found.wait_phase(policy("bad"), "active")
            assert not host.resources._loads.busy

    run_trio(main, within_s=60)


def test_a_whole_look_that_fails_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish = custom_resources.ResourceWebhooks.publish
    left = [3]

    def broken(self: Any, *args: Any, **named: Any) -> None:
        if left[0]:
            left[0] -= 1
            raise RecursionError("deep")
        publish(self, *args, **named)

    monkeypatch.setattr(custom_resources.ResourceWebhooks, "publish", broken)

    async def main() -> None:
        async with scene(tmp_path) as found:
            await found.install()
            host = await found.host()
            await found.create(SERVER)
            await found.create(policy("good"))
            await found.wait_phase(policy("good"), "active")
            assert left == [0] and internal_errors(host) == 3

    run_trio(main, within_s=60)


def test_what_cannot_be_remembered_costs_the_memory_of_that_object_only(tmp_path: Path) -> None:
    log = Logger(write=lambda line: None)
    memory = Memory(tmp_path, log)
    trio.run(memory.remember, [SERVER, policy("deep", settings=nested(300)), policy("good")], ["clusterwide-good"])
    recalled = Memory(tmp_path, log).recall()
    assert recalled is not None
    assert [obj["metadata"]["name"] for obj in recalled[0]] == ["default", "good"]


def test_a_refused_write_of_one_object_leaves_the_others_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = ObjectWriter.status

    async def refused(self: ObjectWriter, obj: Object, status: Object) -> None:
        if obj["metadata"]["name"] == "a-bad":
            raise ApiError(500, "InternalError", "a webhook of somebody else fails")
        await write(self, obj, status)

    monkeypatch.setattr(ObjectWriter, "status", refused)

    async def main() -> None:
        async with scene(tmp_path) as found:
            await found.install()
            host = await found.host()
            await found.create(SERVER)
            await found.create(policy("a-bad"))
            await found.create(policy("b-good"))
            await found.wait_phase(policy("b-good"), "active")
            assert internal_errors(host) == 0

    run_trio(main, within_s=60)


def test_a_registered_policy_that_cannot_be_converted_after_a_restart_is_not_withdrawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> object:
        raise ValueError("odd")

    async def main() -> None:
        client = ApiClient(session_for("http://127.0.0.1:1"))
        resources = Host(tmp_path, client, Informers(client, log=quiet()), quiet()).resources
        resources._webhooks.was_registered = {"clusterwide-x"}
        monkeypatch.setattr(custom_resources, "convert", broken)
        resources._make_plan([SERVER, policy("x"), policy("never-registered")])
        (spec,) = resources._webhooks.specs(resources._plan, kinds=False)
        assert spec.name == "clusterwide-x" and spec.rules is None  # what is registered of it stays
        resources._make_plan([policy("x")])
        assert resources._webhooks.specs(resources._plan, kinds=False) == []  # its PolicyServer is gone
        await client.aclose()

    run_trio(main)


def test_what_was_noted_of_an_object_goes_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("odd")

    async def main() -> None:
        client = ApiClient(session_for("http://127.0.0.1:1"))
        resources = Host(tmp_path, client, Informers(client, log=quiet()), quiet()).resources
        monkeypatch.setattr(resource_loads, "config_of", broken)
        resources._make_plan([SERVER, policy("x")])
        async with trio.open_nursery() as nursery:
            resources._loads.begin(resources._plan, nursery)
        assert resources._loads.error_of("clusterwide-x")
        resources._loads.keep(set())
        assert not resources._loads._attempts
        await client.aclose()

    run_trio(main)


def test_a_write_that_keeps_failing_waits_for_the_next_change(tmp_path: Path) -> None:
    """Although the same object is converted without an error before each of its writes."""

    async def fail() -> bool:
        raise ValueError("odd")

    async def main() -> None:
        client = ApiClient(session_for("http://127.0.0.1:1"))
        resources = Host(tmp_path, client, Informers(client, log=quiet()), quiet()).resources
        obj, soon = policy("x"), []
        for _ in range(6):
            resources._converted(obj, None, resources._limits)
            soon.append(await resources._reports._attempt(obj, fail(), []))
        assert soon == [True, True, True, True, False, False]
        await client.aclose()

    run_trio(main)
