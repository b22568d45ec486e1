"""`edged check`: exit codes, what it prints, what it looks for on disk."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from edged import config
from edged.cli import main as cli
from edged.cli.check import to_toml

TEXT = """
[admission]
register = "none"
[[admission.policy]]
name = "p"
module = "file://{module}"
settings = {{ token = "hunter2" }}
rules = [{{ apiGroups = [""], apiVersions = ["v1"], resources = ["pods"], operations = ["CREATE"] }}]
[scheduler]
[[scheduler.plugin]]
name = "s"
module = "file://{module}"
config = "quote \\" and \\n newline"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    module = tmp_path / "m.wasm"
    module.write_bytes(b"\0asm")
    path = tmp_path / "edged.toml"
    path.write_text(TEXT.format(module=module))
    return path


def test_a_good_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", str(file)]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert "hunter2" not in shown.out
    assert tomllib.loads(shown.out)["admission"]["policy"][0]["settings"] == "(1 key, hidden)"


def test_what_is_printed_reads_back_as_the_same_configuration(file: Path) -> None:
    parsed = config.load(file)
    shown = config.effective(parsed)
    shown["admission"]["policy"][0]["settings"] = {"token": "hunter2"}
    assert config.parse(to_toml(shown)) == parsed


def test_json_and_yaml(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "--config", str(file), "-o", "json"]) == 0
    as_json = capsys.readouterr().out
    assert cli.main(["check", str(file), "-o", "yaml"]) == 0
    import orjson
    import yaml

    assert orjson.loads(as_json) == yaml.safe_load(capsys.readouterr().out)


def test_a_missing_module_is_1(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (file.parent / "m.wasm").unlink()
    assert cli.main(["check", "-q", str(file)]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert '[[admission.policy]] "p" module' in shown.err
    assert "No such file" in shown.err


def test_a_wrong_file_is_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "edged.toml"
    path.write_text("[node]\nnme = 1\n")
    assert cli.main(["check", str(path)]) == 2
    shown = capsys.readouterr()
    assert f'{path}:2: [node] nme: unknown key; did you mean name?' in shown.err
    assert shown.out == ""


def test_the_effective_selectors_are_comments(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(file.read_text().replace('register = "none"', 'register = "dynamic"'))
    assert cli.main(["check", str(file)]) == 0
    out = capsys.readouterr().out
    assert tomllib.loads(out)["admission"]["register"] == "dynamic"
    comments = "".join(line[2:] + "\n" for line in out.splitlines() if line.startswith("# "))
    assert "- policy: p\n" in comments and "kube-system" in comments and "resources:\n    - pods" in comments


def test_a_schedulers_file_is_read_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, own = tmp_path / "edged.toml", tmp_path / "scheduler.yaml"
    file.write_text(f'[scheduler]\nconfig = "{own}"\n')
    head = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"
    own.write_text(head)
    assert cli.main(["check", str(file), "-q"]) == 0
    own.write_text(head + "leaderElection: {leaseDuration: 5s}\n")
    assert cli.main(["check", str(file), "-q"]) == 1
    said = capsys.readouterr().err
    assert f"{own}: leaderElection.leaseDuration: must be greater than renewDeadline" in said
