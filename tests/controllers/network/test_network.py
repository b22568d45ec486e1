"""The network as a whole on the sandbox: real daemons, real modules; every revision is judged."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import pytest

from edged.sandbox.faults.rules import Asked, Fault
from edged.sandbox.threaded import ThreadedSandbox
from tests.cluster.edged import wait_for
from tests.controllers.network import stories
from tests.controllers.network.judge import Verdict
from tests.controllers.network.scene import CRDS, Scene
from tests.controllers.network.stories import crowd

FAULTS = [
    "write *.network.edged.dev drop-after chance=0.05 agent=edged*",
    "write *.network.edged.dev 409 chance=0.05 agent=edged*",
    "write *.network.edged.dev 500 chance=0.03 agent=edged*",
    "write *.network.edged.dev 429 chance=0.03 retry-after=0 agent=edged*",
    "watch *.network.edged.dev end events=15 agent=edged*",
]  # fmt: skip


@pytest.fixture
def sandbox(request: pytest.FixtureRequest) -> Iterator[ThreadedSandbox]:
    with ThreadedSandbox(faults=getattr(request, "param", ()), seed=3) as running:
        running.load(*sorted(CRDS.glob("*.yaml")))
        yield running


class Killer:
    """Ends a process with SIGKILL when the `number`-th request of a kind comes, before or after it is carried out."""

    def __init__(self, verb: str, resource: str, number: int, end: str) -> None:
        self._verb, self._resource, self._left, self._end = verb, resource, number, end
        self.pid = 0
        self.killed = False

    def of(self, asked: Asked) -> Fault | None:
        if not asked.agent.startswith("edged") or (asked.verb, asked.resource) != (self._verb, self._resource):
            return None
        self._left -= 1
        if self._left != 0:
            return None
        os.kill(self.pid, signal.SIGKILL)
        self.killed = True
        return Fault(end=self._end)


POINTS = [
    ("create", "iplocks.network.edged.dev", "drop"), ("create", "iplocks.network.edged.dev", "drop-after"),
    ("get", "subnets.network.edged.dev", "drop"),
    ("update", "networkattachments.network.edged.dev/status", "drop"),
    ("update", "networkattachments.network.edged.dev/status", "drop-after"),
    ("delete", "iplocks.network.edged.dev", "drop"), ("delete", "iplocks.network.edged.dev", "drop-after"),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "resource", "end"), POINTS)
def test_killed_at_a_request(sandbox: ThreadedSandbox, monkeypatch, verb: str, resource: str, end: str) -> None:
    """An address whose lock was there is the one that is shown afterwards."""
    killer = Killer(verb, resource, 2 if verb != "delete" else 1, end)
    monkeypatch.setattr(sandbox.faults, "of", killer.of)
    with Scene(sandbox.url, sandbox.kubeconfig, "ns") as scene:
        scene.subnet("s", "10.0.0.0/29", 7)
        for name in ("a", "b", "c"):
            scene.attach(name, "s")
        daemon = scene.daemon("one")
        killer.pid = daemon.pid
        if verb == "delete":
            scene.comes_to(3)
            scene.remove("subnets", "s")  # not an attachment: the sandbox collects locks of those by itself
        wait_for(lambda: not daemon.running, "the daemon is killed", seconds=60)
        locked = {
            obj["metadata"]["ownerReferences"][0]["name"]: obj["spec"]["ipv4"]
            for name, obj in scene.watcher.judged().objects.items() if name.kind == "IPLock"
        }  # fmt: skip
        scene.daemon("one")
        judge = scene.comes_to(0 if verb == "delete" else 3)
        assert killer.killed
        for name, obj in judge.objects.items():
            if name.kind == "NetworkAttachment" and verb != "delete":
                assert obj["status"]["ipv4"] == locked.get(name.name, obj["status"]["ipv4"])


STORIES: dict[str, Callable[[Scene], Verdict]] = {
    "contention": lambda scene: stories.contention(scene, 20),
    "contention, instances go at once": lambda scene: stories.contention(scene, 20, idle_s=0),
    "other writer": lambda scene: stories.other_writer(scene, 20),
    "created again": lambda scene: stories.created_again(scene, 20),
    "late news": lambda scene: stories.late_news(scene, 20),
    "subnet changes": lambda scene: stories.subnet_changes(scene, 20),
    "contested by one": lambda scene: stories.contested(scene, 20, 1),
    "contested by three": lambda scene: stories.contested(scene, 20, 3),
}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("sandbox", [FAULTS], indirect=True, ids=["faults"])
@pytest.mark.parametrize("story", STORIES)
def test_stories(sandbox: ThreadedSandbox, story: str) -> None:
    with Scene(sandbox.url, sandbox.kubeconfig, "ns") as scene:
        print(f"{story}\n{STORIES[story](scene)}")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("sandbox", [FAULTS], indirect=True)
def test_two_daemons_and_an_api_server_with_faults(sandbox: ThreadedSandbox) -> None:
    with Scene(sandbox.url, sandbox.kubeconfig, "ns") as scene:
        print(crowd(scene))
