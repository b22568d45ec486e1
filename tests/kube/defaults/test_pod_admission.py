"""What admission plugins add to Pods, rule by rule; against API servers: tests/cluster/test_pod_defaults.py."""

from __future__ import annotations

import copy

import pytest

from edged.kube.defaults.pod_admission import Surroundings, admit, item_defaults
from tests.kube.defaults.pods import CLASSES, HEAVY, LIMITS, SPECS, Object, asking, container, pod

AROUND = Surroundings(CLASSES, (HEAVY,))


def admitted(spec: Object, around: Surroundings = AROUND) -> tuple[Object, list[str]]:
    wanted = pod("p", copy.deepcopy(spec))
    refusals = admit(wanted, around)
    return wanted["spec"], refusals


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ("usual", 1000, "PreemptLowerPriority")),
        ({"priorityClassName": "polite"}, ("polite", 2000, "Never")),
        (
            {"priorityClassName": "system-node-critical"},
            ("system-node-critical", 2_000_001_000, "PreemptLowerPriority"),
        ),
    ],
)
def test_priority_is_that_of_the_class(fields: Object, expected: tuple[str, int, str]) -> None:
    spec, refusals = admitted({"containers": [container()], **fields})
    assert (spec["priorityClassName"], spec["priority"], spec["preemptionPolicy"]) == expected
    assert refusals == []


def test_a_priority_that_was_decided_before_stays_where_it_is_told_so() -> None:
    before = Surroundings(CLASSES, keep_priority=True)
    assert admitted({"priority": 0}, before)[0].get("priorityClassName") is None
    assert admitted({"priority": 0}, before)[1] == []
    assert admitted({}, before)[0]["priority"] == 1000


def test_without_a_class_for_all_priority_is_zero_and_of_two_the_lower_counts() -> None:
    spec, _ = admitted({}, Surroundings())
    assert (spec["priority"], "priorityClassName" in spec) == (0, False)
    two = [{"metadata": {"name": name}, "value": value, "globalDefault": True} for name, value in (("b", 9), ("a", 5))]
    assert admitted({}, Surroundings(two))[0]["priorityClassName"] == "a"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"priorityClassName": "nope"}, "no PriorityClass with name nope was found"),
        ({"priority": 5}, "its priority is 5, but its PriorityClass gives 1000"),
        ({"preemptionPolicy": "Never"}, "its preemptionPolicy is Never, but its PriorityClass gives PreemptLower"),
        ({"runtimeClassName": "nope"}, 'RuntimeClass "nope" not found'),
        ({"overhead": {"cpu": "1"}}, "it has an overhead, but no RuntimeClass that gives one"),
        ({"runtimeClassName": "heavy", "overhead": {"cpu": "1"}}, "its overhead is not that of RuntimeClass heavy"),
        ({"runtimeClassName": "heavy", "nodeSelector": {"runtime": "x"}}, "its nodeSelector asks for runtime=x"),
        (
            {"containers": [asking(requests={"cpu": "2"}, limits={"cpu": "500m"})]},
            "spec.containers[0].resources.requests: 2 must be less than or equal to cpu limit of 500m",
        ),
    ],
)
def test_what_the_api_server_would_refuse_is_said_and_the_rest_is_filled_in(fields: Object, said: str) -> None:
    spec, refusals = admitted({"containers": [container()], **fields})
    assert len(refusals) == 1
    assert refusals[0].startswith(said)
    assert "node.kubernetes.io/unreachable" in [toleration["key"] for toleration in spec["tolerations"]]
    assert "priority" in spec


def test_a_runtime_brings_overhead_selector_and_tolerations() -> None:
    spec, refusals = admitted(SPECS["a runtime"])
    assert spec["overhead"] == HEAVY["overhead"]["podFixed"]
    assert spec["nodeSelector"] == {"disk": "ssd", "runtime": "heavy"}
    keys = [toleration["key"] for toleration in spec["tolerations"]]
    assert keys == ["own", "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable", "heavy"]
    assert refusals == []


def test_nodes_that_are_lost_are_tolerated_for_a_while_unless_the_pod_speaks_of_them() -> None:
    assert [t["tolerationSeconds"] for t in admitted(SPECS["plain"])[0]["tolerations"]] == [300, 300]
    assert admitted(SPECS["tolerates all"])[0]["tolerations"] == [{"operator": "Exists"}]
    seconds = {t["key"]: t["tolerationSeconds"] for t in admitted(SPECS["tolerates one"])[0]["tolerations"]}
    assert seconds == {"node.kubernetes.io/not-ready": 5, "node.kubernetes.io/unreachable": 300}


def test_limits_of_the_namespace_are_defaults_of_containers() -> None:
    assert item_defaults(LIMITS["spec"]["limits"][0]) == (
        {"cpu": "2", "memory": "1Gi"}, {"cpu": "2", "memory": "64Mi"},
    )  # fmt: skip
    around = Surroundings(limit_ranges=(LIMITS,))
    spec, _ = admitted({"containers": [container(), asking("d", requests={"cpu": "1"})]}, around)
    first, second = (each["resources"] for each in spec["containers"])
    assert first == {"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "2", "memory": "64Mi"}}
    assert second["requests"] == {"cpu": "1", "memory": "64Mi"}
