"""Formats of names: what passes, what does not, and for which reasons."""

from __future__ import annotations

import time

import pytest

from edged.sandbox.validation import formats
from edged.sandbox.validation.formats import Format


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (formats.dns_label, ["a", "a-1", "1"], ["", "-a", "a-", "A", "a_b", "a.b", "a\n", "a" * 64]),
        (formats.dns_subdomain, ["a", "a.b-c", "1.2"], ["", ".a", "a..b", "A.b", "a\n", "a" * 254]),
        (formats.dns_1035_label, ["a", "a-1"], ["1a", "", "a.b"]),
        (formats.qualified_name, ["a", "A_b.c", "x.io/a"], ["", "/a", "a/", "a/b/c", "X/a", "a" * 64, "-a"]),
        (formats.prefixed_name, ["x.io/a"], ["a"]),
        (formats.label_value, ["", "a", "A_b.c"], ["-a", "a b", "ä", "a" * 64]),
        (formats.config_key, ["a", "a.b_c-D"], ["", ".", "..", "..a", "a/b", "a" * 254]),
        (formats.environment_name, ["a", "1", "a b"], ["", "a=b", "ä", "a\n"]),
        (formats.port_name, ["http", "a-1"], ["", "80", "a--b", "-a", "a-", "A", "a" * 16]),
        (formats.header_name, ["X-A"], ["", "a b"]),
        (formats.c_identifier, ["_a1"], ["1a", "a-b"]),
        (formats.path_segment, ["system:a b"], [".", "..", "a/b", "a%"]),
        (formats.wildcard_subdomain, ["*.a.b"], ["a.b", "*.", "*a.b"]),
        (formats.percent, ["10%"], ["10", "%", "-1%"]),
        (formats.dns_subdomain_caseless, ["A.b"], ["_"]),
        (formats.dns_subdomain_with_underscores, ["_a.b_c"], ["A"]),
        (formats.http_path, ["/a%20:b"], ["a b"]),
    ],
)
def test_what_passes(check: Format, good: list[str], bad: list[str]) -> None:
    assert [value for value in good if check(value)] == []
    assert [value for value in bad if not check(value)] == []


def test_a_value_may_be_wrong_for_several_reasons() -> None:
    assert len(formats.dns_label("A" * 64)) == 2
    assert formats.dns_label("a.b") == ["must not contain dots"]
    assert [text.partition(" part ")[0] for text in formats.qualified_name("A/")] == ["prefix", "name", "name"]
    assert formats.label_value("ä" * 32)[0] == "must be no more than 63 bytes"


def test_numbers_have_bounds() -> None:
    assert formats.port_number(0) == formats.port_number(65536) == ["must be between 1 and 65535, inclusive"]
    assert formats.port_number(1) == formats.user_or_group_id(0) == []


def test_a_prefix_may_end_with_a_dash() -> None:
    check = formats.prefix_of(formats.dns_subdomain)
    assert check("web-") == []
    assert check("-") != []


@pytest.mark.parametrize("check", [formats.dns_label, formats.dns_subdomain, formats.qualified_name])
@pytest.mark.parametrize("text", ["a" * 1_000_000 + "!", "a." * 500_000 + "!", "-" * 1_000_000])
def test_hostile_texts_cost_no_more_than_their_length(check: Format, text: str) -> None:
    begun = time.perf_counter()
    assert check(text)
    assert time.perf_counter() - begun < 2
