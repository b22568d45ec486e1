"""Which webhooks and CAs the API server may still go by. Pure: time is an argument.

A revision is what was offered to the API server at one moment: the names of its webhooks, and the CA bundles that it is
to trust. It may go by a revision from the moment at which that is offered, whether or not the write is known to have
succeeded, until it is known to go by a later one. What only replaced revisions named is relied on for a grace period
more: calls may be under way, and what was read may still be taken up.

    offer(a, b) = 1    offer(a, b, c) = 2    offer(a, c) = 3    went_by(2)           went_by(3)
    relied on: a, b    a, b, c               a, b, c            a, b, c              a, c, for the grace period b

So of each key only the last revision that named it matters. Used by admission/endpoint/registration.py: a path that is
relied on is answered, a CA that is relied on stays in the bundle.
"""

from __future__ import annotations

from collections.abc import Iterable

Key = str | bytes
"""A webhook's name, or a CA bundle (PEM)."""
MAX_GONE = 4096
"""Keys that the last revision does not name. Of more, the oldest are given up: a tenant who makes and removes policies
all day long, while nobody knows what the API server goes by, must not fill the memory."""


class Revisions:
    """Numbered from 1. The last one offered is what the API server is to go by."""

    def __init__(self, grace_s: float) -> None:
        self._grace_s = grace_s
        self._named: dict[Key, int] = {}  # the last revision that named it; in that order
        self._ended: dict[Key, float] = {}  # named by replaced ones only: until when it is relied on; in that order
        self.last = 0
        """The last one offered; 0 before the first."""

    def offer(self, keys: Iterable[Key]) -> int:
        """From now on the API server may go by this. Say so before it is written. Its number: a new one, unless it is
        what was offered last."""
        offered = dict.fromkeys(keys)
        present = {key for key, revision in self._named.items() if revision == self.last}
        if not self.last or offered.keys() != present:
            self.last += 1
            for key in offered:
                self._named.pop(key, None)
                self._named[key] = self.last
                self._ended.pop(key, None)
            self._bound()
        return self.last

    def went_by(self, revision: int, now: float) -> None:
        """The API server is known to go by that revision or a later one: those before it are replaced."""
        self._ended = {key: until for key, until in self._ended.items() if until > now}
        replaced = [key for key, named in self._named.items() if named < revision]
        for key in replaced:
            del self._named[key]
            self._ended[key] = now + self._grace_s
        self._bound()

    def is_relied_on(self, key: Key, now: float) -> bool:
        """Whether the API server may go by it."""
        return key in self._named or self._ended.get(key, now) > now

    def relied_on(self, now: float) -> list[Key]:
        """Everything that the API server may go by, what was named last coming last."""
        return [*(key for key, until in self._ended.items() if until > now), *self._named]

    def _bound(self) -> None:
        gone = [*self._ended, *(key for key, revision in self._named.items() if revision != self.last)]
        for key in gone[: max(0, len(gone) - MAX_GONE)]:
            self._ended.pop(key, None)
            self._named.pop(key, None)
