"""Puts cluster states to the real kube-scheduler and reads from its log what it thought of every node.

    with Cluster(...) as cluster, RealScheduler(cluster) as scheduler:
        observed = scheduler.observe(make_state(seed))

kube-scheduler says which node it chose and why no node was left, but keeps scores to its log. Two lines at
verbosity 10 tell them: one per (node, plugin) with the normalised score times the weight, one per node with
the total. There are none when exactly one node is feasible: then the choice tells the feasible set. Verdicts
of single filters appear only as the histogram in the message of a Pod that fits nowhere.

Used by test_scheduler_differential.py; `python -m tests.cluster.differential FIRST COUNT` prints observations.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from threading import local
from typing import Any, Self

import orjson

from tests.cluster.api import Api
from tests.cluster.cluster import NO_SERVICE_ACCOUNTS, Cluster, KubeScheduler
from tests.cluster.states import ELSEWHERE, HOME, NAMESPACES, Features, Object, State, make_state

# What would refuse the generator's objects, or taint every node. The rest stays: who compares starts from the
# objects as the API server returned them.
DISABLED_ADMISSION = (
    *NO_SERVICE_ACCOUNTS, "Priority", "RuntimeClass", "TaintNodesByCondition", "StorageObjectInUseProtection",
)  # fmt: skip

# Every profile has all default plugins; they differ in arguments and weights. One state is put to each.
PROFILES: tuple[Object, ...] = (
    {"schedulerName": "default-scheduler"},
    {
        "schedulerName": "most-allocated",
        "plugins": {"multiPoint": {"enabled": [{"name": "NodeResourcesFit", "weight": 5}]}},
        "pluginConfig": [
            {
                "name": "NodeResourcesFit",
                "args": {
                    "scoringStrategy": {
                        "type": "MostAllocated",
                        "resources": [
                            {"name": "cpu", "weight": 3},
                            {"name": "memory", "weight": 1},
                            {"name": "example.com/gpu", "weight": 2},
                        ],
                    }
                },
            },
            {
                "name": "NodeResourcesBalancedAllocation",
                "args": {
                    "resources": [
                        {"name": "cpu", "weight": 1},
                        {"name": "memory", "weight": 1},
                        {"name": "example.com/gpu", "weight": 1},
                    ]
                },
            },
            {"name": "PodTopologySpread", "args": {"defaultingType": "List"}},
            {"name": "InterPodAffinity", "args": {"hardPodAffinityWeight": 10}},
        ],
    },
    {
        "schedulerName": "ratio",
        "pluginConfig": [
            {
                "name": "NodeResourcesFit",
                "args": {
                    "ignoredResources": ["example.com/gpu"],
                    "scoringStrategy": {
                        "type": "RequestedToCapacityRatio",
                        "resources": [{"name": "cpu", "weight": 2}, {"name": "memory", "weight": 1}],
                        "requestedToCapacityRatio": {
                            "shape": [
                                {"utilization": 0, "score": 0},
                                {"utilization": 60, "score": 10},
                                {"utilization": 100, "score": 2},
                            ]
                        },
                    },
                },
            },
            {
                "name": "NodeAffinity",
                "args": {
                    "addedAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": {
                            "nodeSelectorTerms": [
                                {"matchExpressions": [{"key": "size", "operator": "NotIn", "values": ["many"]}]}
                            ]
                        },
                        "preferredDuringSchedulingIgnoredDuringExecution": [
                            {
                                "weight": 9,
                                "preference": {
                                    "matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]
                                },
                            }
                        ],
                    }
                },
            },
        ],
    },
)


SETTLE_S = 0.15
HEARD = ("PersistentVolume", "PersistentVolumeClaim", "StorageClass", "CSINode", "CSIStorageCapacity")
"""Kinds of which kube-scheduler counts the events that it has handled."""
_HEARD = re.compile(r'scheduler_event_handling_duration_seconds_count\{event="(?:[\w.]+/)?(\w+)"\} (\d+)')


@dataclass(frozen=True, slots=True)
class Observed:
    """What kube-scheduler made of one Pod. `state` holds the objects as the API server completed them.

    `feasible`: names of nodes, of which `chosen` is one. `message`: why the Pod fits nowhere, else "".
    `scores`: node -> plugin -> normalised score times weight, `totals`: node -> sum; both are empty when
    fewer than two nodes are feasible. `error`: the cycle failed otherwise than by finding no node.
    """

    state: State
    profile: str
    feasible: frozenset[str] = frozenset()
    message: str = ""
    scores: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    totals: Mapping[str, int] = field(default_factory=dict)
    chosen: str | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of klog's text format: the message and its key="value" fields."""

    message: str
    fields: Mapping[str, str]


class RealScheduler:
    """A kube-scheduler with the given profiles on a cluster that it has for itself."""

    def __init__(self, cluster: Cluster, profiles: Sequence[Object] = PROFILES) -> None:
        self._cluster = cluster
        self.profiles = [profile["schedulerName"] for profile in profiles]
        self._scheduler = KubeScheduler(
            cluster,
            profiles=profiles,
            settings={"percentageOfNodesToScore": 100},
            # Else a Pod like the one before it may be placed by what was found for that one.
            feature_gates={"OpportunisticBatching": False},
            verbosity=4,
            arguments=["--vmodule=schedule_one=10"],
        )
        self._metrics = self._scheduler.api()
        self._pool = ThreadPoolExecutor(8)
        self._local = local()
        self._connections: list[Api] = []
        self._numbers = count(1)
        self._log = LogReader(self._scheduler)

    def __enter__(self) -> Self:
        for namespace in NAMESPACES:
            self._api().create("/api/v1/namespaces", namespace)
        self._scheduler.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._metrics.close()
        self._scheduler.stop()
        self._pool.shutdown()
        for api in self._connections:
            api.close()

    def observe(self, state: State) -> list[Observed]:
        """Creates the state, has each profile place the Pod in turn, and removes everything again.

        A state with volumes is put to one profile only: placing a Pod changes them.
        """
        created = self._create(state)
        profiles = self.profiles
        if any(obj["kind"] == "PersistentVolumeClaim" for obj in state.others):
            profiles = [profiles[state.seed % len(profiles)]]
        try:
            return [self._observe_profile(created, profile) for profile in profiles]
        finally:
            self._remove(created)

    def _create(self, state: State) -> State:
        heard = self._heard() if state.others else Counter()
        others = [self._create_other(obj, heard) for obj in state.others]
        nodes = list(self._pool.map(self._create_node, state.nodes))
        assigned = list(self._pool.map(self._create_pod, state.assigned))
        # Nodes and Pods reach the scheduler through different watches; the incoming Pod must come last.
        self._log.wait_for("Add event for node", len(nodes))
        running = [pod for pod in assigned if pod["status"].get("phase") not in ("Succeeded", "Failed")]
        self._log.wait_for_pods("Add event for scheduled pod", running)
        waiting = list(self._pool.map(self._create_pod, state.waiting))
        if others:
            self._wait_until_heard(heard)
            time.sleep(SETTLE_S)  # nothing tells that kube-scheduler has heard of the other kinds
        return dataclasses.replace(
            state, nodes=tuple(nodes), assigned=tuple(assigned), others=tuple(others), waiting=tuple(waiting)
        )

    def _create_other(self, obj: Object, events: Counter[str]) -> Object:
        """Adds to `events` those that kube-scheduler will have handled when it has heard of the object."""
        path = collection(obj)
        answer: Object = self._api().create(path, {k: v for k, v in obj.items() if k != "status"})
        events[f"{obj['kind']}Add"] += 1
        if status := obj.get("status"):
            path = f"{path}/{obj['metadata']['name']}/status"
            created = answer["metadata"]["resourceVersion"]
            answer = self._api().request("PATCH", path, {"status": status}, "application/merge-patch+json")
            events[f"{obj['kind']}Update"] += answer["metadata"]["resourceVersion"] != created
        return answer

    def _heard(self) -> Counter[str]:
        """Events of the kinds HEARD, such as "CSINodeAdd", that kube-scheduler has handled since its start."""
        return Counter({event: int(count) for event, count in _HEARD.findall(self._metrics.get("/metrics"))})

    def _wait_until_heard(self, events: Counter[str]) -> None:
        names = {f"{kind}{change}" for kind in HEARD for change in ("Add", "Update")}
        deadline = time.monotonic() + LogReader.TIMEOUT_S
        while missing := {name: count for name, count in (events - self._heard()).items() if name in names}:
            if time.monotonic() > deadline:
                raise TimeoutError(f"kube-scheduler has not handled these events: {missing}")
            time.sleep(0.01)

    def _create_node(self, node: Object) -> Object:
        answer: Object = self._api().create("/api/v1/nodes", node)
        return answer

    def _create_pod(self, pod: Object) -> Object:
        """Its status is written, and its deletion begun, after it was created; the latter as a node would see it."""
        path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods"
        metadata = {key: value for key, value in pod["metadata"].items() if key != "deletionTimestamp"}
        body = {key: value for key, value in pod.items() if key != "status"} | {"metadata": metadata}
        answer: Object = self._api().create(path, body)
        path = f"{path}/{pod['metadata']['name']}"
        if status := pod.get("status"):
            patch = "application/strategic-merge-patch+json"
            answer = self._api().request("PATCH", f"{path}/status", {"status": status}, patch)
        if "deletionTimestamp" in pod["metadata"]:
            answer = self._api().request("DELETE", path)
        return answer

    def _observe_profile(self, state: State, profile: str) -> Observed:
        incoming = state.incoming | {"spec": state.incoming["spec"] | {"schedulerName": profile}}
        # A name of its own: where volumes have to be bound, kube-scheduler asks once a second whether they are, and
        # logs that it gave up long after the Pod has gone. That must not be taken for the verdict on a later Pod.
        name = f"incoming-{profile}-{next(self._numbers)}"
        incoming = incoming | {"metadata": incoming["metadata"] | {"name": name}}
        self._log.forget()
        pod = self._create_pod(incoming)
        lines = self._log.read_until(_ends_cycle(_key(pod)))
        metadata = pod["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        self._api().delete(path, grace_period_s=0)
        return interpret(dataclasses.replace(state, incoming=pod), profile, lines)

    def _remove(self, state: State) -> None:
        self._log.forget()
        for namespace in (HOME, ELSEWHERE):
            self._api().delete(f"/api/v1/namespaces/{namespace}/pods", grace_period_s=0)
        for path in sorted({collection(obj) for obj in state.others}):
            self._delete_all(path, [obj for obj in state.others if collection(obj) == path])
        self._api().delete("/api/v1/nodes")
        self._log.wait_for("Delete event for node", len(state.nodes))

    def _delete_all(self, path: str, objects: Sequence[Object]) -> None:
        for obj in objects:
            # Some kinds are by default kept until a controller that is not here has orphaned what they own.
            options = {"propagationPolicy": "Background"}
            self._api().request("DELETE", f"{path}/{obj['metadata']['name']}", options)

    def _api(self) -> Api:
        if not hasattr(self._local, "api"):
            self._local.api = self._cluster.api()
            self._connections.append(self._local.api)
        api: Api = self._local.api
        return api


class LogReader:
    """Follows the scheduler's log. Lines since `forget()` are kept, so that waiting twice loses nothing."""

    TIMEOUT_S = 30.0

    def __init__(self, scheduler: KubeScheduler) -> None:
        self._path = scheduler.log
        self._offset = 0
        self._rest = b""
        self._lines: list[LogLine] = []

    def forget(self) -> None:
        """Drops everything read or written so far."""
        self._read()
        self._lines.clear()

    def wait_for(self, message: str, count: int) -> None:
        """Until `count` lines with this message were written."""
        self._wait(lambda: sum(line.message == message for line in self._lines) >= count, message)

    def wait_for_pods(self, message: str, pods: Sequence[Object]) -> None:
        """Until there is such a line about each of these Pods."""
        wanted = {_key(pod) for pod in pods}
        self._wait(
            lambda: wanted <= {line.fields.get("pod") for line in self._lines if line.message == message},
            message,
        )

    def read_until(self, is_last: Callable[[LogLine], bool]) -> list[LogLine]:
        """All lines up to the first for which `is_last`."""
        self._wait(lambda: any(map(is_last, self._lines)), "end of the scheduling cycle")
        return list(_up_to(self._lines, is_last))

    def _wait(self, done: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + self.TIMEOUT_S
        self._read()
        while not done():
            if time.monotonic() > deadline:
                last = "\n".join(map(str, self._lines[-20:]))
                raise TimeoutError(f"kube-scheduler did not log {what!r}; its last lines:\n{last}")
            time.sleep(0.002)
            self._read()

    def _read(self) -> None:
        with self._path.open("rb") as log:
            log.seek(self._offset)
            new = log.read()
        self._offset += len(new)
        *complete, self._rest = (self._rest + new).split(b"\n")
        self._lines += [line for raw in complete if (line := parse_line(raw.decode(errors="replace")))]


_LINE = re.compile(r'[IWE]\d{4} [\d:.]+ +\d+ [\w.-]+:\d+\] "((?:[^"\\]|\\.)*)"(.*)')
_FIELD = re.compile(r' ([\w.]+)=("(?:[^"\\]|\\.)*"|\S+)')


def parse_line(text: str) -> LogLine | None:
    """A structured line of klog; None for every other."""
    match = _LINE.match(text)
    if match is None:
        return None
    fields = {key: _unquoted(value) for key, value in _FIELD.findall(match[2])}
    return LogLine(_unquoted(f'"{match[1]}"'), fields)


def interpret(state: State, profile: str, lines: Sequence[LogLine]) -> Observed:
    """What the lines of one scheduling cycle say about its Pod."""
    key = _key(state.incoming)
    mine = [line for line in lines if line.fields.get("pod") == key]
    scores: dict[str, dict[str, int]] = {}
    totals: dict[str, int] = {}
    message, error, chosen = "", "", None
    for line in mine:
        match line.message:
            case "Plugin scored node for pod":
                by_plugin = scores.setdefault(line.fields["node"], {})
                by_plugin[line.fields["plugin"]] = int(line.fields["score"])
            case "Calculated node's final score for pod":
                totals[line.fields["node"]] = int(line.fields["score"])
            case "Successfully bound pod to node" | "AssumePodVolumes":
                chosen = line.fields["node"]
            case "Unable to schedule pod; no fit; waiting":
                message = line.fields["err"]
            case "Unable to schedule pod; no nodes are registered to the cluster; waiting":
                message = "no nodes available to schedule pods"
            case "Error scheduling pod; retrying":
                error = line.fields["err"]
    feasible = frozenset(totals) or frozenset({chosen} if chosen else ())
    return Observed(state, profile, feasible, message, scores, totals, chosen, error)


def collection(obj: Object) -> str:
    """Path of the collection that the object belongs to."""
    version, kind = obj["apiVersion"], obj["kind"]
    lower = kind.lower()
    plural = f"{lower}es" if lower.endswith("s") else f"{lower[:-1]}ies" if lower.endswith("y") else f"{lower}s"
    prefix = f"/apis/{version}" if "/" in version else f"/api/{version}"
    namespace = obj["metadata"].get("namespace")
    return f"{prefix}/namespaces/{namespace}/{plural}" if namespace else f"{prefix}/{plural}"


CYCLE_ENDS = frozenset(
    {
        "Successfully bound pod to node",
        "AssumePodVolumes",  # binding may wait for volumes that nobody makes here
        "Unable to schedule pod; no fit; waiting",
        "Unable to schedule pod; no nodes are registered to the cluster; waiting",
        "Error scheduling pod; retrying",
    }
)


def _ends_cycle(key: str) -> Callable[[LogLine], bool]:
    return lambda line: line.message in CYCLE_ENDS and line.fields.get("pod") == key


def _up_to(lines: Sequence[LogLine], is_last: Callable[[LogLine], bool]) -> Iterator[LogLine]:
    for line in lines:
        yield line
        if is_last(line):
            return


def _key(pod: Mapping[str, Any]) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _unquoted(value: str) -> str:
    """Go's quoting, of which every escape is one of Python's too."""
    if not value.startswith('"'):
        return value
    return str(ast.literal_eval(value)) if "\\" in value else value[1:-1]


def as_json(observed: Observed) -> bytes:
    """One line of JSON."""
    return orjson.dumps(
        {key: value for key, value in dataclasses.asdict(observed).items() if key != "feasible"}
        | {"feasible": sorted(observed.feasible)}
    )


def main() -> int:
    """Command line: observes COUNT seeds from FIRST on and prints one JSON object per line."""
    parser = argparse.ArgumentParser(description="Show what the real kube-scheduler makes of random states.")
    parser.add_argument("first", type=int)
    parser.add_argument("count", type=int)
    for name in (f.name for f in dataclasses.fields(Features)):
        parser.add_argument(f"--{name.replace('_', '-')}", action="store_true")
    options = vars(parser.parse_args())
    first, count = options.pop("first"), options.pop("count")
    with Cluster(disable_admission=DISABLED_ADMISSION) as cluster, RealScheduler(cluster) as scheduler:
        for seed in range(first, first + count):
            for observed in scheduler.observe(make_state(seed, Features(**options))):
                print(as_json(observed).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
