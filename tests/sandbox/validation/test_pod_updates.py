"""Changes of Pods and of their parts."""

from __future__ import annotations

from typing import Any

import pytest

from edged.sandbox.validation.pod_resizes import qos_class, resized_pod
from edged.sandbox.validation.pod_statuses import changed_status
from edged.sandbox.validation.pod_updates import changed_ephemeral_containers, changed_pod
from tests.sandbox.validation.test_pods import made

Object = dict[str, Any]


def resized(requests: Object) -> Object:
    return made(container={"resources": {"requests": requests}})


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (made(), made(container={"image": "j"}), []),
        (made(), made({"activeDeadlineSeconds": 5}), []),
        (made({"activeDeadlineSeconds": 5}), made({"activeDeadlineSeconds": 6}), ["spec.activeDeadlineSeconds"]),
        (made(), made({"tolerations": [{"key": "a", "operator": "Exists"}]}), []),
        (made({"tolerations": [{"key": "a", "operator": "Exists"}]}), made(), ["spec.tolerations"]),
        (made(), made({"hostNetwork": True}), ["spec"]),
        (made(), made({"nodeSelector": {"a": "b"}}), ["spec"]),
        (made({"schedulingGates": [{"name": "g"}]}), made({"nodeSelector": {"a": "b"}}), []),
        (made({"schedulingGates": [{"name": "g"}], "nodeSelector": {"a": "b"}}), made(), ["spec.nodeSelector"]),
        (made(), made({"schedulingGates": [{"name": "g"}]}), ["spec.schedulingGates[0].name"]),
        (made(), made({"initContainers": [made()["spec"]["containers"][0] | {"name": "i"}]}), ["spec.initContainers"]),
        (made({"terminationGracePeriodSeconds": -1}), made({"terminationGracePeriodSeconds": 1}), []),
    ],
)  # fmt: skip
def test_what_may_change(old: Object, new: Object, found: list[str]) -> None:
    assert [cause.field for cause in changed_pod(old, new)] == found


def test_ephemeral_containers_stay() -> None:
    container = made()["spec"]["containers"][0] | {"name": "e"}
    old, changed = (made({"ephemeralContainers": [each]}) for each in (container, container | {"image": "j"}))
    assert list(changed_ephemeral_containers(made(), old)) == []
    for new in (made(), changed):
        assert [cause.field for cause in changed_ephemeral_containers(old, new)] == ["spec.ephemeralContainers"]


def test_resizes_change_cpu_and_memory_alone() -> None:
    old = resized({"cpu": "1"})
    assert list(resized_pod(old, resized({"cpu": "2", "memory": "1Gi"}))) == []
    assert [c.field for c in resized_pod(old, resized({"cpu": "1", "ephemeral-storage": "1"}))] == ["spec"]
    (removed,) = [c for c in resized_pod(resized({"cpu": "1", "memory": "1"}), old)]
    assert removed.field == "spec.containers[0].resources.requests"


@pytest.mark.parametrize(
    ("resources", "name"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"requests": {"cpu": "1", "memory": "1"}, "limits": {"cpu": "1000m", "memory": "1"}}, "Guaranteed"),
        ({"limits": {"ephemeral-storage": "1"}}, "BestEffort"),
    ],
)
def test_quality_of_service(resources: Object, name: str) -> None:
    assert qos_class(made(container={"resources": resources})["spec"]) == name


@pytest.mark.parametrize(
    ("status", "found"),
    [
        ({"podIP": "1.2.3.4", "podIPs": [{"ip": "1.2.3.4"}]}, []),
        ({"podIP": "1.2.3.4"}, ["status.podIPs"]),
        ({"podIP": "1.2.3.4", "podIPs": [{"ip": "1.2.3.4"}, {"ip": "1.2.3.5"}]}, ["status.podIPs"]),
        ({"conditions": [{"type": "a b"}]}, ["status.conditions[0].Type"]),
        ({"qosClass": "Guaranteed"}, ["status.qosClass"]),
        ({"resourceClaimStatuses": [{"name": "x"}]}, ["status.resourceClaimStatuses[0].name"]),
    ],
)
def test_statuses(status: Object, found: list[str]) -> None:
    assert [cause.field for cause in changed_status(made(), made() | {"status": status})] == found


def test_what_ended_for_good_does_not_run_again() -> None:
    def with_state(state: Object) -> Object:
        return made({"restartPolicy": "OnFailure"}) | {"status": {"containerStatuses": [{"name": "c", "state": state}]}}

    again, failed, done = (with_state(s) for s in ({}, {"terminated": {"exitCode": 1}}, {"terminated": {}}))
    assert list(changed_status(failed, again)) == []
    assert [cause.field for cause in changed_status(done, again)] == ["status.containerStatuses[0].state"]
