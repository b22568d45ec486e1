"""Warnings about Pods that are taken."""

from __future__ import annotations

from typing import Any

import pytest

from edged.sandbox.validation.pod_warnings import pod_warnings
from edged.sandbox.validation.template_warnings import workload_warnings
from tests.sandbox.validation.test_pods import made

Object = dict[str, Any]
PORT = {"containerPort": 80, "protocol": "TCP"}


@pytest.mark.parametrize(
    ("obj", "begins"),
    [
        (made(), []),
        (made(name="a.b"), ["metadata.name: this is used in the Pod's hostname"]),
        (made({"nodeSelector": {"beta.kubernetes.io/os": "x"}}), ["spec.nodeSelector[beta.kubernetes.io/os]: dep"]),
        (made(container={"env": [{"name": "a"}, {"name": "a"}]}), ["spec.containers[0].env[1]: hides previous"]),
        (made(container={"env": [{"name": "a"}, {"name": "a", "value": "$(a)b"}]}), []),
        (made(container={"ports": [PORT, PORT]}), ["spec.containers[0].ports[1]: duplicate port definition"]),
        (made(container={"ports": [PORT, {**PORT, "hostPort": 1}]}), ["spec.containers[0].ports[1]: overlapping"]),
        (made(container={"resources": {"limits": {"memory": "1500m"}}}), ["spec.containers[0].resources.limits[mem"]),
        (made({"volumes": [{"name": "v", "rbd": {}}]}), ["spec.volumes[0].rbd: deprecated in v1.28"]),
        (made({"volumes": [{"name": "v", "secret": {"secretName": "s", "items": [{"path": "a"}, {"path": "a/b"}]}}]}),
         ['volume "v" (Secret "s"): overlapping paths: "a/b" with "a"']),
    ],
)  # fmt: skip
def test_warnings(obj: Object, begins: list[str]) -> None:
    found = list(pod_warnings(obj))
    assert len(found) == len(begins)
    assert all(text.startswith(begin) for text, begin in zip(found, begins, strict=True))


def test_templates_are_warned_of_when_they_are_new_or_change() -> None:
    def deployment(generation: int) -> Object:
        template = made({"nodeSelector": {"beta.kubernetes.io/os": "x"}})
        return {"metadata": {"name": "d", "generation": generation}, "spec": {"template": template}}

    (text,) = workload_warnings("deployments.apps", deployment(1), None)
    assert text.startswith("spec.template.spec.nodeSelector[beta.kubernetes.io/os]: ")
    assert list(workload_warnings("deployments.apps", deployment(1), deployment(1))) == []
    assert list(workload_warnings("deployments.apps", deployment(2), deployment(1))) == [text]
    assert list(workload_warnings("configmaps", deployment(1), None)) == []
