"""`edged status`: where nobody answers, exit codes, and configuration files that are not valid."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edged import config as configuration
from edged.cli import main as cli
from edged.cli import status_client
from edged.cli.doctor import unit
from edged.errors import ConfigError
from edged.process.config import NodeConfig
from tests.cli.test_status_report import PROBLEM, report

GOOD = report("1 of 1 policy in force.")
BAD = report("0 of 1 policy in force; `gone`: not enforced.", PROBLEM)


class Daemon:
    """A status socket that gives these answers one after the other, and then the last one again and again."""

    def __init__(self, path: Path, *answers: dict[str, Any]) -> None:
        self._answers = [json.dumps({"result": answer}).encode() + b"\n" for answer in answers]
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(4096)
                connection.sendall(self._answers.pop(0) if len(self._answers) > 1 else self._answers[0])

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """Where daemons listen: each test starts one of them."""
    yield tmp_path / "s"


def served(path: Path, answer: dict[str, Any], *arguments: str) -> int:
    daemon = Daemon(path, answer)
    try:
        return cli.main(["status", *arguments])
    finally:
        daemon.close()


def test_not_running(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unit, "read", lambda: unit.Unit(tmp_path / "edged.service"))
    assert cli.main(["status", "--socket", str(tmp_path / "s")]) == 1
    said = capsys.readouterr().err
    assert "edged is not running" in said and "systemctl start edged" in said and "journalctl -u edged" in said


@pytest.mark.usefixtures("edged_in_path")
@pytest.mark.parametrize("command", [["status"], ["audit"], ["reviews", "p"], ["schedule", "explain", "default/x"]])
def test_not_running_on_a_node_without_a_unit(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "edged.toml"
    monkeypatch.setattr(unit, "read", unit.Unit)
    monkeypatch.setattr(status_client.configuration, "DEFAULT_PATH", str(file))
    monkeypatch.setattr(status_client, "NodeConfig", lambda: NodeConfig(socket=str(tmp_path / "s")))
    assert cli.main(command) == 1
    said = capsys.readouterr().err
    assert "`edged init` prepares this node" in said and "systemctl" not in said
    file.write_text(f'[node]\nsocket = "{tmp_path}/s"\n')
    assert cli.main(command) == 1
    said = capsys.readouterr().err
    assert "There is no edged.service: `edged init` makes it" in said and "systemctl" not in said


def test_a_dead_socket(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "s"))
    assert cli.main(["status", "--check", "--socket", str(tmp_path / "s")]) == 1
    assert "edged is not running" in capsys.readouterr().err


def test_a_daemon_that_hangs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_client.lines, "__kwdefaults__", {"silence_s": 0.1})
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "s"))
        silent.listen()
        assert cli.main(["status", "--check", "--socket", str(tmp_path / "s")]) == 1
    assert "edged does not answer" in capsys.readouterr().err


def test_the_socket_comes_from_the_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "edged.toml"
    config.write_text(f'[node]\nsocket = "{tmp_path}/other.sock"\n')
    assert cli.main(["status", "--config", str(config)]) == 1
    assert f"{tmp_path}/other.sock" in capsys.readouterr().err


def test_all_in_force(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert served(path, GOOD, "--check", "--socket", str(path)) == 0
    assert capsys.readouterr().out == "1 of 1 policy in force.\n"


def test_something_is_not(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert served(path, BAD, "--check", "--socket", str(path)) == 1
    sentence, problem = capsys.readouterr().out.splitlines()
    assert sentence == BAD["protection"]["sentence"]
    assert problem == "policies: gone: not enforced: a; b. Next: mend it"


def test_without_check_the_exit_code_says_only_that_the_daemon_answers(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert served(path, BAD, "--socket", str(path)) == 0
    assert capsys.readouterr().out.startswith(BAD["protection"]["sentence"])


@pytest.mark.parametrize(("arguments", "out", "code"), [
    (("-q",), "0 of 1 policy in force; `gone`: not enforced.\n", 0), (("-q", "--check"), "", 1),
])  # fmt: skip
def test_quiet(
    path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], out: str, code: int
) -> None:
    assert served(path, BAD, "--socket", str(path), *arguments) == code
    assert capsys.readouterr().out == out


def test_waiting_ends_when_everything_is_in_force(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    daemon = Daemon(path, BAD, BAD, GOOD, BAD)
    try:
        assert cli.main(["status", "--check", "--wait", "60", "--socket", str(path)]) == 0
    finally:
        daemon.close()
    assert capsys.readouterr().out == "1 of 1 policy in force.\n"


def test_waiting_ends_with_the_last_answer(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert served(path, BAD, "--check", "--wait", "0.1", "--socket", str(path)) == 1
    assert capsys.readouterr().out.startswith(BAD["protection"]["sentence"])


@pytest.mark.parametrize("seconds", ["nan", "inf", "-1", "soon"])
def test_waiting_has_an_end(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", f"--wait={seconds}", "--socket", "/nowhere"]) == 2
    assert "must be seconds from 0 to 86400" in capsys.readouterr().err


def test_waiting_for_a_daemon_that_starts(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", "--check", "--wait", "0.1", "--socket", str(path)]) == 1
    assert "edged is not running" in capsys.readouterr().err
    daemons: list[Daemon] = []
    threading.Timer(0.3, lambda: daemons.append(Daemon(path, GOOD))).start()
    try:
        assert cli.main(["status", "--check", "--wait", "60", "--socket", str(path)]) == 0
    finally:
        for daemon in daemons:
            daemon.close()


def test_json(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert served(path, BAD, "--check", "--socket", str(path), "-o", "json") == 1
    assert json.loads(capsys.readouterr().out) == BAD["protection"]


def test_a_daemon_of_an_earlier_version(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert served(path, {"ready": True}, "--check", "--socket", str(path)) == 1
    assert "systemctl restart edged" in capsys.readouterr().err


@pytest.mark.parametrize("broken", [
    '[node]\n  socket = "SOCKET"  # ours\n[admission\n',
    "# a comment\n[ node ] # one\nname = 'n'\nsocket='SOCKET'\n[[admission.policy]]\nname = 7\n",
    '[admission]\nsocket = "/not/this/one"\n[node]\nsocket = "SOCKET"\nname = \n',
])  # fmt: skip
def test_a_configuration_file_that_is_not_valid(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    monkeypatch.setenv("COLUMNS", "500")  # the path of a test's folder may be longer than a line
    config = tmp_path / "edged.toml"
    config.write_text(broken.replace("SOCKET", str(path)))
    assert served(path, GOOD, "--config", str(config)) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith("1 of 1 policy in force. configuration: the configuration file is not valid, so the next ")
    assert str(config) in said
    config.write_text(broken.replace("SOCKET", str(path)))
    path.unlink()
    assert served(path, GOOD, "--check", "--config", str(config)) == 1
    assert "configuration: " in capsys.readouterr().out


def test_a_file_that_names_no_socket_means_the_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "edged.toml"
    config.write_text("[admission\n")
    assert cli.main(["status", "--config", str(config)]) == 1
    said = capsys.readouterr().err
    assert f"nobody answers at {NodeConfig().socket}" in said
    assert "the configuration file is not valid, so the next start will fail" in said, "it may be why nobody answers"


def test_a_file_that_is_not_there_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["status", "--config", str(tmp_path / "none.toml")]) == 2
    assert "none.toml: No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize("command", [("reviews", "p"), ("audit",), ("schedule", "explain")])
def test_other_commands_ask_the_daemon_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    config = tmp_path / "edged.toml"
    config.write_text(f'[node]\nsocket = "{tmp_path}/s"\n[admission\n')
    assert cli.main([*command, "--config", str(config)]) != 0
    said = capsys.readouterr().err
    assert "not valid TOML" in said and f"asking the daemon at {tmp_path}/s" in said


def test_a_file_that_was_refused_has_its_cause_once(path: Path, tmp_path: Path,
                                                    capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "edged.toml"
    config.write_text(f'[node]\nsocket = "{path}"\nx = 1\n')
    with pytest.raises(ConfigError) as cause:
        configuration.load(config)
    refused = {
        "subject": "reload", "text": f"the last reload was refused: {cause.value}", "next_step": "correct the file",
        "phrase": "p",
    }  # fmt: skip
    answer = report("1 of 1 policy in force.", refused)
    assert served(path, answer, "--check", "--config", str(config)) == 1
    said = capsys.readouterr().out
    assert said.count("[node] x: unknown key") == 1 and "\nconfiguration: " not in said
    assert "correct the file; a restart before that fails" in said
