"""The hostile values themselves: they must be what they promise, or the tests that use them prove little."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from tests import hostile_values
from tests.hostile_values import DEPTHS, STRINGS, anything, hostile_bytes, mutations, nested, paths, text_of, texts

POD: dict[str, Any] = {
    "metadata": {"name": "a", "labels": {"app": "b"}},
    "spec": {"containers": [{"name": "c", "ports": [{"containerPort": 80}]}], "hostNetwork": False},
}


def test_every_place_is_broken_and_the_valid_object_is_not() -> None:
    before = json.dumps(POD)
    broken = list(mutations(POD, Random(1)))
    assert {path for path, _ in broken} == set(paths(POD))
    assert ("spec", "containers", 0, "ports", 0, "containerPort") in paths(POD)
    assert json.dumps(POD) == before


def test_a_place_is_null_missing_and_of_another_type() -> None:
    at_name = [obj["metadata"] for path, obj in mutations(POD, Random(1)) if path == ("metadata", "name")]

    assert any(metadata.get("name", "there") is None for metadata in at_name)
    assert any("name" not in metadata for metadata in at_name)
    assert any(isinstance(metadata.get("name"), list) for metadata in at_name)


def test_a_list_gets_null_items() -> None:
    place = ("spec", "containers")
    at_containers = [obj["spec"].get("containers") for path, obj in mutations(POD, Random(1)) if path == place]

    assert any(isinstance(items, list) and None in items and len(items) == 2 for items in at_containers)


def test_the_same_seed_gives_the_same_and_another_seed_something_else() -> None:
    first, again, other = ([text_of(obj) for _, obj in mutations(POD, Random(seed))] for seed in (1, 1, 2))

    assert first == again != other


def test_each_kind_of_value_is_used_somewhere() -> None:
    used = b"\n".join(text_of(obj) for _, obj in mutations(POD, Random(1), each=40))

    assert all(text_of(value) in used for value in anything())


def test_one_mutation_of_many_is_one_of_them() -> None:
    rng = Random(1)
    found = {text_of(hostile_values.one(POD, rng)) for _ in range(300)}

    assert len(found) > 100 and text_of(POD) not in found


def test_nesting_is_as_deep_as_it_says() -> None:
    for levels in DEPTHS:
        assert text_of(nested(levels)) == b"[" * levels + b"]" * levels
        assert text_of(nested(levels, "mapping")).count(b"{") == levels


def test_a_copy_of_something_deep_is_a_copy() -> None:
    value = {"a": nested(5000)}
    copied = hostile_values.copy_of(value)
    copied["a"].append(1)

    assert value["a"] == [value["a"][0]]


def test_what_json_can_say_is_written_as_json() -> None:
    for value in [POD, list(STRINGS), {"a": [1, 0.5, None, True, "\ud800"]}]:
        assert json.loads(text_of(value)) == value


def test_what_yaml_can_say_beyond_json_has_a_text_too() -> None:
    for value in anything(yaml=True):
        assert text_of(value)


def test_texts_hold_pieces_that_are_no_json_and_keys_given_twice() -> None:
    found = [text for _, text in texts(POD, Random(1), each=6)]

    assert any(b"9" * 5000 in text for text in found)
    assert any(b"NaN" in text for text in found)
    assert any(text.count(b'"hostNetwork"') == 2 for text in found)


def test_hostile_bytes_have_names_of_their_own() -> None:
    named = list(hostile_bytes(POD))

    assert len({name for name, _ in named}) == len(named)
    assert all(isinstance(text, bytes) for _, text in named)


def test_a_description_is_short_and_names_the_place() -> None:
    text = hostile_values.described(("spec", "containers", 0, "name"), "x" * 5000)
    assert text.startswith('spec.containers[0].name: "xxx')
    assert len(hostile_values.described((), "x" * 5000)) < 300
