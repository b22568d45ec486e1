"""What Go's types make of objects."""

from __future__ import annotations

import pytest

from edged.sandbox.kinds import stored_form
from edged.sandbox.kinds.go_types import GoTypes

TYPES = GoTypes.load()


@pytest.mark.parametrize(
    ("go_type", "given", "kept"),
    [
        ("core/v1.ConfigMap", {"data": {}, "immutable": False}, {"metadata": {}, "immutable": False}),
        ("core/v1.Service", {}, {"metadata": {}, "spec": {}, "status": {"loadBalancer": {}}}),
        ("core/v1.PodSpec", {"nodeName": "", "nodeSelector": {}}, {"containers": None}),
        ("core/v1.EnvVar", {"name": "", "value": ""}, {"name": ""}),
        ("core/v1.Volume", {"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}),
        ("core/v1.ResourceFieldSelector", {"resource": "cpu"}, {"resource": "cpu", "divisor": "0"}),
        ("core/v1.PodCondition", {"type": "a", "status": "b"},
         {"type": "a", "status": "b", "lastProbeTime": None, "lastTransitionTime": None}),
        ("meta/v1.ObjectMeta", {"creationTimestamp": None, "labels": {}}, {}),
        ("core/v1.Secret", {"data": {"a": "aG\nk=", "b": ""}}, {"metadata": {}, "data": {"a": "aGk=", "b": ""}}),
    ],
)  # fmt: skip
def test_empty_values(go_type, given, kept):
    assert stored_form.of(given, go_type, TYPES) == kept


def test_lists_that_have_to_be_there_become_null_when_they_are_stored():
    assert stored_form.of({"rules": []}, "rbac/v1.Role", TYPES)["rules"] == []
    assert stored_form.of({"rules": []}, "rbac/v1.Role", TYPES, stored=True)["rules"] is None


@pytest.mark.parametrize(
    ("go_type", "given", "written"),
    [
        ("Quantity", 0.5, "500m"), ("Quantity", "1024Mi", "1Gi"), ("Quantity", "many", "many"),
        ("Time", "2026-01-02T03:04:05.9+01:00", "2026-01-02T02:04:05Z"), ("Time", "soon", "soon"),
        ("MicroTime", "2026-01-02T03:04:05.123456Z", "2026-01-02T03:04:05.123456Z"),
        ("Duration", "90s", "1m30s"), ("Duration", "1.5ms", "1.5ms"), ("Duration", "-3600s", "-1h0m0s"),
        ("Duration", "long", "long"),
    ],
)  # fmt: skip
def test_numbers_and_times(go_type, given, written):
    assert stored_form.of(given, go_type, TYPES) == written


def test_what_has_another_type_stays():
    assert stored_form.of({"spec": 5}, "core/v1.Pod", TYPES)["spec"] == 5
    assert stored_form.of({"data": ["x"]}, "core/v1.ConfigMap", TYPES)["data"] == ["x"]
