"""The cluster as one scheduling cycle sees it: copies of NodeInfo in scheduling order. Pure.

cache.py brings it up to date before each cycle; it copies only what changed. Reading it (and nothing else)
keeps a cycle consistent while informers go on changing the cache. Holds no rule about scheduling.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edged.scheduling.objects.nodes import NodeInfo


class Snapshot:
    """`nodes`: nodes with a Node object, spread over zones round-robin; `affinity_nodes`: names of those on
    which some Pod has (anti-)affinity to Pods.

    `layout` changes whenever nodes come, go, change places or change which images exist where: whatever was
    remembered by position is void then. Between two layouts, `changed_since` tells which positions were
    replaced.
    """

    __slots__ = ("_changes", "_index", "_names", "affinity_nodes", "layout", "nodes")

    def __init__(self) -> None:
        self.nodes: list[NodeInfo] = []
        self.layout = 0
        self.affinity_nodes: set[str] = set()
        self._index: dict[str, int] = {}
        self._names: tuple[str, ...] = ()
        self._changes: list[int] = []

    @property
    def names(self) -> tuple[str, ...]:
        """Node names in order; the same object until the layout changes."""
        return self._names

    def get(self, name: str) -> NodeInfo | None:
        index = self._index.get(name)
        return None if index is None else self.nodes[index]

    def index(self, name: str) -> int:
        """Position of a node. KeyError when it is not here."""
        return self._index[name]

    def __contains__(self, name: str) -> bool:
        return name in self._index

    def replace_all(self, nodes: Sequence[NodeInfo]) -> None:
        """A new layout."""
        self.nodes = list(nodes)
        self._names = tuple(node.name for node in nodes)
        self._index = {name: i for i, name in enumerate(self._names)}
        self.affinity_nodes = {node.name for node in nodes if node.affinity_pods}
        self._changes.clear()
        self.layout += 1

    def replace(self, node: NodeInfo) -> None:
        """A newer copy of a node that is here."""
        index = self._index[node.name]
        self.nodes[index] = node
        self._changes.append(index)
        if node.affinity_pods:
            self.affinity_nodes.add(node.name)
        else:
            self.affinity_nodes.discard(node.name)

    @property
    def mark(self) -> int:
        """Where the log of changes stands; for `changed_since`."""
        return len(self._changes)

    def changed_since(self, mark: int) -> Iterable[int]:
        """Positions replaced after `mark` was read, in this layout."""
        changes = self._changes
        if mark == len(changes):
            return ()
        return set(changes[mark:]) if mark + 1 < len(changes) else changes[mark:]

    def trim(self, limit: int) -> None:
        """Start a new layout when the log is longer than `limit`: bounds its memory."""
        if len(self._changes) > limit:
            self._changes.clear()
            self.layout += 1
