"""JSON whose parts stay text: read and checked as strictly as `json_text` does, at a fraction of the memory."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged import json_parts
from edged.json_parts import Members, NotAnObject, RepeatedMember, decoded_size, elements, is_repeating, tidy
from edged.json_text import JsonError, TooDeep, dumps, loads
from tests.fuzzing import bounded, broken
from tests.hostile_values import FRAGMENTS, nested, texts

PIECES = ("a", '"', "\\", "{", "[", "]", "}", ":", ",", "<", ">", "&", "\u2028", "é", "😀", "/", "\n", "u003c", "1e400")
STRINGS = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | STRINGS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(STRINGS, inner, max_size=5),
    max_leaves=40,
)  # fmt: skip


@st.composite
def json_texts(draw: st.DrawFn) -> bytes:
    """Of valid JSON as different programs write it, Go's with its escapes among them."""
    value = draw(VALUES)
    written: bytes = draw(
        st.sampled_from(
            (dumps(value), json.dumps(value).encode(), json.dumps(value, indent=2, ensure_ascii=False).encode())
        )
    )
    return written.replace(b"<", b"\\u003c").replace(b"&", b"\\u0026") if draw(st.booleans()) else written


@pytest.fixture
def long(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], bytes]:
    """`tidy` as it is with texts that would take too much memory."""
    monkeypatch.setattr(json_parts, "SHORT", 0)
    monkeypatch.setattr(json_parts, "MOST_DECODED", 0)
    return tidy


def levels_of(value: Any) -> int:
    if not isinstance(value, list | dict):
        return 0
    return 1 + max((levels_of(each) for each in (value.values() if isinstance(value, dict) else value)), default=0)


@bounded
@given(json_texts(), st.sampled_from((1, 2, 3, 7, json_parts.WINDOW)))
def test_a_long_text_means_the_same_as_a_short_one(text: bytes, window: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_parts, "WINDOW", window)
        long_form = json_parts._tidy_long(text, 254, "")
        value = loads(text)
        assert loads(long_form) == value == loads(tidy(text))
        assert b"\\u003c" not in long_form.replace(b"\\\\", b"")
        levels = levels_of(value)
        json_parts._tidy_long(text, levels, "")
        if levels:
            with pytest.raises(TooDeep):
                json_parts._tidy_long(text, levels - 1, "")


@bounded
@given(broken([b'{"a":[1,2.5e3,null,true],"\\u003cb":{"c":"\\ud83d\\ude00 \xc3\xa9"}}', *FRAGMENTS, b'["\\"",1e300]']))
def test_a_long_text_is_refused_where_a_short_one_is(text: bytes) -> None:
    try:
        value = loads(text)
        dumps(value)
    except JsonError:
        with pytest.raises(JsonError):
            json_parts._tidy_long(text, 254, "")
        return
    try:
        written = json_parts._tidy_long(text, 254, "")
    except JsonError as error:  # as long as no number ever is
        assert "digits" in str(error) and len(text) > 1000
    else:
        assert same_numbers(loads(written), value)


def same_numbers(a: Any, b: Any) -> bool:
    return repr(a) == repr(b)


def test_hostile_texts(long: Callable[[bytes], bytes]) -> None:
    """Whatever comes, JSON goes to guests or JsonError comes out; and the same is refused as when it is decoded."""
    for _, text in texts({"a": 1, "b": ["c", {"d": None}], "e": "f"}, Random(7)):
        try:
            expected = loads(text)
            dumps(expected)
        except JsonError:
            with pytest.raises(JsonError):
                long(text)
            continue
        try:
            written = long(text)
        except JsonError as error:  # as long as no number ever is
            assert "digits" in str(error) and b"1" * 1000 in text
            continue
        assert same_numbers(loads(written), expected)


@pytest.mark.parametrize("kind", ["list", "mapping"])
def test_depth(long: Callable[[bytes], bytes], kind: str) -> None:
    at_most = dumps(nested(254, kind))
    assert long(at_most) == at_most
    for levels in (255, 900, 5000, 100_000):
        text = b"[" * levels + b"]" * levels if kind == "list" else b'{"a":' * levels + b"1" + b"}" * levels
        with pytest.raises(TooDeep, match="what it is: nested too deeply"):
            tidy(text, what="what it is")


@pytest.mark.parametrize(
    ("number", "is_finite"),
    [
        (b"1e308", True), (b"1e309", False), (b"-1E+309", False), (b"1e400", False), (b"1e-400", True),
        (b"0e99999", True), (b"0.00001e312", True), (b"9" * 308, True), (b"9" * 310, False), (b"-" + b"9" * 400, False),
        (b"1e+0000000000309", False), (b"0." + b"1" * 320, True), (b'"1e400"', True), (b'"' + b"9" * 400 + b'"', True),
        (b"1" * 1001, False), (b"0." + b"1" * 1001, False), (b"1" + b"0" * 289 + b"e99", False),
        (b"1" + b"0" * 200 + b"e99", True), (b"1" + b"0" * 299 + b"e9", True), (b"1" + b"0" * 300 + b"e9", False),
    ],
)  # fmt: skip
def test_numbers_that_no_double_can_hold(
    long: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch, number: bytes, is_finite: bool
) -> None:
    """A guest would fail on them. Wherever a window ends."""
    monkeypatch.setattr(json_parts, "WINDOW", 64)
    for before in range(1, 66):
        text = b"[" + b"1" * before + b"," + number + b',true,false,null,"e",-0.0]'
        if is_finite:
            assert math.isfinite(loads(long(text))[0])
        else:
            with pytest.raises(JsonError):
                long(text)


def test_words_are_no_numbers_wherever_a_window_ends(
    long: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_parts, "WINDOW", 64)
    for word in (b"true", b"false"):
        for before in range(40, 70):
            text = b"[" + b"0," * (before // 2) + b" " * (before % 2) + word + b",1e100]"
            assert loads(long(text)) == json.loads(text)


def test_escapes_of_go(long: Callable[[bytes], bytes]) -> None:
    assert long(b'["\\u003ctr\\u003E\\u0026\\u2028"]') == '["<tr>&\u2028"]'.encode()
    assert long(b'["\\\\u003c", "\\\\\\u003c", "\\\\\\\\u003c"]') == b'["\\\\u003c","\\\\<","\\\\\\\\u003c"]'


@pytest.mark.parametrize(
    ("text", "repeats"),
    [
        (b'{"uid":1,"object":{"a":1}}', False), (b'{"uid":1,"object":{"a":1}}\n', False),
        (b"{}", False), (b"{ }", False),
        (b' { "uid" : 1 , "object" : {"uid":2} } ', False), (b'{"uid":1,"uid":2}', True),
        (b'{"uid":1,"\\u0075id":2}', True), (b'{"z":1,"z":2}', True), (b'{"z":1,"y":{"uid":1,"uid":2}}', False),
        (b'{"uid":1,"z":[{"uid":1}],"uid":1}', True), (b'{"uid":"\\"uid\\":1","z":1}', False),
        (b'{"uid":{"a":1,"a":2},"z":":"}', False),
    ],
)  # fmt: skip
def test_a_member_that_is_there_twice(text: bytes, repeats: bool) -> None:
    members = Members("uid", "object", "missing")
    if repeats:
        with pytest.raises(RepeatedMember, match=r"^request: a field is there twice"):
            members.read(text, what="request")
    else:
        wanted = {key: value for key, value in json.loads(text).items() if key in ("uid", "object")}
        assert {key: json.loads(bytes(value)) for key, value in members.read(text).items()} == wanted


@pytest.mark.parametrize("text", [b"[]", b"3", b'"a"', b"null", b"[{}]"])
def test_no_object(text: bytes) -> None:
    with pytest.raises(NotAnObject):
        Members("a").read(text)


def test_members_of_what_is_no_json() -> None:
    for text in (b"", b"{", b'{"a":}', b'{"a":1}}', b'{"a":1,}', b'{"b":tru}', b'{"b":"\\ud800"}', b"\xff"):
        with pytest.raises(JsonError):
            Members("a").read(text)
    with pytest.raises(TooDeep):
        Members("a").read(b'{"b":' + b"[" * 100_000 + b"]" * 100_000 + b"}")


def test_elements_of_a_list() -> None:
    assert elements(b' [ {"a" : 1} , [2 ], "x"]') == [b'{"a" : 1}', b"[2 ]", b'"x"']
    assert elements(b"[]") == []
    for text in (b"{}", b"3", b"", b"[1,]", b"[" * 100_000):
        with pytest.raises(JsonError, match=r"^the page: "):
            elements(text, what="the page")


def test_too_many_unknown_members() -> None:
    """They would be read to look for repeated ones: an object of a million of them is not what anybody sends."""
    text = dumps({str(number): 1 for number in range(1001)})
    with pytest.raises(JsonError, match="1001 fields"):
        Members("a").read(text)
    assert Members("1", "2").read(dumps({str(number): 1 for number in range(1000)})) == {"1": b"1", "2": b"1"}


@pytest.mark.parametrize(
    ("text", "repeats"),
    [
        (b'{"a":1}', False), (b' { "a" : 1 } ', False), (b'{"a":1,"a":1}', True), (b'[{"a":{"b":1,"b":2}}]', True),
        (b'{"a":"\\u003c"}', False), (b'{"a":1e2,"b":":"}', False), (b'{"a":1,"\\u0061":2}', True),
    ],
)  # fmt: skip
def test_repeats_at_any_level(text: bytes, repeats: bool) -> None:
    assert is_repeating(text, loads(text)) is repeats


MEASURE = """
import sys
import orjson
def rss():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
text = sys.stdin.buffer.read()
before = rss()
value = orjson.loads(text)
print(rss() - before)
"""


def repeated(unit: str, size: int = 3_000_000) -> bytes:
    """A list of equal items."""
    item = unit.encode()
    return b"[" + b",".join([item] * (size // (len(item) + 1))) + b"]"


SHAPES: dict[str, bytes] = {
    "empty objects": repeated("{}"),
    "empty lists": repeated("[]"),
    "nested lists": repeated("[" * 200 + "]" * 200),
    "small objects": repeated('{"a":1}'),
    "nested objects": repeated('{"a":' * 100 + "1" + "}" * 100),
    "integers": repeated("1000"),
    "fractions": repeated("0.5"),
    "strings of one character": repeated('"a"'),
    "strings of two characters": repeated('"ab"'),
    "strings of one wide character": repeated('"中"'),
    "objects with keys of their own": b"[" + b",".join(b'{"k%d":1}' % n for n in range(200_000)) + b"]",
    "one object with many keys": b"{" + b",".join(b'"k%d":1' % n for n in range(250_000)) + b"}",
    "a long string with one character outside the basic plane": ('["' + "a" * 3_000_000 + '😀"]').encode(),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_decoded_size(shape: str) -> None:
    """Measured in a fresh process."""
    text = SHAPES[shape]
    measured = subprocess.run([sys.executable, "-c", MEASURE], input=text, capture_output=True, check=True, timeout=60)
    assert decoded_size(text) >= 0.9 * int(measured.stdout)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_long_text_is_not_decoded(shape: str) -> None:
    """Checking it takes a few times its own size, not twenty times."""
    program = (
        "import sys\n"
        "from edged.json_parts import tidy\n"
        "import resource\n"
        "text = sys.stdin.buffer.read()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "assert tidy(text)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    text = SHAPES[shape]
    assert decoded_size(text) > json_parts.MOST_DECODED
    measured = subprocess.run([sys.executable, "-c", program], input=text, capture_output=True, check=True, timeout=60)
    assert int(measured.stdout) << 10 < 5 * len(text)
