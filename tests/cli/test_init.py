"""The command lines of `edged init` and `edged uninstall`: what they print, and their exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edged.cli.installation.install import Place
from edged.cli.installation.program import Program
from edged.cli.main import main
from tests.cli.installation.place import cluster_in_thread, machine, place

Run = Callable[..., tuple[int, str, str]]
"""Words of a command -> exit code, stdout, stderr."""


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The commands see this node, never the machine of the tests."""
    made = place(tmp_path)
    monkeypatch.setattr("edged.cli.installation.machine.Machine", lambda: made.machine)
    monkeypatch.setattr("edged.cli.installation.layout.Layout", lambda: made.layout)
    monkeypatch.setattr(Program, "find", classmethod(lambda cls: made.program))
    return made


@pytest.fixture
def run(node: Place, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(words)
        return code, *capsys.readouterr()

    with cluster_in_thread(node):
        yield run


def test_a_line_for_each_step_and_the_next_two_commands(node: Place, run: Run) -> None:
    code, out, err = run("init", "--dry-run")
    assert (code, err) == (0, "") and f"would create  file {node.layout.config}\n" in out and "Next:" not in out
    code, out, err = run("init")
    assert (code, err) == (0, "")
    assert f"administrator:  {node.layout.distributions[0].kubeconfig} (k3s)\n" in out
    assert f"created       file {node.layout.config}\n" in out
    assert out.endswith("Next:\n  systemctl enable --now edged\n  edged status --check --wait 60\n")
    code, out, _ = run("init", "-o", "json")
    steps = json.loads(out)["steps"]
    assert code == 0 and {step["state"] for step in steps} == {"unchanged", "kept"}


def test_a_failed_step_is_named_and_how_it_goes_on(node: Place, run: Run) -> None:
    machine(node).broken = "useradd"
    code, out, err = run("init")
    assert code == 1 and "failed        user and group edged: useradd edged: no" in out and "Next:" not in out
    assert err.startswith("edged: user and group edged: useradd edged: no\n") and "run the same command again" in err
    assert run("init", "--admin-kubeconfig", "/nowhere")[0] == 2


def test_uninstall_and_the_command_that_finishes_it(node: Place, run: Run) -> None:
    assert run("init")[0] == 0
    machine(node).broken = "disable"
    code, _, err = run("uninstall", "--purge", "--context", "sandbox")
    assert code == 1 and "systemctl disable --now edged: no" in err and node.layout.unit.exists()
    assert "uninstall --context sandbox --purge` removes the rest" in err
    machine(node).broken = ""
    code, out, err = run("uninstall", "--purge", "-o", "yaml")
    assert (code, err) == (0, "") and "what: user and group edged" in out and not node.layout.folder.exists()
