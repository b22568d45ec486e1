"""Which errors may pass by themselves, and the ends of messages: what was probably meant, what was given."""

from __future__ import annotations

import errno
import socket

import pytest

from edged.cli.main import failed
from edged.errors import ConfigError, cut, did_you_mean, did_you_mean_or_all, may_pass, shown


@pytest.mark.parametrize(("word", "said"), [
    ("lisen", "; did you mean listen?"), ("LISTEN", "; did you mean listen?"), ("nodename", "; did you mean NodeName?"),
    ("xyz", ""), ("", ""),
])  # fmt: skip
def test_the_nearest_name(word: str, said: str) -> None:
    assert did_you_mean(word, {"listen", "NodeName", "url"}) == said


def test_few_names_are_listed_where_none_is_near() -> None:
    assert did_you_mean_or_all("xyz", ["b", "a"]) == "; there are: a, b"
    assert did_you_mean_or_all("ab", ["abc"]) == "; did you mean abc?"
    assert did_you_mean_or_all("xyz", [f"name-{i}" for i in range(13)]) == ""
    assert did_you_mean_or_all("xyz", []) == ""


@pytest.mark.parametrize(
    ("cause", "passes"),
    [
        (OSError(errno.ENOSPC, "full"), True),
        (OSError(errno.EADDRINUSE, "in use"), True),
        (socket.gaierror(socket.EAI_AGAIN, "later"), True),
        (MemoryError(), True),
        (OSError(errno.ENOENT, "none"), False),
        (OSError(errno.EACCES, "denied"), False),
        (OSError("without a number"), False),
        (ValueError(), False),
        (None, False),
    ],
)
def test_what_may_pass_by_itself(cause: BaseException | None, passes: bool) -> None:
    error = ConfigError("x")
    error.__cause__ = ConfigError("y")
    error.__cause__.__cause__ = cause
    assert may_pass(error) is passes
    assert failed(error) == (1 if passes else 2)


def test_a_value_is_shown_short_whatever_it_is() -> None:
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    assert [shown(value) for value in ("a", 5, None, deep, {"a": deep}, 10**5000)] == [
        "'a'", "5", "None", "a list", "an object", "a number of many digits",
    ]  # fmt: skip
    assert len(shown("x" * 10**6)) == len(shown(b"\xff" * 10**6)) == 120


@pytest.mark.parametrize(("text", "most", "expected"), [
    ("", 5, ""), ("short", 5, "short"), ("longer", 5, "l ..."), ("äöü", 6, "äöü"), ("äöüß", 7, "ä ..."),
    ("x" * 10**6, 10, "xxxxxx ..."), ("\ud800", 5, "\ud800"), ("\ud800" * 9, 6, "?? ..."),
])  # fmt: skip
def test_a_text_is_cut_by_bytes(text: str, most: int, expected: str) -> None:
    assert cut(text, most) == expected
