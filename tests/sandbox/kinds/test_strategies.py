"""Which parts of an object a request may write, and what raises its generation."""

from __future__ import annotations

import pytest

from edged.sandbox.kinds.go_types import GoTypes
from edged.sandbox.kinds.resources import builtin_registry
from edged.sandbox.kinds.strategies import keep_unwritten, owned, set_generation

RESOURCES = {resource.bucket: resource for resource in builtin_registry(GoTypes.load())}


@pytest.mark.parametrize(
    ("bucket", "subresource", "path", "expected"),
    [
        ("pods", "", "spec.x", True), ("pods", "", "status", False), ("pods", "status", "status.phase", True),
        ("pods", "status", "spec", False), ("pods", "status", "metadata.ownerReferences", False),
        ("deployments.apps", "status", "metadata.labels.a", False), ("configmaps", "", "status", True),
        ("pods", "ephemeralcontainers", "spec.ephemeralContainers", True),
        ("pods", "resize", "spec.containers.c.resources", True), ("pods", "resize", "spec.containers.c.image", False),
    ],
)  # fmt: skip
def test_ownership(bucket, subresource, path, expected):
    assert owned(RESOURCES[bucket], subresource, tuple(f"f:{name}" for name in path.split("."))) is expected


def test_a_subresource_writes_its_part_alone():
    old = {"metadata": {"labels": {"a": "1"}}, "spec": {"x": 1}, "status": {"s": 1}}
    new = {"metadata": {"labels": {"a": "2"}}, "spec": {"x": 2}, "status": {"s": 2}}
    keep_unwritten(RESOURCES["deployments.apps"], "status", old, new)
    assert new == {"metadata": {"labels": {"a": "1"}}, "spec": {"x": 1}, "status": {"s": 2}}


@pytest.mark.parametrize(
    ("bucket", "field", "before", "after"),
    [
        ("deployments.apps", "annotations", 1, 2), ("deployments.apps", "labels", 1, 1),
        ("endpointslices.discovery.k8s.io", "labels", 3, 4), ("statefulsets.apps", "annotations", 2, 2),
    ],
)  # fmt: skip
def test_metadata_that_counts(bucket, field, before, after):
    old, new = {"metadata": {"generation": before}}, {"metadata": {"generation": before, field: {"a": "b"}}}
    set_generation(RESOURCES[bucket], "", old, new)
    assert new["metadata"]["generation"] == after


def test_a_csi_driver_has_a_generation_once_it_changes():
    old, new = {"metadata": {}, "spec": {}}, {"metadata": {}, "spec": {"attachRequired": False}}
    set_generation(RESOURCES["csidrivers.storage.k8s.io"], "", old, old)
    set_generation(RESOURCES["csidrivers.storage.k8s.io"], "", old, new)
    assert "generation" not in old["metadata"] and new["metadata"]["generation"] == 1
