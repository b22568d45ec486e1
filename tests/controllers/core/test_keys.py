from __future__ import annotations

import pytest

from edged.controllers.core.codes import Code, Refused
from edged.controllers.core.keys import START, Key, key_json, key_of


def test_a_key_comes_back_as_it_was_written():
    key = Key("Subnet", "ns", "a")
    assert key_of(key_json(key), "", "key") == key
    assert str(key) == "Subnet/ns/a"


def test_what_a_key_may_leave_out():
    assert key_of({"name": "n"}, "Node", "key") == Key("Node", "", "n")
    assert key_of({"kind": "_start"}, "", "key") == START


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "enqueue.key must be an object, not a list"),
        ({"name": "n"}, "enqueue.key.kind: is missing"),
        ({"kind": "A"}, "enqueue.key.name: is missing"),
        ({"kind": "A", "name": 5}, "enqueue.key.name: must be a string, not 5"),
        ({"kind": "A", "name": "n" * 600}, "enqueue.key.name: has 600 characters, at most 512 are possible"),
    ],
)
def test_what_is_no_key(value, message):
    with pytest.raises(Refused) as refused:
        key_of(value, "", "enqueue.key")
    assert (refused.value.code, str(refused.value)) == (Code.INVALID, message)
