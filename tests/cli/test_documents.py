"""YAML and JSON as commands read them: files, folders, stdin, and what is wrong with them."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from edged.cli.documents import documents, parsed
from edged.errors import ConfigError


def read(*names: str | Path) -> list[tuple[object, str]]:
    return list(documents(map(str, names)))


def test_folders_are_read_in_order_of_name_and_only_what_is_yaml_or_json(tmp_path: Path):
    (tmp_path / "b.yml").write_text("x: 1\n---\nx: 2\n")
    (tmp_path / "a.json").write_text('{"x": 0}')
    (tmp_path / "notes.txt").write_text("no: yaml")
    assert read(tmp_path) == [
        ({"x": 0}, f"{tmp_path}/a.json"),
        ({"x": 1}, f"{tmp_path}/b.yml: document 1"),
        ({"x": 2}, f"{tmp_path}/b.yml: document 2"),
    ]


def test_stdin_and_yaml_that_looks_like_json(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"{x: 1}")))
    assert read("-") == [({"x": 1}, "stdin: document 1")]


def test_times_stay_text_as_in_json(tmp_path: Path):
    path = tmp_path / "a.yaml"
    path.write_text("at: 2026-01-01T00:00:00Z")
    assert read(path)[0][0] == {"at": "2026-01-01T00:00:00Z"}


def test_what_cannot_be_read_is_named(tmp_path: Path):
    bad = tmp_path / "bad.yaml"
    bad.write_text("a: [")
    (tmp_path / "empty").mkdir()
    for name, said in (
        (bad, f"{bad}: not valid YAML: "),
        (tmp_path / "absent", f"{tmp_path}/absent: No such file"),
        (tmp_path / "empty", f"{tmp_path}/empty: no file in this folder ends in .yaml, .yml, .json"),
    ):
        with pytest.raises(ConfigError) as caught:
            read(name)
        assert str(caught.value).startswith(said)


def test_manifests_are_read_as_kubectl_reads_them(tmp_path: Path):
    path = tmp_path / "a.yaml"
    path.write_text(
        "annotations:\n  mac: 52:54:00:12:34:56\nports:\n  8080: http\n  on: 1e3\nenum: ['!=', =]\n--- # two\nx: 1\n"
    )
    assert [document for document, _ in read(path)] == [
        {
            "annotations": {"mac": "52:54:00:12:34:56"},
            "ports": {"8080": "http", "true": 1000},
            "enum": ["!=", "="],
        },
        {"x": 1},
    ]


def test_a_mistake_is_named_with_document_and_line(tmp_path: Path):
    path = tmp_path / "a.yaml"
    path.write_text("x: 1\n---\ny:\n  - ~: 2\n")
    with pytest.raises(ConfigError, match=r"a\.yaml: not valid YAML: document 2, line 4: null cannot be a key"):
        read(path)


def test_objects_of_json_may_follow_each_other(tmp_path: Path):
    path = tmp_path / "a.json"
    path.write_text('{"x": 1}\n{"x": 2}\n{"x": 3}')
    assert [document for document, _ in read(path)] == [{"x": 1}, {"x": 2}, {"x": 3}]


def test_folders_are_read_with_those_in_them_and_each_file_once(tmp_path: Path):
    inner = tmp_path / "b" / "c"
    inner.mkdir(parents=True)
    (tmp_path / "a.yaml").write_text("x: 0")
    (inner / "d.yaml").write_text("x: 1")
    (inner / "back").symlink_to(tmp_path)
    (tmp_path / "z.yaml").symlink_to(inner / "d.yaml")
    (tmp_path / "gone.yaml").symlink_to(tmp_path / "nothing")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "e.yaml").write_text("x: 2")
    assert [document for document, _ in read(tmp_path)] == [{"x": 0}, {"x": 1}]


def test_what_cannot_be_read_in_a_folder_is_skipped_by_who_can_say_so(tmp_path: Path):
    (tmp_path / "a.yaml").write_bytes(b"\x00\xff\xfe")
    (tmp_path / "b.yaml").write_text("x: 1\n---\n{{ .Values.x }}: [\n")
    (tmp_path / "c.json").write_bytes(b'\xef\xbb\xbf{"x": 2}')
    with pytest.raises(ConfigError, match=r"a\.yaml"):
        read(tmp_path)
    told: list[tuple[str, str]] = []
    found = documents([str(tmp_path)], lambda why, where: told.append((why, where)))
    assert [document for document, _ in found] == [{"x": 1}, {"x": 2}]
    assert [why for why, _ in told] == ["skipped, because it cannot be read"] * 2
    assert [where.split(":")[0] for _, where in told] == [f"{tmp_path}/a.yaml", f"{tmp_path}/b.yaml"]


@pytest.mark.parametrize("before", ["", '{"kind": "Pod"}', "kind: Pod\n---\n"])
@pytest.mark.parametrize("version", ['"kubescheduler.config.k8s.io/v1"', "null", '"example.com/v1"'])
def test_a_configuration_of_the_scheduler_is_read_as_the_scheduler_reads_it(before: str, version: str) -> None:
    """One of another group is as any object: of two equal keys the last counts."""
    text = f'{before}{{"apiVersion": {version}, "kind": "KubeSchedulerConfiguration", "a": {{"b": 1, "b": 2}}}}'
    if "example" in version:
        assert [document for document, _ in parsed(text.encode(), "f")][-1]["a"] == {"b": 2}
        return
    with pytest.raises(ConfigError, match="as kube-scheduler reads its configuration"):
        list(parsed(text.encode(), "f"))


def test_what_cannot_be_looked_at_in_a_folder_does_not_end_it(tmp_path: Path):
    """A link to a name that no file system has: like a file in a folder without the right to search it."""
    (tmp_path / "a.yaml").write_text("x: 1")
    (tmp_path / "b").symlink_to("n" * 300)
    (tmp_path / "c.yaml").write_text("x: 2")
    told: list[tuple[str, str]] = []
    found = documents([str(tmp_path)], lambda why, where: told.append((why, where)))
    assert [document for document, _ in found] == [{"x": 1}, {"x": 2}]
    assert told == [("File name too long", f"{tmp_path}/b")]
    with pytest.raises(ConfigError, match="/b: File name too long"):
        read(tmp_path)
    with pytest.raises(ConfigError, match="/b: File name too long"):
        read(tmp_path / "b")
