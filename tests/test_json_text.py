"""Reading and writing JSON: the rules of depth and size, and that nothing but JsonError comes out."""

from __future__ import annotations

from typing import Any

import pytest

from edged.errors import EdgedError
from edged.json_text import (
    Fragment,
    JsonError,
    Repeated,
    TooDeep,
    dumps,
    leading,
    loads,
    loads_repeated,
    repeated_paths,
)


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("text", ["", "{", "[1,]", "nul", b"\xff", '"\ud800"', "1e999", "NaN"])
def test_what_is_not_json(text: str | bytes) -> None:
    with pytest.raises(JsonError, match=r"^the answer: ") as caught:
        loads(text, what="the answer")
    assert isinstance(caught.value, EdgedError) and not isinstance(caught.value, TooDeep)


def test_depth() -> None:
    assert loads("[" * 1024 + "]" * 1024)
    with pytest.raises(TooDeep):
        loads("[" * 1025 + "]" * 1025)
    assert dumps(nested(254))
    with pytest.raises(TooDeep, match="object a: "):
        dumps(nested(255), what="object a")


def test_size() -> None:
    assert loads("[1, 2]", most=6) == [1, 2]
    with pytest.raises(JsonError, match="larger than 5 bytes"):
        loads("[1, 2]", most=5)


@pytest.mark.parametrize("value", ["\ud800", 2**64, -(2**63) - 1, {1: 2}, object(), b"bytes", {"a": {2, 3}}])
def test_what_has_no_json_form(value: object) -> None:
    with pytest.raises(JsonError):
        dumps(value)


def test_how_it_is_written() -> None:
    value = {"b": [1], "a": Fragment(b"[2]")}
    assert dumps(value) == b'{"b":[1],"a":[2]}'
    assert dumps(value, sort=True) == b'{"a":[2],"b":[1]}'
    assert dumps({"a": 1}, indent=True, newline=True) == b'{\n  "a": 1\n}\n'


def test_keys_that_are_there_more_than_once() -> None:
    text = b'{"a": [{"b": 1, "b": {"c": 18446744073709551616, "c": 2}}], "d": 1.0}'
    value = loads_repeated(text)
    assert value == loads(text) == {"a": [{"b": {"c": 2}}], "d": 1.0}
    inner = value["a"][0]
    assert isinstance(inner, Repeated) and inner.pairs == [("b", 1), ("b", {"c": 2})]
    assert inner.pairs[1][1].pairs == [("c", float(2**64)), ("c", 2)]
    assert list(repeated_paths(value)) == ["a[0].b", "a[0].b.c"]
    assert next(repeated_paths(value, "x")) == "x.a[0].b"
    assert type(loads_repeated('{"a": {"b": 1}}')) is dict and loads(dumps(value)) == value
    assert type(loads_repeated("[" * 1000 + "]" * 1000)) is list
    with pytest.raises(JsonError, match=r"^body: "):
        loads_repeated('{"a": 1, "a": NaN}', what="body")


def test_values_one_after_the_other() -> None:
    text = ' {"a": 1} [2.0]\n x'
    assert leading(text, 0) == ({"a": 1}, 10)
    assert leading(text, 10) == ([2.0], 17)
    for begin in (17, 18):
        with pytest.raises(JsonError):
            leading(text, begin)
    with pytest.raises(TooDeep):
        leading("[" * 100_000, 0)
