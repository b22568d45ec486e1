from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edged.controllers.core.codes import Code, Refused, packed, unpacked
from edged.json_text import loads


def test_success_is_the_length_alone():
    assert packed(Code.OK, 17) == 17


@given(st.sampled_from(Code), st.integers(0, 2**32 - 1))
def test_a_guest_reads_code_and_length_from_the_halves(code, length):
    value = packed(code, length)
    assert 0 <= value < 2**64
    high = value >> 32
    assert (high - 2**32 if high >= 2**31 else high, value & 0xFFFFFFFF) == (code, length)


@given(st.integers(0, 2**31 - 1), st.integers(0, 2**32 - 1))
def test_an_export_returns_a_pointer_and_a_length(pointer, length):
    assert unpacked(pointer << 32 | length) == (0, pointer, length)


@pytest.mark.parametrize("value", [-1, -2, -(2**63)])
def test_an_export_returns_a_code_below_zero(value):
    assert unpacked(value) == (value, 0, 0)


def test_the_latch_of_a_refusal_says_what_is_known():
    refused = Refused(
        Code.ALREADY_EXISTS, "it is there", http=409, retry_after_ms=5, current=b'{"a":1}', fields=(".spec",)
    )
    assert loads(refused.latch()) == {
        "code": -4, "reason": "AlreadyExists", "message": "it is there", "http": 409, "retryAfterMs": 5,
        "current": {"a": 1}, "fields": [".spec"],
    }  # fmt: skip
    assert loads(Refused(Code.NOT_SYNCED, "not yet").latch()) == {
        "code": -12, "reason": "NotSynced", "message": "not yet",
    }  # fmt: skip
