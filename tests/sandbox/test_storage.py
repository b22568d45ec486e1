"""edged/sandbox/storage.py: versions, history, compaction, subscriptions."""

from __future__ import annotations

import pytest

from edged.kube.values.names import NamespacedName
from edged.sandbox.storage import KeyExists, Storage, TooOld, VersionMismatch

KEY = NamespacedName("ns", "a")


def thing(value: int = 0, name: str = "a") -> dict:
    return {"metadata": {"namespace": "ns", "name": name}, "value": value}


def test_versions_are_global_and_no_op_writes_change_nothing():
    storage = Storage()
    first = storage.create("x", thing())
    other = storage.create("y", thing())
    assert int(other["metadata"]["resourceVersion"]) == int(first["metadata"]["resourceVersion"]) + 1
    assert storage.update("x", thing()) is first and storage.version == int(other["metadata"]["resourceVersion"])
    with pytest.raises(KeyExists):
        storage.create("x", thing())


def test_update_insists_on_what_was_read():
    storage = Storage()
    first = storage.create("x", thing())
    storage.update("x", thing(1))
    with pytest.raises(VersionMismatch):
        storage.update("x", thing(2), expected=first)


def test_delete_carries_a_fresh_version():
    storage = Storage()
    storage.create("x", thing())
    last = storage.delete("x", KEY)
    assert int(last["metadata"]["resourceVersion"]) == storage.version and storage.get("x", KEY) is None


def test_the_past_can_be_listed_until_it_is_compacted():
    storage = Storage()
    created = int(storage.create("x", thing())["metadata"]["resourceVersion"])
    storage.update("x", thing(1))
    storage.create("x", thing(name="b"))
    storage.delete("x", KEY)
    assert [o["value"] for o in storage.list_at("x", created)] == [0]
    assert [o["metadata"]["name"] for o in storage.list("x")] == ["b"]
    storage.compact()
    with pytest.raises(TooOld, match="too old resource version"):
        storage.list_at("x", created)


def test_bounded_history_forgets_the_oldest():
    storage = Storage(history=2)
    for value in range(5):
        storage.create("x", thing(name=f"n{value}"))
    assert storage.oldest == storage.version - 2
    assert [e.version for e in storage.events_since("x", storage.oldest)] == [
        storage.version - 1,
        storage.version,
    ]
    with pytest.raises(TooOld):
        storage.events_since("x", storage.oldest - 1)


def test_subscriptions_see_their_bucket_until_closed():
    storage, seen = Storage(), []
    subscription = storage.subscribe("x", seen.append)
    storage.create("x", thing())
    storage.create("y", thing())
    storage.update("x", thing(1))
    subscription.close()
    storage.delete("x", KEY)
    assert [event.type for event in seen] == ["ADDED", "MODIFIED"]
