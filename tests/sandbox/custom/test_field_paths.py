"""edged/sandbox/custom/field_paths.py."""

from __future__ import annotations

import pytest

from edged.sandbox.custom.field_paths import FieldPathError, field_path

SCHEMA = {"properties": {"spec": {"properties": {"a.b": {"type": "string"}, "map": {
    "additionalProperties": {"type": "integer"}}}}}}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "text", "kind"),
    [(".spec['a.b']", "spec.a.b", "string"), (".spec.map.x", "spec.map[x]", "integer"),
     (".spec.map['it\\'s']", "spec.map[it's]", "integer")],
)  # fmt: skip
def test_paths(path, text, kind):
    found = field_path(path, SCHEMA)
    assert (found.text, found.schema["type"], found.root) == (text, kind, "spec")


@pytest.mark.parametrize(
    ("path", "why"),
    [("spec", "expected [ or . but got: spec"), (".nope", "does not refer to a valid field"),
     (".spec[0]", "expected single quoted string but got 0"), (".spec.", "unexpected end of JSON path"),
     (".spec['a.b'", "unexpected end of JSON path")],
)  # fmt: skip
def test_what_is_none(path, why):
    with pytest.raises(FieldPathError, match=why.replace("[", r"\[").replace(".", r"\.")):
        field_path(path, SCHEMA)


def test_brackets_may_be_forbidden():
    with pytest.raises(FieldPathError, match="array notation is not allowed"):
        field_path(".spec['map']", SCHEMA, brackets=False)
