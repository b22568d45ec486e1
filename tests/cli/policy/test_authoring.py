"""`edged policy annotate`, `inspect`, `scaffold` and `bench`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from edged import config as configuration
from edged.admission.resources import validation
from edged.cli.policy.bench import percentile
from edged.cli.policy.scaffold import artifacthub
from edged.errors import ConfigError
from edged.wasm import binary, bindings
from edged.wasm.compile import METADATA_SECTION
from tests.cli.policy.support import MODULES, POD, PRIVILEGED, Policy, fault, sample, write

RULE = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
PLAIN = {"rules": [RULE], "mutating": False, "annotations": {"io.kubewarden.policy.title": "t"}}


def section(path: Path) -> dict[str, Any]:
    found = binary.custom_section(path.read_bytes(), METADATA_SECTION)
    assert found is not None
    return json.loads(found)  # type: ignore[no-any-return]


# --- annotate


def test_annotate_replaces_the_section_and_finds_the_protocol_version(policy: Policy, tmp_path: Path):
    out = tmp_path / "out.wasm"
    metadata = write(tmp_path / "metadata.yml", yaml.safe_dump(PLAIN))
    usage = write(tmp_path / "usage.md", "# How\n")
    code, _, err = policy("annotate", "-m", metadata, "-u", usage, "-o", out, sample("pod-privileged"))
    assert (code, "warning" in err) == (0, False)
    found = section(out)
    assert found["protocolVersion"] == "v1"
    assert found["rules"] == [RULE]
    assert found["annotations"]["io.kubewarden.policy.usage"] == "# How\n"
    own = sample("pod-privileged").read_bytes()
    assert binary.remove_custom_sections(out.read_bytes(), METADATA_SECTION) == binary.remove_custom_sections(
        own, METADATA_SECTION
    )
    assert policy("run", "-r", write(tmp_path / "pod.json", PRIVILEGED), out)[0] == 1


def test_annotate_warns_of_capabilities_that_are_not_declared(policy: Policy, tmp_path: Path):
    metadata = write(tmp_path / "metadata.yml", yaml.safe_dump({**PLAIN, "hostCapabilities": ["oci/*"]}))
    code, _, err = policy("annotate", "-m", metadata, "-o", tmp_path / "o.wasm", sample("namespace-quota-hint"))
    assert code == 0
    assert "contextAwareResources is empty" in err
    assert "kubernetes/get_resource, kubernetes/list_resources_by_namespace, which hostCapabilities" in err


def test_annotate_makes_wasi_modules_of_javy_loadable(policy: Policy, tmp_path: Path):
    wat = """(module (import "kubewarden:javy/host" "call" (func (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1) (func (export "_start")))"""
    module = write(tmp_path / "javy.wasm", bindings.wat2wasm(wat))
    metadata = write(tmp_path / "metadata.yml", yaml.safe_dump({**PLAIN, "executionMode": "wasi"}))
    assert policy("annotate", "-m", metadata, "-o", tmp_path / "o.wasm", module)[0] == 0
    made = (tmp_path / "o.wasm").read_bytes()
    assert [(each.module, each.name) for each in binary.interface(made).imports] == [("host", "call")]
    assert section(tmp_path / "o.wasm")["protocolVersion"] == "Unknown"
    assert policy("inspect", tmp_path / "o.wasm")[0] == 0


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"rules": []}, "mutating: must be true or false"),
        ({**PLAIN, "mutatin": True}, "did you mean mutating?"),
        ({**PLAIN, "rules": [{**RULE, "operations": []}]}, "rules[0].operations: must not be empty"),
        ({**PLAIN, "rules": [{**RULE, "operations": ["CREATE", "*"]}]}, '"*" must stand alone'),
        ({**PLAIN, "rules": [{**RULE, "operations": ["GET"]}]}, "'GET' is none of"),
        ({**PLAIN, "rules": [{**RULE, "resources": ["*", "pods"]}]}, "no other resource without a subresource"),
        ({**PLAIN, "rules": [{**RULE, "resources": ["pods/*", "pods/exec"]}]}, '"pods/*" covers "pods/exec"'),
        ({**PLAIN, "rules": [{**RULE, "resources": ["*/scale", "a/scale"]}]}, '"*/scale" covers "a/scale"'),
        ({**PLAIN, "rules": [{**RULE, "resources": ["*/*", "pods"]}]}, '"*/*" must stand alone'),
        ({**PLAIN, "rules": [{**RULE, "resources": [""]}]}, "must not hold an empty text"),
        ({**PLAIN, "contextAwareResources": [{"kind": "Pod"}]}, "contextAwareResources[0]"),
        ({**PLAIN, "executionMode": "javy"}, "executionMode: must be one of"),
        ("just text", "the metadata is not a mapping"),
    ],
)
def test_wrong_metadata_is_told_by_key(policy: Policy, tmp_path: Path, metadata: Any, said: str):
    path = write(tmp_path / "metadata.yml", yaml.safe_dump(metadata))
    code, _, err = policy("annotate", "-m", path, "-o", tmp_path / "o.wasm", sample("pod-privileged"))
    assert code == 2
    assert "metadata.yml: " in err and said in err
    assert not (tmp_path / "o.wasm").exists()


@pytest.mark.parametrize(
    ("module", "mode", "said"),
    [
        (sample("required-labels"), "kubewarden-wapc", "compiled from Rego"),
        (sample("pod-privileged"), "opa", "not compiled from Rego"),
        (sample("pod-privileged"), "wasi", "does not export _start"),
        (MODULES / "scheduling", "wasi", "Is a directory"),
    ],
)
def test_a_module_of_another_mode_is_refused(policy: Policy, tmp_path: Path, module: Path, mode: str, said: str):
    path = write(tmp_path / "metadata.yml", yaml.safe_dump({**PLAIN, "executionMode": mode}))
    code, _, err = policy("annotate", "-m", path, "-o", tmp_path / "o.wasm", module)
    assert code in (1, 2)
    assert said in err


@pytest.mark.parametrize("name", ["start-spins", "start-traps", "init-spins"])
def test_a_module_that_cannot_say_its_protocol_version(policy: Policy, tmp_path: Path, name: str):
    module = write(tmp_path / "fault.wasm", fault(name))
    path = write(tmp_path / "metadata.yml", yaml.safe_dump(PLAIN))
    code, _, err = policy("annotate", "-m", path, "-o", tmp_path / "o.wasm", module)
    assert code == 1
    assert "fault.wasm: asking for its protocol version fails" in err


# --- inspect


def test_inspect_tells_what_a_rego_module_needs(policy: Policy):
    code, out, _ = policy("inspect", sample("required-labels"), "-o", "json")
    found = json.loads(out)
    assert (code, found["mode"], found["problem"]) == (0, "gatekeeper", None)
    assert found["builtins"] == ["regex.find_n", "sprintf"]
    assert found["compiledSize"] > found["size"]
    assert found["metadata"] == json.loads((MODULES / "admission/required-labels/metadata.json").read_text())


def test_inspected_metadata_can_be_written_again(policy: Policy, tmp_path: Path):
    _, out, _ = policy("inspect", sample("namespace-quota-hint"), "--metadata-only")
    path = write(tmp_path / "metadata.yml", out)
    assert policy("annotate", "-m", path, "-o", tmp_path / "o.wasm", sample("namespace-quota-hint"))[0] == 0


@pytest.mark.parametrize(
    ("name", "said"),
    [("metadata-none", "protocol version v1"), ("unknown-import", "import"), ("metadata-bad", "not JSON")],
)
def test_inspect_says_why_a_module_cannot_be_loaded(policy: Policy, tmp_path: Path, name: str, said: str):
    code, out, _ = policy("inspect", write(tmp_path / "fault.wasm", fault(name)))
    assert code == 1
    last = out.splitlines()[-1]
    assert last.startswith("edged can load it:    no: ") and said in last


def test_what_a_module_says_does_not_steer_the_terminal(policy: Policy, tmp_path: Path):
    said = {**PLAIN, "protocolVersion": "v1", "annotations": {"io.kubewarden.policy.title": "\x1b[2J"}}
    module = binary.replace_custom_section(fault("reply-not-json"), METADATA_SECTION, json.dumps(said).encode())
    _, out, _ = policy("inspect", write(tmp_path / "m.wasm", module), "--no-compile")
    assert "\x1b" not in out


# --- scaffold


def test_requests_for_all_operations(policy: Policy, tmp_path: Path):
    new, old = write(tmp_path / "new.json", PRIVILEGED), write(tmp_path / "old.json", POD)
    shapes = {}
    for operation, arguments in (
        ("CREATE", ["--object", new]),
        ("UPDATE", ["--object", new, "--old-object", old]),
        ("DELETE", ["--old-object", old]),
        ("CONNECT", ["--object", new, "--subresource", "exec"]),
    ):
        code, out, _ = policy("scaffold", "admission-request", "--operation", operation, *arguments)
        found = json.loads(out)
        shapes[operation] = code, "object" in found, "oldObject" in found, found.get("options", {}).get("kind")
        assert found["resource"] == {"group": "", "version": "v1", "resource": "pods"}
        assert (found["namespace"], found["operation"]) == ("default", operation)
    assert shapes == {
        "CREATE": (0, True, False, "CreateOptions"),
        "UPDATE": (0, True, True, "UpdateOptions"),
        "DELETE": (0, False, True, "DeleteOptions"),
        "CONNECT": (0, True, False, None),
    }
    assert policy("scaffold", "admission-request")[0] == 2


def test_an_entry_of_the_configuration_file(policy: Policy, tmp_path: Path):
    module = sample("namespace-quota-hint")
    code, _, err = policy("scaffold", "toml", module)
    assert (code, "--allow-context-aware" in err) == (2, True)
    code, out, _ = policy("scaffold", "toml", module, "--allow-context-aware", "--settings-json", "{mode: deny}")
    assert code == 0
    config = configuration.parse(f'[admission]\nregister = "none"\n{out}')
    assert config.admission is not None
    [entry] = config.admission.policy
    assert (entry.name, entry.settings) == ("namespace-quota-hint", {"mode": "deny"})
    assert {each["kind"] for each in entry.context_aware} == {"Namespace", "Pod"}


@pytest.mark.parametrize(
    "kind", ["ClusterAdmissionPolicy", "AdmissionPolicy", "ClusterAdmissionPolicyGroup", "AdmissionPolicyGroup"]
)
def test_manifests_are_valid_and_run(policy: Policy, tmp_path: Path, kind: str):
    code, out, _ = policy("scaffold", "manifest", "-t", kind, sample("pod-privileged"))
    assert code == 0
    assert validation.validate(yaml.safe_load(out)) == []
    code, out, _ = policy("run", "-r", write(tmp_path / "pod.json", PRIVILEGED), write(tmp_path / "policy.yaml", out))
    assert (code, json.loads(out)["allowed"]) == (1, False)


VAP = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicy",
    "metadata": {"name": "replicas"},
    "spec": {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [{**RULE, "apiGroups": ["apps"], "resources": ["deployments"]}]},
        "variables": [{"name": "n", "expression": "object.spec.replicas"}],
        "validations": [{"expression": "variables.n <= 5", "message": "too many"}],
    },
}
BINDING = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicyBinding",
    "metadata": {"name": "replicas-in-test"},
    "spec": {
        "policyName": "replicas",
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": {"matchLabels": {"env": "test"}}},
    },
}


def convert(policy: Policy, tmp_path: Path, vap: Any, binding: Any) -> tuple[int, str, str]:
    first, second = write(tmp_path / "vap.json", vap), write(tmp_path / "binding.json", binding)
    return policy("scaffold", "vap", "-p", first, "-b", second)


def test_a_validating_admission_policy_becomes_a_policy(policy: Policy, tmp_path: Path):
    code, out, _ = convert(policy, tmp_path, VAP, BINDING)
    assert code == 0
    made = yaml.safe_load(out)
    assert validation.validate(made) == []
    assert made["metadata"]["name"] == "replicas-in-test"
    assert made["spec"]["settings"] == {
        "variables": VAP["spec"]["variables"],  # type: ignore[index]
        "validations": [{"expression": "variables.n <= 5", "message": "too many"}],
    }
    assert made["spec"]["namespaceSelector"] == {"matchLabels": {"env": "test"}}
    assert made["spec"]["rules"][0]["resources"] == ["deployments"]


@pytest.mark.parametrize(
    ("spec", "bound", "said"),
    [
        ({"paramKind": {"kind": "ConfigMap"}}, {}, "spec.paramKind cannot be converted"),
        ({"auditAnnotations": [{"key": "a"}]}, {}, "spec.auditAnnotations"),
        ({"matchConstraints": {}}, {}, "resourceRules is empty"),
        ({}, {"policyName": "other"}, "of the policy 'other'"),
        ({}, {"validationActions": []}, "validationActions"),
    ],
)
def test_what_cannot_be_converted_is_an_error(
    policy: Policy, tmp_path: Path, spec: dict[str, Any], bound: dict[str, Any], said: str
):
    vap = {**VAP, "spec": {**VAP["spec"], **spec}}  # type: ignore[dict-item]
    binding = {**BINDING, "spec": {**BINDING["spec"], **bound}}  # type: ignore[dict-item]
    code, out, err = convert(policy, tmp_path, vap, binding)
    assert (code, out) == (2, "")
    assert said in err


def test_artifacthub_packages():
    annotations = {
        "io.kubewarden.policy.title": "t", "io.kubewarden.policy.description": "d",
        "io.kubewarden.policy.author": "A B <a@example.com>, C <c@example.com>",
        "io.kubewarden.policy.version": "1.2.3",
        "io.artifacthub.displayName": "T", "io.artifacthub.resources": "Pod", "io.artifacthub.keywords": "a, b",
    }  # fmt: skip
    made = artifacthub({**PLAIN, "annotations": annotations}, None, "m.yml", None, time.gmtime(0))
    assert made["createdAt"] == "1970-01-01T00:00:00Z"
    assert made["maintainers"] == [
        {"name": "A B", "email": "a@example.com"}, {"name": "C", "email": "c@example.com"}
    ]  # fmt: skip
    assert made["keywords"] == ["a", "b"]
    assert json.loads(made["annotations"]["kubewarden/rules"]) == [RULE]
    with pytest.raises(ConfigError, match=r"m.yml: annotations.io.artifacthub.displayName is missing"):
        artifacthub(PLAIN, None, "m.yml", None, time.gmtime(0))


def test_a_verification_file(policy: Policy):
    code, out, _ = policy("scaffold", "verification-config")
    assert (code, yaml.safe_load(out)["apiVersion"]) == (0, "v1")


# --- bench


def test_bench_measures_and_prints_json(policy: Policy, tmp_path: Path):
    times = ("--warm-up-time", "0", "--measurement-time", "0.05", "--sample-size", "5")
    request = write(tmp_path / "pod.json", PRIVILEGED)
    code, out, _ = policy("bench", "-r", request, *times, "-o", "json", sample("pod-privileged"))
    [row] = json.loads(out)
    assert code == 0
    assert row["n"] >= 5
    assert row["min_ms"] <= row["p50_ms"] <= row["p95_ms"] <= row["p99_ms"] <= row["max_ms"]
    assert row["verdicts"] == {"rejected": row["n"]}
    trap = write(tmp_path / "trap.wasm", fault("trap-unreachable"))
    code, _, err = policy("bench", "-r", request, *times, trap)
    assert (code, "policy trap failed" in err) == (1, True)
    assert policy("bench", "-r", request, "--sample-size", "0", sample("pod-privileged"))[0] == 2


def test_percentiles_are_values_that_were_measured():
    assert [percentile(list(map(float, range(1, 101))), rank) for rank in (50, 95, 99)] == [50.0, 95.0, 99.0]
    assert percentile([7.0], 99) == 7.0
