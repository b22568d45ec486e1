from __future__ import annotations

from typing import Any

import pytest

from edged.sandbox.reading.json_paths import JsonPathError, find, parse

OBJECT = {
    "spec": {
        "n": 3, "list": ["x", "y", "z"], "map": {"a.b/c": 1, "d": {"e": 2}}, "null": None, "empty": [],
        "conditions": [{"type": "Ready", "status": "True", "n": 1}, {"type": "Done", "status": "False", "n": 2}],
    },
}  # fmt: skip


@pytest.mark.parametrize(("path", "values"), [
    (".spec.n", [3]), (".spec.none.x", []), (".", []), (".spec.list[0]", ["x"]), (".spec.list[-1]", ["z"]),
    (".spec.list[*]", ["x", "y", "z"]), (".spec.list[1:]", ["y", "z"]), (".spec.list[:-1]", ["x", "y"]),
    (".spec.list[::2]", ["x", "z"]), (".spec.list[2,0]", ["z", "x"]), (".spec.list[1:1]", []),
    (r".spec.map.a\.b/c", [1]), (r".spec.map['a\.b/c']", [1]), (".spec.map['d'].e", [2]), (".spec.null", [None]),
    (".spec.null.x", []), (".spec.null[0]", []), ('.spec.conditions[?(@.type=="Ready")].status', ["True"]),
    (".spec.conditions[?(@.type!='Ready')].status", ["False"]), (".spec.conditions[?(@.n>=2)].type", ["Done"]),
    (".spec.conditions[?(@.none)].type", []), (".spec.conditions[?(@.n)].type", ["Ready", "Done"]),
    (".spec.conditions[?(@.n<2)].type", ["Ready"]), (".spec.empty[*]", []), ("..e", [2]),
    (".spec.list.*", ["x", "y", "z"]),
    ("$.spec.n", [3]), (".spec .n", [3]), (".spec.conditions[?(@.type=='a)b')].n", []),
])  # fmt: skip
def test_values_are_found(path: str, values: list[Any]) -> None:
    assert find(OBJECT, parse(path)) == values


@pytest.mark.parametrize("path", [
    ".spec.list[9]", ".spec.list[-9]", ".spec.n[0]", ".spec.empty[0]", ".spec.list[0:9]", ".spec.list[2:1]",
    ".spec.list[::0]", ".spec.conditions[?(@.n=='2')].type", ".spec.conditions[?(@.type=~'R')].type", ".spec.n x",
    ".spec.n[?(@.x)]", ".spec.conditions[?(@.type>=1)].n",
])  # fmt: skip
def test_a_path_that_does_not_fit_finds_nothing(path: str) -> None:
    with pytest.raises(JsonPathError):
        find(OBJECT, parse(path))


@pytest.mark.parametrize("path", [
    "..*..*..*..*..*..*..*..*..*..*", ".a[" + ",".join(["*"] * 2000) + "]",
    ".a[" + ",".join(["*"] * 200) + "][?(@..x==1)]",
])  # fmt: skip
def test_work_is_bounded(path: str) -> None:
    deep: Any = 1
    for _ in range(60):
        deep = {"x": deep}
    with pytest.raises(JsonPathError):
        find({"a": [deep] * 1000}, parse(path))


@pytest.mark.parametrize("path", [
    '.spec["a"]', ".spec[", ".spec[?(@.a]", ".spec[?(@.a)", ".spec[a]", "....a", ".spec[--1]", ".spec #", ".spec['a",
    ".a 'b", ".a 1.2.3",
])  # fmt: skip
def test_a_path_that_cannot_be_read_is_refused(path: str) -> None:
    with pytest.raises(JsonPathError):
        parse(path)
