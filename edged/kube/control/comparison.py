"""Compares what an informer stores with a list of metadata from the server: is it the same collection still?

Revisions cannot answer that: a server that was restored from a backup gives the same numbers to other changes. An
object is the same if its uid and its resourceVersion are. Pure; kube/watch.py feeds it pages, kube/control/listwatch.py
decides what the outcome means.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal, NamedTuple

from edged.kube.control.store import Store
from edged.kube.values.names import NamespacedName
from edged.records import dataclass

MOST_DIGITS = 40  # of a revision that is compared as a number
MOST_MISSING = 100  # states that are remembered to be explained
NAMED = 3  # differences that are named
_IDENTITY = ("name", "namespace", "resourceVersion", "uid")

Result = Literal["same", "changed", "rewritten"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`result`: "changed" where only something newer than the store differs, as after any time away; "rewritten" where
    something differs that the store should have known. `detail` for people."""

    result: Result
    detail: str = ""


class State(NamedTuple):
    """One state of one object."""

    key: NamespacedName
    revision: str
    uid: str


class Comparison:
    """Of one list with `store`, which is complete up to `revision` and does not change meanwhile. `explained`: states
    that a list before could not store; they are no reason to list again."""

    def __init__(self, store: Store, revision: str, explained: Collection[State] = ()) -> None:
        self._store = store
        self._revision = revision
        self._explained = explained
        self._seen: set[NamespacedName] = set()
        self._count = 0
        self._named: list[str] = []
        self._missing: list[State] = []
        self._is_rewritten = False
        self.is_whole = True
        """The server has nothing, so far, that cannot be stored because not even its name can be read."""

    def take(self, item: Any) -> None:
        """One item of the list, whole or its metadata alone. What has no name or revision could not be stored."""
        state = _state_of(item)
        if state is None:
            self.is_whole = False
            return
        self._seen.add(state.key)
        if self._store.holds(*state):
            return
        if len(self._missing) < MOST_MISSING:
            self._missing.append(state)
        if state in self._explained:
            self.is_whole = False
            return
        self._differs(state.key)
        self._is_rewritten |= is_after(state.revision, self._revision) is False

    def outcome(self, revision: str) -> Outcome:
        """`revision`: the list's."""
        for key in self._store:
            if key not in self._seen:
                self._differs(key)
        if not self._count:
            return Outcome("same")
        more = f" and {self._count - NAMED} more" if self._count > NAMED else ""
        detail = f"revision {self._revision} to {revision}; {', '.join(self._named)}{more}"
        is_rewritten = self._is_rewritten or is_after(self._revision, revision) is True
        return Outcome("rewritten" if is_rewritten else "changed", detail)

    def unstored(self, unnamed: int) -> frozenset[State]:
        """After everything was listed because of the outcome: what differed and cannot be stored, as far as that is
        certain. `unnamed`: of how many objects of that list not even the name could be read.

        What is stored by now in any state can be stored, and its older state comes again with a backup. If more is
        missing than could not be read, some of it was only deleted meanwhile, and nobody knows which."""
        missing = frozenset(state for state in self._missing if not self._store.knows(state.key))
        return missing if len(missing) <= unnamed else frozenset()

    def _differs(self, key: NamespacedName) -> None:
        self._count += 1
        if len(self._named) < NAMED:
            self._named.append(str(key))


def _state_of(item: Any) -> State | None:
    metadata = item.get("metadata") if isinstance(item, dict) else None
    if not isinstance(metadata, dict):
        return None
    name, namespace, revision, uid = (metadata.get(key) or "" for key in _IDENTITY)
    if not (isinstance(name, str) and isinstance(namespace, str) and isinstance(revision, str) and name):
        return None
    return State(NamespacedName(namespace, name), revision, uid if isinstance(uid, str) else "")


def is_after(one: str, other: str) -> bool | None:
    """Revisions are compared as numbers where they are numbers (they are, in every Kubernetes API server); None where
    they are not."""
    if not (one.isdecimal() and other.isdecimal() and max(len(one), len(other)) <= MOST_DIGITS):
        return None
    return int(one) > int(other)
