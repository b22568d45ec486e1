"""`edged controller run`: which module, with which rights, and what it is told to do in a dry run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from edged.cli.controller.foreground import config_of, rule_of
from edged.cli.main import main, parser
from edged.errors import ConfigError
from edged.sandbox.threaded import ThreadedSandbox
from tests.cli.controller.building import applies


def test_rules_of_the_command_line():
    assert rule_of("get,list pods,nodes") == {"apiGroups": [""], "resources": ["pods", "nodes"],
                                              "verbs": ["get", "list"]}  # fmt: skip
    assert rule_of("update deployments.apps/status shop,web") == {
        "apiGroups": ["apps"], "resources": ["deployments/status"], "verbs": ["update"], "namespaces": ["shop", "web"],
    }  # fmt: skip
    with pytest.raises(ConfigError, match="several groups"):
        rule_of("get pods,deployments.apps")
    with pytest.raises(ConfigError, match="a rule is VERBS"):
        rule_of("pods")


def test_what_stands_in_the_file_is_kept_but_for_what_is_given(tmp_path):
    (tmp_path / "m.wasm").write_bytes(applies())
    (tmp_path / "c.toml").write_text(
        '[[controller]]\nname = "mine"\nmodule = "file:///elsewhere.wasm"\ntimeout_s = 7\nconfig = { a = 1 }\n'
        'allow = [{ apiGroups = [""], resources = ["pods"], verbs = ["get"] }]\n'
    )
    given = ["controller", "run", str(tmp_path / "m.wasm"), "--config", str(tmp_path / "c.toml")]
    found = config_of(parser().parse_args([*given, "--settings", '{"b": 2}']))
    assert (found.name, found.timeout_s, found.config, found.leader_election) == ("mine", 7, {"b": 2}, False)
    assert found.module == (tmp_path / "m.wasm").as_uri() and found.allow[0]["resources"] == ["pods"]


def test_a_module_without_rights_is_not_run(tmp_path, capsys):
    (tmp_path / "m.wasm").write_bytes(applies())
    assert main(["controller", "run", str(tmp_path / "m.wasm")]) == 2
    assert "what may the module do?" in capsys.readouterr().err


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_module_at_work_until_ctrl_c(tmp_path, dry_run):
    (tmp_path / "m.wasm").write_bytes(applies())
    with ThreadedSandbox() as sandbox:
        command = [
            sys.executable, "-m", "edged", "controller", "run", str(tmp_path / "m.wasm"), "--kubeconfig",
            str(sandbox.kubeconfig), "--allow", "get,list,watch,patch configmaps", "--cache-dir",
            str(tmp_path / "cache"), *(["--dry-run"] if dry_run else []),
        ]  # fmt: skip
        word = "would" if dry_run else "done"
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ) as process:
            assert process.stderr is not None
            lines = []
            while f'msg={word} what="apply ConfigMap default/made"' not in (lines or [""])[-1]:
                lines.append(process.stderr.readline())
                assert lines[-1], lines
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)
        assert process.returncode == 0
        status, _ = sandbox.request("GET", "/api/v1/namespaces/default/configmaps/made")
        assert status == (404 if dry_run else 200)
