"""`edged migrate` and `edged crds`: files in, reports and definitions out, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from edged import config
from edged.cli import main as cli
from edged.cli.migrate import read_files
from edged.errors import ConfigError
from edged.wasm import binary, bindings
from edged.wasm.compile import METADATA_SECTION
from tests.admission.resources.objects import policy, server

OWNER = server(namespacedPoliciesCapabilities=["*"])


def written(folder: Path, *objects: dict[str, object], name: str = "objects.yaml") -> Path:
    path = folder / name
    path.write_text(yaml.safe_dump_all(objects))
    return path


@pytest.fixture
def ready(tmp_path: Path) -> str:
    """A configuration that needs nothing more."""
    path = tmp_path / "edged.toml"
    path.write_text('[admission]\nmodule_sources = ["ghcr.io"]\n')
    return str(path)


def test_nothing_in_the_way(tmp_path: Path, ready: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, OWNER, policy())
    assert cli.main(["migrate", "-f", str(path), "--config", ready]) == 0
    said = capsys.readouterr().out
    assert "ClusterAdmissionPolicy x" in said and "attention" not in said
    assert 'module_sources = ["ghcr.io", "ghcr.io/kubewarden/policies"]' in said
    assert "STEPS\n1. " in said


def test_kinds_of_another_program_are_none_of_ours(
    tmp_path: Path, ready: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, OWNER, policy("x"), policy("y") | {"apiVersion": "policies.example.com/v1"})
    assert cli.main(["migrate", "-f", str(path), "--config", ready]) == 0
    said = capsys.readouterr().out
    assert "ClusterAdmissionPolicy x" in said and "ClusterAdmissionPolicy y" not in said


def test_what_needs_attention_is_exit_code_1(tmp_path: Path, ready: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, OWNER, policy(timeoutEvalSeconds=5))
    assert cli.main(["migrate", "-f", str(path), "--config", ready, "-o", "json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["needs_attention"]
    (entry,) = [each for each in report["objects"] if each["policy"]]
    assert {"level": "attention", "text": "timeoutEvalSeconds 5: cut to [engine] wall_timeout_s = 2"} in entry[
        "findings"
    ]
    suggested = config.parse(report["configuration"])
    assert suggested.engine.wall_timeout_s == 5.0


def test_directories_and_lists_are_opened(tmp_path: Path) -> None:
    written(tmp_path, {"apiVersion": "v1", "kind": "List", "items": [OWNER, policy("a")]}, name="a.yaml")
    (tmp_path / "below").mkdir()
    written(tmp_path / "below", policy("b"), name="b.yml")
    (tmp_path / "c.json").write_text(json.dumps(policy("c")))
    (tmp_path / "notes.txt").write_text("{")
    names = [obj["metadata"]["name"] for obj in read_files(tmp_path)]
    assert sorted(names) == ["a", "b", "c", "default"]


def test_files_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError):
        list(read_files(tmp_path / "absent.yaml"))
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [")
    assert cli.main(["migrate", "-f", str(broken)]) == 2
    assert "not valid YAML" in capsys.readouterr().err


def test_entries_are_a_configuration(tmp_path: Path, ready: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = sample(tmp_path / "one.wasm", {"hostCapabilities": []})
    files = [policy("one", module=module, settings={"a": [1, {"b": True}]}), OWNER]
    path = written(tmp_path, *files)
    assert cli.main(["migrate", "-f", str(path), "--config", ready, "--entries"]) == 0
    admission = config.parse(capsys.readouterr().out).admission
    assert admission is not None
    (entry,) = admission.policy
    assert (entry.name, entry.settings) == ("clusterwide-one", {"a": [1, {"b": True}]})
    assert entry.host_capabilities == ()


def sample(path: Path, metadata: dict[str, object]) -> str:
    """The URL of a module with this metadata."""
    section = json.dumps({"protocolVersion": "v1", "rules": [], "mutating": False} | metadata).encode()
    path.write_bytes(binary.append_custom_section(bindings.wat2wasm(NAMING), METADATA_SECTION, section))
    return path.as_uri()


NAMING = """(module (memory 1) (data (i32.const 0) "net v1/dns_lookup_host"))"""


@pytest.mark.parametrize(
    ("metadata", "granted"),
    [
        ({"hostCapabilities": []}, ()),
        ({"hostCapabilities": ["oci/*"]}, ("oci/*",)),
        ({"contextAwareResources": [{"apiVersion": "v1", "kind": "Pod"}], "hostCapabilities": ["kubernetes/*"]},
         ("kubernetes/*",)),
        ({}, ("net/v1/dns_lookup_host",)),  # made before modules declared it: its bytes name this one
    ],
)  # fmt: skip
def test_entries_grant_what_the_module_says_that_it_needs(
    tmp_path: Path, ready: str, capsys: pytest.CaptureFixture[str], metadata: dict[str, object],
    granted: tuple[str, ...],
) -> None:  # fmt: skip
    module = sample(tmp_path / "one.wasm", metadata)
    path = written(tmp_path, policy("one", module=module), OWNER)
    assert cli.main(["migrate", "-f", str(path), "--config", ready, "--entries"]) == 0
    admission = config.parse(capsys.readouterr().out).admission
    assert admission is not None and admission.policy[0].host_capabilities == granted


def test_a_module_that_is_not_here_is_said(tmp_path: Path, ready: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, policy("one", module="file:///opt/absent.wasm"), OWNER)
    assert cli.main(["migrate", "-f", str(path), "--config", ready, "--entries"]) == 1
    said = capsys.readouterr()
    assert "`edged policy pull` fetches the module" in said.err
    admission = config.parse(said.out).admission
    assert admission is not None and admission.policy[0].host_capabilities == ()


def test_the_report_as_yaml(tmp_path: Path, ready: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, OWNER, policy())
    for output, read in (("json", json.loads), ("yaml", yaml.safe_load)):
        assert cli.main(["migrate", "-f", str(path), "--config", ready, "-o", output]) == 0
        report = read(capsys.readouterr().out)
        assert report["objects"][-1]["object"] == "ClusterAdmissionPolicy x" and report["needs_attention"] is False


def test_policies_yml(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "policies.yml"
    path.write_text(yaml.safe_dump({"one": {"module": "file:///opt/one.wasm", "policyMode": "monitor"}}))
    assert cli.main(["migrate", "--policies", str(path)]) == 0
    admission = config.parse(capsys.readouterr().out).admission
    assert admission is not None and admission.policy[0].mode == "monitor"
    path.write_text("- 1")
    assert cli.main(["migrate", "--policies", str(path)]) == 1
    assert "not a map" in capsys.readouterr().err


def test_crds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["crds"]) == 0
    documents = list(yaml.safe_load_all(capsys.readouterr().out))
    assert [each["spec"]["names"]["shortNames"][0] for each in documents] == ["ps", "cap", "ap", "capg", "apg"]
    assert cli.main(["crds", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["items"] == documents
    assert cli.main(["crds", "--directory", str(tmp_path / "out")]) == 0
    assert len(list((tmp_path / "out").glob("*.yaml"))) == 5


@pytest.mark.parametrize(("text", "said"), [
    ("kind: []", "kind must be a text"),
    ("kind: ClusterAdmissionPolicy", "a ClusterAdmissionPolicy without metadata.name"),
    ("kind: ClusterAdmissionPolicy\nmetadata: []", "a ClusterAdmissionPolicy without metadata.name"),
    ("kind: ClusterAdmissionPolicy\nmetadata: {name: 5}", "a ClusterAdmissionPolicy without metadata.name"),
])
@pytest.mark.parametrize("words", [[], ["--entries"]])
def test_objects_that_no_api_server_would_have(tmp_path, capsys, text, said, words):
    path = tmp_path / "o.yaml"
    path.write_text(text)
    assert cli.main(["migrate", "-f", str(path), *words]) == 2
    assert f"edged: {path}: {said}" in capsys.readouterr().err
