"""edged's reading of YAML beside that of sigs.k8s.io/yaml and of kubectl's decoder, on written and generated texts.

tests/cluster/go/yamlread is a small program around both; the module there pins them as kubectl does. EDGED_FUZZ=20000
makes that many generated texts of each kind, others each time.
"""

from __future__ import annotations

import base64
import codecs
import os
import random
import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from edged import json_text, yaml_text
from edged.json_text import JsonError
from edged.yaml_text import YamlError
from tests.cluster import build
from tests.fuzzing import EXAMPLES
from tests.guests.rego import build as rego
from tests.yaml_cases import CONFIGURATIONS, FILES, ONE, REFUSED, STRICT
from tests.yaml_makers import Make, composed, jsonish, soup, values

COUNT = EXAMPLES or 4000
SEED = random.SystemRandom().randrange(1 << 30) if EXAMPLES else 20260101

pytestmark = pytest.mark.toolchains("go")


class Reference:
    """The running program: one answer for each question."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def read(self, how: str, text: str | bytes) -> bytes | None:
        """The documents as one JSON list with keys in order; None if the text is refused."""
        assert self._process.stdin is not None and self._process.stdout is not None
        content = text.encode() if isinstance(text, str) else text
        question = {"how": how, "text": base64.b64encode(content).decode()}
        self._process.stdin.write(json_text.dumps(question, newline=True))
        self._process.stdin.flush()
        answer = json_text.loads(self._process.stdout.readline())
        if "error" in answer:
            assert not answer["error"].startswith("unknown way"), answer
            return None
        try:
            return json_text.dumps([json_text.loads(document) for document in answer["documents"]], sort=True)
        except JsonError:
            return None  # kubectl's decoder passes JSON on as it is: what refuses 1e400 comes later

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


def ours(how: str, text: str | bytes) -> bytes | None:
    try:
        if how == "configuration":
            found = [yaml_text.load_configuration(text)]
        elif how == "files":
            found = [document.value for document in yaml_text.documents(text)]
        else:
            found = [yaml_text.load(text, strict=how == "strict")]
    except YamlError:
        return None
    return json_text.dumps(found, sort=True)


@pytest.mark.parametrize(
    ("how", "cases"), [("one", ONE), ("strict", STRICT), ("files", FILES), ("configuration", CONFIGURATIONS)]
)
def test_the_written_cases_are_right(reference: Reference, how: str, cases: list[tuple[str, Any]]) -> None:
    wrong = []
    for text, value in cases:
        expected = None if value is REFUSED else json_text.dumps(value if how == "files" else [value], sort=True)
        if (said := reference.read(how, text)) != expected:
            wrong.append(f"{text!r}: {said!r}, not {expected!r}")
    assert not wrong, "\n".join(wrong)


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
@pytest.mark.parametrize("make", [soup, composed, jsonish])
def test_generated_texts(reference: Reference, make: Make) -> None:
    wrong, read = [], 0
    rng = random.Random(SEED)
    for text in _texts(make, rng, COUNT):
        how = rng.choice(["one", "strict", "files", "configuration"])
        theirs, mine = reference.read(how, text), ours(how, text)
        read += theirs is not None
        if theirs != mine and not _has_reason(reference, make, how, text, theirs, mine):
            wrong.append(f"{how} {text!r}: {theirs!r}, not {mine!r}")
    assert not wrong, f"seed {SEED}: " + "\n".join(wrong[:20])
    assert read > COUNT / 5


def _texts(make: Make, rng: random.Random, count: int) -> Iterable[str]:
    return (make(rng) for _ in range(count))


def test_files_of_any_bytes(reference: Reference) -> None:
    rng, wrong, read = random.Random(SEED), list[str](), 0
    for _ in range(COUNT):
        begin = rng.choice([b"", b"", b"", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
        parts = [rng.choice([b"a: b", b"# c", b"\n", "é".encode(), "😀".encode(), rng.randbytes(1), rng.randbytes(2)])
                 for _ in range(rng.randrange(1, 8))]  # fmt: skip
        content = begin + b"".join(parts)
        if begin in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            code = "utf-16-le" if begin == codecs.BOM_UTF16_LE else "utf-16-be"
            content = begin + b"".join(parts).decode(errors="replace").encode(code)
        theirs, mine = reference.read("files", content), ours("files", content)
        read += theirs is not None
        if theirs != mine and not any(ours("files", content[:end]) == theirs for end in range(len(content))):
            wrong.append(f"{content!r}: {theirs!r}, not {mine!r}")
    assert not wrong, f"seed {SEED}: " + "\n".join(wrong[:20])
    assert read > COUNT / 10


def test_what_is_written_is_read_equal(reference: Reference) -> None:
    """By kubectl, its library, OPA's rules and a reader of YAML 1.1."""
    rng, wrong = random.Random(SEED), list[str]()
    for _ in range(COUNT):
        written = values(rng)
        text = yaml_text.dumps(written, sort=rng.randrange(2) == 0, indent_lists=rng.randrange(2) == 0)
        readers: dict[str, Any] = {how: reference.read(how, text) for how in ("one", "strict")}
        found = {how: answer and json_text.loads(answer)[0] for how, answer in readers.items()}
        found["files"] = json_text.loads(reference.read("files", text) or b"[]")[0] if written is not None else None
        found["opa"] = yaml_text.load(text, rules=yaml_text.OPA)
        found["1.1"] = yaml.load(text, Loader=yaml.SafeLoader)
        wrong += [
            f"{written!r} as {text!r}: {name} reads {value!r}"
            for name, value in found.items()
            if _of_floats(value) != _of_floats(written)
        ]
    assert not wrong, f"seed {SEED}: " + "\n".join(wrong[:20])


# --- OPA


def opa_reads(texts: list[str]) -> list[Any]:
    """What `yaml.unmarshal` makes of each text; Ellipsis if it refuses it. `yaml.is_valid` has to say the same."""
    source = (
        "package t\n"
        "read[i] := yaml.unmarshal(text) if some i, text in input\n"
        "valid[i] if { some i, text in input; yaml.is_valid(text) }\n"
    )
    (found,) = rego.evaluated(source, "data.t", [texts], strict=False)
    read = {int(number): value for number, value in found["read"].items()}
    assert set(read) == {int(number) for number in found["valid"]}
    return [read.get(number, ...) for number in range(len(texts))]


def opa_equals(theirs: Any, text: str) -> bool:
    try:
        mine: Any = yaml_text.load(text, rules=yaml_text.OPA)
    except YamlError:
        return theirs is ...
    return theirs is not ... and _of_floats(mine) == _of_floats(theirs)


def _of_floats(value: Any) -> Any:
    """opa prints large numbers in its own way; a number is its nearest float."""
    if isinstance(value, dict):
        return {key: _of_floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_of_floats(item) for item in value]
    return ("number", float(value)) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _refusal(text: str) -> str:
    try:
        yaml_text.load(text, rules=yaml_text.OPA)
    except YamlError as error:
        return str(error)
    return ""


def _opa_has_reason(text: str, theirs: Any) -> bool:
    """Where edged differs from OPA on purpose."""
    if theirs is not ... and "cannot be a key" in _refusal(text):
        return True  # for OPA that counts only where no later key replaces it
    if "<<" in text:
        return True  # a merged key that is a number is text as it is written, if all keys beside the merge are text
    if "!!timestamp" in text and theirs is ...:
        return True  # as a key
    return any(opa_equals(theirs, text[:end]) for end in range(len(text)))  # what is no YAML behind the document


@pytest.mark.timeout(900)
def test_what_opa_reads() -> None:
    written = [text for text, _ in (*ONE, *STRICT)]
    rng = random.Random(SEED)
    texts = written + [make(rng) for make in (soup, composed, jsonish) for _ in range(COUNT)]
    answers = opa_reads(texts)
    wrong = [
        f"{text!r}: {theirs!r}"
        for text, theirs in zip(texts, answers, strict=True)
        if not opa_equals(theirs, text) and not _opa_has_reason(text, theirs)
    ]
    assert not wrong, f"seed {SEED}: " + "\n".join(wrong[:20])
    assert sum(theirs is not ... for theirs in answers) > COUNT / 2
