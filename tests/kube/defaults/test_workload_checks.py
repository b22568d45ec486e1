"""What the API server refuses in workloads."""

from __future__ import annotations

from typing import Any

import pytest

from edged.kube.defaults.workload_checks import refused

SELECTING = ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet")


def spec(selector: Any = None, **pod: Any) -> dict[str, Any]:
    return {"selector": selector, "template": {"metadata": {"labels": {"app": "w"}}, "spec": pod}}


@pytest.mark.parametrize("kind", SELECTING)
def test_selectors_match_the_template(kind: str) -> None:
    for selector in (None, {}, {"matchLabels": {}}):
        assert [*refused(kind, spec(selector))] == ["spec.selector: is required, and may not be empty"]
    assert [*refused(kind, spec({"matchLabels": {"app": "other"}}))] == [
        "spec.template.metadata.labels: the selector does not match them"
    ]
    (said,) = refused(kind, spec({"matchLabels": {"bad key!": "x"}}))
    assert said.startswith("spec.selector: matchLabels['bad key!']")
    assert [*refused(kind, spec({"matchExpressions": [{"key": "app", "operator": "Exists"}]}))] == []


def test_a_replication_controller_takes_the_labels_of_its_template() -> None:
    assert [*refused("ReplicationController", spec())] == []
    assert [*refused("ReplicationController", spec({"app": "other"}))] == [
        "spec.template.metadata.labels: the selector does not match them"
    ]
    assert [*refused("ReplicationController", {"template": {}})] == ["spec.selector: is required, and may not be empty"]


@pytest.mark.parametrize(
    ("kind", "policy", "is_taken"),
    [
        *((kind, policy, policy != "Never") for kind in SELECTING for policy in (None, "Always", "Never")),
        *((kind, policy, policy == "Never") for kind in ("Job", "CronJob") for policy in (None, "Always", "Never")),
        ("PodTemplate", "Never", True),
    ],
)
def test_restart_policies(kind: str, policy: str | None, is_taken: bool) -> None:
    said = [*refused(kind, spec({"matchLabels": {"app": "w"}}, restartPolicy=policy))]
    assert [each.partition(":")[0] for each in said] == ([] if is_taken else ["spec.template.spec.restartPolicy"])
