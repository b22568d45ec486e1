"""The ends of messages that name what was probably meant."""

from __future__ import annotations

import pytest

from edged.errors import did_you_mean, did_you_mean_or_all


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
