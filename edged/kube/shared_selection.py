"""An informer whose objects a wider informer has anyway: fed by it, without a stream of its own.

The objects of the wider informer are looked at once, in slices; from then on each of its changes is. What enters the
selection is added, what leaves it is deleted, with the last state that belonged, as the API server tells a watch. The
bytes of an object are shared by both. It may leave the wider informer at any time: the list of a stream of its own then
finds what has changed, as after any break of a watch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edged.json_text import dumps, loads
from edged.kube.control.heartbeats import Heartbeat
from edged.kube.control.selections import Match
from edged.kube.control.store import Difference
from edged.kube.informer import Informer
from edged.kube.values.names import NamespacedName
from edged.kube.watch import SLICE_ITEMS


class SharedSelection:
    """Feeds `informer` from `wider`. `leave(self)` is called where that went wrong."""

    def __init__(
        self, wider: Informer, informer: Informer, match: Match, leave: Callable[[SharedSelection], None]
    ) -> None:
        self.informer = informer
        self._wider = wider
        self._match = match
        self._leave = leave
        # What is kept of an object anyway is what the wider informer keeps.
        self._prune = informer.selection.prune if informer.selection.prune != wider.selection.prune else None
        self._pending = dict.fromkeys(filter(match.of_key, wider.keys()))
        informer.follow(wider)
        wider.followers.append(self)

    @property
    def is_fed(self) -> bool:
        return self.informer.wider is self._wider

    def stop(self) -> None:
        """The informer needs a stream of its own from now on, or is gone."""
        if self.is_fed:
            self.informer.follow(None)
            self._wider.followers.remove(self)

    def fill(self) -> bool:
        """Look at the next SLICE_ITEMS objects that were there at the beginning; False when there are no more."""
        for _ in range(SLICE_ITEMS):
            if not self.is_fed:
                return False
            if not self._pending:
                self.informer.given_all()
                return False
            key = next(iter(self._pending))
            del self._pending[key]
            data = self._wider.raw(key)
            if data is not None and self._match.of_object(obj := loads(data)):
                self._give(key, data, obj)
        return True

    # --- the follower of an informer

    def take(self, change: Difference, obj: dict[str, Any]) -> None:
        key, data = change.key, change.after
        if not self._match.of_key(key):
            return
        self._pending.pop(key, None)
        if data is not None and self._match.of_object(obj):
            self._give(key, data, obj)
        elif key in self.informer:
            self.informer.withdraw(key, self._last(key, obj, is_gone=data is None))

    def take_heartbeat(self, heartbeat: Heartbeat) -> None:
        """It changes nothing that objects are selected by."""
        if heartbeat.key in self.informer:
            self.informer.give_heartbeat(heartbeat)

    @property
    def wants_heartbeats(self) -> bool:
        return self.informer.wants_heartbeats or self._prune is not None

    def failed(self) -> None:
        """A change could not be taken: nobody knows what else is wrong."""
        self._leave(self)

    def _give(self, key: NamespacedName, data: bytes, obj: dict[str, Any]) -> None:
        if self._prune is not None:
            obj = loads(data)
            self._prune(obj)
            data = dumps(obj)
        self.informer.give(key, obj["metadata"]["resourceVersion"], data, obj)

    def _last(self, key: NamespacedName, obj: dict[str, Any], *, is_gone: bool) -> dict[str, Any]:
        """What handlers are told of an object that does not belong any more: the state that did, with the version of
        the change."""
        if is_gone and self._prune is None:
            return obj
        last = self.informer.get(key)
        assert last is not None
        last["metadata"]["resourceVersion"] = obj["metadata"]["resourceVersion"]
        return last
