"""Reading the picture of a cluster: exports, lists, documents that are none."""

from __future__ import annotations

from typing import Any

import pytest

from edged.errors import ConfigError
from edged.scheduling.simulation.cluster_state import ClusterState
from tests.scheduling.makers import node, pod


def test_the_export_of_the_simulator() -> None:
    state = ClusterState()
    configuration = {"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration"}
    document = {
        "nodes": [node("a")], "pods": [pod("p")], "namespaces": [{"metadata": {"name": "default"}}], "pvs": None,
        "priorityClasses": [{"metadata": {"name": "high"}, "value": 5}], "schedulerConfig": configuration,
    }  # fmt: skip
    state.add_document(document, "export.json")
    assert [key.name for key in state.nodes] == ["a"]
    assert [str(key) for key in state.pods] == ["default/p"]
    assert (state.priority("high"), state.priority("system-node-critical"), state.priority("x")) == (
        5, 2_000_001_000, None,
    )  # fmt: skip
    assert state.scheduler_config == configuration


def test_lists_and_kinds_that_do_not_matter() -> None:
    state = ClusterState()
    state.add_document({"kind": "NodeList", "items": [node("a")]}, "x")
    state.add_document({"kind": "List", "items": [{**pod("p"), "kind": "Pod"}, {"kind": "ConfigMap"}]}, "x")
    state.add_document(None, "an empty document")
    assert (len(state.nodes), len(state.pods), dict(state.ignored)) == (1, 1, {"ConfigMap": 1})


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("text", "f: not a Kubernetes object but str"),
        ({"a": 1}, "f: no kind"),
        ({"kind": "Pod"}, "f: Pod without metadata.name"),
        ({"kind": "Pod", "metadata": {"name": "p"}, "spec": []}, "f: Pod default/p: spec: must be an object"),
        ({"kind": "List", "items": ["x"]}, "f: items[0]: not an object"),
        ({"kind": "List", "items": [{"metadata": {}}]}, "f: items[0].kind: is required"),
        ({"pods": {}}, "f: pods: must be a list"),
    ],
)
def test_documents_that_are_none(document: Any, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ClusterState().add_document(document, "f")
    assert said in str(caught.value)
