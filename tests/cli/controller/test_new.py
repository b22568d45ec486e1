"""`edged controller new`: what is written builds with the README's commands, and passes its own script."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from edged.cli.controller import new
from edged.cli.main import main
from edged.json_text import loads
from edged.wasm import bindings
from tests.guests.rust import build as rust

ROOT = Path(__file__).parents[3]


def made(folder: Path, language: str) -> Path:
    assert main(["controller", "new", str(folder / "greeting"), "--language", language]) == 0
    return folder / "greeting"


def commands(folder: Path) -> str:
    """The first block of the README."""
    found = re.search(r"```sh\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def built(folder: Path, *, replaced: tuple[tuple[str, str], ...] = (), **environment: str) -> None:
    """By the commands of its README; `replaced`: other places of this machine's compilers."""
    script = commands(folder)
    for one, other in replaced:
        assert one in script
        script = script.replace(one, other)
    paths = os.pathsep.join([os.environ["PATH"], "/usr/local/go/bin"])
    done = subprocess.run(["bash", "-e", "-c", script], cwd=folder, capture_output=True, text=True,
                          env={**os.environ, "PATH": paths, **environment})  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout


def passes(folder: Path, capsys: pytest.CaptureFixture[str], tests: int) -> None:
    assert main(["controller", "test", str(folder / "greeting.wasm"), str(folder), "-o", "json",
                 "--cache-dir", str(folder / "cache")]) == 0  # fmt: skip
    results = loads(capsys.readouterr().out.encode())["results"]
    assert [each["outcome"] for each in results] == ["passed"] * tests


def test_wat(tmp_path, capsys):
    folder = made(tmp_path, "wat")
    capsys.readouterr()
    (folder / "greeting.wasm").write_bytes(bindings.wat2wasm((folder / "module.wat").read_text()))
    passes(folder, capsys, 3)


@pytest.mark.toolchains("zig")
def test_zig(tmp_path, capsys):
    folder = made(tmp_path, "zig")
    capsys.readouterr()
    built(folder, replaced=(("python -m ziglang", f"{sys.executable} -m ziglang"),))
    passes(folder, capsys, 4)


@pytest.mark.toolchains("go")
def test_go(tmp_path, capsys):
    folder = made(tmp_path, "go")
    capsys.readouterr()
    built(folder)
    passes(folder, capsys, 4)


@pytest.mark.toolchains("npm")
def test_assemblyscript(tmp_path, capsys):
    folder = made(tmp_path, "assemblyscript")
    capsys.readouterr()
    node, asc = shutil.which("node"), ROOT / "modules/toolchain/node_modules/assemblyscript/bin/asc.js"
    built(folder, replaced=(("npm install\n", ""), ("npx asc", f"{node} {asc}")))
    passes(folder, capsys, 4)


@pytest.mark.toolchains("rust")
def test_rust(tmp_path, capsys):
    folder = made(tmp_path, "rust")
    capsys.readouterr()
    lock = (ROOT / "modules/controllers/copy-to-namespaces/Cargo.lock").read_text()  # the same crates
    (folder / "Cargo.lock").write_text(lock.replace('"copy-to-namespaces"', '"greeting"'))
    rust.build_crate(folder, folder / "greeting.wasm")  # the standard library for WebAssembly may be missing here
    passes(folder, capsys, 4)


@pytest.mark.parametrize("language", new.LANGUAGES)
def test_every_language_has_source_configuration_script_and_readme(language, tmp_path):
    folder = made(tmp_path, language)
    chosen = new.LANGUAGES[language]
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {chosen.source, "README.md", "controller.toml", "greeting.controller-test.yaml"} <= names
    text = (folder / "README.md").read_text()
    assert not re.search(r"\{[a-z]+\}", text) and "greeting.wasm" in commands(folder)
    table = tomllib.loads((folder / "controller.toml").read_text())["controller"][0]
    assert table["module"] == (folder / "greeting.wasm").as_uri()
    assert bool(chosen.sdk) == (folder / "sdk").is_dir()
    assert main(["check", str(folder / "controller.toml")]) in (0, 1)  # the module is not built yet


def test_a_folder_that_has_something_is_left_alone(tmp_path, capsys):
    folder = made(tmp_path, "wat")
    (folder / "module.wat").write_text("mine")
    assert main(["controller", "new", str(folder), "--language", "zig"]) == 2
    assert "--force" in capsys.readouterr().err and (folder / "module.wat").read_text() == "mine"
    assert main(["controller", "new", str(folder), "--language", "wat", "--force"]) == 0
    assert (folder / "module.wat").read_text() != "mine"


def test_a_name_that_is_none_for_a_controller_is_refused(tmp_path, capsys):
    assert main(["controller", "new", str(tmp_path / "Not_A_Name"), "--language", "wat"]) == 2
    assert "lower-case letters" in capsys.readouterr().err and not (tmp_path / "Not_A_Name").exists()


def test_the_version_of_assemblyscript_is_that_of_the_modules(tmp_path):
    pinned = loads((ROOT / "modules/toolchain/package.json").read_bytes())["dependencies"]["assemblyscript"]
    assert pinned == new.ASSEMBLYSCRIPT


def test_an_installation_has_every_file(tmp_path):
    """What pyproject.toml takes into the wheel, by its patterns."""
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["data-files"]
    packed = {path.relative_to(ROOT).as_posix() for patterns in data.values() for pattern in patterns
              for path in ROOT.glob(pattern)}  # fmt: skip
    below = [path for path in (ROOT / "sdk").rglob("*") if path.is_file()]
    wanted = {path.relative_to(ROOT).as_posix() for path in below
              if path.name not in ("README.md", ".gitignore") and "target" not in path.parts}  # fmt: skip
    assert wanted <= packed
    assert all(folder == f"share/edged/{Path(pattern).parent}" for folder, patterns in data.items()
               for pattern in patterns if pattern.startswith("sdk/"))  # fmt: skip
