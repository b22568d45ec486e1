"""What a picture lacks is said for the picture as it is in the end."""

from __future__ import annotations

from edged.scheduling.simulation.added_objects import add_pods
from edged.scheduling.simulation.cluster_state import ClusterState
from edged.scheduling.simulation.completion import complete
from edged.scheduling.simulation.gaps import NO_LABELS, NO_STATUS, note_gaps
from tests.kube.defaults.pods import Object, container, pod
from tests.scheduling.simulation.test_completion import completed, node


def test_what_kubelets_would_have_said_is_missed_by_name() -> None:
    spread = [{"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway"}]
    state = completed(
        node("a"), node("b", status={}), pod("p", {"containers": [container()], "topologySpreadConstraints": spread})
    )
    assert state.notes.lines() == [
        "Node a, Node b: has no label kubernetes.io/hostname, by which Pods are spread",
        "Node b: takes no Pod, because status.allocatable has no pods",
    ]
    assert completed(node("a"), pod("p", {"containers": [container()]})).notes.lines() == []


def test_what_is_not_known_of_budgets_and_namespaces_is_said() -> None:
    selector = {"matchLabels": {"team": "a"}}
    apart = {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 1, "podAffinityTerm": {"topologyKey": "zone", "namespaceSelector": selector}}]}}  # fmt: skip
    wanted = pod("p", {"containers": [container()], "affinity": apart})
    budget = {"kind": "PodDisruptionBudget", "metadata": {"name": "b"}, "spec": {"selector": selector}}
    assert completed(wanted, budget).notes.lines() == [
        f"Pod default/p: {NO_LABELS}",
        f"PodDisruptionBudget default/b: {NO_STATUS}",
    ]
    spaces = {"kind": "Namespace", "metadata": {"name": "x"}}
    told = {**budget, "status": {"disruptionsAllowed": 0}}
    assert completed(wanted, told, spaces).notes.lines() == []


STORED: Object = {"kind": "PersistentVolumeClaim", "metadata": {"name": "c"}, "spec": {"storageClassName": "slow"}}
VOLUME: Object = {"name": "v", "persistentVolumeClaim": {"claimName": "c"}}
USING: Object = pod("p", {"containers": [container()], "volumes": [VOLUME]})
WAITING: Object = {"kind": "StorageClass", "metadata": {"name": "slow"}, "volumeBindingMode": "WaitForFirstConsumer"}


def test_what_a_change_brings_is_not_missing() -> None:
    assert completed(USING, STORED).notes.lines() == [
        "claim default/c: has no volume, and its StorageClass is not in the input"
    ]
    state = ClusterState()
    for obj in (USING, STORED):
        state.add_document(obj, "f")
    complete(state)
    add_pods(state, [(WAITING, "classes.yaml")])
    note_gaps(state)
    assert state.notes.lines() == []


def test_a_budget_that_is_added_is_missing_its_status_too() -> None:
    state = completed(node("a"))
    add_pods(state, [({"kind": "PodDisruptionBudget", "metadata": {"name": "b"}, "spec": {}}, "f")])
    note_gaps(state)
    assert state.notes.lines() == [f"PodDisruptionBudget default/b: {NO_STATUS}"]
