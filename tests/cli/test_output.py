"""Tables, JSON and YAML as commands print them."""

from __future__ import annotations

import json
import sys

import pytest
import yaml

from edged.cli.output import paint, print_data, print_documents, print_table, size, terminal_width, yes


def test_columns_are_aligned_and_nothing_steers_the_terminal(capsys: pytest.CaptureFixture[str]):
    print_table(("NAME", "NODE"), [("web", None), ("a long name", "b"), ("\x1b[2J", "")])
    assert capsys.readouterr().out.splitlines() == [
        "NAME          NODE",
        "web           -",
        "a long name   b",
        "\\x1b[2J       -",
    ]


@pytest.mark.parametrize(("output", "load"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_data_reads_back(output: str, load: object, capsys: pytest.CaptureFixture[str]):
    data = {"b": [1, None, "ä"], "a": {"x": "1"}}
    print_data(data, output)
    found = load(capsys.readouterr().out)  # type: ignore[operator]
    assert found == data
    assert list(found) == ["b", "a"]  # in the order given




DIGEST = "sha256:" + "0123456789abcdef" * 4


def rows_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("columns", [60, 80])
def test_a_table_fits_the_terminal_and_cuts_the_longest_texts(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("COLUMNS", str(columns))
    rows = [("no-privileged", "active", "a message that is very long " * 5), ("other", "failed", "short")]
    print_table(("POLICY", "STATE", "MESSAGE"), rows)
    lines = rows_of(capsys)
    assert max(map(len, lines)) == columns
    assert lines[1].startswith("no-privileged   active   a message that is")
    assert lines[1][-1] in "…~"


def test_wide_cuts_nothing_and_has_every_column(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("COLUMNS", "60")
    rows = [("a", DIGEST, "m" * 200)]
    print_table(("NAME", "DIGEST", "MESSAGE"), rows, "wide", only_wide=("MESSAGE",))
    assert rows_of(capsys)[1] == f"a      {DIGEST}   {'m' * 200}"
    print_table(("NAME", "DIGEST", "MESSAGE"), rows, only_wide=("MESSAGE",))
    assert rows_of(capsys) == ["NAME   DIGEST", "a      sha256:0123456789ab"]


def test_digests_are_short_where_they_end_a_reference(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("COLUMNS", "120")
    print_table(("MODULE",), [(f"registry://h/p@{DIGEST}",), ("sha256:abc",), (f"text {DIGEST} more",)])
    assert rows_of(capsys)[1:] == ["registry://h/p@sha256:0123456789ab", "sha256:abc", f"text {DIGEST} more"]


def test_many_columns_come_closer_before_they_are_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("COLUMNS", "40")
    print_table([f"HEADER{n}" for n in range(4)], [["x"] * 4, ["y" * 12] * 4])
    assert max(map(len, rows_of(capsys))) <= 40


@pytest.mark.parametrize(("columns", "width"), [("", 80), ("nonsense", 80), ("0", 80), ("132", 132)])
def test_the_width_is_80_unless_somebody_knows(columns: str, width: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", columns)
    assert terminal_width() == width


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert paint("ok", "green") == "\x1b[32mok\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert paint("ok", "green") == "ok"
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert paint("ok", "green") == "ok"


def test_objects_are_documents_or_a_list(capsys: pytest.CaptureFixture[str]):
    objects = [{"kind": "A"}, {"kind": "B"}]
    print_documents(objects, "yaml")
    assert capsys.readouterr().out == "kind: A\n---\nkind: B\n"
    print_documents(objects, "json")
    assert json.loads(capsys.readouterr().out) == {"apiVersion": "v1", "kind": "List", "items": objects}


def test_sizes_and_answers_are_for_people():
    assert [size(n) for n in (300, 1_000_000)] == ["0.3 kB", "1.0 MB"]
    assert [yes(value) for value in (True, False, None)] == ["yes", "no", "unknown"]
