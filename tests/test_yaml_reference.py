"""edged's reading of YAML beside that of sigs.k8s.io/yaml and of kubectl's decoder, on written and generated texts.

tests/cluster/go/yamlread is a small program around both; the module there pins them as kubectl does. EDGED_FUZZ=20000
makes that many generated texts of each kind, others each time.
"""

from __future__ import annotations

import base64
import os
import random
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from edged import json_text, yaml_text
from edged.yaml_text import YamlError
from tests.cluster import build
from tests.fuzzing import EXAMPLES
from tests.yaml_cases import FILES, ONE, REFUSED, STRICT

COUNT = EXAMPLES or 4000
SEED = random.SystemRandom().randrange(1 << 30) if EXAMPLES else 20260101

Make = Callable[[random.Random], str]

pytestmark = pytest.mark.toolchains("go")


class Reference:
    """The running program: one answer for each question."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def read(self, how: str, text: str) -> bytes | None:
        """The documents as one JSON list with keys in order; None if the text is refused."""
        assert self._process.stdin is not None and self._process.stdout is not None
        question = {"how": how, "text": base64.b64encode(text.encode()).decode()}
        self._process.stdin.write(json_text.dumps(question, newline=True))
        self._process.stdin.flush()
        answer = json_text.loads(self._process.stdout.readline())
        if "error" in answer:
            assert not answer["error"].startswith("unknown way"), answer
            return None
        return json_text.dumps([json_text.loads(document) for document in answer["documents"]], sort=True)

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        assert self._process.wait(timeout=10) == 0
        self._process.stdout.close()


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reference]:
    go = build.go_program()
    assert go is not None
    program = tmp_path_factory.mktemp("yamlread") / "yamlread"
    command = [go, "build", "-trimpath", "-mod=readonly", "-o", str(program), "./yamlread"]
    environment = os.environ | {"CGO_ENABLED": "0", "GOWORK": "off"}
    built = subprocess.run(command, cwd=build.MODULE, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    running = Reference(program)
    yield running
    running.close()


@pytest.fixture(params=[True, False], ids=["libyaml", "python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml, "__with_libyaml__", request.param)


def ours(how: str, text: str) -> bytes | None:
    try:
        if how == "files":
            found = [document.value for document in yaml_text.documents(text)]
        else:
            found = [yaml_text.load(text, strict=how == "strict")]
    except YamlError:
        return None
    return json_text.dumps(found, sort=True)


@pytest.mark.parametrize(("how", "cases"), [("one", ONE), ("strict", STRICT), ("files", FILES)])
def test_the_written_cases_are_right(reference: Reference, how: str, cases: list[tuple[str, Any]]) -> None:
    wrong = []
    for text, value in cases:
        expected = None if value is REFUSED else json_text.dumps(value if how == "files" else [value], sort=True)
        if (said := reference.read(how, text)) != expected:
            wrong.append(f"{text!r}: {said!r}, not {expected!r}")
    assert not wrong, "\n".join(wrong)


# --- generated texts

PIECES = [
    "a", "b: ", "c:", "- ", "-", "? ", ": ", ":", ", ", ",", "[", "]", "{", "}", "\n", "\n  ", "\n    ", "\n- ",
    "\n  - ", "&x ", "*x", "*x ", "!!str ", "!t ", "'q'", '"d"', "'", '"', "|\n", "|-\n  x", "> \n", "# c", " #c",
    "#", "1", "~", "<<: ", "<<: *x", "%", "@", "`", "\t", "\n\t", " ", "  ", "---\n", "---", "...\n", "...", "é",
    "\\", '"\\x41"', "k: v\n", "k:\n", "x: [", "y: {", "url: http://a:80/b", "a:b", "--- # c\n", "\r\n", "!b ", "!\n",
    "a?b", "?", "[a, ", "{a: ", "\\/", "\\'", "--- ", "&y\n", "*y:", "''", "\n\n", "~: ", "null", "=", ">",
    "|", "- - ", "? a\n: b\n", "!<x> ", "\u2028", "\x85", "\x7f", "\x01", "%YAML 1.1\n", "%YAML 1.2\n", "%TAG ! x\n",
    '{"a": 1}\n', "1e3", "0x1F",
]  # fmt: skip


def soup(rng: random.Random) -> str:
    """Signs and words without sense: mostly refused."""
    return "".join(rng.choice(PIECES) for _ in range(rng.randrange(1, 9)))


SCALARS = [
    "a", "web-1", "y", "N", "on", "Off", "yes", "null", "~", "", "true", "0", "-1", "007", "0999", "0o17", "0x1F",
    "0b11", "1_000", "1.0", "1.50", ".5", "-.5e3", "1e3", "1e21", "9223372036854775807", "9223372036854775808",
    "18446744073709551616", "12:30:45", "52:54:00:12:34:56", "2024-01-02", "2024-01-02T03:04:05Z", "=", "<<", ".inf",
    "a b", "a: b", "it's", 'say "x"', "a # b", " a ", "é😀", "a\tb", "x,y", "[a]", "{a}", "-", "--flag", "?", "why?",
    "@a", "*a", "&a", "!a", "%a", "`a", "|", ">", "a\nb", "a\n\nb\n", "  a\n b\n", "http://a/?b=c", "3.5e38", "1e-7",
    "+12", "1.",
]  # fmt: skip
TAGS = ["!!str", "!!int", "!!float", "!!bool", "!!null", "!!binary", "!!timestamp", "!local", "!"]


class Composer:
    """Writes a random document: nested lists and mappings in both styles, scalars in all of theirs, anchors and merges.
    What it writes is mostly right."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._anchors = 0

    def document(self) -> str:
        head = self._rng.choice(["", "", "", "---\n", "# c\n", "--- # c\n", "\n"])
        tail = self._rng.choice(["", "", "\n", "\n...\n", "\n# c\n", "\n---\nx: 1\n"])
        return head + self.block("", 0).lstrip("\n") + tail

    def chance(self, percent: int) -> bool:
        return self._rng.randrange(100) < percent

    def block(self, indent: str, depth: int) -> str:
        """A value that stands after `key:` or `-`, with the blank or line break that it needs."""
        if depth < 4 and self.chance(60):
            inner = indent + self._rng.choice([" ", "  ", "  "])
            anchor = self.anchor()
            if self.chance(25):
                return f" {anchor}{self.flow(depth)}"
            write = self.mapping if self.chance(65) else self.sequence
            return (f" {anchor}" if anchor else "") + write(inner, depth + 1)
        return f" {self.anchor()}{self.scalar(indent)}" if self.chance(90) else f" {self.alias()}"

    def mapping(self, indent: str, depth: int) -> str:
        lines = []
        for _ in range(self._rng.randrange(1, 4)):
            if self.chance(7):
                lines.append(f"\n{indent}<<: {self.merged()}")
            elif self.chance(4):
                lines.append(f"\n{indent}? {self.key()}\n{indent}:{self.block(indent, depth)}")
            else:
                lines.append(f"\n{indent}{self.key()}:{self.block(indent, depth)}{self.comment()}")
        return "".join(lines)

    def sequence(self, indent: str, depth: int) -> str:
        return "".join(f"\n{indent}-{self.block(indent, depth)}" for _ in range(self._rng.randrange(1, 4)))

    def flow(self, depth: int) -> str:
        count = self._rng.randrange(4)
        parts = [self.flow(depth + 1) if depth < 4 and self.chance(30) else self.quoted() for _ in range(count)]
        if self.chance(50):
            return f"[{', '.join(parts)}]"
        return "{" + ", ".join(f"{self.key()}: {part}" for part in parts) + "}"

    def key(self) -> str:
        return self._rng.choice(["k", "name", "a", "b", "c", "1", "1.5", "y", "0x1F", "1e6", self.quoted()])

    def merged(self) -> str:
        return self._rng.choice(["{a: 1}", "{b: 1, c: 2}", "[{a: 1}, {a: 2, b: 3}]", self.alias(), f"[{self.alias()}]"])

    def anchor(self) -> str:
        if not self.chance(15):
            return ""
        self._anchors += 1
        return f"&n{self._rng.randrange(self._anchors + 1)} "

    def alias(self) -> str:
        return f"*n{self._rng.randrange(self._anchors + 1)}"

    def comment(self) -> str:
        return self._rng.choice([" # c", "\t# c", "", "", "", ""])

    def tag(self) -> str:
        return f"{self._rng.choice(TAGS)} " if self.chance(8) else ""

    def quoted(self) -> str:
        text = self._rng.choice(SCALARS)
        kind = self._rng.randrange(4)
        if kind == 0 or "\n" in text:
            return self.tag() + json_text.dumps(text).decode()
        return self.tag() + ("'" + text.replace("'", "''") + "'" if kind == 1 else text)

    def scalar(self, indent: str) -> str:
        text = self._rng.choice(SCALARS)
        if "\n" not in text or self.chance(30):
            return self.quoted()
        head = self._rng.choice(["|", ">", "|-", ">-", "|+", ">+", "| # c", "|\t"])
        return head + "".join(f"\n{indent}   {line}" for line in text.split("\n"))


def composed(rng: random.Random) -> str:
    return Composer(rng).document()


def _has_reason(
    reference: Reference, make: Make, how: str, text: str, theirs: bytes | None, mine: bytes | None
) -> bool:
    """Where edged differs on purpose."""
    if make is soup and mine is None and any(ours(how, text[:end]) == theirs for end in range(len(text))):
        return True  # what is no YAML behind the document: the library reads no further
    if make is soup and theirs is None and any(reference.read(how, text[:end]) == mine for end in range(len(text))):
        return True  # the same the other way round
    if how == "files" and text.lstrip().startswith("[") and mine is not None:
        return True  # a file that is JSON is read as JSON: 1.0 is no whole number
    if how == "files" and theirs is None and re.search(r"[{\x85\u2028]", text[:9]):
        return True  # the decoder takes what begins with { for JSON, and then refuses YAML of up to three bytes
    return _same_key_twice(text)


def _same_key_twice(text: str) -> bool:
    """Whether keys become the same text, as 1 and "1": which one counts is a matter of chance in Go."""
    try:
        yaml_text.load(text, strict=True)
    except yaml_text.DuplicateKeys:
        return True
    except YamlError:
        pass
    return False


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("make", [soup, composed])
def test_generated_texts(reference: Reference, make: Make) -> None:
    wrong, read = [], 0
    rng = random.Random(SEED)
    for text in _texts(make, rng, COUNT):
        how = rng.choice(["one", "strict", "files"])
        theirs, mine = reference.read(how, text), ours(how, text)
        read += theirs is not None
        if theirs != mine and not _has_reason(reference, make, how, text, theirs, mine):
            wrong.append(f"{how} {text!r}: {theirs!r}, not {mine!r}")
    assert not wrong, f"seed {SEED}: " + "\n".join(wrong[:20])
    assert read > COUNT / 5


def _texts(make: Make, rng: random.Random, count: int) -> Iterable[str]:
    return (make(rng) for _ in range(count))
