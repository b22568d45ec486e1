"""The Pods that workloads make, and what comes with them."""

from __future__ import annotations

from typing import Any

import pytest

from edged.kube.values.names import NamespacedName
from edged.scheduling.simulation.added_objects import add_pods
from edged.scheduling.simulation.cluster_state import ClusterState
from edged.scheduling.simulation.pod_objects import owner
from tests.scheduling.makers import node
from tests.scheduling.simulation.test_simulation import picture

TEMPLATE = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c"}]}}
ENDING = {"spec": {"containers": [{"name": "c"}], "restartPolicy": "Never"}}


def added(kind: str, state: ClusterState | None = None, **spec: Any) -> tuple[ClusterState, list[Any]]:
    """The state, and the Pods that were made."""
    state = state or picture(node("a"), node("b"))
    spec = {"template": TEMPLATE, **spec}
    add_pods(state, [({"kind": kind, "metadata": {"name": "x"}, "spec": spec}, "f")])
    return state, list(state.pods.values())


def labels(pod: Any) -> dict[str, str]:
    found: dict[str, str] = pod["metadata"]["labels"]
    return found


def test_a_deployment_has_a_replica_set_that_selects_its_pods() -> None:
    state, pods = added("Deployment", replicas=2, selector={"matchLabels": {"app": "x"}})
    assert [pod["metadata"]["name"] for pod in pods] == ["x-0", "x-1"]
    (replica_set,) = state.of("ReplicaSet").values()
    assert owner(pods[0]) == ("ReplicaSet", replica_set["metadata"]["name"])
    assert labels(pods[0]) == replica_set["spec"]["selector"]["matchLabels"]
    other, _ = added("Deployment", template={**TEMPLATE, "spec": {"containers": [{"name": "d"}]}})
    assert other.of("ReplicaSet").keys() != state.of("ReplicaSet").keys()


@pytest.mark.parametrize(("kind", "selector"), [("ReplicaSet", {"matchLabels": {"app": "x"}}), (
    "ReplicationController", {"app": "x"})])  # fmt: skip
def test_what_selects_pods_is_known_for_spreading(kind: str, selector: Any) -> None:
    state, pods = added(kind, selector=selector if kind == "ReplicaSet" else None)
    assert len(pods) == 1
    assert state.of(kind)[NamespacedName("default", "x")]["spec"]["selector"] == selector


def test_a_stateful_set_has_numbers_and_claims() -> None:
    claims = [{"metadata": {"name": "data"}, "spec": {"storageClassName": "fast"}}]
    volumes = [{"name": "data", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]
    template = {**TEMPLATE, "spec": {**TEMPLATE["spec"], "volumes": volumes}}
    state, pods = added(
        "StatefulSet", replicas=2, ordinals={"start": 3}, volumeClaimTemplates=claims, template=template,
        selector={"matchLabels": {"app": "x"}},
    )  # fmt: skip
    assert [pod["metadata"]["name"] for pod in pods] == ["x-3", "x-4"]
    assert labels(pods[1])["apps.kubernetes.io/pod-index"] == "4"
    assert labels(pods[1])["statefulset.kubernetes.io/pod-name"] == "x-4"
    assert pods[0]["spec"]["volumes"] == [
        {"name": "tmp", "emptyDir": {}}, {"name": "data", "persistentVolumeClaim": {"claimName": "data-x-3"}},
    ]  # fmt: skip
    assert [key.name for key in state.of("PersistentVolumeClaim")] == ["data-x-3", "data-x-4"]
    claim = state.of("PersistentVolumeClaim")[NamespacedName("default", "data-x-4")]
    assert claim["metadata"]["labels"] == {"app": "x"}
    assert claim["status"] == {"phase": "Pending"}


def test_a_claim_that_is_there_is_used() -> None:
    state = picture(node("a"))
    there = {"kind": "PersistentVolumeClaim", "metadata": {"name": "d-x-0"}, "spec": {"volumeName": "v"}}
    state.add_document(there, "f")
    added("StatefulSet", state, volumeClaimTemplates=[{"metadata": {"name": "d"}, "spec": {}}])
    assert [claim["spec"]["volumeName"] for claim in state.of("PersistentVolumeClaim").values()] == ["v"]


@pytest.mark.parametrize(
    ("spec", "count", "note"),
    [
        ({}, 1, ""),
        ({"completions": 9, "parallelism": 3}, 3, "Job default/x (6): makes further Pods as these end"),
        ({"completions": 2, "parallelism": 5}, 2, ""),
        ({"parallelism": 4}, 4, ""),
        ({"parallelism": 0, "completions": 1}, 0, "Job default/x (1): makes further"),
    ],
)
def test_a_job_runs_as_many_as_it_may_at_once(spec: Any, count: int, note: str) -> None:
    state = picture(node("a"))
    job = {"kind": "Job", "metadata": {"name": "x"}, "spec": {"template": ENDING, **spec}}
    claim = {"kind": "Service", "metadata": {"name": "s"}}
    add_pods(state, [(job, "f"), (claim, "f")])
    assert len(state.pods) == count
    assert " ".join(state.notes.lines()).startswith(note)
    assert all(labels(pod)["batch.kubernetes.io/job-name"] == "x" for pod in state.pods.values())


def test_an_indexed_job_numbers_its_pods() -> None:
    _, pods = added("Job", completions=2, parallelism=2, completionMode="Indexed")
    index = "batch.kubernetes.io/job-completion-index"
    assert [(labels(pod)[index], pod["metadata"]["annotations"][index]) for pod in pods] == [("0", "0"), ("1", "1")]


def test_a_cron_job_runs_once_and_nothing_runs_while_it_is_suspended() -> None:
    job = {"spec": {"template": ENDING, "parallelism": 2, "completions": 2}}
    state, pods = added("CronJob", jobTemplate=job)
    assert [pod["metadata"]["name"] for pod in pods] == ["x-run-0", "x-run-1"]
    assert owner(pods[0]) == ("Job", "x-run")
    assert state.notes.lines() == [
        "CronJob default/x: runs once: at which time, and what else runs then, is not simulated"
    ]
    for kind, spec in (("CronJob", {"jobTemplate": job}), ("Job", job["spec"])):
        state = picture(node("a"))
        suspended = {"kind": kind, "metadata": {"name": "x"}, "spec": {**spec, "suspend": True}}
        add_pods(state, [([suspended, {"kind": "Namespace", "metadata": {"name": "n"}}], "f")])
        assert not state.pods
        assert state.notes.lines() == [f"{kind} default/x: is suspended: no Pods are made of it"]


def test_a_pod_template_makes_one_and_says_so() -> None:
    state = picture(node("a"))
    add_pods(state, [({"kind": "PodTemplate", "metadata": {"name": "x"}, "template": TEMPLATE}, "f")])
    (pod,) = state.pods.values()
    assert owner(pod) == ("", "")
    assert state.notes.lines() == ["PodTemplate default/x: makes no Pod by itself; one is made of it here"]
