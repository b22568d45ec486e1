"""`edged check`: exit codes, what it prints, what it looks for on disk."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from edged import config
from edged.abi.metadata import MATCH_CONDITIONS
from edged.cli import main as cli
from edged.cli.check import to_toml
from edged.errors import ConfigError
from edged.wasm import binary
from edged.wasm.compile import METADATA_SECTION
from tests.admission.endpoint.fake_server import VWC, Status
from tests.cli.test_webhook import Api, Files, in_thread

SAMPLES = Path(__file__).parents[2] / "modules"
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
module = "file://{plugin}"
config = "quote \\" and \\n newline"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    module, plugin = tmp_path / "m.wasm", tmp_path / "q.wasm"
    module.write_bytes((SAMPLES / "admission/pod-privileged/pod-privileged.wasm").read_bytes())
    plugin.write_bytes((SAMPLES / "scheduling/device-fit/device-fit.wasm").read_bytes())
    path = tmp_path / "edged.toml"
    path.write_text(TEXT.format(module=module, plugin=plugin))
    return path


def test_a_good_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", str(file)]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert "hunter2" not in shown.out
    assert tomllib.loads(shown.out)["admission"]["policy"][0]["settings"] == "(1 key, hidden)"
    assert shown.out.startswith("[node]\n") and "signatures" not in shown.out  # what is not available is not shown
    assert shown.out.endswith(f"\n\n# {file}: 0 errors, 0 warnings\n")


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
    missing = f'{file.parent}/m.wasm: No such file or directory; put the module there, or correct the path'
    assert shown.err == f'edged: [[admission.policy]] "p" module: {missing}\nedged: {file}: 1 error, 0 warnings\n'


def test_errors_stand_last_and_once(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Also where the policy's rules would be in the module that is missing."""
    text = file.read_text().replace('register = "none"', "").replace("rules = ", "# rules = ")
    file.write_text(text.replace("m.wasm", "gone.wasm"))
    script = f"exec 2>&1; {sys.executable} -m edged check {file}"
    lines = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False).stdout.splitlines()
    assert sum("gone.wasm: No such file" in line for line in lines) == 1
    assert lines[-2].startswith('edged: [[admission.policy]] "p" module: ')
    assert lines[-1] == f"edged: {file}: 1 error, 0 warnings"


def test_modules_in_each_others_table(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = file.read_text().replace("m.wasm", "x.wasm").replace("q.wasm", "m.wasm").replace("x.wasm", "q.wasm")
    file.write_text(text)
    assert cli.main(["check", "-q", str(file)]) == 1
    said = capsys.readouterr().err
    assert "q.wasm: the module is a scheduler plugin; move it to [[scheduler.plugin]]\n" in said
    assert "m.wasm: the module is an admission policy; move it to [[admission.policy]]\n" in said
    assert said.endswith("2 errors, 0 warnings\n")


def test_a_module_that_is_fetched_later_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "edged.toml"
    text = f'[node]\nstate_dir = "{tmp_path}"\n[admission]\n[[admission.policy]]\nname = "p"\n'
    path.write_text(f'{text}module = "registry://ghcr.io/a/b:v1"\nrules = []\n')
    assert cli.main(["check", "-q", str(path)]) == 0
    said = capsys.readouterr().err
    assert said.startswith('edged: warning: [[admission.policy]] "p" module: registry://ghcr.io/a/b:v1 is not on this')
    assert said.endswith("0 errors, 1 warning\n")
    path.write_text(path.read_text() + "[registry]\noffline = true\n")
    assert cli.main(["check", "-q", str(path)]) == 1
    assert "`edged module load`" in capsys.readouterr().err


def test_a_policy_that_the_api_server_would_refuse(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = file.read_text().replace('register = "none"', "")
    file.write_text(text.replace('resources = ["pods"]', 'resources = ["*/*", "pods"]'))
    assert cli.main(["check", "-q", str(file)]) == 1
    assert '[[admission.policy]] "p": not registered: ' in capsys.readouterr().err


CONDITIONS = """match_conditions = [
  {{ name = "fine", expression = "object.a == 1" }},
  {{ name = "wrong", expression = "request.foo == 1" }},
  {{ name = "unsure", expression = "duration(object.a) > duration('1s')" }},
]
[scheduler]"""


@pytest.mark.parametrize("register", ["none", "dynamic", "static"])
def test_match_conditions_are_named_with_their_places(
    file: Path, capsys: pytest.CaptureFixture[str], register: str
) -> None:
    text = file.read_text().replace("[scheduler]", CONDITIONS.format(), 1).replace('"none"', f'"{register}"')
    file.write_text(text + f'[node]\nstate_dir = "{file.parent}"\n')
    assert cli.main(["check", "-q", str(file)]) == 1
    said = capsys.readouterr().err
    line = text[: text.index('"wrong"')].count("\n") + 1
    place = f'{file}:{line}: [[admission.policy]] "p" match_conditions[1].expression'
    assert f"edged: {place}: does not compile: undefined field 'foo'; known are kind" in said
    unsure = f'warning: {file}:{line + 1}: [[admission.policy]] "p" match_conditions[2].expression: may not compile'
    warned = unsure in said
    assert warned is (register == "static") and "match_conditions[0]" not in said


def test_online_asks_the_api_server(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Refusing(Api):
        async def request(self, method: str, path: str, **more: Any) -> dict[str, Any]:
            if method == "PUT":
                assert more["query"] == {"dryRun": "All"}
                cause = {"field": "webhooks[0].matchConditions[0].expression", "message": "no such function"}
                raise Status(422, {"details": {"causes": [cause]}})
            return await super().request(method, path, **more)

    api = Refusing()
    condition = 'match_conditions = [{ name = "a", expression = "quantity(object.a).isInteger()" }]\n[scheduler]'
    text = file.read_text().replace("[scheduler]", condition, 1).replace('"none"', '"static"')
    with in_thread(api) as server:
        files = Files(file.parent, server)
        file.write_text(text + f'[node]\nname = "edge-1"\n[kubernetes]\nkubeconfig = "{files.kubeconfig}"\n')
        assert cli.main(["check", "-q", "--online", str(file)]) == 1
        assert "edged-trial-edge-1" in capsys.readouterr().err  # there is no object to try it in
        api.put(f"{VWC}/edged-trial-edge-1", {"metadata": {"name": "edged-trial-edge-1"}, "webhooks": []})
        assert cli.main(["check", "-q", "--online", str(file)]) == 1
    said = capsys.readouterr().err
    assert '[[admission.policy]] "p": the API server does not take it: matchConditions[0].expression: no such' in said


def test_a_wrong_file_is_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "edged.toml"
    path.write_text("[node]\nnme = 1\n")
    assert cli.main(["check", str(path)]) == 2
    shown = capsys.readouterr()
    assert shown.err == f"{path}:2: [node] nme: unknown key; did you mean name?\nedged: {path}: 1 error\n"
    assert shown.out == ""


def test_the_effective_selectors_are_comments(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(file.read_text().replace('register = "none"', 'register = "dynamic"'))
    assert cli.main(["check", str(file)]) == 0
    out = capsys.readouterr().out
    assert tomllib.loads(out)["admission"]["register"] == "dynamic"
    comments = "".join(line[2:] + "\n" for line in out.splitlines() if line.startswith("# "))
    assert "- webhook: shared-" in comments and "policies:\n" in comments and "- p\n" in comments
    assert "kube-system" in comments and "resources:\n    - pods" in comments


def test_a_schedulers_file_is_read_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, own = tmp_path / "edged.toml", tmp_path / "scheduler.yaml"
    file.write_text(f'[scheduler]\nconfig = "{own}"\n')
    head = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"
    own.write_text(head)
    assert cli.main(["check", str(file), "-q"]) == 0
    own.write_text(head + "parallelism: 4\nprofiles: [{pluginConfig: [{name: NodeName, args: {a: 1}}]}]\n")
    assert cli.main(["check", str(file), "-q"]) == 0
    said = capsys.readouterr().err
    assert f"{own}: no effect in edged: parallelism\n" in said
    assert f"{own}: no effect in edged: profiles[0].pluginConfig[0]: NodeName has no args\n" in said
    own.write_text(head + "leaderElection: {leaseDuration: 5s}\n")
    assert cli.main(["check", str(file), "-q"]) == 1
    said = capsys.readouterr().err
    assert f"{own}: leaderElection.leaseDuration: must be greater than renewDeadline" in said


def test_null_is_a_key_that_is_not_set_and_impossible_in_a_list() -> None:
    shown = to_toml({"admission": {"policy": [{"settings": {"a": None, "b": {"c": None, "d": 1}}}]}})
    assert tomllib.loads(shown) == {"admission": {"policy": [{"settings": {"b": {"d": 1}}}]}}
    with pytest.raises(ConfigError, match="a list holds null"):
        to_toml({"admission": {"policy": [{"settings": {"a": [None]}}]}})


def test_conditions_of_a_module_that_are_left_out_are_a_warning(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = file.parent / "m.wasm"
    wrong = json.dumps([{"name": "a", "expression": "object.spec"}])
    metadata = {"protocolVersion": "v1", "rules": [], "mutating": False, "annotations": {MATCH_CONDITIONS: wrong}}
    said = binary.replace_custom_section(module.read_bytes(), METADATA_SECTION, json.dumps(metadata).encode())
    module.write_bytes(said)
    assert cli.main(["check", "-q", str(file)]) == 0
    shown = capsys.readouterr().err
    assert f'{file}:6: [[admission.policy]] "p" module: the policy is asked about everything: ' in shown
    assert "condition a does not compile" in shown
    file.write_text(file.read_text().replace('name = "p"', 'name = "p"\nmodule_conditions = false'))
    assert cli.main(["check", "-q", str(file)]) == 0 and capsys.readouterr().err == ""


def test_check_shows_the_conditions_that_a_module_adds(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = file.parent / "m.wasm"
    own = json.dumps([{"name": "new", "expression": "request.operation == 'CREATE'"}])
    metadata = {"protocolVersion": "v1", "rules": [], "mutating": False, "annotations": {MATCH_CONDITIONS: own}}
    module.write_bytes(
        binary.replace_custom_section(module.read_bytes(), METADATA_SECTION, json.dumps(metadata).encode())
    )
    file.write_text(file.read_text().replace('"none"', '"dynamic"', 1))
    assert cli.main(["check", str(file)]) in (0, 1)
    assert "name: module.edged.dev/new" in capsys.readouterr().out


CONTROLLER = """
[[controller]]
name = "c"
module = "file://{module}"
allow = [{{ apiGroups = [""], resources = ["pods"], verbs = ["get"] }}]
"""
AGENT = Path(__file__).parents[2] / "modules" / "controllers" / "kos-agent" / "kos-agent.wasm"
EMPTY_MODULE = b"\0asm\x01\0\0\0"
CONTROLLER_MODULE = EMPTY_MODULE + bytes.fromhex("01060160017f017e") + bytes.fromhex("03020100") + bytes.fromhex(
    "0717" "01" "13"
) + b"edged_ctl_reconcile" + bytes.fromhex("0000" "0a06010400" "4200" "0b")
"""Exports a function `edged_ctl_reconcile`."""


def test_controllers_and_what_they_may_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "edged.toml"
    path.write_text(CONTROLLER.format(module=AGENT))
    assert cli.main(["check", str(path)]) == 0
    out = capsys.readouterr().out
    assert tomllib.loads(out)["controller"][0]["api_calls_per_s"] == 50.0
    assert "# What controllers may do:\n# c:\n" in out and "#   - get of pods\n" in out
    path.write_text(path.read_text().replace("allow", "# allow"))
    assert cli.main(["check", "-q", str(path)]) == 0
    assert 'warning: [[controller]] "c" allow: is empty' in capsys.readouterr().err


@pytest.mark.parametrize(("name", "admits"), [("kos-agent", False), ("kos-subnets", True)])
def test_a_controller_that_cannot_admit_is_told(
    name: str, admits: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "edged.toml"
    rule = '{ apiGroups = [""], apiVersions = ["v1"], resources = ["pods"], operations = ["CREATE"] }'
    table = CONTROLLER.format(module=AGENT.parents[1] / name / f"{name}.wasm")
    path.write_text(f"[admission]\nregister = \"none\"\n{table}admits = [{{ rules = [{rule}] }}]\n")
    assert cli.main(["check", str(path)]) == 0
    out, err = capsys.readouterr()
    assert "#   - 'CREATE of pods; failurePolicy Fail: while edged does not answer, these are refused'" in out
    assert ("does not export edged_ctl_admit" in err) is not admits


def test_controllers_that_would_not_load(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module, path = tmp_path / "c.wasm", tmp_path / "edged.toml"
    path.write_text(CONTROLLER.format(module=module))
    module.write_bytes(CONTROLLER_MODULE)
    assert cli.main(["check", "-q", str(path)]) == 1
    assert f"{module}: the module exports no memory named memory; fetch or build" in capsys.readouterr().err
    module.write_bytes(AGENT.read_bytes().replace(b"msg_read", b"msg_peek"))
    assert cli.main(["check", "-q", str(path)]) == 1
    assert "unknown import: function edged_ctl_v1.msg_peek is not offered to this module" in capsys.readouterr().err


def test_controllers_and_others_in_each_others_table(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = file.parent / "c.wasm"
    file.write_text(file.read_text() + CONTROLLER.format(module=file.parent / "m.wasm"))
    (file.parent / "q.wasm").write_bytes(CONTROLLER_MODULE)
    assert cli.main(["check", "-q", str(file)]) == 1
    said = capsys.readouterr().err
    assert "q.wasm: the module is a controller; move it to [[controller]]\n" in said
    assert f'[[controller]] "c" module: {file.parent}/m.wasm: the module is an admission policy; move it to' in said
    file.write_text(file.read_text().replace("m.wasm", "c.wasm"))
    module.write_bytes(CONTROLLER_MODULE)
    assert cli.main(["check", "-q", str(file)]) == 1
    said = capsys.readouterr().err
    assert f'[[admission.policy]] "p" module: {module}: the module is a controller; move it to' in said
