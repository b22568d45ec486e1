"""Values of one shape in decoded YAML, as Go reads them into its types."""

import pytest

from edged.errors import ConfigError
from edged.scheduling.config.config_shapes import (
    boolean,
    data,
    duration_s,
    list_of,
    map_of,
    number,
    optional_duration_s,
    record,
    text,
    whole_number,
)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("15s", 15.0), ("1h2m3.5s", 3723.5), ("250ms", 0.25), ("0", 0.0), ("-5s", -5.0), ("+1s", 1.0), (".5s", 0.5),
        ("1.s", 1.0), ("1s1s", 2.0), ("9223372036854775807ns", 9223372036.854775807), ("3µs", 3e-6),
    ],
)  # fmt: skip
def test_durations(given, seconds):
    assert duration_s(given, "x") == seconds


@pytest.mark.parametrize("given", [None, "", "5", "s", ".s", "1 s", "1S", "--1s", "9223372036854775808ns", 5, True, []])
def test_what_is_no_duration(given):
    with pytest.raises(ConfigError, match=r"x: must be a duration"):
        duration_s(given, "x")


PLACE = record(
    a=whole_number(32), b=text, c=boolean, d=list_of(text), e=map_of(boolean), f=data, g=number, h=optional_duration_s,
    i=duration_s,
)  # fmt: skip


def test_null_is_what_is_not_there():
    assert PLACE(None, "x") == {}
    assert PLACE(dict.fromkeys("abcdefgh"), "x") == {}
    assert PLACE({"d": [None], "e": {"k": None}}, "x") == {"d": [""], "e": {"k": False}}
    with pytest.raises(ConfigError, match=r"x\.i: must be a duration"):
        PLACE({"i": None}, "x")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ([], "x: must be an object, not a list"),
        ({"A": 1}, "x.A: unknown field"),
        ({"a": 1.0}, "x.a: must be a whole number, not 1.0"),
        ({"a": True}, "x.a: must be a whole number, not True"),
        ({"a": "1"}, "x.a: must be a whole number, not '1'"),
        ({"a": 1 << 31}, "x.a: must be from -2147483648 to 2147483647, not 2147483648"),
        ({"b": 1}, "x.b: must be text, not 1"),
        ({"c": 1}, "x.c: must be true or false, not 1"),
        ({"d": {}}, "x.d: must be a list, not an object"),
        ({"d": ["", 2]}, "x.d[1]: must be text, not 2"),
        ({"e": {"k": "v"}}, "x.e.k: must be true or false, not 'v'"),
        ({"f": "!"}, "x.f: must be base64"),
        ({"f": [256]}, "x.f: must be base64"),
        ({"g": "1"}, "x.g: must be a number, not '1'"),
    ],
)
def test_what_is_wrong_is_named_with_its_path(given, problem):
    with pytest.raises(ConfigError) as caught:
        PLACE(given, "x")
    assert str(caught.value).startswith(problem)


def test_what_is_right_is_taken():
    given = {"a": -3, "b": "", "c": True, "d": [], "e": {}, "f": "aGk=", "g": 1.5, "h": "1s", "i": "2s"}
    assert PLACE(given, "x") == {**given, "f": b"hi", "h": 1.0, "i": 2.0}
    assert data([104, 105], "x") == b"hi"
