"""`edged policy test`: the format of test files, what is found, judged and reported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from tests.cli.policy.support import MODULES, POD, PRIVILEGED, Policy, fault, sample, write

STRICT = {"name": "strict", "module": str(sample("pod-privileged"))}
LENIENT = {**STRICT, "name": "lenient", "settings": {"allowed_images": ["x"]}}


def suite(folder: Path, *tests: dict[str, Any], policies: Any = (STRICT,), **keys: Any) -> str:
    data = {"policies": list(policies), "tests": [{"name": "t", **test} for test in tests], **keys}
    return write(folder / "edged-test.yaml", yaml.safe_dump(data, sort_keys=False))


def results(policy: Policy, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
    found, out, err = policy("test", "-o", "json", *arguments)
    assert found == code, out + err
    tests: list[dict[str, Any]] = json.loads(out)["tests"]
    return tests


def test_every_case_of_the_samples_passes(policy: Policy):
    code, out, err = policy("test", str(MODULES / "admission"))
    assert code == 0, out + err
    assert int(out.split()[0]) > 80


def test_many_policies_and_many_objects(policy: Policy, tmp_path: Path):
    write(tmp_path / "pods.yaml", yaml.safe_dump_all([POD, PRIVILEGED]))
    path = suite(
        tmp_path,
        {"object": "pods.yaml", "policy": "lenient", "expect": "allowed"},
        {"object": [POD, "pods.yaml#Pod/web"], "expect": {"code": 403}},
        policies=(STRICT, LENIENT),
    )
    tests = results(policy, path, code=1)
    assert [(each["policy"], each["outcome"]) for each in tests] == [
        ("lenient", "passed"), ("lenient", "passed"),
        ("strict", "failed"), ("strict", "failed"), ("strict", "passed"),
        ("lenient", "failed"), ("lenient", "failed"), ("lenient", "failed"),
    ]  # fmt: skip


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


def test_what_differs_is_shown_with_a_diff_of_the_object(policy: Policy, tmp_path: Path):
    wanted = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "default"}, "spec": {
        "containers": [{"name": "app", "image": "x", "resources": {"limits": {"cpu": "2"}}}]}}  # fmt: skip
    given = {**wanted, "spec": {"containers": [{"name": "app", "image": "x"}]}}
    path = suite(
        tmp_path,
        {"object": given, "expect": {"object": wanted, "message": "x", "warnings": ["w"]}},
        {"object": given, "expect": "mutated"},
        {"object": given, "expect": {"mutated": False}},
        policies=[
            {"name": "defaults", "module": str(sample("resource-defaults")), "settings": {"limits": {"cpu": "1"}}}
        ],
    )
    code, out, _ = policy("test", path)
    assert code == 1
    assert 'message: expected "x", got ""' in out
    assert 'warnings: expected "w"; got none' in out
    assert '-            "cpu": "2"' in out and '+            "cpu": "1"' in out
    assert "expected no patch, got [" in out
    assert "1 passed, 2 failed" in out


def test_a_policy_that_fails_is_not_one_that_rejects(policy: Policy, tmp_path: Path):
    module = write(tmp_path / "trap.wasm", fault("trap-unreachable"))
    path = suite(
        tmp_path,
        {"object": POD, "expect": "rejected"},
        {"object": POD, "expect": {"error": "unreachable"}},
        {"object": POD, "expect": {"error": {"matches": "^nothing of the kind"}}},
        policies=[{"name": "trap", "module": module}],
    )
    tests = results(policy, path, code=1)
    assert [each["outcome"] for each in tests] == ["failed", "passed", "failed"]
    assert tests[0]["details"][0].startswith("the policy failed: ")


def test_an_endless_policy_costs_its_own_test(policy: Policy, tmp_path: Path):
    module = write(tmp_path / "spin.wasm", fault("spin"))
    policies = [{"name": "spin", "module": module, "timeout_s": 0.2}, STRICT]
    tests = results(policy, suite(tmp_path, {"object": POD, "expect": "allowed"}, policies=policies), code=1)
    assert [each["outcome"] for each in tests] == ["failed", "passed"]
    assert "exceeded" in tests[0]["details"][0]


def test_settings_by_themselves(policy: Policy, tmp_path: Path):
    path = suite(
        tmp_path,
        {"expect": {"settings": "valid"}},
        {"settings": {"x": 1}, "expect": {"settings": "invalid", "error": "unknown setting"}},
        {"settings": {"x": 1}, "expect": {"settings": "valid"}},
    )
    assert [each["outcome"] for each in results(policy, path, code=1)] == ["passed", "passed", "failed"]


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


def test_skipped_listed_and_filtered(policy: Policy, tmp_path: Path):
    path = suite(tmp_path, {"object": POD, "skip": "later", "expect": "rejected"}, {"object": POD, "expect": "allowed"})
    assert [each["outcome"] for each in results(policy, path)] == ["skipped", "passed"]
    code, out, _ = policy("test", path, "--list")
    assert (code, len(out.splitlines())) == (0, 2)
    code, _, err = policy("test", path, "--filter", "nothing like it")
    assert (code, "no test matches" in err) == (2, True)


def test_junit(policy: Policy, tmp_path: Path):
    path = suite(tmp_path, {"object": POD, "expect": "allowed"}, {"object": PRIVILEGED, "expect": "allowed"})
    assert policy("test", path, "--junit", tmp_path / "report.xml")[0] == 1
    root = ElementTree.parse(tmp_path / "report.xml").getroot()
    [found] = root
    assert (found.get("tests"), found.get("failures")) == ("2", "1")
    assert [len(case.findall("failure")) for case in found] == [0, 1]


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


def test_nothing_to_test_is_an_error(policy: Policy, tmp_path: Path):
    code, _, err = policy("test", str(tmp_path))
    assert (code, "no tests were found" in err) == (2, True)
