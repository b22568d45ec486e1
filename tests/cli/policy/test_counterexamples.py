"""Conditions of modules that are wrong, found by `edged policy test` and `bench`; and those of the samples, which are
not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edged.admission.rules.module_conditions import conditions_of
from edged.cli.policy.counterexamples import targets
from edged.wasm import binary
from edged.wasm.compile import METADATA_SECTION
from tests.cli.policy.support import MODULES, POD, PRIVILEGED, Policy, sample, write

KEY = "io.edged.match-conditions"
SAMPLES = ("pod-privileged", "resource-defaults", "unique-ingress-host", "namespace-quota-hint")
REVIEW = {"kind": "AdmissionReview", "request": {"operation": "CREATE", "object": PRIVILEGED}}


def metadata_of(name: str) -> dict[str, Any]:
    return json.loads((MODULES / "admission" / name / "metadata.json").read_text())  # type: ignore[no-any-return]


def condition_of(name: str) -> str:
    (found,) = conditions_of(metadata_of(name)["annotations"]).conditions
    return found["expression"]


def changed(tmp_path: Path, name: str, expression: str, folder: str = "p") -> Path:
    """A sample with another condition, and without tests."""
    metadata = metadata_of(name)
    metadata["annotations"] = {KEY: json.dumps([{"name": "c", "expression": expression}])}
    path = tmp_path / folder / f"{folder}.wasm"
    path.parent.mkdir()
    module = binary.replace_custom_section(sample(name).read_bytes(), METADATA_SECTION, json.dumps(metadata).encode())
    path.write_bytes(module)
    return path


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", SAMPLES)
def test_the_conditions_of_the_samples_are_exact(policy: Policy, name: str):
    """With the settings of all their cases."""
    code, out, err = policy("test", MODULES / "admission" / name, "--generated", "150")
    assert code == 0, out + err
    assert "counterexample" not in err


@pytest.mark.parametrize(
    ("name", "old", "new", "settings"),
    [
        ("pod-privileged", ", 'initContainers'", "", "{}"),
        ("pod-privileged", ", 'ephemeralContainers'", "", "{}"),
        ("pod-privileged", "c.securityContext.privileged)))", "c.securityContext.privileged && has(c.image))))", "{}"),
        ("resource-defaults", "!has(object.spec.resources)", "false", '{"requests": {"cpu": "1"}}'),
        ("resource-defaults", "'requests', ", "", '{"requests": {"memory": "1Gi"}}'),
    ],
)
def test_what_a_condition_forgets_is_found(
    policy: Policy, tmp_path: Path, name: str, old: str, new: str, settings: str
):
    expression = condition_of(name)
    assert old in expression
    module = changed(tmp_path, name, expression.replace(old, new))
    pod = write(tmp_path / "pod.json", POD)
    code, out, err = policy(
        "bench", "-r", pod, "--settings-json", settings, "--measurement-time", "0.01", "--warm-up-time", "0", module
    )
    assert code == 1 and out == ""
    said = "changes it" if name == "resource-defaults" else "rejects it: Pod "
    assert "counterexample: policy p: condition c keeps a request from it, but the policy " + said in err
    assert "(a generated Pod, CREATE, number " in err


def test_a_condition_that_fails_for_a_request_that_the_policy_rejects_is_found(policy: Policy, tmp_path: Path):
    """Under failurePolicy Ignore the API server would let it pass."""
    whole = condition_of("pod-privileged")
    module = changed(tmp_path, "pod-privileged", f"{whole} && object.metadata.labels.app != ''")
    pod = write(tmp_path / "pod.json", PRIVILEGED)
    code, out, err = policy("bench", "-r", pod, "--measurement-time", "0.01", "--warm-up-time", "0", module)
    assert code == 1 and out == ""
    assert "keeps a request from it where the failure policy is Ignore, because it cannot be evaluated" in err
    assert "; but the policy rejects it: Pod " in err


def test_tests_and_recorded_reviews_are_tried(policy: Policy, tmp_path: Path):
    module = changed(tmp_path, "pod-privileged", "request.operation == 'UPDATE'")
    suite = module.parent / "edged-test.yaml"
    rejected = {"name": "t", "object": PRIVILEGED, "expect": "rejected"}
    tests = {"policies": [{"name": "p", "module": "p.wasm"}], "tests": [rejected]}
    write(suite, tests)
    code, out, err = policy("test", suite, "--generated", "0")
    assert code == 1 and "1 passed, 0 failed" in out and "condition c keeps a request from it" in err
    write(suite, {**tests, "tests": [{"name": "t", "object": POD, "expect": "allowed"}]})
    assert policy("test", suite, "--generated", "0")[0] == 0
    reviews = write(tmp_path / "reviews.json", REVIEW)
    code, _, err = policy("test", suite, "--generated", "0", "--reviews", reviews)
    assert code == 1 and reviews in err


def test_the_request_of_a_measurement_is_tried(policy: Policy, tmp_path: Path):
    module = changed(tmp_path, "pod-privileged", "request.operation == 'UPDATE'")
    code, _, err = policy("bench", "-r", write(tmp_path / "pod.json", PRIVILEGED), module)
    assert code == 1 and f"({tmp_path / 'pod.json'}" in err


def test_which_kinds_and_operations_are_tried():
    def rule(*resources: str, groups: str = "", operations: tuple[str, ...] = ("CREATE",)) -> dict[str, list[str]]:
        return {"apiGroups": [groups], "apiVersions": ["*"], "resources": list(resources),
                "operations": list(operations)}  # fmt: skip

    assert targets([rule("pods", "pods/ephemeralcontainers", "pods/exec", "widgets"), rule("pods")]) == [
        ("v1", "Pod", "", "CREATE"), ("v1", "Pod", "ephemeralcontainers", "CREATE"),
    ]  # fmt: skip
    assert targets([rule("deployments", groups="apps", operations=("*",))]) == [
        ("apps/v1", "Deployment", "", operation) for operation in ("CREATE", "UPDATE", "DELETE")
    ]
    assert targets([rule("pods", operations=("CONNECT",))]) == []
    assert {kind for _, kind, _, _ in targets([rule("*", groups="*")])} == {"Pod", "Deployment"}
