"""edged/sandbox/writing/applied_checks.py: bodies of server-side apply that are not of their type."""

from __future__ import annotations

import pytest

from edged.sandbox.kinds.go_types import GoTypes
from edged.sandbox.kinds.resources import builtin_registry
from edged.sandbox.protocol.api_status import ApiStatus
from edged.sandbox.writing.applied_checks import check_applied

POD = builtin_registry(GoTypes.load()).find("", "v1", "pods")


def pod(**spec):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n"}, "spec": spec}


def test_what_is_of_the_type_passes():
    port = {"containerPort": 80}
    check_applied(pod(containers=[{"name": "a", "ports": [port, {**port, "protocol": "UDP"}], "env": None}]), POD)
    check_applied(pod(containers=[{"image": "x", "resources": {"limits": {"cpu": 1.5}}}], nodeName=None), POD)


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"x": 1}, ".spec.x: field not declared in schema"),
        ({"nodeName": 5}, ".spec.nodeName: expected string, got &value.valueUnstructured{Value:5}"),
        ({"priority": "5"}, ".spec.priority: expected numeric (int or float), got string"),
        ({"hostPID": "yes"}, ".spec.hostPID: expected boolean, got &{yes}"),
        ({"containers": {"a": 1}}, ".spec.containers: expected list, got &{map[a:1]}"),
        ({"securityContext": "x"}, ".spec.securityContext: expected map, got &{x}"),
        ({"overhead": {"cpu": []}}, ".spec.overhead.cpu: expected any scalar, got &{[]}"),
        ({"tolerations": [{"effect": {}}]},
         ".spec.tolerations[0].effect: expected string, got &value.valueUnstructured{Value:map[string]interface {}{}}"),
        ({"containers": [{"name": "a"}] * 2}, '.spec.containers: duplicate entries for key [name="a"]'),
        ({"containers": [None]}, ".spec.containers: element 0: associative list with keys may not have a null element"),
    ],
)  # fmt: skip
def test_refusals(spec, problem):
    with pytest.raises(ApiStatus) as caught:
        check_applied(pod(**spec), POD)
    head = "failed to create typed patch object (n/p; /v1, Kind=Pod): "
    assert (caught.value.code, caught.value.message) == (500, head + problem)


def test_many_problems_are_told_together():
    with pytest.raises(ApiStatus, match=r"errors:\n  \.spec\.nodeName: .*\n  \.spec\.priority: "):
        check_applied(pod(nodeName=5, priority="5"), POD)
