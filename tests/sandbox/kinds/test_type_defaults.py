"""Defaults by Go type."""

from __future__ import annotations

import pytest

from edged.sandbox.kinds import stored_form, type_defaults
from edged.sandbox.kinds.go_types import GoTypes

TYPES = GoTypes.load()


def defaulted(go_type, obj):
    full = stored_form.of(obj, go_type, TYPES)
    type_defaults.apply(full, go_type, TYPES)
    return full


def test_every_type_of_the_tables_exists():
    for name in (*type_defaults.VALUES, *type_defaults._FUNCTIONS, *type_defaults._COMPLETE):
        assert name in TYPES, name
    for name, values in type_defaults.VALUES.items():
        assert values.keys() <= {field.name for field in TYPES.flat_fields(name)}, name


@pytest.mark.parametrize(
    ("go_type", "given", "field", "value"),
    [
        ("apps/v1.Deployment", {}, "strategy",
         {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}),
        ("apps/v1.Deployment", {"strategy": {"type": "Recreate"}}, "strategy", {"type": "Recreate"}),
        ("apps/v1.Deployment", {"replicas": 0}, "replicas", 0),
        ("apps/v1.StatefulSet", {"updateStrategy": {"type": "RollingUpdate"}}, "updateStrategy",
         {"type": "RollingUpdate"}),
        ("batch/v1.Job", {"completions": 3, "backoffLimitPerIndex": 1}, "backoffLimit", 2**31 - 1),
        ("batch/v1.Job", {"parallelism": 2}, "completions", None),
        ("networking/v1.NetworkPolicy", {"egress": [{}]}, "policyTypes", ["Ingress", "Egress"]),
        ("core/v1.LimitRange", {"limits": [{"type": "Container", "max": {"cpu": "1"}}]}, "limits", [
            {"type": "Container", "max": {"cpu": "1"}, "default": {"cpu": "1"}, "defaultRequest": {"cpu": "1"}}]),
        ("autoscaling/v2.HorizontalPodAutoscaler", {"behavior": {"scaleUp": {"policies": []}}}, "minReplicas", 1),
    ],
)  # fmt: skip
def test_defaults(go_type, given, field, value):
    assert defaulted(go_type, {"spec": given})["spec"].get(field) == value


def test_objects_of_a_type_do_not_share_what_they_get():
    one, other = (defaulted("storage/v1.CSIDriver", {})["spec"] for _ in range(2))
    one["volumeLifecycleModes"].append("x")
    assert other["volumeLifecycleModes"] == ["Persistent"]


def test_of_a_wrong_type_nothing_is_made():
    given = {"spec": {"strategy": {"type": 5}, "template": {"spec": {"containers": "x"}}}}
    assert defaulted("apps/v1.Deployment", given)["spec"]["strategy"] == {"type": 5}
