"""Writing files for people, without harm to those that are there."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from edged.cli import new_files
from edged.cli.command_tree import tree_of
from edged.cli.main import main, parser
from edged.errors import ConfigError
from edged.json_text import dumps


def test_a_new_file_gets_its_mode_and_an_existing_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "f"
    assert new_files.write(path, b"one", mode=0o600)
    assert path.read_bytes() == b"one" and path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigError, match=rf"{path} exists; --force writes over it"):
        new_files.write(path, b"two")
    assert path.read_bytes() == b"one"
    assert new_files.write(path, b"two", force=True) and path.read_bytes() == b"two"


def test_the_same_content_is_no_error_and_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "f"
    new_files.write(path, b"one")
    before = path.stat().st_mtime_ns
    assert not new_files.write(path, b"one") and path.stat().st_mtime_ns == before


def test_what_the_command_knows_again_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"<report>1")
    report = new_files.starting_with(b"<report>")
    assert new_files.write(path, b"<report>2", ours=report)
    path.write_bytes(b"my notes")
    for force, hint in ((False, "--force writes over it"), (None, "name another file, or delete it first")):
        with pytest.raises(ConfigError, match=f"exists and is not a report.* {hint}"):
            new_files.check(path, force=force, ours=report, what="a report")
        with pytest.raises(ConfigError, match="exists and is not a report"):
            new_files.write(path, b"<report>2", force=force, ours=report, what="a report")
    assert path.read_bytes() == b"my notes"


def test_devices_are_written_to(tmp_path: Path) -> None:
    new_files.check(Path("/dev/null"))
    assert new_files.write(Path("/dev/null"), b"x") and not Path("/dev/null").is_file()


def test_a_link_to_nothing_is_somebodys(tmp_path: Path) -> None:
    path = tmp_path / "link"
    path.symlink_to(tmp_path / "nothing")
    with pytest.raises(ConfigError, match="exists; --force"):
        new_files.check(path)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        new_files.write(tmp_path / "no/f", b"x")


MODULES = Path(__file__).parents[2] / "modules"
PRIVILEGED = str(MODULES / "admission/pod-privileged/pod-privileged.wasm")
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": []}}
NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}
MADE_ANEW = {
    "schedule simulate --html": "schedule simulate -f {folder}/node.json --html {out}",
    "policy test --junit": "policy test {folder}/tests.json --cache-dir {folder}/cache --junit {out}",
    "policy run --record-host-capabilities-interactions":
        "policy run -r {folder}/pod.json --cache-dir {folder}/cache {module} "
        "--record-host-capabilities-interactions {out}",
    "crds --directory": "crds --directory {folder}/out",
    "man --directory": "man --directory {folder}/out",
}  # fmt: skip
"""Options that write, and a command for each: what the command wrote itself may be written over."""
REFUSED = MADE_ANEW | {
    "policy annotate --output-path": "policy annotate -m {folder}/metadata.json --output-path {out} {module}",
    "policy pull --output-path": "policy pull registry://127.0.0.1:1/a:v1 --output-path {out}",
    "module pull --output-path": "module pull registry://127.0.0.1:1/a:v1 --output-path {out}",
    "policy save --output-path": "policy save --store {folder}/store --output-path {out} {digest}",
    "module save --output-path": "module save --store {folder}/store --output-path {out} {digest}",
    "rbac render --output-path": "rbac render --config {folder}/edged.toml --output-path {out}",
    "sandbox --write-kubeconfig": "sandbox --write-kubeconfig {out}",
    "sandbox --save": "sandbox --save {out}",
    "webhook install --directory": "webhook install --config {folder}/edged.toml --directory {folder}/out",
}
"""All options that write a file for people."""
FILES = {"crds --directory": "policyservers.yaml", "man --directory": "edged.1",
         "webhook install --directory": "admission-configuration.json"}  # fmt: skip


def words(command: str, folder: Path, out: Path) -> list[str]:
    (folder / "out").mkdir(exist_ok=True)
    contents = {
        "node.json": NODE, "pod.json": POD, "metadata.json": {"rules": [], "mutating": False},
        "tests.json": {"policies": [{"name": "p", "module": PRIVILEGED}],
                       "tests": [{"name": "t", "object": POD, "expect": "allowed"}]},
    }  # fmt: skip
    for name, content in contents.items():
        (folder / name).write_bytes(dumps(content))
    stored = folder / "store/https/a.example/m.wasm"
    stored.parent.mkdir(parents=True, exist_ok=True)
    stored.write_bytes(Path(PRIVILEGED).read_bytes())
    (folder / "edged.toml").write_text(
        f'[node]\nstate_dir = "{folder}/state"\n[admission]\nregister = "static"\nstatic_dir = "{folder}/static"\n')
    digest = hashlib.sha256(stored.read_bytes()).hexdigest()
    return command.format(folder=folder, out=out, module=PRIVILEGED, digest=digest).split()


@pytest.mark.parametrize("option", REFUSED)
def test_no_command_writes_over_what_it_did_not_write(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out" / FILES.get(option, "precious")
    command = words(REFUSED[option], tmp_path, out)
    out.write_text("precious")
    assert main(command) == 2
    said = capsys.readouterr().err
    assert f"{out} exists" in said and ("--force" in said or "name another file" in said)
    assert out.read_text() == "precious" and [path.name for path in out.parent.iterdir()] == [out.name]


@pytest.mark.parametrize("option", MADE_ANEW)
def test_what_a_command_wrote_it_writes_again(option: str, tmp_path: Path) -> None:
    out = tmp_path / "out" / FILES.get(option, "file")
    command = words(MADE_ANEW[option], tmp_path, out)
    assert main(command) == 0
    content = out.read_bytes()
    assert content and main(command) == 0
    out.write_bytes(content + b"\n")  # as an earlier version might have made it
    assert main(command) == 0


def test_all_options_that_write_are_tried() -> None:
    writing = {
        f"{' '.join(command.words[1:])} {argument.names[-1]}"
        for command in tree_of(parser()).walk() for argument in command.arguments
        if argument.takes_file and re.match(r"(also )?(write|record)|the (file|archive) to write", argument.help)
    }
    assert writing == set(REFUSED)
