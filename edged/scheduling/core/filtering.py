"""Filter on the nodes of a cycle: node by node, or many in one go for plugins that can (`Plugin.filter_all`). Pure.

Which plugins are asked about which nodes, which status counts, where the search ends and which error is told is the
same either way. Used by cycle.py and classes.py.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from edged.errors import EdgedError
from edged.scheduling.core.framework import CycleState
from edged.scheduling.core.plugin_status import Status
from edged.scheduling.core.profile import Call
from edged.scheduling.objects.nodes import NodeInfo
from edged.scheduling.objects.pods import PodInfo


class CycleError(EdgedError):
    """A plugin broke, as opposed to rejecting the Pod (reason SchedulerError). `plugin` is whose fault it
    was."""

    def __init__(self, message: str, plugin: str = "") -> None:
        super().__init__(message)
        self.plugin = plugin


def active(calls: Sequence[Call], skip: set[str]) -> list[Call]:
    return [call for call in calls if call.name not in skip] if skip else list(calls)


def filter_natively(calls: Sequence[Call], state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
    """First failing filter's status. For calls of which none awaits. Raises CycleError."""
    for call in calls:
        status = call.method(state, pod, node)
        if status is not None and status[0] != 0:
            return _verdict(call.name, status)
    return None


async def filter_node(
    calls: Sequence[Call], state: CycleState, pod: PodInfo, node: NodeInfo
) -> Status | None:
    """First failing filter's status; None: the node is feasible. Raises CycleError."""
    for call in calls:
        status = call.method(state, pod, node)
        if call.awaits:
            status = await status
        if status is not None and status[0] != 0:
            return _verdict(call.name, status)
    return None


def _verdict(plugin: str, status: Status) -> Status:
    if not status.rejected:
        raise CycleError(f'running "{plugin}" filter plugin: {status.message}', plugin)
    return status.by(plugin)


async def filter_nodes(
    calls: Sequence[Call], state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]
) -> tuple[list[Status | None], CycleError | None]:
    """`filter_node` of each node: the statuses up to the first node that a plugin broke on, and that error."""
    statuses: list[Status | None] = [None] * len(nodes)
    passing, problem = list(range(len(nodes))), None
    for call in calls:
        verdicts, broke = await _verdicts(call, state, pod, [nodes[i] for i in passing])
        if broke is not None:  # nodes further on would not have been looked at
            problem = broke
            del statuses[passing[len(verdicts)] :]
        still = []
        for i, status in zip(passing, verdicts, strict=False):
            statuses[i] = status
            if status is None:
                still.append(i)
        passing = still
        if not passing:
            break
    return statuses, problem


async def _verdicts(
    call: Call, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]
) -> tuple[list[Status | None], CycleError | None]:
    """One plugin's statuses, up to the first node that it broke on."""
    verdicts: list[Status | None] = []
    try:
        if call.plugin.filter_all is not None:
            for status in await call.plugin.filter_all(state, pod, nodes):
                verdicts.append(None if status is None or status[0] == 0 else _verdict(call.name, status))
        else:
            for node in nodes:
                verdicts.append(await filter_node((call,), state, pod, node))
    except CycleError as error:
        return verdicts, error
    return verdicts, None


def split(calls: Sequence[Call]) -> tuple[list[Call], list[Call]]:
    """(those to ask node by node first, those to ask about many nodes in one go)."""
    for place, call in enumerate(calls):
        if call.plugin.filter_all is not None:
            return list(calls[:place]), list(calls[place:])
    return list(calls), []


class Search:
    """Looks for feasible nodes, in order, until there are `enough`; `calls` judge many nodes in one go.

    A node that the plugins before `calls` let pass waits, as long as all that wait would be looked at whatever the
    verdicts are. `found(position, status)` is told each verdict.
    """

    def __init__(
        self,
        calls: Sequence[Call],
        state: CycleState,
        pod: PodInfo,
        nodes: Sequence[NodeInfo],
        enough: int,
        found: Callable[[int, Status | None], None],
    ) -> None:
        self._calls, self._state, self._pod, self._nodes = calls, state, pod, nodes
        self._enough = enough
        self._waiting: list[int] = []
        self._found = found
        self.feasible: list[int] = []

    @property
    def over(self) -> bool:
        return len(self.feasible) >= self._enough

    def settled(self, position: int, status: Status | None) -> None:
        """All that is to be said of this node."""
        self._found(position, status)
        if status is None:
            self.feasible.append(position)

    async def look(self, position: int, before: Awaitable[Status | None]) -> None:
        """At the next node; `before` is the verdict of the plugins before `calls`. Raises CycleError."""
        try:
            status = await before
        except CycleError:
            await self.catch_up()  # what broke on a node before this one is told
            raise
        if status is not None:
            self.settled(position, status)
            return
        self._waiting.append(position)
        if len(self.feasible) + len(self._waiting) >= self._enough:
            await self.catch_up()

    async def catch_up(self) -> None:
        """Ask about all that wait: before anything that comes after them in order. Raises CycleError."""
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        statuses, problem = await filter_nodes(
            self._calls, self._state, self._pod, [self._nodes[i] for i in waiting]
        )
        for position, status in zip(waiting, statuses, strict=False):
            self.settled(position, status)
        if problem is not None:
            raise problem
