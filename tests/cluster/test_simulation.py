"""Simulations of pictures that were written by hand, against the real kube-apiserver and kube-scheduler.

What controllers would make of workloads comes from the simulation, as it is sent to the API server. Equal have to be
the node of each Pod, or what its condition says.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edged.scheduling.core.cycle import run_now
from edged.scheduling.core.profile import default_profile
from edged.scheduling.simulation.added_nodes import add_nodes
from edged.scheduling.simulation.added_objects import add_pods
from edged.scheduling.simulation.cluster_state import ClusterState
from edged.scheduling.simulation.completion import complete
from edged.scheduling.simulation.pod_objects import owner
from edged.scheduling.simulation.simulation import Simulation
from edged.scheduling.simulation.workloads import MAKERS, pods_of
from tests.cluster.api import Api, ApiFailure
from tests.cluster.cluster import NO_SERVICE_ACCOUNTS, Cluster, KubeScheduler
from tests.cluster.differential import collection
from tests.cluster.scheduling import condition
from tests.cluster.simulation_cases import CASES, SPACE, Case
from tests.kube.defaults.pods import Object, container

DISABLED = (*NO_SERVICE_ACCOUNTS, "TaintNodesByCondition", "StorageObjectInUseProtection")
"""Controllers that undo what the last two do are not there."""
SELECTED = "volume.kubernetes.io/selected-node"
WITHIN_S = 60.0
OF_CASES = (
    "api/v1/nodes", "api/v1/namespaces/{space}/pods", "api/v1/namespaces/{space}/persistentvolumeclaims",
    "api/v1/namespaces/{space}/limitranges", "apis/apps/v1/namespaces/{space}/replicasets",
    "apis/storage.k8s.io/v1/storageclasses", "apis/storage.k8s.io/v1/csinodes", "apis/storage.k8s.io/v1/csidrivers",
    "apis/storage.k8s.io/v1/namespaces/{space}/csistoragecapacities", "apis/node.k8s.io/v1/runtimeclasses",
)  # fmt: skip

pytestmark = [pytest.mark.kube, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def cluster(kube_programs: dict[str, Path]) -> Iterator[Cluster]:
    with Cluster(disable_admission=DISABLED) as cluster:
        api = cluster.api()
        api.create("/api/v1/namespaces", {"metadata": {"name": SPACE}})
        api.close()
        yield cluster


@pytest.fixture
def empty(cluster: Cluster) -> Iterator[Cluster]:
    yield cluster
    api = cluster.api()
    for path in OF_CASES:
        api.delete("/" + path.format(space=SPACE), grace_period_s=0)
    for found in api.get("/apis/scheduling.k8s.io/v1/priorityclasses")["items"]:
        if not found["metadata"]["name"].startswith("system-"):
            api.delete(f"/apis/scheduling.k8s.io/v1/priorityclasses/{found['metadata']['name']}")
    api.close()


# --- edged's side


def simulated(case: Case) -> tuple[dict[str, str], ClusterState]:
    """Pod -> its node, or what its condition would say; and the state with all that was added."""
    state = ClusterState()
    for obj in copy.deepcopy(case.picture):
        state.add_document(obj, "picture")
    complete(state)
    if case.clone:
        add_nodes(state, 1, case.clone)
    if case.added:
        add_pods(state, [(copy.deepcopy(case.added), "added")])
    simulation = Simulation(state)
    simulation.use([default_profile("default-scheduler", simulation)])
    outcome = run_now(simulation.run())
    fates = {key.name: fate.node or ("" if fate.evicted_by else fate.message) for key, fate in outcome.fates.items()}
    return {name: told for name, told in fates.items() if told}, state


def to_create(case: Case, state: ClusterState) -> list[Object]:
    """Everything as it is sent to the API server, Pods last."""
    objects = [*case.picture]
    before = ClusterState()
    for obj in copy.deepcopy(case.picture):
        before.add_document(obj, "picture")
    for obj in copy.deepcopy(case.added):
        if obj["kind"] in MAKERS:
            made = [*pods_of(obj, obj["kind"], before, "added")]
            objects += [{"apiVersion": "v1", "kind": "Pod", **pod} for pod in made]
        else:
            objects.append(obj)
    versions = {obj["kind"]: obj["apiVersion"] for obj in case.picture} | {"PersistentVolumeClaim": "v1"}
    for kind in ("Node", "CSINode", "CSIStorageCapacity", "PersistentVolumeClaim"):
        known = {obj["metadata"]["name"] for obj in objects if obj["kind"] == kind}
        new = [obj for key, obj in state.of(kind).items() if key.name not in known]
        objects += [{"apiVersion": versions[kind], "kind": kind, **obj} for obj in new]
    objects += [with_template(obj) for obj in state.of("ReplicaSet").values()]
    return sorted(objects, key=lambda obj: obj["kind"] == "Pod")


def with_template(replica_set: Object) -> Object:
    """What the simulation keeps of it selects Pods; the API server wants a template that makes such Pods."""
    spec = replica_set["spec"]
    template = {"metadata": {"labels": spec["selector"]["matchLabels"]}, "spec": {"containers": [container()]}}
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", **replica_set, "spec": {**spec, "template": template}}


# --- the real one


def create(api: Api, objects: list[Object]) -> None:
    """What the scheduler finds when it starts."""
    for obj in objects:
        when_classes_are_known(api, obj)


def create_pods(api: Api, objects: list[Object]) -> None:
    """Pod after Pod: the next one comes when the last one has its place, or none. Then the claims that Pods own."""
    uids: dict[str, str] = {}
    for obj in sorted(objects, key=lambda obj: obj["kind"] != "Pod"):
        for reference in obj["metadata"].get("ownerReferences") or ():
            reference["uid"] = uids.get(reference["name"], "0815")
        made = when_classes_are_known(api, obj)
        if obj["kind"] == "Pod":
            uids[obj["metadata"]["name"]] = made["metadata"]["uid"]
            decided(api, obj["metadata"]["name"])


def when_classes_are_known(api: Api, obj: Object) -> Object:
    """Creates it. Caches of the API server learn of classes a moment later."""
    deadline = time.monotonic() + WITHIN_S
    body = copy.deepcopy(obj)
    for reference in body["metadata"].get("ownerReferences") or ():
        reference.setdefault("apiVersion", "v1")
        reference["apiVersion"] = reference["apiVersion"] or "apps/v1"
    while True:
        try:
            made: Object = api.create(collection(body), body)
            return made
        except ApiFailure as failure:
            if "no PriorityClass" not in str(failure) or time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def decided(api: Api, name: str) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not observed(api).get(name):
        assert time.monotonic() < deadline, name
        time.sleep(0.05)


def observed(api: Api) -> dict[str, str]:
    """Pod -> its node, or what its condition says. Ends Pods that are to be evicted, as kubelets would."""
    claims = {c["metadata"]["name"]: c for c in api.get(f"/api/v1/namespaces/{SPACE}/persistentvolumeclaims")["items"]}
    found = {}
    for pod in api.get(f"/api/v1/namespaces/{SPACE}/pods")["items"]:
        name = pod["metadata"]["name"]
        if pod["metadata"].get("deletionTimestamp"):
            api.delete(f"/api/v1/namespaces/{SPACE}/pods/{name}", grace_period_s=0)
            continue
        places = {pod["spec"].get("nodeName")}
        for volume in pod["spec"].get("volumes") or ():
            used = (volume.get("persistentVolumeClaim") or {}).get("claimName") or f"{name}-{volume['name']}"
            places.add((claims.get(used, {"metadata": {}})["metadata"].get("annotations") or {}).get(SELECTED))
        found[name] = next(filter(None, places), "") or condition(pod).get("message", "")
    return found


@pytest.mark.parametrize("name", CASES)
def test_pods_go_where_the_real_scheduler_puts_them(empty: Cluster, name: str) -> None:
    case, api = CASES[name], empty.api()
    expected, state = simulated(case)
    expected = {pod: in_their_words(told) for pod, told in expected.items()}
    objects = copy.deepcopy(to_create(case, state))
    later = [obj for obj in objects if comes_later(obj)]
    create(api, [obj for obj in objects if obj not in later])
    with KubeScheduler(empty, verbosity=2):  # so it knows all of the picture from the start
        create_pods(api, later)
        deadline = time.monotonic() + WITHIN_S
        while (seen := observed(api)) != expected and time.monotonic() < deadline:
            time.sleep(0.1)
    api.close()
    assert seen == expected


def comes_later(obj: Object) -> bool:
    """Pods that are to be placed, and what belongs to them."""
    return (obj["kind"] == "Pod" and not obj["spec"].get("nodeName")) or owner(obj)[0] == "Pod"


def in_their_words(told: str) -> str:
    """The API server's own word on gates; and what stands for preemption where PreFilter refuses a Pod
    (docs/scheduler-differences.md)."""
    if told == "not tried: SchedulingGates holds it back":
        return "Scheduling is blocked due to non-empty scheduling gates"
    reason, _, rest = told.partition(" preemption: ")
    return f"{reason} not found" if rest and "unbound immediate" in reason else told


def test_the_cases_say_something() -> None:
    """Pods find a node, find none, and are not the only ones."""
    outcomes = {name: simulated(case)[0] for name, case in CASES.items()}
    waiting = [told for outcome in outcomes.values() for told in outcome.values() if " " in told]
    assert len(waiting) >= 10
    assert sum(len(outcome) for outcome in outcomes.values()) > len(waiting) + 20
