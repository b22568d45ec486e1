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
        (["pods", "*"], True),
        (["*", "pods", "*"], True),
        (["*/*"], True),
        (["*/*", "pods"], False),
        (["pods/*"], True),
        (["pods/*", "services/status"], True),
        (["pods/*", "pods/status"], False),
        (["pods/status", "pods/*"], True),
        (["pods/*", "pods/*"], False),
        (["*/scale"], True),
        (["*/scale", "deployments/scale"], False),
        (["deployments/scale", "*/scale"], True),
        (["*/scale", "deployments/status"], True),
        ([""], False),
    ],
)
def test_wildcards_of_resources(resources: list[str], good: bool):
    assert (list(checks.resource_problems(resources)) == []) is good


RULE = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
PLAIN = {"rules": [RULE], "mutating": False}


@pytest.mark.parametrize("key", sorted(checks.OLD_KEYS))
@pytest.mark.parametrize("value", [True, False, None, {"a": "b"}])
def test_old_keys_are_accepted_and_told(key: str, value: object):
    metadata = {**PLAIN, key: value}
    assert checks.problems(metadata) == []
    [note] = checks.notes(metadata)
    assert note.startswith(f"{key}: an old key without effect; ")
    assert checks.cleaned(metadata) == PLAIN


def test_what_kwctl_takes_and_what_is_told_of_it():
    raw = {"rules": None, "mutating": True, "policyType": "raw", "annotations": None, "contextAwareResources": None}
    assert checks.problems(raw) == checks.notes(raw) == []
    assert checks.cleaned(raw) == {"rules": [], "mutating": True, "policyType": "raw"}
    [note] = checks.notes({"rules": None, "mutating": True})
    assert note.startswith("rules: empty; the policy reviews nothing")
    [note] = checks.notes({**PLAIN, "annotations": {checks.SEVERITY: "HIGH"}})
    assert "'HIGH' is none of critical, high, " in note
    assert checks.notes({**PLAIN, "annotations": {checks.SEVERITY: "high"}}) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"contextAwar": False}, "contextAwar: unknown key; did you mean contextAwareResources?"),
        ({"annotations": []}, "annotations: must be a mapping"),
        ({"annotations": {"a": ["b"]}}, "annotations.a: must be text"),
        ({"contextAwareResources": ""}, "contextAwareResources: must be a list"),
        (
            {"contextAwareResources": [{"apiVersion": "v1", "kind": "Pod", "name": "a"}]},
            "contextAwareResources[0].name: unknown key",
        ),
        ({"contextAwareResources": ["Pod"]}, "contextAwareResources[0]: must have apiVersion and kind, both texts"),
        ({"contextAwareResources": [{"apiVersion": "v1", "kind": ""}]},
         "contextAwareResources[0]: must have apiVersion and kind, both texts"),
        ({"protocolVersion": "v2"}, "protocolVersion: must be v1 or Unknown"),
        ({"executionMode": None}, "executionMode: must be one of"),
        ({"executionMode": "Wasi"}, "executionMode: must be one of"),
        ({"policyType": "Raw"}, "policyType: must be kubernetes or raw"),
        ({"backgroundAudit": None}, "backgroundAudit: must be true or false"),
        ({"mutating": "false"}, "mutating: must be true or false"),
        ({"minimumKubewardenVersion": "1.11"}, "minimumKubewardenVersion: must be a version of three numbers"),
        ({"minimumKubewardenVersion": "v1.11.0"}, "minimumKubewardenVersion: must be a version of three numbers"),
    ],
)
def test_what_kwctl_refuses_too(changed: dict[str, object], said: str):
    [problem] = checks.problems({**PLAIN, **changed})
    assert problem.startswith(said)


def test_rules_must_be_named_even_if_they_are_empty():
    assert checks.problems({"rules": [RULE]}) == ["mutating: is missing (true or false)"]
    assert checks.problems({"mutating": False}) == ["rules: is missing (an empty rules: for a policy of type raw)"]
    assert checks.problems({**PLAIN, "minimumKubewardenVersion": "1.11.0-rc1"}) == []


def test_text_stays_as_it_was_written():
    read = {**PLAIN, "annotations": {"version": 1.1, "none": None}, "minimumKubewardenVersion": 1.1, "rules": None}
    texts = {"annotations": {"version": "1.10", "none": ""}, "minimumKubewardenVersion": "1.10", "mutating": "false"}
    assert checks.with_texts(read, texts) == {
        "annotations": {"version": "1.10", "none": ""}, "minimumKubewardenVersion": "1.10", "rules": None,
        "mutating": False,
    }  # fmt: skip
    assert checks.with_texts(read, None) == read
    assert checks.with_texts("text", "text") == "text"


def test_no_scope_is_not_the_text_null():
    for written in ("null", "~", ""):
        read = {**PLAIN, "rules": [{**RULE, "scope": None}, RULE, {**RULE, "scope": "Cluster"}]}
        texts = {**PLAIN, "rules": [{**RULE, "scope": written}, RULE, {**RULE, "scope": "Cluster"}]}
        assert checks.with_texts(read, texts) == read
        assert checks.problems(read) == []


@pytest.mark.parametrize("scope", ["bogus", "", "cluster", 5, ["Cluster"]])
def test_scopes_are_those_of_the_api_server(scope: object):
    [problem] = checks.problems({**PLAIN, "rules": [{**RULE, "scope": scope}]})
    assert problem == f"rules[0].scope: {scope!r} is none of *, Cluster, Namespaced"


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
