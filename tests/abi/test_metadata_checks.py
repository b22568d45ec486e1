"""Rules for an author's metadata, and what a module's bytes say against it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edged.abi import metadata_checks as checks

MODULES = Path(__file__).parents[2] / "modules" / "admission"


@pytest.mark.parametrize("path", sorted(MODULES.glob("*/metadata.json")), ids=lambda path: path.parent.name)
def test_the_samples_keep_the_rules(path: Path):
    assert checks.problems(json.loads(path.read_text())) == []


@pytest.mark.parametrize(
    ("resources", "good"),
    [
        (["pods"], True),
        (["pods", "pods/status"], True),
        (["*"], True),
        (["*", "pods/exec"], True),
        (["*", "pods"], False),
        (["*/*"], True),
        (["*/*", "pods"], False),
        (["pods/*"], True),
        (["pods/*", "services/status"], True),
        (["pods/*", "pods/status"], False),
        (["*/scale"], True),
        (["*/scale", "deployments/scale"], False),
        (["*/scale", "deployments/status"], True),
        ([""], False),
    ],
)
def test_wildcards_of_resources(resources: list[str], good: bool):
    assert (list(checks.resource_problems(resources)) == []) is good


def test_strings_that_lie_side_by_side_are_told_apart():
    named = checks.capabilities_in([b"xxv1/oci_manifest_configkubernetesget_resource", b"v1/manifest_digest"])
    assert named == ["kubernetes/get_resource", "oci/v1/manifest_digest", "oci/v1/oci_manifest_config"]
    assert checks.capabilities_in([b"v1/oci_manifestv1/oci_manifest_config"]) == [
        "oci/v1/oci_manifest",
        "oci/v1/oci_manifest_config",
    ]
    assert checks.capabilities_in([]) == []


def test_capabilities_that_are_declared_are_no_news():
    named = ["kubernetes/get_resource", "oci/v1/verify"]
    kinds = [{"apiVersion": "v1", "kind": "Pod"}]
    assert checks.capability_warnings({"contextAwareResources": kinds}, named) == []
    for declared in (["*"], ["kubernetes/*", "oci/*"], named):
        assert checks.capability_warnings({"contextAwareResources": kinds, "hostCapabilities": declared}, named) == []
    [warning] = checks.capability_warnings({"contextAwareResources": kinds, "hostCapabilities": ["oci/v1/*"]}, named)
    assert warning == "the module names kubernetes/get_resource, which hostCapabilities does not declare"
    [warning] = checks.capability_warnings({}, ["kubernetes/list_resources_all", "kubernetes/can_i"])
    assert "list_resources_all, but contextAwareResources is empty" in warning


@pytest.mark.parametrize(
    ("mode", "exports", "good"),
    [
        ("kubewarden-wapc", ["__guest_call", "memory"], True),
        ("kubewarden-wapc", ["_start"], False),
        ("kubewarden-wapc", ["opa_eval"], False),
        ("wasi", ["_start"], True),
        ("wasi", ["__guest_call"], False),
        ("opa", ["opa_eval", "eval"], True),
        ("gatekeeper", ["eval"], False),
    ],
)
def test_modes_and_exports(mode: str, exports: list[str], good: bool):
    assert (checks.mode_problem(mode, exports) == "") is good
