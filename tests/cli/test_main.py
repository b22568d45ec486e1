"""The command line's frame: what is offered, what is imported, exit codes."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edged.cli import main as cli
from edged.errors import ConfigError, EdgedError, PeerError


def edged(*args: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edged", *args],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        **options,
    )


def test_help_lists_every_command_that_exists() -> None:
    shown = edged("--help")
    assert shown.returncode == 0
    folder = Path(cli.__file__).parent
    for command, summary in cli.COMMANDS.items():
        exists = any((folder / name).exists() for name in (f"{command}.py", command))
        assert (summary in " ".join(shown.stdout.split())) == exists, command


def test_every_file_is_a_known_command() -> None:
    folder = Path(cli.__file__).parent
    for path in folder.glob("*.py"):
        if path.stem != "main" and "\ndef declare(" in path.read_text():
            assert path.stem in cli.COMMANDS


@pytest.mark.parametrize(
    "command", [name for name in cli.COMMANDS if (Path(cli.__file__).parent / f"{name}.py").exists()]
)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([command, "--help"]) == 0
    assert f"edged {command}" in capsys.readouterr().out


def test_version_imports_nothing_heavy() -> None:
    code = (
        "import sys; from edged.cli import main; main.main(['version']); "
        "print({'wasmtime', 'trio', 'lightkube', 'httpx2'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == "set()"
    assert "wasmtime" in done.stdout


def test_usage_errors_are_2() -> None:
    for args in ((), ("nonsense",), ("version", "--nonsense")):
        done = edged(*args)
        assert done.returncode == 2, args
        assert done.stdout == ""
        assert "usage:" in done.stderr


class Fails:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def declare(self, parser: Any) -> None:
        parser.describe("Fails.")

    def run(self, args: Any) -> int:
        raise self.error


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ConfigError("bad key"), 2, "edged: bad key\n"),
        (ConfigError("f:1: a\nf:2: b"), 2, "edged: f:1: a\nedged: f:2: b\n"),
        (PeerError("away"), 1, "edged: away\n"),
        (KeyboardInterrupt(), 130, "edged: interrupted\n"),
        (BaseExceptionGroup("", [KeyboardInterrupt()]), 130, "edged: interrupted\n"),
        (ExceptionGroup("", [ExceptionGroup("", [PeerError("away")]), EdgedError("other")]), 1,
         "edged: away\nedged: other\n"),
        (ExceptionGroup("", [PeerError("away"), ConfigError("bad")]), 2, "edged: away\nedged: bad\n"),
    ],
)  # fmt: skip
def test_errors_become_messages_and_codes(
    error: BaseException,
    code: int,
    text: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(cli, "load", lambda command: Fails(error))
    assert cli.main(["version"]) == code
    assert capsys.readouterr().err == text


def test_bugs_are_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        cli, "load", lambda command: Fails(ExceptionGroup("", [PeerError("a"), ValueError("bug")]))
    )
    with pytest.raises(ExceptionGroup):
        cli.main(["version"])


def test_a_closed_pipe_is_quiet() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "edged", "version"], stdout=writer, stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    assert done.returncode == 141
    assert done.stderr == ""


@pytest.mark.parametrize("command", [["version"], ["crds"], ["--help"], ["policy", "run", "--help"]])
def test_a_full_disk_behind_the_output_is_one_line(command: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-m", "edged", *command], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (1, "edged: cannot write the output: No space left on device\n")


@pytest.mark.parametrize("stream", ["stdin", "stdout", "stderr"])
@pytest.mark.parametrize(("command", "code"), [("version", 0), ("crds", 0), ("--help", 0), ("polcy", 2)])
def test_a_stream_that_the_caller_closed_is_no_bug(stream: str, command: str, code: int) -> None:
    closed = {"stdin": "<&-", "stdout": ">&-", "stderr": "2>&-"}[stream]
    script = f"{sys.executable} -m edged {command} {closed}"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert bool(done.stdout) == (stream != "stdout" and code == 0)


FULL = OSError(28, "No space left on device")


def test_a_full_disk_behind_a_file_is_1(capsys: pytest.CaptureFixture[str]) -> None:
    """The commands name their files; the exit code is that of an operation that failed, not of a configuration."""
    try:
        raise ConfigError("/full/kubeconfig: No space left on device") from FULL
    except ConfigError as error:
        assert cli.failed(error) == 1
    assert capsys.readouterr().err == "edged: /full/kubeconfig: No space left on device\n"
    assert cli.failed(ConfigError("/x: No such file")) == 2


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS])
def test_a_disk_error_counts_through_every_error_that_was_made_of_it(number: int) -> None:
    """systemd does not restart a daemon that ends with 2."""
    try:
        try:
            raise ConfigError("cannot keep a module") from OSError(number, os.strerror(number))
        except ConfigError as error:
            raise ConfigError("profiles[0]: cannot keep a module") from error
    except ConfigError as error:
        assert cli.failed(BaseExceptionGroup("nursery", [error])) == 1
    try:
        raise ConfigError("closed") from OSError(errno.EACCES, os.strerror(errno.EACCES))
    except ConfigError as error:
        assert cli.failed(error) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
@pytest.mark.parametrize("command", [
    ["crds", "--directory", "{disk}"], ["man", "--directory", "{disk}"], ["sandbox", "--kubeconfig", "{disk}/kc"],
    ["compile", "{policy}", "--cache-dir", "{disk}/cache"],
    ["policy", "annotate", "{policy}", "-m", "{metadata}", "--output-path", "{disk}/a.wasm"],
    ["policy", "test", "{folder}", "--junit", "{disk}/j.xml"],
])  # fmt: skip
def test_files_on_a_full_disk(command: list[str], tmp_path: Path) -> None:
    disk = tmp_path / "full"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        with pytest.raises(OSError, match="No space left"), open(disk / "filler", "wb", buffering=0) as filler:
            while True:
                filler.write(b"x" * 4096)
        policy = Path(__file__).parents[2] / "modules/admission/pod-privileged/pod-privileged.wasm"
        metadata = tmp_path / "metadata.yml"
        metadata.write_text("rules: []\nmutating: false\nprotocolVersion: v1\n")
        names = {"disk": disk, "policy": policy, "metadata": metadata, "folder": policy.parent}
        words = [word.format(**names) for word in command]
        done = subprocess.run([sys.executable, "-m", "edged", *words], capture_output=True, text=True, timeout=60)
    finally:
        subprocess.run(["umount", disk], check=True)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr and str(disk) in done.stderr and "No space left on device" in done.stderr


def test_a_bug_of_the_system_kind_is_not_taken_for_a_full_disk() -> None:
    with pytest.raises(FileNotFoundError):
        cli.failed(FileNotFoundError(2, "No such file or directory", "/x"))


def test_a_file_of_somebody_else_is_one_line_with_a_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Root may read everything, so the refusal is made up."""

    def refused(path: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_dir", refused)
    assert cli.main(["policy", "list", "--store", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        f"edged: {tmp_path}/registry: Permission denied; run this as root or as the user to whom that belongs\n"
    )


@pytest.mark.parametrize("words", ["crds --directory", "migrate -f", "policy test", "module list --store",
                                   "webhook remove --static-dir", "doctor --kubeconfig"])
def test_a_name_that_is_too_long_is_one_line(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    name = "n" * 300
    assert cli.main([*words.split(), name]) == 2
    err = capsys.readouterr().err
    last = err.splitlines()[-1]
    assert name in last and "File name too long" in last and "Traceback" not in err
