"""The format of test files: TOML and YAML, groups, recorded host calls, and what is wrong in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.policy.suites import STRICT, results, suite
from tests.cli.policy.support import POD, Policy, sample, write


def test_toml_files_and_groups(policy: Policy, tmp_path: Path):
    module = sample("pod-privileged")
    text = f"""
[[policies]]
name = "strict"
module = "{module}"
[[groups]]
name = "either"
expression = "strict() || lenient()"
message = "neither"
members.strict = {{ module = "{module}" }}
members.lenient = {{ module = "{module}", settings = {{ allowed_images = ["y"] }} }}
[[tests]]
name = "the group says why"
policy = "either"
object = {{ apiVersion = "v1", kind = "Pod", metadata = {{ name = "web" }}, spec = {{ containers = [
  {{ name = "app", image = "x", securityContext = {{ privileged = true }} }} ] }} }}
expect = {{ allowed = false, message = "neither" }}
"""
    assert [each["outcome"] for each in results(policy, write(tmp_path / "edged-test.toml", text))] == ["passed"]


SESSION = """
- type: Exchange
  request: |
    !KubernetesGetResource
    api_version: v1
    kind: Namespace
    name: default
    disable_cache: false
    field_masks: [metadata.annotations]
  response:
    type: Success
    payload: '{"kind":"Namespace","metadata":{"name":"default","annotations":{"edged.dev/pod-limit":"0"}}}'
"""


def test_recorded_host_calls(policy: Policy, tmp_path: Path):
    write(tmp_path / "session.yaml", SESSION)
    pods = {"namespace": "kubernetes", "operation": "list_resources_by_namespace", "payload": {
        "api_version": "v1", "kind": "Pod", "namespace": "default", "field_masks": ["status.phase"]}}  # fmt: skip
    quota = {"name": "quota", "module": str(sample("namespace-quota-hint")), "settings": {"mode": "deny"}}
    calls = [*yaml.safe_load(SESSION), {**pods, "response": {"items": []}}]
    path = suite(
        tmp_path,
        {"object": POD, "host_calls": "session.yaml", "expect": "rejected"},
        {"object": POD, "host_calls": calls, "expect": {"allowed": False, "message": {"contains": "1 of 0 Pods"}}},
        {"object": POD, "host_calls": [{**pods, "error": "away"}], "expect": {"error": "no answer"}},
        policies=[quota, {**quota, "name": "ungranted", "context_aware": []}],
    )
    tests = results(policy, path, "--filter", "^quota", code=1)
    assert [each["outcome"] for each in tests] == ["failed", "passed", "passed"]
    assert "host call without an answer: KubernetesListResourceNamespace" not in tests[1]["details"]
    assert "has no answer to KubernetesListResourceNamespace" in tests[0]["details"][0]
    tests = results(policy, path, "--filter", "^ungranted", code=1)
    assert "not been granted access to Kubernetes v1/Namespace" in tests[1]["details"][0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tests": [{"name": "t", "object": POD}]}, 'edged-test.yaml:2: tests "t": needs the key "expect"'),
        ({"tests": [{"name": "t", "object": POD, "expect": "maybe"}]}, 'tests "t" expect: must be "allowed"'),
        ({"tests": [{"name": "t", "object": POD, "expect": {}}]}, "is empty"),
        ({"tests": [{"name": "t", "objct": POD, "expect": "allowed"}]}, "did you mean"),
        ({"tests": [{"name": "t", "expect": "allowed"}]}, "needs object, request or raw"),
        ({"tests": [{"name": "t", "object": {"a": 1}, "expect": "allowed"}]}, "neither an AdmissionReview"),
        ({"tests": [{"name": "t", "object": "absent.yaml", "expect": "allowed"}]}, "absent.yaml: No such file"),
        ({"tests": [{"name": "t", "policy": "x", "object": POD, "expect": "allowed"}]}, "no policy 'x'"),
        ({"tests": [{"name": "t", "object": POD, "expect": {"message": {"matches": "("}}}]}, "a regular expression"),
        ({"tests": [{"name": "t", "object": POD, "host_calls": 1, "expect": "allowed"}]}, "host_calls: must be a list"),
        ({"tests": []}, "holds no tests"),
        ({"policies": [{"name": "a"}], "tests": [{"name": "t", "object": POD, "expect": "allowed"}]},
         'policies "a": needs the key "module"'),
        ({"policies": [STRICT, STRICT], "tests": [{"name": "t", "object": POD, "expect": "allowed"}]}, "already used"),
        ({"policies": 1, "tests": [{"name": "t", "object": POD, "expect": "allowed"}]}, "must be a list"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_file_is_named(policy: Policy, tmp_path: Path, change: dict[str, Any], said: str):
    data = {"tests": [], "policies": [STRICT]} | change
    path = write(tmp_path / "edged-test.yaml", yaml.safe_dump(data, sort_keys=False))
    code, _, err = policy("test", path)
    assert code == 2
    assert said in err


def test_a_wrong_file_does_not_keep_the_others_from_being_asked(policy: Policy, tmp_path: Path):
    suite(tmp_path, {"object": POD, "expect": "allowed"})
    write(tmp_path / "bad.edged-test.yaml", "a: [")
    code, out, err = policy("test", str(tmp_path))
    assert code == 2
    assert "1 passed" in out
    assert "bad.edged-test.yaml: not valid YAML" in err
