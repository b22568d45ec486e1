from __future__ import annotations

import pytest

from edged.kube.control.store import Difference, Store
from edged.kube.values.names import NamespacedName

A, B, C = (NamespacedName("ns", name) for name in "abc")


def test_says_what_changed() -> None:
    store = Store()
    assert store.put(A, "1", b"a1") == Difference("added", A, None, b"a1")
    assert store.put(A, "1", b"a1") is None
    assert store.put(A, "2", b"a2") == Difference("modified", A, b"a1", b"a2")
    assert (store.get(A), store.revision(A), len(store), A in store) == (b"a2", "2", 1, True)
    assert store.remove(A) == Difference("deleted", A, b"a2", None)
    assert store.remove(A) is None and store.get(A) is None and store.revision(A) is None


def test_replacing_finds_missed_deletions() -> None:
    store = Store()
    for key in (A, B, C):
        store.put(key, "1", b"old")
    changes = store.replace([(B, "2", b"new"), (C, "1", b"old")])
    assert changes == [Difference("modified", B, b"old", b"new"), Difference("deleted", A, b"old", None)]
    assert list(store.keys()) == [B, C] and list(store.values()) == [b"new", b"old"]
    assert store.size_bytes() == 6


def test_everything_stays_readable_until_a_replacement_ends() -> None:
    store = Store()
    store.put(A, "1", b"a")
    store.begin_replace()
    assert store.put(B, "2", b"b") == Difference("added", B, None, b"b")
    assert store.get(A) == b"a"
    assert store.finish_replace() == [Difference("deleted", A, b"a", None)]


def test_a_replacement_that_was_broken_off_counts_for_nothing() -> None:
    store = Store()
    store.put(A, "1", b"a")
    store.begin_replace()
    store.put(A, "1", b"a")
    store.begin_replace()
    store.put(B, "1", b"b")
    assert store.finish_replace() == [Difference("deleted", A, b"a", None)]


def test_deleted_while_it_is_being_listed() -> None:
    store = Store()
    store.begin_replace()
    store.put(A, "1", b"a")
    assert store.remove(A) == Difference("deleted", A, b"a", None)
    assert store.finish_replace() == [] and len(store) == 0


def test_finish_needs_a_begin() -> None:
    with pytest.raises(RuntimeError):
        Store().finish_replace()
