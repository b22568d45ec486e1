"""RFC 6902 differences: applying what `diff` gives turns one document into the other, whatever they are."""

import random

import jsonpatch as library
import pytest

from edged.admission.rules.jsonpatch import diff, same


def _document(rng, depth=0):
    kind = rng.randrange(8 if depth < 4 else 5)
    if kind == 0:
        return rng.choice([None, True, False])
    if kind <= 2:
        return rng.choice([0, 1, -7, 2**53, 1.5])
    if kind <= 4:
        return rng.choice(["", "a", "b/c", "d~e", "é\u2028", "~1"])
    if kind <= 6:
        return {
            rng.choice(["a", "b", "c/d", "e~f", "", "0"]): _document(rng, depth + 1)
            for _ in range(rng.randrange(4))
        }
    return [_document(rng, depth + 1) for _ in range(rng.randrange(5))]


def _mutated(rng, document):
    if isinstance(document, dict) and document and rng.random() < 0.8:
        out = {key: _mutated(rng, value) for key, value in document.items() if rng.random() < 0.9}
        if rng.random() < 0.3:
            out["new"] = _document(rng, 3)
        return out
    if isinstance(document, list) and rng.random() < 0.8:
        out = [
            _mutated(rng, value) if rng.random() < 0.3 else value for value in document if rng.random() < 0.9
        ]
        if rng.random() < 0.4:
            out.insert(rng.randrange(len(out) + 1), _document(rng, 3))
        return out
    return _document(rng, 2) if rng.random() < 0.2 else document


@pytest.mark.parametrize("seed", range(300))
def test_applying_the_difference_gives_the_other_document(seed):
    rng = random.Random(seed)
    old = {"root": _document(rng), "more": _document(rng)}
    new = {"root": _mutated(rng, old["root"])} if seed % 3 else _mutated(rng, old)
    patch = diff(old, new)
    assert same(library.apply_patch(old, patch), new)
    assert bool(patch) == (not same(old, new))


def test_equal_documents_have_no_difference():
    assert diff({"a": [1, {"b": 2.0}]}, {"a": [1.0, {"b": 2}]}) == []


def test_true_is_not_one():
    assert diff({"a": 1}, {"a": True}) == [{"op": "replace", "path": "/a", "value": True}]


def test_an_inserted_element_is_one_operation():
    old = {"containers": [{"name": n} for n in "abc"]}
    new = {"containers": [{"name": n} for n in "axbc"]}
    assert diff(old, new) == [{"op": "add", "path": "/containers/1", "value": {"name": "x"}}]


def test_removals_go_from_the_end():
    assert diff([1, 2, 3, 4], [1, 4]) == [{"op": "remove", "path": "/2"}, {"op": "remove", "path": "/1"}]


def test_keys_are_escaped():
    assert diff({}, {"a/b~c": 1}) == [{"op": "add", "path": "/a~1b~0c", "value": 1}]
