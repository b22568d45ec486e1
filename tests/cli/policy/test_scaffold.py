"""`edged policy scaffold`: requests, configuration, manifests, packages."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import yaml

from edged import config as configuration
from edged.admission.resources import validation
from edged.cli.policy.scaffold import artifacthub
from edged.errors import ConfigError
from edged.wasm import binary
from edged.wasm.compile import METADATA_SECTION
from tests.cli.policy.metadata import PLAIN, RULE
from tests.cli.policy.support import POD, PRIVILEGED, Policy, fault, sample, write


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


def test_a_manifest_without_rules_says_what_is_missing(policy: Policy, tmp_path: Path):
    raw = {"protocolVersion": "v1", "rules": [], "mutating": False, "policyType": "raw"}
    module = binary.replace_custom_section(
        sample("pod-privileged").read_bytes(), METADATA_SECTION, json.dumps(raw).encode()
    )
    code, out, err = policy("scaffold", "manifest", write(tmp_path / "raw.wasm", module))
    assert (code, yaml.safe_load(out)["spec"]["rules"]) == (0, [])
    assert "fill in spec.rules, which must not be empty" in err
    assert "no rules" not in policy("scaffold", "manifest", sample("pod-privileged"))[2]


def test_artifacthub_finds_its_files_in_the_folder(policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = policy("scaffold", "artifacthub")
    assert (code, "there is no metadata.yml in this folder" in err) == (2, True)
    keys = [f"io.kubewarden.policy.{key}" for key in ("title", "description", "version")]
    keys += [f"io.artifacthub.{key}" for key in ("displayName", "resources", "keywords")]
    annotations = {**dict.fromkeys(keys, "1"), "io.kubewarden.policy.author": "A <a@example.com>"}
    write(tmp_path / "metadata.yaml", {**PLAIN, "annotations": annotations})
    code, out, _ = policy("scaffold", "artifacthub")
    assert (code, "questions-ui" in out) == (0, False)
    write(tmp_path / "questions.yml", "questions: []\n")
    assert "kubewarden/questions-ui" in policy("scaffold", "artifacthub")[1]


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
    assert "links" not in made and "kubewarden/contextAwareResources" not in made["annotations"]
    with pytest.raises(ConfigError, match=r"m.yml: annotations.io.artifacthub.displayName is missing"):
        artifacthub(PLAIN, None, "m.yml", None, time.gmtime(0))


def test_the_version_of_a_package_is_the_options(policy: Policy, tmp_path: Path):
    annotations = {
        "io.kubewarden.policy.title": "t", "io.kubewarden.policy.description": "d",
        "io.kubewarden.policy.author": "A <a@example.com>", "io.kubewarden.policy.version": "1.2.3",
        "io.artifacthub.displayName": "T", "io.artifacthub.resources": "Pod", "io.artifacthub.keywords": "a",
    }  # fmt: skip
    path = write(tmp_path / "metadata.json", {**PLAIN, "annotations": annotations})
    for given, version in ((["--version", "9.9.9"], "9.9.9"), (["-v", "8.0.0"], "8.0.0"), ([], "1.2.3")):
        code, out, _ = policy("scaffold", "artifacthub", "-m", path, *given)
        assert (code, yaml.safe_load(out)["version"]) == (0, version)


def test_a_verification_file(policy: Policy):
    code, out, _ = policy("scaffold", "verification-config")
    assert (code, yaml.safe_load(out)["apiVersion"]) == (0, "v1")


def test_artifacthub_packages_need_no_more_than_kwctl_wants():
    annotations = {
        "io.kubewarden.policy.title": "t", "io.kubewarden.policy.description": "d", "io.artifacthub.displayName": "T",
        "io.kubewarden.policy.version": "1.2.3", "io.kubewarden.policy.ociUrl": "ghcr.io/x/t",
        "io.kubewarden.policy.source": "https://github.com/x/t", "io.kubewarden.hidden-ui": "true",
        "io.kubewarden.policy.author": "a@example.com",
    }  # fmt: skip
    kinds = [{"apiVersion": "v1", "kind": "Pod"}]
    metadata = {**PLAIN, "annotations": annotations, "contextAwareResources": kinds}
    made = artifacthub(metadata, None, "m.yml", None, time.gmtime(0))
    assert made["containersImages"] == [{"name": "policy", "image": "ghcr.io/x/t:v1.2.3"}]
    release = "https://github.com/x/t/releases/download"
    assert [link["url"] for link in made["links"]] == [f"{release}/v1.2.3/policy.wasm", "https://github.com/x/t"]
    assert made["maintainers"] == [{"name": "", "email": "a@example.com"}]
    assert made["annotations"]["kubewarden/hidden-ui"] == "true"
    assert json.loads(made["annotations"]["kubewarden/contextAwareResources"]) == kinds
    assert "keywords" not in made
    annotations["com.github.release.tag"] = "t/v1"
    tagged = artifacthub(metadata, None, "m.yml", None, time.gmtime(0))
    assert tagged["links"][0]["url"] == f"{release}/t%2Fv1/policy.wasm"


@pytest.mark.parametrize(("what", "otherwise"), [("toml", "module_conditions = false"),
                                                 ("manifest", 'edged.dev/module-conditions: "false"')])  # fmt: skip
def test_scaffold_tells_what_a_module_is_not_asked_about(policy: Policy, tmp_path: Path, what: str, otherwise: str):
    conditions = [{"name": "new", "expression": "request.operation == 'CREATE'"}]
    said = {**PLAIN, "protocolVersion": "v1", "annotations": {"io.edged.match-conditions": json.dumps(conditions)}}
    module = binary.replace_custom_section(fault("reply-not-json"), METADATA_SECTION, json.dumps(said).encode())
    code, _, err = policy("scaffold", what, write(tmp_path / "m.wasm", module))
    assert code == 0
    assert "only where its condition new holds: request.operation == 'CREATE'; " in err and otherwise in err
