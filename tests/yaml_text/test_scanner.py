"""The parser in Python: the rules of Go's YAML library where PyYAML's own parser has others."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from edged.yaml_text import YamlError, load
from edged.yaml_text.scanner import GoParser


def events(text: str) -> list[str]:
    parser = GoParser(text.encode())
    found = []
    while (event := parser.get_event()) is not None:
        found.append(getattr(event, "value", type(event).__name__.removesuffix("Event")))
    return found[2:-2]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a\t# x", ["a"]),
        ("a\tb", ["a\tb"]),
        ("a\n\n\tb", ["a\nb"]),
        ("!t\ta", ["a"]),
        ("|\t# x\n a\n", ["a\n"]),
        ("|# x\n a\n", ["a\n"]),
        ("|-1\n  a\n", [" a"]),
        ("'a\tb'", ["a\tb"]),
        ('"\\\'"', ["'"]),
        ("[a:b, c:]", ["SequenceStart", "a:b", "c:", "SequenceEnd"]),
        ("{a:}", ["MappingStart", "a:", "", "MappingEnd"]),
        ("a:\t1", ["MappingStart", "a", "1", "MappingEnd"]),
        ("a\nb: c", yaml.YAMLError),
        ("[a?b]", yaml.YAMLError),
        ('"\\/"', yaml.YAMLError),
        ('"\\ud800"', yaml.YAMLError),
        ('"\\U00110000"', yaml.YAMLError),
        ("a:\n\tb: 1", yaml.YAMLError),
        ("a: |\n \tb\n", yaml.YAMLError),
        ("|0\n a\n", yaml.YAMLError),
        ("|x\n", yaml.YAMLError),
        ("%YAML 1.2\n--- a", yaml.YAMLError),
        ("%FOO x\n--- a", yaml.YAMLError),
    ],
)
def test_rules(text: str, value: Any) -> None:
    if value is yaml.YAMLError:
        with pytest.raises(yaml.YAMLError):
            events(text)
    else:
        assert events(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: [b:, c]\n", {"a": ["b:", "c"]}),
        ('a: "it\\\'s"\n', {"a": "it's"}),
        ("a: why?\nb: [why?]\n", None),
        ("a: '\\/'\nb: \"\\\\/\"\n", {"a": "\\/", "b": "\\/"}),
        ('a: "\\/"\n', None),
        ("a: [!t, b]\n", {"a": ["b"]}),
        ("a: [!t,b]\n", None),
        ("%YAML 1.2\n---\na: 1\n", None),
        ("a: 1\n\ufeffb: 2\n", {"a": 1, "\ufeffb": 2}),
    ],
)
def test_texts_that_libyaml_reads_otherwise_are_read_by_it(text: str, value: Any) -> None:
    if value is None:
        with pytest.raises(YamlError):
            load(text)
    else:
        assert load(text) == value
