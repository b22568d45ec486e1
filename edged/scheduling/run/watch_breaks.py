"""How long cycles wait after the watch of Pods or Nodes broke."""

from __future__ import annotations

import trio

from edged.kube.informers import Informer

LONGEST_BREAK_S = 30.0
"""How long cycles wait until Nodes and Pods are watched again, counted from the last change: one of them broke, or one
of two came back."""
POLL_S = 0.02
NO_BREAK = (True, True)


class WatchBreaks:
    """Holds cycles back while Nodes or Pods may be out of date."""

    def __init__(self, nodes: Informer, pods: Informer) -> None:
        self._nodes = nodes
        self._pods = pods
        self._last = NO_BREAK  # whether Nodes and Pods were current at the last look
        self._since = 0.0

    async def wait(self) -> None:
        """After a break Nodes and Pods do not come back at the same moment: the Pods of now would be placed on the
        Nodes of then. A break that lasts is waited for once, not before every Pod."""
        while (current := (self._nodes.current, self._pods.current)) != NO_BREAK:
            now = trio.current_time()
            if current != self._last:
                self._last, self._since = current, now
            elif now - self._since > LONGEST_BREAK_S:
                return
            await trio.sleep(POLL_S)
        self._last = NO_BREAK
