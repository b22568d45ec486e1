"""Builds every sample module again and compares: the committed .wasm must be what its source says.

Each belongs to the part of its compiler. Also tests the writing of the metadata section.
"""

import json
import sys
from pathlib import Path

import pytest
import wasmtime

MODULES = Path(__file__).resolve().parents[2] / "modules"
sys.path.insert(0, str(MODULES))

import annotate  # noqa: E402
import build  # noqa: E402

from tests.guests.rego import build as rego  # noqa: E402

sys.path.remove(str(MODULES))

SAMPLES = build.all_modules()


PART = {"Zig": "zig", "C": "zig", "AssemblyScript": "npm", "Rego": "go", "Go": "go", "Rust": "rust"}
"""WAT needs wasmtime alone."""


def with_its_compiler(sample: build.SampleModule) -> object:
    marks = [pytest.mark.toolchains(PART[sample.language])] if sample.language in PART else []
    return pytest.param(sample, id=sample.name, marks=marks)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("sample", list(map(with_its_compiler, SAMPLES)))
def test_rebuild_gives_the_same_bytes(sample: build.SampleModule) -> None:
    if sample.language == "Rego":
        rego.opa()  # built first where needed
    assert build.differences(sample) == []


def test_table_in_the_readme_is_current() -> None:
    assert build.table() in (MODULES / "README.md").read_text()


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.committed], ids=lambda sample: sample.name)
def test_module_is_small_and_lists_what_it_is(sample: build.SampleModule) -> None:
    most = 200_000 if sample.language == "Rego" else 100_000  # OPA's own functions are in each of its modules
    assert sample.wasm.stat().st_size == sample.size < most
    assert sample.summary.endswith(".")


def sections(wasm: bytes, name: bytes) -> list[bytes]:
    prefix = bytes([len(name)]) + name
    return [
        content.removeprefix(prefix)
        for _, section, content in annotate.sections(wasm)
        if section == 0 and content.startswith(prefix)
    ]


@pytest.mark.parametrize(
    "sample", [s for s in SAMPLES if s.metadata.exists()], ids=lambda sample: sample.name
)
def test_policy_carries_its_metadata(sample: build.SampleModule) -> None:
    found = sections(sample.wasm.read_bytes(), b"io.kubewarden.metadata")
    assert [json.loads(text) for text in found] == [json.loads(sample.metadata.read_text())]


@pytest.mark.parametrize(
    "sample", [s for s in SAMPLES if s.metadata.exists()], ids=lambda sample: sample.name
)
def test_a_policy_that_knows_ephemeral_containers_is_asked_when_one_comes(sample: build.SampleModule) -> None:
    """They come by a subresource, which a rule for Pods does not cover."""
    sources = [path.read_text() for path in sample.folder.glob("policy.*")]
    if any("ephemeralContainers" in source for source in sources):
        rules = json.loads(sample.metadata.read_text())["rules"]
        resources = {name for rule in rules if "UPDATE" in rule["operations"] for name in rule["resources"]}
        assert "pods/ephemeralcontainers" in resources


def test_annotate_replaces_metadata_and_keeps_the_rest() -> None:
    plain = wasmtime.wat2wasm('(module (@custom "other" "x") (func (export "f") (result i32) i32.const 7))')
    once = annotate.annotate(bytes(plain), b'{"a": 1}')
    twice = annotate.annotate(once, b'{"b": "' + b"x" * 300 + b'"}')
    assert sections(twice, b"io.kubewarden.metadata") == [b'{"b": "' + b"x" * 300 + b'"}']
    assert sections(twice, b"other") == [b"x"]
    store = wasmtime.Store()
    function = wasmtime.Instance(store, wasmtime.Module(store.engine, twice), []).exports(store)["f"]
    assert function(store) == 7


@pytest.mark.parametrize("broken", [b"", b"\0asm\x0d\0\1\0", b"\0asm\1\0\0\0\0", b"\0asm\1\0\0\0\0\x05abc"])
def test_annotate_refuses_what_is_no_module(broken: bytes) -> None:
    with pytest.raises(annotate.NotAModule):
        annotate.annotate(broken, b"{}")


def test_annotate_refuses_metadata_that_is_not_json() -> None:
    with pytest.raises(json.JSONDecodeError):
        annotate.annotate(annotate.MAGIC, b"{")
