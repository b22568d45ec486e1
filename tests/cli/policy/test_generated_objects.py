"""Objects made by chance: of the right types, the same with the same seed, on both sides of a condition."""

from __future__ import annotations

from itertools import islice
from random import Random
from typing import Any

import pytest

from edged.cli.policy.generated_objects import go_type_of, named_in, objects
from edged.json_text import dumps
from edged.sandbox.kinds.builtin_kinds import builtin_plurals
from edged.sandbox.kinds.go_types import GoTypes, Shape

TYPES = GoTypes.load()
NAMED = named_in(["object.spec.hostNetwork && object.metadata.labels['team'] == 'a'"])


def made(kind: str, number: int, seed: int = 1, api_version: str = "v1") -> list[dict[str, Any]]:
    return list(islice(objects(TYPES, api_version, kind, NAMED, Random(seed)), number))


def test_the_same_seed_gives_the_same_objects():
    assert made("Pod", 20) == made("Pod", 20) != made("Pod", 20, seed=2)


@pytest.mark.parametrize(("api_version", "kind"), sorted(builtin_plurals()))
def test_every_built_in_kind_has_fields_of_its_type_and_a_bounded_size(api_version: str, kind: str):
    shape = TYPES.shape(go_type_of(api_version, kind))
    for obj in made(kind, 5, api_version=api_version):
        check({key: value for key, value in obj.items() if key not in ("apiVersion", "kind")}, shape, kind)
        assert len(dumps(obj)) < 64 << 10


def check(value: Any, shape: Shape, at: str) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            child = shape.child(key)
            assert child is not None, f"{at}.{key}"
            check(inner, child, f"{at}.{key}")
    elif isinstance(value, list):
        assert shape.kind in ("list", "any") and value, at
        for inner in value:
            check(inner, shape.element, at)
    elif value is not None:
        assert shape.kind == "scalar" or (shape.kind == "any"), at


def test_both_sides_of_what_is_named_are_met():
    pods = made("Pod", 100)
    assert 20 < sum(pod.get("spec", {}).get("hostNetwork") is True for pod in pods) < 80
    assert any("team" in (pod["metadata"].get("labels") or {}) for pod in pods)
    for key in ("containers", "initContainers", "ephemeralContainers", "volumes"):
        assert any(pod.get("spec", {}).get(key) for pod in pods), key


def test_a_kind_of_which_nothing_is_known():
    assert go_type_of("example.com/v1", "Widget") == ""
    with pytest.raises(KeyError, match="Widget"):
        next(objects(TYPES, "example.com/v1", "Widget", NAMED, Random(1)))
