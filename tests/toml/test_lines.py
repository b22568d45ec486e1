"""The line finder, against documents whose lines are counted by hand and against tomllib's view of them."""

from __future__ import annotations

import tomllib
from typing import Any

from edged.toml.lines import Path, find_lines


def paths(value: Any, at: Path = ()) -> set[Path]:
    found: set[Path] = {at} if at else set()
    if isinstance(value, dict):
        for name, element in value.items():
            found |= paths(element, (*at, name))
    elif isinstance(value, list):
        for index, element in enumerate(value):
            found |= paths(element, (*at, index))
    return found


def test_tables_keys_and_arrays_of_tables() -> None:
    text = '[a]\nx = 1\n\n[[a.b]]\nname = "one"\n[[a.b]]\n# comment\nname = "two"\n[a.b.c]\ny = 2\n'
    assert find_lines(text) == {
        ("a",): 1, ("a", "x"): 2, ("a", "b"): 4, ("a", "b", 0): 4, ("a", "b", 0, "name"): 5,
        ("a", "b", 1): 6, ("a", "b", 1, "name"): 8, ("a", "b", 1, "c"): 9, ("a", "b", 1, "c", "y"): 10,
    }  # fmt: skip


def test_inline_tables_and_nested_arrays() -> None:
    text = 'rules = [\n  { a = ["x", "y"], b = { c = 1 } },  # {\n  { a = [] },\n]\nlast = 1\n'
    lines = find_lines(text)
    assert lines["rules", 0, "a", 1] == 2
    assert lines["rules", 0, "b", "c"] == 2
    assert lines["rules", 1, "a"] == 3
    assert lines["last",] == 5


def test_strings_that_look_like_structure() -> None:
    text = (
        'a = "\\"] = {#"\nb = \'[c]\'\nc = """\n[no]\nd = 1 \\""" ""\n"""\n'
        "d = '''\n[[no]]\n''\n'''\n\"e.f\" = 1\ng.'h i'.j = 2\nz = 1979-05-27T07:32:00Z\n"
    )
    assert paths(tomllib.loads(text)) == set(find_lines(text))
    assert find_lines(text) == {
        ("a",): 1, ("b",): 2, ("c",): 3, ("d",): 7, ("e.f",): 11, ("g",): 12, ("g", "h i"): 12,
        ("g", "h i", "j"): 12, ("z",): 13,
    }  # fmt: skip


def test_every_value_that_tomllib_sees_has_a_line() -> None:
    text = '''
title = """two
lines""" # end
"\\u0061b" = 1
[servers.alpha]
ports = [ 1,
  [ 2, 3 ], # four ]
  { x = "}" , 'y' = [ { z = 1e3 } ] },
]
[[servers.list]]
[servers.list.deep]
k = inf
[[servers.list]]
[servers]
own = true
'''
    lines = find_lines(text)
    assert paths(tomllib.loads(text)) == set(lines)
    assert lines["servers",] == 14
    assert lines["servers", "alpha", "ports", 2, "y", 0, "z"] == 8


def test_an_empty_document_has_no_lines() -> None:
    assert find_lines("") == {}
    assert find_lines("# only a comment") == {}
