"""`edged policy inspect`: what a module needs, and why it cannot be loaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edged.wasm import binary
from edged.wasm.compile import METADATA_SECTION
from tests.cli.policy.metadata import PLAIN
from tests.cli.policy.support import MODULES, Policy, fault, sample, write


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


@pytest.mark.parametrize(
    ("module", "image"),
    [
        (sample("pod-privileged"), "possible"),
        (sample("required-labels"), "none: of a Rego policy only long settings are kept parsed (docs/rego.md)"),
        ("table-bomb", "none: function 2 has table.grow"),
    ],
)
def test_inspect_says_whether_an_image_is_possible(module: Path | str, image: str, policy: Policy, tmp_path: Path):
    path = write(tmp_path / "fault.wasm", fault(module)) if isinstance(module, str) else module
    assert json.loads(policy("inspect", path, "-o", "json")[1])["image"] == image
    assert f"pre-initialised:      image {image}\n" in policy("inspect", path)[1]
    assert "pre-initialised" not in policy("inspect", path, "--no-compile")[1]


def with_conditions(tmp_path: Path, written: str) -> str:
    said = {**PLAIN, "protocolVersion": "v1", "annotations": {"io.edged.match-conditions": written}}
    module = binary.replace_custom_section(fault("reply-not-json"), METADATA_SECTION, json.dumps(said).encode())
    return write(tmp_path / "m.wasm", module)


def test_inspect_shows_which_requests_a_module_is_asked_about(policy: Policy, tmp_path: Path):
    condition = {"name": "deletions", "expression": "request.operation == 'DELETE'"}
    module = with_conditions(tmp_path, json.dumps([condition]))
    _, out, _ = policy("inspect", module)
    assert "asked only where:\n  deletions: request.operation == 'DELETE'\n" in out
    assert "io.edged.match-conditions" not in out
    found = json.loads(policy("inspect", module, "-o", "json")[1])
    assert found["matchConditions"] == [condition] and found["warnings"] == []


def test_inspect_warns_of_conditions_that_are_left_out(policy: Policy, tmp_path: Path):
    code, out, _ = policy("inspect", with_conditions(tmp_path, "- {name: a, expression: object.spec}"))
    assert code == 0 and "asked only where" not in out
    assert "condition a does not compile: must evaluate to bool" in out and "asked about everything" in out


def test_what_a_module_says_does_not_steer_the_terminal(policy: Policy, tmp_path: Path):
    said = {**PLAIN, "protocolVersion": "v1", "annotations": {"io.kubewarden.policy.title": "\x1b[2J"}}
    module = binary.replace_custom_section(fault("reply-not-json"), METADATA_SECTION, json.dumps(said).encode())
    _, out, _ = policy("inspect", write(tmp_path / "m.wasm", module), "--no-compile")
    assert "\x1b" not in out
