"""What serves custom resources holds no more after hundreds of policies of tenants came and went than after a few."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
import trio

from edged.admission.resources import custom_resources, resource_loads, resource_objects
from edged.admission.resources.kinds import KINDS
from edged.kube import writes
from edged.kube.control.comparison import Result
from tests.admission.resources.objects import PODS
from tests.admission.resources.objects import resource as stored
from tests.admission.resources.scene import PRIVILEGED, SERVER, Host, Scene, policy, scene, until
from tests.growth import grown, sizes
from tests.kube.support import run

ROUNDS, POLICIES = 4, 30
SETTLED_S = 20
BOUNDS = {
    "_session.streams": 8,  # watches, of which one may be about to open again
    "informers.comparisons": len(get_args(Result)),  # a count for each result
}
"""What is kept on purpose, and how much of it at most."""


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The definitions are looked for more often, a missing module is tried again sooner."""
    monkeypatch.setattr(resource_objects, "LOOK_S", 0.05)
    monkeypatch.setattr(custom_resources, "AGAIN_S", 0.2)
    monkeypatch.setattr(resource_loads, "AGAIN_S", 0.2)


def of_round(number: int) -> list[dict[str, Any]]:
    """Policies that are served, that have a module which is not there, settings that are refused, and a tenant's."""
    made = []
    for each in range(POLICIES):
        name = f"p{number}-{each}"
        made.append(
            [
                policy(name),
                policy(name, PRIVILEGED.with_name(f"{name}.wasm")),
                policy(name, settings={name: {"a": [name]}}),
                stored("AdmissionPolicy", name, "default", module=f"file://{PRIVILEGED}", mutating=False, rules=[PODS]),
            ][each % 4]
        )
    return made


async def a_round(stage: Scene, host: Host, number: int) -> None:
    policies = [await stage.create(obj) for obj in of_round(number)]

    async def are_told() -> bool:
        return all([await stage.phase(obj) in ("active", "pending") for obj in policies]) and len(host.policies) > 10

    await until(are_told)
    for obj in policies:
        metadata = obj["metadata"]
        await writes.delete(stage.client, KINDS[obj["kind"]].resource, metadata["name"], metadata.get("namespace"))

    async def are_gone() -> bool:
        return not host.policies and not [obj for obj in policies if await stage.live(obj) is not None]

    await until(are_gone)


@pytest.mark.timeout(240)
def test_policies_that_are_gone_leave_nothing_behind(tmp_path: Path) -> None:
    rounds = []

    async def main() -> None:
        async with scene(tmp_path) as stage:
            await stage.install()
            host = await stage.host()
            await stage.create(SERVER)
            for number in range(ROUNDS):
                await a_round(stage, host, number)
                rounds.append(sizes(host=host))
            with trio.move_on_after(SETTLED_S):  # what is still under way is not left behind
                while grown(rounds, BOUNDS):
                    await trio.sleep(0.2)
                    rounds[-1] = sizes(host=host)

    run(main, within_s=200)
    assert not grown(rounds, BOUNDS)
