"""The clock that stands still."""

from __future__ import annotations

import pytest

from edged.errors import ConfigError
from edged.sandbox.clock import Clock, parse_time
from edged.sandbox.threaded import ThreadedSandbox

START = "2030-01-01T00:00:00Z"


def test_times() -> None:
    assert str(Clock(parse_time(START))) == START
    assert parse_time("2030-01-01T01:00:00+01:00") == parse_time(START)
    for text in ("yesterday", "2030-01-01", "2030-01-01T00:00:00", ""):
        with pytest.raises(ConfigError):
            parse_time(text)


def test_it_moves_when_it_is_told() -> None:
    with ThreadedSandbox(clock=START) as sandbox:
        assert sandbox.request("GET", "/sandbox/clock") == (200, {"now": START})
        made = sandbox.request("POST", "/api/v1/namespaces", {"metadata": {"name": "a"}})[1]
        assert made["metadata"]["creationTimestamp"] == START
        assert sandbox.request("POST", "/sandbox/clock", {"advance_s": 90}) == (200, {"now": "2030-01-01T00:01:30Z"})
        later = {"now": "2031-05-05T05:05:05Z"}
        assert sandbox.request("POST", "/sandbox/clock", later) == (200, later)
        made = sandbox.request("POST", "/api/v1/namespaces", {"metadata": {"name": "b"}})[1]
        assert made["metadata"]["creationTimestamp"] == later["now"]


@pytest.mark.parametrize(
    "order",
    [{}, [], {"advance_s": "90"}, {"advance_s": True}, {"advance_s": 1e300}, {"now": "x"}, {"now": START, "x": 1}],
)
def test_a_wrong_order_is_refused(order: object) -> None:
    with ThreadedSandbox(clock=START) as sandbox:
        status, answer = sandbox.request("POST", "/sandbox/clock", order)
        assert status == 400
        assert answer["message"].startswith("/sandbox/clock: ")
        assert sandbox.request("GET", "/sandbox/clock")[1] == {"now": START}


def test_the_real_time_cannot_be_moved() -> None:
    with ThreadedSandbox() as sandbox:
        assert sandbox.request("POST", "/sandbox/clock", {"advance_s": 1})[0] == 404


@pytest.mark.parametrize("text", ["1969-12-31T23:59:59Z", "9999-12-31T12:00:00Z", "0001-01-01T00:00:00+05:00"])
def test_times_have_bounds(text: str) -> None:
    with pytest.raises(ConfigError, match="between 1970 and 9999"):
        parse_time(text)
