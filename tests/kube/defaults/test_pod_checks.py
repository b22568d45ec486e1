"""What the API server refuses in Pods, of the fields that decide where they go."""

from __future__ import annotations

from typing import Any

import pytest

from edged.kube.defaults import pod_checks, pod_spec
from tests.kube.defaults.pods import SPECS, Object, asking, container, pod


def refused(spec: Object, name: str = "p") -> list[str]:
    given = pod(name, spec)
    debts = [*pod_checks.without_debts(given["spec"])]
    pod_spec.pod(given)
    return [*debts, *pod_checks.refused(given)]


def spread(**fields: Any) -> Object:
    usual = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
    return {"containers": [container()], "topologySpreadConstraints": [{**usual, **fields}]}


def on_host(**port: Any) -> Object:
    return {"hostNetwork": True, "containers": [container(ports=[port])]}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({}, "spec.containers: at least one is required"),
        ({"containers": [asking(requests={"cpu": "-30"})]},
         "spec.containers[0].resources.requests[cpu]: -30 must be greater than or equal to 0"),
        ({"containers": [container()], "initContainers": [asking("i", limits={"memory": "-1"})]},
         "spec.initContainers[0].resources.limits[memory]: -1 must be"),
        ({"containers": [container()], "resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}},
         "spec.resources.requests[cpu]: 2 cpu is more than the limit, 1"),
        ({"containers": [asking(requests={"cpu": "1"}), asking("d", requests={"cpu": "1500m"})],
          "resources": {"requests": {"cpu": "2"}}},
         "spec.resources: requests of the containers: 2500m cpu is more than the Pod's, 2"),
        ({"containers": [asking(limits={"memory": "2Gi"})], "resources": {
            "requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}},
         "spec.containers[0].resources.limits[memory]: 2Gi memory is more than the Pod's limit, 1Gi"),
        (on_host(containerPort=80, hostPort=81),
         "spec.containers[0].ports[0].hostPort: 81 must be the containerPort 80"),
        ({"containers": [container(ports=[{"hostPort": 80}])]}, "ports[0].containerPort: 0 is not between"),
        ({"containers": [container(ports=[{"containerPort": 80, "hostPort": 70000}])]}, "hostPort: 70000 is not"),
        ({"containers": [container(ports=[{"containerPort": 80, "protocol": "tcp"}])]}, "protocol: 'tcp' is none of"),
        (spread(maxSkew=0), "spec.topologySpreadConstraints[0].maxSkew: 0 must be greater than 0"),
        (spread(whenUnsatisfiable="Maybe"), "whenUnsatisfiable: 'Maybe' is none of DoNotSchedule, ScheduleAnyway"),
        (spread(topologyKey=""), "topologyKey: is required"),
        (spread(minDomains=0), "minDomains: 0 must be greater than 0"),
        (spread(minDomains=2, whenUnsatisfiable="ScheduleAnyway"), "minDomains: needs whenUnsatisfiable DoNotSchedule"),
        ({**spread(), "topologySpreadConstraints": spread()["topologySpreadConstraints"] * 2},
         "spec.topologySpreadConstraints[1]: an earlier one has the same"),
    ],
)  # fmt: skip
def test_what_is_refused(spec: Object, said: str) -> None:
    assert said in "\n".join(refused(spec))


def test_names_are_those_of_objects() -> None:
    assert refused({"containers": [container()]}, "a.b-3") == []
    (said,) = refused({"containers": [container()]}, "UPPER_case")
    assert said.startswith("metadata.name: 'UPPER_case' is not a DNS name")


def test_what_the_api_server_takes_is_not_refused() -> None:
    """The Pods that the real one completes in tests/cluster/test_pod_defaults.py."""
    assert {name: refused(spec) for name, spec in SPECS.items() if refused(spec)} == {}
    taken = (on_host(containerPort=80), on_host(containerPort=80, hostPort=80), spread(minDomains=2), {
        "hostNetwork": True, "containers": [container()],
        "initContainers": [container("i", ports=[{"containerPort": 80, "hostPort": 81}])]})  # fmt: skip
    assert [refused(spec) for spec in taken] == [[]] * len(taken)


def test_amounts_below_nothing_count_as_nothing() -> None:
    spec = {"containers": [asking(requests={"cpu": "-30", "memory": "1Gi"})], "resources": {"limits": {"cpu": "-1"}}}
    assert len([*pod_checks.without_debts(spec)]) == 2
    assert spec == {
        "containers": [asking(requests={"cpu": "0", "memory": "1Gi"})], "resources": {"limits": {"cpu": "0"}},
    }  # fmt: skip
