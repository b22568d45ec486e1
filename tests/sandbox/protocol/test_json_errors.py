"""What Go says of texts that are no JSON."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.json_text import JsonError, dumps, loads
from edged.sandbox.protocol.json_errors import syntax_error


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "unexpected end of JSON input"),
        (" {", "unexpected end of JSON input"),
        ('{"a"', "unexpected end of JSON input"),
        ("nonsense", "invalid character 'o' in literal null (expecting 'u')"),
        ("{} x", "invalid character 'x' after top-level value"),
        ('{"a":1 "b"', "invalid character '\"' after object key:value pair"),
        ('{"a" 1}', "invalid character '1' after object key"),
        ("{1}", "invalid character '1' looking for beginning of object key string"),
        ("[1 2]", "invalid character '2' after array element"),
        ("[1,]", "invalid character ']' looking for beginning of value"),
        ('"a\nb"', "invalid character '\\n' in string literal"),
        ('"\\x"', "invalid character 'x' in string escape code"),
        ('"\\u12x4"', "invalid character 'x' in \\u hexadecimal character escape"),
        ("-x", "invalid character 'x' in numeric literal"),
        ("1.x", "invalid character 'x' after decimal point in numeric literal"),
        ("1e+x", "invalid character 'x' in exponent of numeric literal"),
        ("01", "invalid character '1' after top-level value"),
        ("\x9e", "invalid character 'Â' looking for beginning of value"),
        ("[" * 10_001, "exceeded max depth"),
    ],
)
def test_texts(text: str, said: str) -> None:
    assert syntax_error(text.encode()) == said


@given(st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text(), lambda x: st.lists(x) | st.dictionaries(
    st.text(), x)))  # fmt: skip
def test_json_has_no_error(value: object) -> None:
    assert syntax_error(dumps(value)) == ""


@given(st.text(alphabet='{}[]",:\\u01e-+.truefalsn \n', max_size=30))
def test_it_agrees_with_the_reader(text: str) -> None:
    try:
        loads(text.encode())
    except JsonError:
        assert syntax_error(text.encode())
    else:
        assert not syntax_error(text.encode())
