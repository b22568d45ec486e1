"""All controllers of the sandbox, and the order in which they get to see writes. Pure.

In a cluster they act a little later, here before the answer to the request that wrote: clients that wait find it done.
"""

from __future__ import annotations

from collections import deque

from edged.sandbox.cluster import Cluster
from edged.sandbox.controllers.accounts import Accounts
from edged.sandbox.controllers.claims import Claims
from edged.sandbox.controllers.collector import Collector
from edged.sandbox.controllers.namespaces import Namespaces
from edged.sandbox.controllers.nodes import Nodes
from edged.sandbox.controllers.protection import Protection
from edged.sandbox.controllers.quotas import Quotas
from edged.sandbox.controllers.writing import Hands
from edged.sandbox.storage import Event
from edged.sandbox.writing.lifecycle import Lifecycle

MOST_EVENTS = 1_000_000
"""After so many in a row the rest waits for the next request: an end where controllers undo each other's work."""


class Controllers:
    def __init__(self, cluster: Cluster, lifecycle: Lifecycle) -> None:
        hands = Hands(cluster, lifecycle)
        self._events: deque[Event] = deque()
        self._namespaces = Namespaces(hands)
        self._quotas = Quotas(hands)
        self._handlers = (
            Collector(hands), Protection(hands), Accounts(hands), Nodes(hands), Claims(hands), self._namespaces,
            self._quotas,
        )  # fmt: skip
        for namespace in cluster.storage.list("namespaces"):
            Accounts(hands).ensure(namespace["metadata"]["name"])
        cluster.storage.observe(self._events.append)

    def run(self) -> None:
        """Does what the writes since the last call bring about, until nothing is left to do."""
        for _ in range(MOST_EVENTS):
            if self._events:
                event = self._events.popleft()
                for handler in self._handlers:
                    handler.handle(event)
            elif not self._namespaces.settle() and not self._quotas.settle():
                return
