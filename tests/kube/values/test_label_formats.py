"""Keys and values of labels, with kube-apiserver's words."""

from __future__ import annotations

import pytest

from edged.kube.values.label_formats import label_value, qualified_name


@pytest.mark.parametrize("key", ["a", "A.b_c-d", "example.com/app", "a" * 63, f"{'a' * 253}/b"])
def test_keys(key: str) -> None:
    assert qualified_name(key) == []


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("", ["name part must be non-empty", "name part must consist of"]), ("-a", ["name part must consist of"]),
        ("a" * 64, ["name part must be no more than 63 bytes"]), ("/a", ["prefix part must be non-empty"]),
        ("A/b", ["prefix part a lowercase RFC 1123 subdomain"]), ("a/b/c", ["a valid label key must consist of"]),
        (f"{'a' * 254}/b", ["prefix part must be no more than 253 bytes"]),
    ],
)  # fmt: skip
def test_bad_keys(key: str, said: list[str]) -> None:
    found = qualified_name(key)
    assert len(found) == len(said) and all(text.startswith(words) for text, words in zip(found, said, strict=True))


def test_values() -> None:
    assert label_value("") == label_value("a_b.c") == label_value("a" * 63) == []
    assert label_value("é" * 32)[0] == "must be no more than 63 bytes"
    assert label_value("_")[0].startswith("a valid label must be an empty string or consist of")
