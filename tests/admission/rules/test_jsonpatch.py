"""RFC 6902 differences: applying what `diff` gives turns one document into the other, whatever they are."""

import copy
import random

import jsonpatch as library
import pytest

from edged.admission.rules import jsonpatch
from edged.admission.rules.jsonpatch import BadPatch, applied, diff, same
from edged.json_text import dumps


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
    assert same(applied(copy.deepcopy(old), patch), new)
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


def document():
    return {"a": {"b": [1, 2, 3], "c/d": {"~": "x"}, "none": None}, "list": []}


@pytest.mark.parametrize(
    ("operation", "path", "expected"),
    [
        ({"op": "add", "path": "/a/b/-", "value": 4}, ["a", "b"], [1, 2, 3, 4]),
        ({"op": "add", "path": "/a/b/0", "value": 4}, ["a", "b"], [4, 1, 2, 3]),
        ({"op": "add", "path": "/a/b/3", "value": 4}, ["a", "b"], [1, 2, 3, 4]),
        ({"op": "add", "path": "/a/b/-1", "value": 4}, ["a", "b"], [1, 2, 3, 4]),
        ({"op": "add", "path": "/a/c~1d/~0", "value": None}, ["a", "c/d"], {"~": None}),
        ({"op": "remove", "path": "/a/b/-1"}, ["a", "b"], [1, 2]),
        ({"op": "remove", "path": "/a/none"}, ["a"], {"b": [1, 2, 3], "c/d": {"~": "x"}}),
        ({"op": "replace", "path": "/a/new", "value": 1}, ["a", "new"], 1),
        ({"op": "replace", "path": "/a/b/1", "value": "y"}, ["a", "b"], [1, "y", 3]),
        ({"op": "replace", "path": "", "value": {"z": 1}}, [], {"z": 1}),
        ({"op": "move", "from": "/a/b/0", "path": "/list/-"}, ["list"], [1]),
        ({"op": "copy", "from": "/a/b", "path": "/a/c~1d/copy"}, ["a", "c/d", "copy"], [1, 2, 3]),
        ({"op": "test", "path": "/a/b/1", "value": 2.0}, ["a", "b"], [1, 2, 3]),
        ({"op": "test", "path": "/a/absent", "value": None}, ["list"], []),
        ({"op": "test", "path": "", "value": document()}, ["list"], []),
    ],
)
def test_operations_as_the_api_server_takes_them(operation, path, expected):
    found = applied(document(), [operation])
    for key in path:
        found = found[key]
    assert found == expected


@pytest.mark.parametrize(
    ("operation", "why"),
    [
        ("x", "operation 0: it is not an object"),
        ({}, "operation 0: op is missing"),
        ({"op": 5}, "op is not a text"),
        ({"op": "merge", "path": "/a"}, r"operation 0 \(merge /a\): op is 'merge'"),
        ({"op": "add", "path": "/a"}, "value is missing"),
        ({"op": "add", "value": 1}, "path is missing"),
        ({"op": "move", "path": "/a", "from": None}, "from is missing"),
        ({"op": "add", "path": "a", "value": 1}, "a path begins with /"),
        ({"op": "add", "path": "", "value": 1}, "the whole object is no place"),
        ({"op": "add", "path": "/x/y", "value": 1}, "does not exist"),
        ({"op": "add", "path": "/a/b/0/c", "value": 1}, "does not exist"),
        ({"op": "add", "path": "/a/b/4", "value": 1}, "no index 4"),
        ({"op": "add", "path": "/a/b/x", "value": 1}, "'x' is no index"),
        ({"op": "add", "path": "/a/none/x", "value": 1}, "does not exist"),
        ({"op": "remove", "path": "/a/x"}, "does not exist"),
        ({"op": "remove", "path": "/a/b/3"}, "no index 3"),
        ({"op": "remove", "path": "/a/b/-4"}, "no index -4"),
        ({"op": "replace", "path": "/list/0", "value": 1}, "no index 0"),
        ({"op": "replace", "path": "/list/-", "value": 1}, "'-' is no index"),
        ({"op": "copy", "path": "/b", "from": "/x"}, "does not exist"),
        ({"op": "move", "path": "/a/b/x", "from": "/a"}, "does not exist"),
        ({"op": "test", "path": "/a/b/0", "value": True}, "another one"),
        ({"op": "test", "path": "/list/0", "value": None}, "no index 0"),
    ],
)
def test_what_does_not_apply_says_which_operation_and_why(operation, why):
    with pytest.raises(BadPatch, match=why):
        applied(document(), [operation])


def test_what_was_copied_is_a_value_of_its_own():
    patch = [{"op": "copy", "from": "/a", "path": "/e"}, {"op": "add", "path": "/e/b/-", "value": 4}]
    assert applied(document(), patch)["a"]["b"] == [1, 2, 3]


def test_copies_of_copies_are_bounded():
    patch = [{"op": "copy", "from": "/a", "path": f"/a/{n}"} for n in range(64)]
    with pytest.raises(BadPatch, match="more than 3 MiB are copied"):
        applied(document(), patch)


@pytest.mark.parametrize(
    "patch",
    [
        [{"op": "add", "path": "/x", "value": []}, {"op": "add", "path": "/x/-", "value": 1}],
        [{"op": "replace", "path": "/a", "value": {"b": {}}}, {"op": "add", "path": "/a/b/c", "value": 1}],
        [{"op": "replace", "path": "", "value": {"b": [1]}}, {"op": "remove", "path": "/b/0"}],
    ],
)
def test_the_patch_stays_as_it_was_written(patch):
    before = dumps(patch)
    applied(document(), patch)
    assert dumps(patch) == before


@pytest.mark.parametrize(
    ("operation", "shifted"),
    [
        ({"op": "add", "path": "/a/b/0", "value": 0}, 3),
        ({"op": "remove", "path": "/a/b/0"}, 2),
        ({"op": "move", "from": "/a/b/0", "path": "/a/b/0"}, 4),
        ({"op": "copy", "from": "/list", "path": "/a/b/1"}, 2),
        ({"op": "add", "path": "/a/b/-", "value": 0}, 0),
        ({"op": "add", "path": "/a/b/-1", "value": 0}, 0),
        ({"op": "remove", "path": "/a/b/-1"}, 0),
        ({"op": "replace", "path": "/a/b/0", "value": 0}, 0),
        ({"op": "add", "path": "/a/x", "value": 0}, 0),
    ],
)
def test_elements_that_move_are_counted_and_bounded(monkeypatch, operation, shifted):
    monkeypatch.setattr(jsonpatch, "MOST_SHIFTED", shifted)
    applied(document(), [operation])
    monkeypatch.setattr(jsonpatch, "MOST_SHIFTED", shifted - 1)
    with pytest.raises(BadPatch, match=rf"operation 0 \({operation['op']} .*: elements of lists are moved"):
        applied(document(), [operation])


def test_a_patch_that_shifts_a_long_list_again_and_again_ends_early():
    taken = []

    class Counted(list):
        def insert(self, index, value):
            taken.append(index)
            super().insert(index, value)

    with pytest.raises(BadPatch, match="moved by more than 100000000 places"):
        applied({"l": Counted([0] * 1_000_000)}, [{"op": "add", "path": "/l/0", "value": 0}] * 10_000)
    assert len(taken) == 100


def test_operations_are_bounded():
    patch = [{"op": "test", "path": "/list", "value": []}] * jsonpatch.MOST_OPERATIONS
    applied(document(), patch)
    with pytest.raises(BadPatch, match=r"it has 10001 operations \(at most 10000\)"):
        applied(document(), [*patch, patch[0]])
