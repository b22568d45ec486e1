"""A cluster that does not come to rest, and what must be true of its scheduler whenever it does.

`python -m tests.cluster.endurance --seconds 1800 [--seed N] [--sandbox]`: random Pods and Nodes come, change and go,
edged is killed now and then, and after each round, when nothing changes any more:

- no node holds more than its allocatable, nor one host port twice, nor two Pods that refuse each other;
- no Pod was bound twice, or moved;
- nothing that fits is left pending, and edged counts as pending exactly the Pods that are.

What fits is reckoned here, from the objects alone. Prints one line per round and one JSON object; exit code 1 when
something was wrong. test_endurance.py runs a short one.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

from tests.cluster.api import Api, ApiFailure
from tests.cluster.cluster import Cluster, Sandbox
from tests.cluster.differential import DISABLED_ADMISSION
from tests.cluster.scheduling import Daemon, condition, node, pod

Object = dict[str, Any]

SCHEDULER = '[scheduler]\nnames = ["edged"]\n'
SPACE = "endurance"
PODS, NODES = f"/api/v1/namespaces/{SPACE}/pods", "/api/v1/nodes"
HOSTNAME, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
QUIET_S = 90.0
"""How long edged may take until nothing that fits waits: the longest backoff is 10 s, the rest is a slow machine."""


@dataclass
class Story:
    """What happened so far. `wrong`: broken invariants, one text each."""

    rounds: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    slowest_quiet_s: float = 0.0


class Endurance:
    """`api` is a client of the server that `daemon` schedules for; the cluster is all ours."""

    def __init__(self, api: Api, daemon: Daemon, seed: int) -> None:
        self.api, self.daemon = api, daemon
        self.random = Random(seed)
        self.story = Story()
        self._number = 0
        self._placed: dict[str, str] = {}

    def begin(self) -> None:
        """The namespace, the priorities and the first Nodes."""
        self.api.create("/api/v1/namespaces", {"metadata": {"name": SPACE}})
        for priority in (5, 10):
            made = {"metadata": {"name": f"of-{priority}"}, "value": priority}
            self._try("POST", "/apis/scheduling.k8s.io/v1/priorityclasses", made)
        for _ in range(5):
            self.add_node()

    def round(self) -> None:
        """Some dozens of changes, then rest, then the questions."""
        for _ in range(self.random.randint(10, 60)):
            chosen = self.random.choices(
                (self.add_pods, self.delete_pods, self.end_pods, self.add_node, self.delete_node, self.change_node),
                (50, 25, 10, 4, 3, 10),
            )[0]
            chosen()
            self.story.counts[chosen.__name__] += 1
            if self.random.random() < 0.2:
                time.sleep(self.random.random() * 0.2)
        if self.random.random() < 0.25:
            self.story.counts["killed"] += 1
            self.daemon.kill()
            self.add_pods()
            self.delete_pods()
            self.daemon.start()
        self._wait_quiet()
        self._note(self._broken())
        self.story.rounds += 1

    def _note(self, broken: Iterable[str]) -> None:
        found = [f"round {self.story.rounds}: {text}" for text in broken]
        self.story.wrong += found
        if found:
            print(*found, self.daemon.log[-3000:], sep="\n", file=sys.stderr, flush=True)

    # --- changes
    def add_pods(self) -> None:
        """Most are like others of their kind, as those of a Deployment are; some are like no other."""
        made = self._pod_spec()
        for _ in range(self.random.choice((1, 1, 3, 8))):
            self._number += 1
            self.api.create(PODS, made | {"metadata": made["metadata"] | {"name": f"p{self._number}"}})
            self.story.counts["pods"] += 1

    def _pod_spec(self) -> Object:
        random = self.random
        app = random.choice(("web", "db", "batch"))
        spec: Object = {"terminationGracePeriodSeconds": 0}
        if random.random() < 0.3:
            spec["nodeSelector"] = random.choice(({"disk": "ssd"}, {ZONE: "a"}, {"disk": "hdd", ZONE: "b"}))
        if random.random() < 0.3:
            spec["tolerations"] = [{"key": "dedicated", "operator": "Exists"}]
        if random.random() < 0.2:
            priority = random.choice((5, 10))
            spec |= {"priority": priority, "priorityClassName": f"of-{priority}"}
        if random.random() < 0.15:
            app = "alone"
            term = {"topologyKey": HOSTNAME, "labelSelector": {"matchLabels": {"app": app}}}
            spec["affinity"] = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
        elif random.random() < 0.3:
            selector = {"matchLabels": {"app": app}}
            constraint = {"maxSkew": 1, "topologyKey": ZONE, "labelSelector": selector}
            spec["topologySpreadConstraints"] = [constraint | {"whenUnsatisfiable": "ScheduleAnyway"}]
        ports = (random.choice((8080, 9090)),) if random.random() < 0.15 else ()
        cpu = random.choice(("", "100m", "250m", "500m", "1", "2500m"))
        return pod("", labels={"app": app}, cpu=cpu, ports=ports, **spec)

    def delete_pods(self) -> None:
        there = self.api.get(PODS)["items"]
        for found in self.random.sample(there, min(len(there), self.random.choice((1, 1, 3, 10)))):
            self._try("DELETE", f"{PODS}/{found['metadata']['name']}")

    def end_pods(self) -> None:
        """Running Pods end: they count for nothing from then on."""
        bound = [found for found in self.api.get(PODS)["items"] if found["spec"].get("nodeName") and not _ended(found)]
        for found in self.random.sample(bound, min(len(bound), 2)):
            phase = self.random.choice(("Succeeded", "Failed"))
            self._merge(f"{PODS}/{found['metadata']['name']}/status", {"status": {"phase": phase}})

    def add_node(self) -> None:
        self._number += 1
        random = self.random
        labels = {"disk": random.choice(("ssd", "hdd")), ZONE: random.choice(("a", "b", "c"))}
        taints = [{"key": "dedicated", "value": "x", "effect": "NoSchedule"}] if random.random() < 0.2 else []
        size = {"cpu": random.choice(("1", "2", "4")), "pods": random.choice(("5", "8", "30"))}
        made = node(f"n{self._number}", labels=labels, taints=taints, **size)
        if len(self.api.get(NODES)["items"]) < 12:
            self.api.create(NODES, made)

    def delete_node(self) -> None:
        """And its Pods, as the cluster's garbage collection does."""
        there = self.api.get(NODES)["items"]
        if len(there) < 3:
            return
        name = self.random.choice(there)["metadata"]["name"]
        self._try("DELETE", f"{NODES}/{name}")
        self._delete_orphans()

    def _delete_orphans(self) -> None:
        nodes = {found["metadata"]["name"] for found in self.api.get(NODES)["items"]}
        for found in self.api.get(PODS)["items"]:
            if found["spec"].get("nodeName") and found["spec"]["nodeName"] not in nodes:
                self._try("DELETE", f"{PODS}/{found['metadata']['name']}")

    def change_node(self) -> None:
        """Never so that what runs on it had no room any more."""
        random = self.random
        found = random.choice(self.api.get(NODES)["items"])
        name = found["metadata"]["name"]
        match random.randint(0, 3):
            case 0:
                self._merge(f"{NODES}/{name}", {"metadata": {"labels": {"disk": random.choice(("ssd", "hdd"))}}})
            case 1:
                self._merge(f"{NODES}/{name}", {"spec": {"unschedulable": random.random() < 0.3}})
            case 2:
                taints = [{"key": "dedicated", "value": "x", "effect": "NoSchedule"}] if random.random() < 0.3 else []
                self._merge(f"{NODES}/{name}", {"spec": {"taints": taints}})
            case _:
                room = found["status"]["allocatable"]
                more = {"cpu": str(min(6, int(room["cpu"]) + 1)), "pods": str(min(40, int(room["pods"]) + 1))}
                self._merge(f"{NODES}/{name}/status", {"status": {"allocatable": more, "capacity": more}})

    def _merge(self, path: str, patch: Object) -> None:
        self._try("PATCH", path, patch, "application/merge-patch+json")

    def _try(self, method: str, path: str, *rest: Any) -> None:
        """What is gone by now is gone: preemption deletes Pods, too."""
        try:
            self.api.request(method, path, *rest)
        except ApiFailure as error:
            if error.code not in (404, 409):
                raise

    # --- questions
    def _wait_quiet(self) -> None:
        """Until nothing that fits is pending and edged agrees about what is."""
        begun = time.monotonic()
        left: list[str] = []
        while (waited := time.monotonic() - begun) < QUIET_S:
            self._delete_orphans()  # bound to a node that went at that very moment
            if not (left := list(self._unsettled())):
                break
            time.sleep(0.2)
        self.story.slowest_quiet_s = max(self.story.slowest_quiet_s, round(waited, 2))
        self._note(f"after {QUIET_S:.0f} s: {text}" for text in left)

    def _unsettled(self) -> Iterator[str]:
        nodes, pods = self._nodes(), self.api.get(PODS)["items"]
        pending = [found for found in pods if not found["spec"].get("nodeName") and not _ended(found)]
        on = {name: [found for found in pods if found["spec"].get("nodeName") == name] for name in nodes}
        for found in pending:
            name = found["metadata"]["name"]
            if fitting := [other for other in nodes if not list(_refusals(found, nodes[other], on[other]))]:
                yield f"{name} is pending and fits {fitting}: {condition(found)}"
            elif not condition(found):
                yield f"{name} is pending and nothing was said about it"
        counted = sum(self.daemon.status()["scheduler"]["pending"].values())
        if counted != len(pending):
            yield f"edged counts {counted} pending Pods of {len(pending)}"

    def _broken(self) -> Iterator[str]:
        nodes, pods = self._nodes(), self.api.get(PODS)["items"]
        for name, found in nodes.items():
            here = [one for one in pods if one["spec"].get("nodeName") == name and not _ended(one)]
            if _cpu_of(here) > Fraction(found["status"]["allocatable"]["cpu"]):
                yield f"{name} holds {_cpu_of(here)} of {found['status']['allocatable']['cpu']} CPUs"
            if len(here) > int(found["status"]["allocatable"]["pods"]):
                yield f"{name} holds {len(here)} of {found['status']['allocatable']['pods']} Pods"
            if twice := [port for port, count in Counter(p for one in here for p in _ports(one)).items() if count > 1]:
                yield f"{name} has the ports {twice} twice"
            if sum(one["metadata"]["labels"]["app"] == "alone" for one in here) > 1:
                yield f"{name} has Pods that refuse each other"
        for found in pods:
            uid, on = found["metadata"]["uid"], found["spec"].get("nodeName", "")
            if on and self._placed.setdefault(uid, on) != on:
                yield f"{found['metadata']['name']} moved from {self._placed[uid]} to {on}"
        events = self.api.get(f"/apis/events.k8s.io/v1/namespaces/{SPACE}/events")["items"]
        told = Counter(event["regarding"]["uid"] for event in events if event["reason"] == "Scheduled")
        yield from (f"Pod {uid} was scheduled {count} times" for uid, count in told.items() if count > 1)

    def _nodes(self) -> dict[str, Object]:
        return {found["metadata"]["name"]: found for found in self.api.get(NODES)["items"]}


def _refusals(found: Object, on: Object, others: list[Object]) -> Iterator[str]:
    """Why the Pod does not fit on this node beside these Pods."""
    spec, labels = found["spec"], on["metadata"]["labels"]
    others = [one for one in others if not _ended(one)]
    tolerated = {one.get("key") for one in spec.get("tolerations", ())}
    for taint in on["spec"].get("taints", ()):
        if taint["effect"] != "PreferNoSchedule" and taint["key"] not in tolerated:
            yield "taint"
    if on["spec"].get("unschedulable"):
        yield "unschedulable"
    if any(labels.get(key) != value for key, value in spec.get("nodeSelector", {}).items()):
        yield "selector"
    if _cpu_of([found]) and _cpu_of([*others, found]) > Fraction(on["status"]["allocatable"]["cpu"]):
        yield "cpu"
    if len(others) >= int(on["status"]["allocatable"]["pods"]):
        yield "pods"
    if {port for one in others for port in _ports(one)} & set(_ports(found)):
        yield "ports"
    if found["metadata"]["labels"]["app"] == "alone" and any(
        one["metadata"]["labels"]["app"] == "alone" for one in others
    ):
        yield "anti-affinity"


def _ended(found: Object) -> bool:
    return found.get("status", {}).get("phase") in ("Succeeded", "Failed")


def _cpu_of(pods: list[Object]) -> Fraction:
    total = Fraction(0)
    for found in pods:
        text = found["spec"]["containers"][0].get("resources", {}).get("requests", {}).get("cpu", "0")
        total += Fraction(text[:-1]) / 1000 if text.endswith("m") else Fraction(text)
    return total


def _ports(found: Object) -> list[int]:
    return [port["hostPort"] for port in found["spec"]["containers"][0].get("ports", ()) if "hostPort" in port]


def run(server: Cluster | Sandbox, seconds: float, seed: int, *, progress: bool = False) -> Story:
    """As many rounds as fit into the time, one at least."""
    end = time.monotonic() + seconds
    api = server.api() if isinstance(server, Cluster) else Api(server.url)
    with Daemon(server.kubeconfig, SCHEDULER) as daemon:
        endurance = Endurance(api, daemon, seed)
        endurance.begin()
        while not endurance.story.rounds or time.monotonic() < end:
            endurance.round()
            if progress:
                story = endurance.story
                print(
                    f"{max(0, end - time.monotonic()):.0f} s left, {story.rounds} rounds, {story.counts['pods']} Pods,"
                    f" wrong: {len(story.wrong)}",
                    file=sys.stderr,
                    flush=True,
                )
    return endurance.story


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sandbox", action="store_true", help="edged's own API server instead of kube-apiserver")
    options = parser.parse_args()
    sandbox = Sandbox(sys.executable, Path("kubectl"))  # kubectl is not used
    with sandbox if options.sandbox else Cluster(disable_admission=DISABLED_ADMISSION) as server:
        story = run(server, options.seconds, options.seed, progress=True)
    print(json.dumps(vars(story)))
    return 1 if story.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
