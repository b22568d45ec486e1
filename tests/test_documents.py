"""Documents and docstrings: every path, link, anchor, heading and module that they name is there.

A path may be short: `core/queue.py` is found if some tracked file ends with it. Names of files that only an example has
(`pod.yaml`) are not looked for: of names without a folder only `.py` and `.md` count.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import io
import re
import subprocess
import tokenize
import tomllib
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

import pytest

from edged import __version__
from edged.admission.config import GroupConfig, GroupMemberConfig

ROOT = Path(__file__).parents[1]
MADE = ("arm-build/out", "modules/toolchain/node_modules")  # by commands of this tree; not tracked
SOURCES = re.compile(r"\.(py|md|wat)$")  # always a file of this tree
OTHERS = re.compile(r"\.(c|conf|css|go|h|html|js|json|lock|rego|service|socket|toml|ts|wasm|yaml|yml|zig)$|^[^.]*$")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"(?m)^#{1,6} +(.+?)\s*$")
QUOTED_HEADING = re.compile(r'([\w./-]+\.md), "([^"]+)"')
FENCE = re.compile(r"(?ms)^(```|~~~).*?^\1\s*$")
MODULE = re.compile(r"python(?:3(?:\.\d+)?)? -m ((?:edged|tests)(?:\.\w+)*)")
LEFTOVERS = {
    ".git", ".venv", "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", "node_modules",
}  # fmt: skip
PLACEHOLDER = re.compile(r"(?<![A-Za-z])NAME(?![A-Za-z])")
WORD = re.compile(r"(?<![\w./~:@%$<{-])[\w.*-]+(?:/[\w.*-]+)*/?(?![\w/<{])")


@functools.cache
def tracked() -> frozenset[str]:
    """Files that git knows, and new ones that it does not ignore; those of the source archive where there is no git."""
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return frozenset(path.relative_to(ROOT).as_posix() for path in _sources(ROOT))
    return frozenset(name for name in done.stdout.splitlines() if (ROOT / name).exists())


def _sources(folder: Path) -> Iterator[Path]:
    """Files below a folder, but for what tools leave behind."""
    for path in folder.iterdir():
        if path.is_file():
            yield path
        elif path.name not in LEFTOVERS and not path.name.endswith(".egg-info"):
            yield from _sources(path)


@functools.cache
def known() -> frozenset[str]:
    """Every tracked path and its folders, each also by every shorter ending: `a/b/c.py`, `b/c.py`, `c.py`."""
    paths = set(tracked())
    for name in tracked():
        paths |= {str(parent) for parent in PurePosixPath(name).parents if str(parent) != "."}
    return frozenset("/".join(parts[i:]) for parts in (path.split("/") for path in paths) for i in range(len(parts)))


@functools.cache
def top_folders() -> frozenset[str]:
    return frozenset(name.split("/")[0] for name in tracked() if "/" in name and not name.startswith("."))


def is_there(path: str, folder: str = "") -> bool:
    """`folder`: that of the document which names it."""
    path = path.rstrip("/")
    if path.startswith("../"):
        path = str((ROOT / folder / path).resolve().relative_to(ROOT))
    if path.startswith(MADE):
        return True
    if "*" in path:
        return any(fnmatchcase(name, path) for name in known())
    return path in known()


def paths_in(text: str) -> Iterator[str]:
    """The words that mean a file or folder of this tree."""
    for found in WORD.finditer(text):
        word = found[0].rstrip(".")
        first, slash, _ = word.partition("/")
        of_source = SOURCES.search(word) and not word.startswith((".", "*"))
        of_tree = slash and first in top_folders() and OTHERS.search(word)
        if (of_source or of_tree) and not PLACEHOLDER.search(word):
            yield word


def missing(text: str, folder: str = "") -> list[str]:
    """What a text names and is not there."""
    wrong = [path for path in paths_in(text) if not is_there(path, folder)]
    for module in MODULE.findall(text):
        path = module.replace(".", "/")
        if not tracked() & {f"{path}.py", f"{path}/__main__.py"}:
            wrong.append(f"python -m {module}")
    for name, heading in QUOTED_HEADING.findall(" ".join(text.split())):
        files = [path for path in tracked() if path == name or path.endswith(f"/{name}")]
        if not any(heading in headings(path) for path in files):
            wrong.append(f'{name}, "{heading}"')
    return wrong


@functools.cache
def headings(path: str) -> tuple[str, ...]:
    return tuple(HEADING.findall(FENCE.sub("", (ROOT / path).read_text())))


def anchors(path: str) -> list[str]:
    """What GitHub makes of the headings."""
    seen: dict[str, int] = {}
    made = []
    for heading in headings(path):
        text = LINK.sub(lambda link: link[0][1 : link[0].index("]")], heading).lower()
        slug = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        made.append(f"{slug}-{seen[slug]}" if slug in seen else slug)
        seen[slug] = seen.get(slug, 0) + 1
    return made


def broken_links(path: str) -> list[str]:
    wrong = []
    for target in LINK.findall(FENCE.sub("", (ROOT / path).read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (ROOT / path).parent / name if name else ROOT / path
        resolved = file.resolve().relative_to(ROOT).as_posix()
        if not (resolved in tracked() or file.is_dir()) or (anchor and anchor not in anchors(resolved)):
            wrong.append(target)
    return wrong


def prose_of(source: str) -> Iterator[tuple[int, str]]:
    """(line, text) of docstrings, of texts behind attributes, and of comments."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def messages_of(source: str) -> Iterator[tuple[int, str]]:
    """(line, document) of documents that any text names, messages included."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for found in re.findall(r"\bdocs/[\w.-]+\.md\b", node.value):
                yield node.lineno, found


def named(pattern: Callable[[str], bool]) -> list[str]:
    return sorted(name for name in tracked() if pattern(name))


@pytest.mark.parametrize("path", named(lambda name: name.endswith(".md")))
def test_documents(path: str) -> None:
    text = (ROOT / path).read_text()
    wrong = missing(text, PurePosixPath(path).parent.as_posix()) + broken_links(path)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "path",
    named(lambda name: name in ("Makefile", "pyproject.toml") or name.startswith(("config/edged", "systemd/edged"))),
)
def test_configuration(path: str) -> None:
    assert missing((ROOT / path).read_text(), PurePosixPath(path).parent.as_posix()) == []


@pytest.mark.parametrize("folder", ["edged", "tests", "modules", "arm-build"])
def test_docstrings_and_comments(folder: str) -> None:
    wrong = []
    for name in named(lambda name: name.startswith(f"{folder}/") and name.endswith(".py")):
        if name == "tests/test_documents.py":
            continue
        source = (ROOT / name).read_text()
        parent = PurePosixPath(name).parent.as_posix()
        wrong += [f"{name}:{line}: {path}" for line, text in prose_of(source) for path in missing(text, parent)]
        wrong += [f"{name}:{line}: {path}" for line, path in messages_of(source) if not is_there(path)]
    assert not wrong, "\n".join(wrong)


def test_what_is_not_there_is_found() -> None:
    assert missing("See `edged/nowhere/queue.py`, nowhere/queue.py (and nowhere.py), docs/nowhere.md, tests/no.") == [
        "edged/nowhere/queue.py", "nowhere/queue.py", "nowhere.py", "docs/nowhere.md", "tests/no",
    ]  # fmt: skip
    assert missing('`python -m tests.nowhere`, README.md, "No such heading"') == [
        "python -m tests.nowhere", 'README.md, "No such heading"',
    ]  # fmt: skip
    assert missing("/usr/share/edged/modules, https://example.com/tests/x.py, pod.yaml, ~/.cache/edged/x.py") == []


def test_short_paths_are_understood() -> None:
    assert missing("config/edged.toml, cli/check.py, check.py, README.md, tests/kube, config/crds/*.yaml") == []
    assert missing("`edged/`, modules/faults/NAME.wat", "docs") == []


def test_anchors_are_those_of_github() -> None:
    assert "plugins-and-what-depends_on-costs" in anchors("docs/scheduling.md")
    assert "do-you-need-this-at-all" in anchors("docs/scheduling.md")


def test_the_version_is_the_same_everywhere() -> None:
    """CHANGELOG begins with the version in the code. Each section has a day or `unreleased`, and notes for upgrades."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    sections = re.findall(r"(?m)^## (\S+) \((unreleased|\d{4}-\d\d-\d\d)\)$", (ROOT / "CHANGELOG.md").read_text())
    assert project["version"] == __version__ == sections[0][0]
    for version, _ in sections:
        assert f"Upgrading to {version}" in headings("CHANGELOG.md")
    assert len(sections) == sum(heading[0].isdigit() for heading in headings("CHANGELOG.md")), "a section without a day"


def test_every_key_of_a_group_is_in_its_document() -> None:
    text = (ROOT / "docs" / "groups.md").read_text()
    keys = {field.name for kind in (GroupConfig, GroupMemberConfig) for field in dataclasses.fields(kind)}
    missing = [key for key in sorted(keys) if f"`{key}`" not in text]
    assert missing == ["members", "origin"]  # a table of its own; not a key of the file
