"""`edged policy annotate`: metadata that becomes part of a module, and metadata that is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from edged.wasm import binary, bindings
from edged.wasm.compile import METADATA_SECTION
from tests.cli.policy.metadata import PLAIN, RULE
from tests.cli.policy.support import MODULES, PRIVILEGED, Policy, fault, sample, write


def section(path: Path) -> dict[str, Any]:
    found = binary.custom_section(path.read_bytes(), METADATA_SECTION)
    assert found is not None
    return json.loads(found)  # type: ignore[no-any-return]


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


@pytest.mark.parametrize("form", ["list", "text"])
def test_annotate_writes_match_conditions_as_json(policy: Policy, tmp_path: Path, form: str):
    conditions = [{"name": "new", "expression": "request.operation == 'CREATE'"}]
    written = conditions if form == "list" else yaml.safe_dump(conditions)
    metadata = {**PLAIN, "annotations": {"io.edged.match-conditions": written}}
    path, out = write(tmp_path / "metadata.yml", yaml.safe_dump(metadata)), tmp_path / "out.wasm"
    assert policy("annotate", "-m", path, "-o", out, sample("pod-privileged"))[0] == 0
    assert json.loads(section(out)["annotations"]["io.edged.match-conditions"]) == conditions


def test_annotate_refuses_conditions_that_would_be_left_out(policy: Policy, tmp_path: Path):
    wrong = {"name": "new", "expression": "request.operation = 'CREATE'"}
    metadata = {**PLAIN, "annotations": {"io.edged.match-conditions": [wrong]}}
    path, out = write(tmp_path / "metadata.yml", yaml.safe_dump(metadata)), tmp_path / "out.wasm"
    code, _, err = policy("annotate", "-m", path, "-o", out, sample("pod-privileged"))
    assert code == 2 and not out.exists()
    assert f"{path}: annotations.io.edged.match-conditions: condition new does not compile: Syntax error" in err


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


AS_PUBLISHED = """
rules:
mutating: false
contextAware: false
policyType: raw
annotations:
  io.kubewarden.policy.title: t
  io.kubewarden.policy.version: 1.10
  io.kubewarden.policy.usage:
"""


def test_metadata_as_published_policies_have_it(policy: Policy, tmp_path: Path):
    """An old key, no rules under `rules:`, a version that is a number in YAML: kwctl takes all that."""
    metadata, out = write(tmp_path / "metadata.yml", AS_PUBLISHED), tmp_path / "o.wasm"
    code, _, err = policy("annotate", "-m", metadata, "--output-path", out, sample("pod-privileged"))
    assert (code, err.count("\n")) == (0, 1)
    assert "note: " in err and "metadata.yml: contextAware: an old key without effect" in err
    found = section(out)
    assert "contextAware" not in found and found["rules"] == []
    assert found["annotations"].items() >= {
        ("io.kubewarden.policy.version", "1.10"), ("io.kubewarden.policy.usage", "")}  # fmt: skip
    assert policy("inspect", out)[0] == 0
    assert policy("run", "--raw", "-r", write(tmp_path / "pod.json", PRIVILEGED), out)[0] in (0, 1)


def test_an_annotated_module_is_written_over_and_nothing_else(policy: Policy, tmp_path: Path):
    """Builds annotate the same module again and again."""
    out = tmp_path / "annotated.wasm"
    for mutating in (False, True):
        metadata = write(tmp_path / "metadata.yml", yaml.safe_dump({**PLAIN, "mutating": mutating}))
        assert policy("annotate", "-m", metadata, "--output-path", out, sample("pod-privileged"))[0] == 0
        assert section(out)["mutating"] is mutating
    bare = binary.remove_custom_sections(out.read_bytes(), METADATA_SECTION)
    for other in (b"notes", bare, bare[:20]):
        out.write_bytes(other)
        code, _, err = policy("annotate", "-m", metadata, "--output-path", out, sample("pod-privileged"))
        assert code == 2 and "is not an annotated module; --force writes over it" in err
        assert out.read_bytes() == other


def test_old_keys_in_a_published_module_are_told(policy: Policy, tmp_path: Path):
    old = {**PLAIN, "protocolVersion": "v1", "contextAware": True}
    module = binary.replace_custom_section(
        sample("pod-privileged").read_bytes(), METADATA_SECTION, json.dumps(old).encode()
    )
    code, out, _ = policy("inspect", write(tmp_path / "old.wasm", module))
    assert code == 0
    assert "contextAware: an old key without effect; contextAwareResources names" in out
    assert "did you mean" not in out


def test_the_module_decides_on_its_protocol_version(policy: Policy, tmp_path: Path):
    metadata = write(tmp_path / "metadata.yml", yaml.safe_dump({**PLAIN, "protocolVersion": "Unknown"}))
    code, _, err = policy("annotate", "-m", metadata, "--output-path", tmp_path / "o.wasm", sample("pod-privileged"))
    assert (code, section(tmp_path / "o.wasm")["protocolVersion"]) == (0, "v1")
    assert "its protocol version is v1, which is written instead of Unknown" in err


def test_a_key_that_is_there_twice_is_an_error(policy: Policy, tmp_path: Path):
    metadata = write(tmp_path / "metadata.yml", yaml.safe_dump(PLAIN) + "mutating: true\n")
    code, _, err = policy("annotate", "-m", metadata, "--output-path", tmp_path / "o.wasm", sample("pod-privileged"))
    assert code == 2
    assert 'key "mutating" already set in map' in err


@pytest.mark.parametrize("text", ['{"rules": [], "mutating": true, "annotations": {"a": "\\ud83d\\ude00"}}'])
def test_metadata_in_json_that_is_no_yaml(policy: Policy, tmp_path: Path, text: str):
    metadata = write(tmp_path / "metadata.json", text)
    assert policy("annotate", "-m", metadata, "--output-path", tmp_path / "o.wasm", sample("pod-privileged"))[0] == 0
    assert section(tmp_path / "o.wasm")["annotations"]["a"] == "\U0001f600"


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"rules": []}, "mutating: is missing (true or false)"),
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
