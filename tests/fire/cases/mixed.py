"""Everything at once, for a long time: nothing is lost, and nothing grows.

Reviews of five policies on the listener and through the API server, a reload every four seconds, Pods that come, get a
node and go, audits, and clients that misbehave. `make fire FIRE="--seconds 14400 --json fire.json"` is the long form;
`python -m tests.fire.chart` draws what it wrote.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from typing import Any

from tests.cluster.api import ApiFailure
from tests.cluster.cluster import Cluster
from tests.cluster.edged import create, pod, policy, wait_for
from tests.cluster.scheduling import node
from tests.cluster.scheduling import pod as scheduled_pod
from tests.fire.cases.connections import hostile_clients
from tests.fire.cases.outages import QUOTA, SCHEDULER
from tests.fire.context import NO_PRIVILEGED, Context, FireDaemon
from tests.fire.reviews import Question, Reviews, privileged_questions
from tests.fire.rows import Row, Tally
from tests.fire.sampling import not_flat

PODS = "/api/v1/namespaces/default/pods"
BOUND_S = 15.0
RELOAD_EVERY_S, AUDIT_EVERY_S, PODS_EVERY_S = 4.0, 20.0, 1.0


def policies(version: int) -> list[Mapping[str, Any]]:
    """All of one reload. `some` is there every second time."""
    denies = policy("versioned", "pod-privileged", message=f"version {version}.", rules=[])
    labels = policy("labels", "required-labels", settings={"labels": [{"key": "team"}]}, rules=[])
    some = [policy("some", "pod-privileged", rules=[])] if version % 2 else []
    return [NO_PRIVILEGED, QUOTA, denies, labels, *some]


def questions() -> list[Question]:
    """Of the policies that are always there."""
    versioned = Question("versioned", pod("x", privileged=True), False, says="version ")
    labelled = [Question("labels", pod("x", labels=labels), bool(labels)) for labels in ({}, {"team": "a"})]
    return [*privileged_questions(), versioned, *labelled, Question("quota", pod("x"), True)]


class Repeated(threading.Thread):
    """Does something again and again until it is stopped; an exception of it is wrong."""

    def __init__(self, tally: Tally, every_s: float, act: Callable[[int], None]) -> None:
        super().__init__(daemon=True)
        self.times = 0
        self._tally, self._every_s, self._act = tally, every_s, act
        self._end = threading.Event()

    def run(self) -> None:
        while not self._end.wait(self._every_s):
            self.times += 1
            try:
                self._act(self.times)
            except Exception as error:
                self._tally.add_wrong(f"{self._act.__name__}: {error!r}"[:400])

    def stop(self) -> None:
        self._end.set()
        self.join(120)


class Life:
    """What happens beside the reviews."""

    def __init__(self, edged: FireDaemon, cluster: Cluster, tally: Tally) -> None:
        self._edged, self._cluster, self._tally = edged, cluster, tally

    def reload(self, number: int) -> None:
        """The new message counts as soon as the reload is done."""
        self._edged.configure(policies(number))
        self._tally.check((error := self._edged.reload()) == "", f"reload {number}: {error}")
        response = self._edged.review("versioned", pod("x", privileged=True))
        said = str(response["status"]["message"])
        self._tally.check(said == f"version {number}.", f"after reload {number}: {said}")

    def pods(self, number: int) -> None:
        """Three come, get a node and go; a privileged one is refused."""
        api = self._cluster.api()
        names = [f"p{number}-{index}" for index in range(3)]
        for name in names:
            api.create(PODS, scheduled_pod(name))
        with suppress(ApiFailure):
            api.create(PODS, pod("never", privileged=True))
            self._tally.add_wrong("a privileged Pod was created")
        begun = time.monotonic()
        while waiting := [name for name in names if not api.get(f"{PODS}/{name}")["spec"].get("nodeName")]:
            if time.monotonic() - begun > BOUND_S:
                self._tally.add_late(f"{waiting} without a node after {BOUND_S:.0f} s")
                break
            time.sleep(0.05)
        self._tally.add_asked(len(names) + 1)
        for name in names:
            api.delete(f"{PODS}/{name}", grace_period_s=0)
        api.close()

    def audit(self, number: int) -> None:
        """One on demand, to its end."""
        done = self._edged.command("audit", check=False)
        self._tally.check(done.returncode in (0, 1), f"audit: {done.stderr[-300:]}")


def mixed(context: Context, tally: Tally) -> None:
    """For as long as --seconds says."""
    seconds = context.seconds or context.scaled(600.0, 30.0)
    with (
        context.cluster() as cluster,
        context.edged(kubeconfig=cluster.kubeconfig, policies=policies(0), toml=SCHEDULER) as edged,
        ExitStack() as stack,
    ):
        create(cluster.kubectl, node("room"))
        cluster.kubectl("taint", "node", "--all", "node.kubernetes.io/not-ready-", check=False)
        wait_for(lambda: edged.review("quota", pod("x"))["allowed"], "the quota looks at the cluster")
        wait_for(lambda: "is privileged" in _denial(cluster), "the API server knows the webhooks")
        life = Life(edged, cluster, tally)
        reviews = stack.enter_context(Reviews(edged, tally, questions(), pause_s=0.05, late_s=5.0))
        stack.enter_context(hostile_clients(edged, 2))
        repeated = [
            Repeated(tally, RELOAD_EVERY_S, life.reload),
            Repeated(tally, PODS_EVERY_S, life.pods),
            Repeated(tally, AUDIT_EVERY_S, life.audit),
        ]
        for thread in repeated:
            thread.start()
            stack.callback(thread.stop)
        time.sleep(seconds)
        samples = list(edged.sampler.samples)
        tally.figures |= {
            "seconds": seconds, "reviews": reviews.answered, "slowest_review_s": round(reviews.slowest_s, 2),
            "reloads": repeated[0].times, "pods": 3 * repeated[1].times, "audits": repeated[2].times,
            "series": edged.sampler.series(),
        }  # fmt: skip
    for text in not_flat(samples):
        tally.add_wrong(text)


def _denial(cluster: Cluster) -> str:
    return create(cluster.kubectl, pod("probe", privileged=True), "-n", "default", "--dry-run=server").stderr


ROWS = (
    Row("mixed-load", "reviews, reloads, Pods, audits, bad clients at once", mixed, quick=True, timeout_s=1500),
)
