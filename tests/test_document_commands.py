"""The commands in the documents: each `edged ...` parses, and what needs no cluster is run and prints what is shown.

Every other command is in NOT_RUN, with the reason. How documents write commands, output and files is said in
document_commands.py.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edged.cli.main import parser
from edged.cli.parsing import Parser
from tests import parts, toolchains
from tests.document_commands import Block, Unclear, blocks, commands, edged_calls, inline_calls, matches
from tests.guests.rego import build as rego

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (
        *ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("*/README.md"), ROOT / "tests" / "bench" / "README.md",
    )
)  # fmt: skip
ELSEWHERE = re.compile(r"docs/install.*\.md")
"""Documents whose commands another test runs, in a root of their own: here they are only parsed."""

RUN = re.compile(
    r"(/opt/edged/bin/)?edged (policy (run|test|inspect|annotate|scaffold|bench) |module inspect |schedule simulate "
    r"|controller (new|test) |check |crds |completion |man |migrate -|version)|opa build |tar -xzf |python -m ziglang "
    r"|GOOS=wasip1 GOARCH=wasm go build "
)
"""The beginnings of commands that may run: they write only into their own folder. Nothing else is ever started."""

NOT_RUN = {
    r"kubectl |k3s ctr |\S*edged rbac render .*\| kubectl ": "needs a cluster",
    r"edged (audit|status|reviews|schedule explain|doctor)\b|journalctl ": "asks the running daemon, or about it",
    r"edged (webhook (install|remove)|migrate( --entries)? *(#|$))": "needs the API server",
    r"edged policy (push|pull|digest|save|load|list|rm)\b": "needs a registry; tests/cli/test_modules.py runs these",
    r"edged policy run .*--allow-context-aware": "reads a cluster; tests/cli/policy/test_sessions.py replays one",
    r"make |python -m tests\.|python modules/build|python3\.11 arm-build": "builds or tests this checkout",
    r"(/opt/edged/bin/)?pip install |python3 -m venv |npm ci |apt-get ": "installs packages",
    r"edged controller run ": "runs until Ctrl-C; tests/cli/controller/test_foreground.py runs it",
    r"edged sandbox ": "serves until it is ended; tests/cli/test_sandbox.py runs it",
    r"install -m |edged check (.*systemctl|/etc/)|systemctl |\S*edged init\b": "installs edged",
    r"git clone |go mod |go vet |tinygo ": "needs TinyGo and a checkout of kube-scheduler-wasm-extension",
}
"""The beginning of a command -> why it is not run here."""

ENDS_WITH = {r"edged migrate -f": 1}
"""The beginning of a command without output -> its exit code, if that is not 0 (1: something needs attention)."""

VERBS = {"is", "can", "does"}
"""Second words of messages that begin with edged's name: they are no commands."""

Scene = Callable[[Path], None]
"""Puts what a document takes for granted into an empty folder."""


def nothing(folder: Path) -> None:
    """The document says everything."""


def opa(folder: Path) -> None:
    """OPA as the program `opa`, and a description of the policy."""
    (folder / "README.md").write_text("# no-latest\n")
    (folder / "bin" / "opa").symlink_to(rego.opa())


def kubewarden(folder: Path) -> None:
    """Exported custom resources, and a file of policy-server."""
    (folder / "backup").mkdir()
    shutil.copyfile(ROOT / "tests" / "documented" / "policies.yaml", folder / "backup" / "policies.yaml")
    shutil.copyfile(ROOT / "tests" / "documented" / "policies.yml", folder / "policies.yml")


def shop(folder: Path) -> None:
    """A small cluster, and a configuration with a scheduler and a plugin."""
    shutil.copyfile(ROOT / "tests" / "documented" / "shop.yaml", folder / "cluster.yaml")
    module = ROOT / "modules" / "scheduling" / "device-fit" / "device-fit.wasm"
    plugin = f'name = "device-fit"\nmodule = "file://{module}"\ndepends_on = ["pod", "node"]\n'
    (folder / "edged.toml").write_text(f'[scheduler]\nnames = ["edged"]\n\n[[scheduler.plugin]]\n{plugin}')


SCENES: dict[str, tuple[Scene, tuple[str, ...]]] = {
    "docs/audit.md": (nothing, ()),
    "docs/command-line.md": (nothing, ()),
    "docs/custom-resources.md": (kubewarden, ()),
    "docs/first-controller.md": (nothing, ("zig",)),
    "docs/groups.md": (nothing, ()),
    "docs/policy-tools.md": (opa, ("go",)),
    "docs/rego.md": (opa, ("go",)),
    "docs/scheduler-plugins.md": (nothing, ("zig", "go")),
    "docs/scheduling.md": (shop, ()),
    "docs/support.md": (nothing, ()),
}
"""Documents with commands that are run: what they need beforehand, and the parts of the tests that this belongs to."""


def text_of(document: str) -> str:
    return (ROOT / document).read_text()


def why_not_run(command: str) -> str:
    return next((reason for start, reason in NOT_RUN.items() if re.match(start, command)), "")


def is_run(document: str, command: str) -> bool:
    """Whether it is run here, all of it but for what reads its output."""
    harmless = RUN.match(f"{command} ") and not re.search(r"&&|;|\$\(|`", command)
    return document in SCENES and bool(harmless) and not why_not_run(command)


def expected_code(command: str) -> int:
    return next((code for start, code in ENDS_WITH.items() if re.match(start, command)), 0)


def parsed(words: list[str]) -> str:
    """What the command line says against these arguments; "" where it takes them, in today's spelling."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            parser().parse_args(words)
        except SystemExit as ended:
            return "" if not ended.code else said.getvalue()
    return said.getvalue()  # a note about an old spelling


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_in_blocks_are_accepted(document: str) -> None:
    wrong = []
    for command in commands(text_of(document)):
        for words in edged_calls(command.text):
            if problem := parsed(words):
                wrong.append(f"{document}:{command.line}: edged {' '.join(words)}\n{problem}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_in_running_text_exist(document: str) -> None:
    """Their subcommands and options; what else they need may be left out."""
    wrong = [f"{document}: `edged {' '.join(words)}`: {problem}"
             for words in inline_calls(text_of(document))
             if words[0] not in VERBS and (problem := unknown(words))]  # fmt: skip
    assert not wrong, "\n".join(wrong)


def unknown(words: list[str]) -> str:
    """The first subcommand or option that does not exist."""
    at: Parser = parser().declared()
    for word in words:
        below = dict(at.children())
        name = word.partition("=")[0].strip("[]")
        if word.startswith("-") and word != "-":
            shown = {option for action in at.options() for option in action.option_strings}
            if name.strip(",") not in shown | {"-h", "--help"}:
                return f"no option {name}"
        elif below and word.islower() and word.isalpha():
            if word not in below:
                return f"no command {word}"
            at = below[word]
    return ""


@pytest.mark.parametrize(
    "document",
    [pytest.param(name, marks=[pytest.mark.toolchains(*needed)] if needed else [])
     for name, (_, needed) in SCENES.items()],
)  # fmt: skip
def test_commands_print_what_is_shown(document: str, tmp_path: Path) -> None:
    scene, needed = SCENES[document]
    for part in needed:
        parts.require(part, toolchains.lacking(part))
    shell = Shell(tmp_path)
    scene(tmp_path)
    wrong = []
    ran = 0
    for command in commands(text_of(document)):
        for name, content in command.files.items():
            (tmp_path / name).write_text(shell.here(content))
        if not is_run(document, command.text):
            continue
        code, out = shell.run(command.text)
        ran += 1
        if command.output is not None and not matches(command.output, out):
            wrong.append(f"{document}:{command.line}: {command.text}\n--- shown\n{command.output}\n--- printed\n{out}")
        elif command.output is None and code != expected_code(command.text):
            wrong.append(f"{document}:{command.line}: {command.text}: exit code {code}\n{out}")
    assert not wrong, "\n".join(wrong)
    assert ran, "no command of this document is run"


class Shell:
    """Runs commands in a folder, with the `edged` of this checkout and no file of this machine's user."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "bin").mkdir()
        (folder / "home").mkdir()
        self._program("edged", _PROGRAM.format(python=sys.executable, root=ROOT, cache=folder / "home" / "cache"))
        self._program("python", f'#!/bin/sh\nexec {sys.executable} "$@"\n')

    def _program(self, name: str, text: str) -> None:
        path = self._folder / "bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def here(self, text: str) -> str:
        """With the samples of this checkout, and folders of the system below this folder."""
        text = re.sub(r"/usr/lib/edged/modules/([\w-]+)\.wasm", _sample, text)
        return re.sub(r"(?<![\w.:/])(/etc|/usr/local|~/\.config)/", rf"{self._folder}\1/".replace("~", "/home"), text)

    def run(self, command: str) -> tuple[int, str]:
        """Exit code, and what it printed: stdout, or stderr where that is all. What goes on into kubectl is cut."""
        line = re.sub(r" \| kubectl [^|]*$", "", command).replace("/opt/edged/bin/", "")
        line = self.here(line)
        for target in re.findall(r"> (\S+)", line):
            (self._folder / target).parent.mkdir(parents=True, exist_ok=True)
        environment = {
            "PATH": f"{self._folder / 'bin'}:{os.environ['PATH']}", "HOME": str(self._folder / "home"),
            "KUBECONFIG": str(self._folder / "no-kubeconfig"), "LANG": "C.UTF-8", "COLUMNS": "100", "NO_COLOR": "1",
            "GOCACHE": os.environ.get("GOCACHE", str(Path.home() / ".cache" / "go-build")),  # not built anew each time
        }  # fmt: skip
        done = subprocess.run(
            ["bash", "-c", line], cwd=self._folder, env=environment, capture_output=True, text=True, timeout=100
        )
        shown = done.stdout or done.stderr
        return done.returncode, shown if done.returncode in (0, 1) else done.stdout + done.stderr


_PROGRAM = """#!{python}
import contextlib, io, sys
sys.path.insert(0, "{root}")
from edged.cli.main import main, parser

words = sys.argv[1:]
with contextlib.redirect_stderr(io.StringIO()):
    args = parser().parse_args(words)
if getattr(args, "cache_dir", "") is None:
    words += ["--cache-dir", "{cache}"]
sys.exit(main(words))
"""
"""Root's own folders are those of the daemon; a test must not use them."""


def _sample(match: re.Match[str]) -> str:
    found = list(ROOT.glob(f"modules/*/{match[1]}/{match[1]}.wasm"))
    return str(found[0]) if found else match[0]


def test_each_command_that_is_not_run_has_a_reason() -> None:
    used: set[str] = set()
    missing = []
    for document in DOCUMENTS:
        if ELSEWHERE.fullmatch(document):
            continue
        for command in commands(text_of(document)):
            if reason := why_not_run(command.text):
                used.add(reason)
            elif not is_run(document, command.text):
                missing.append(f"{document}:{command.line}: {command.text}")
    assert not missing, "neither in NOT_RUN nor, in a document with a scene, in RUN:\n" + "\n".join(missing)
    assert used == set(NOT_RUN.values()), "reasons without a command"


# --- how documents are read

SAMPLE = """
Write `a.yaml`:

```yaml
kind: Pod
```

    $ edged policy run -f a.yaml x.wasm    # a comment
    {"allowed": ...}

    $ cat <<EOF | kubectl apply -f -
    kind: Pod
    EOF

Then, in `edged.toml`,

    edged webhook render \\
        --selectors
    sudo -u edged edged doctor && runuser -u edged -- edged check > /tmp/x

and

    NAME   VALUE
"""


def test_commands_output_and_files_are_found() -> None:
    found = list(commands(SAMPLE))
    assert [(each.text.split("\n")[0], each.output) for each in found] == [
        ("edged policy run -f a.yaml x.wasm    # a comment", '{"allowed": ...}'),
        ("cat <<EOF | kubectl apply -f -", None),
        ("edged webhook render \\", None),
        ("sudo -u edged edged doctor && runuser -u edged -- edged check > /tmp/x", None),
    ]
    assert [each.files for each in found] == [{"a.yaml": "kind: Pod\n"}, {}, {}, {}]
    assert [edged_calls(each.text) for each in found] == [
        [["policy", "run", "-f", "a.yaml", "x.wasm"]],
        [],
        [["webhook", "render", "--selectors"]],
        [["doctor"], ["check"]],
    ]
    assert list(blocks("a\n\n    b\n\n    c\n\nd\n")) == [Block(3, "", "b\n\nc")]


def test_output_without_a_prompt_is_unclear() -> None:
    with pytest.raises(Unclear, match=r"line 4: is 'NAME' a program"):
        list(commands("x\n\n    edged audit\n    NAME  VALUE\n"))


def test_alternatives_in_running_text_are_all_read() -> None:
    assert list(inline_calls("`edged webhook render|install`, `edged check`")) == [
        ["webhook", "render"], ["webhook", "install"], ["check"],
    ]  # fmt: skip
    assert unknown(["webhook", "vender"]) == "no command vender"
    assert unknown(["check", "--strict"]) == "no option --strict"
    assert unknown(["policy", "run", "--decode-patch"]) == ""


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a b", "a b  \n", True),
        ("a ... c", "a x y c\n", True),
        ("a\n...\nc", "a\n1\n2\nc\n", True),
        ("a\n...\nc", "a\nc\n", True),
        ("passed (0.1 s)", "passed (12.3 s)\n", True),
        ("uid cb381d05-a219-5cf5-9792-58d81c17c82f", "uid 00000000-a219-5cf5-9792-58d81c17c82f", True),
        ("a", "a\nb\n", False),
        ("a.c", "abc", False),
        ("2 passed", "3 passed", False),
    ],
)
def test_output_is_compared_with_what_changes_left_out(shown: str, printed: str, same: bool) -> None:
    assert matches(shown, printed) is same


def test_what_the_command_line_says_against_a_command_is_noticed() -> None:
    assert parsed(["check", "-q", "edged.toml"]) == ""
    assert "has no option --strict" in parsed(["check", "--strict"])
    assert "--json is now -o json" in parsed(["demo", "--json"])
