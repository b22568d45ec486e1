"""A guest about many nodes in one go: what is written into its window before, and read from it afterwards.

The modules that do the work are loop_modules.py's. A call of the loop ends when a slice does: what is left is for the
next call, which has its own budget and its own deadline, as each node's call has where there is no loop. So the guest's
limits hold for each node, give or take a slice.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from itertools import islice
from struct import Struct
from typing import Final

from edged.errors import cut
from edged.scheduling.core.plugin_status import MOST_REASON_BYTES
from edged.scheduling.guests import loop_modules as places
from edged.scheduling.guests.guest_world import GuestWorld
from edged.scheduling.guests.imports import Call
from edged.scheduling.objects.nodes import NodeInfo
from edged.wasm.instance import Instance
from edged.wasm.window import Window

Judged = tuple[int, str]
"""What the guest returned for a node, and its reason."""

MOST_WINDOW: Final = 16 << 20
"""Bytes. Nodes that do not fit are asked for one by one, as without a window."""
MOST_AT_ONCE: Final = 256
"""Nodes written before a call: the others' turn comes with the next."""
LEAST_NODES, MORE_NODES = 16, 4
"""A call gets so many times the nodes that the one before it judged: what is prepared for a call must not cost more
than it, where a slice is enough for a few of thousands."""
ROOM_FOR_REASONS: Final = 64 << 10
ROOM_FOR_POD: Final = 64 << 10
_ENTRY = Struct("<IIII")
_RESULT = Struct("<qII")
_WORD = Struct("<I")
_HEADER = Struct("<10I")


class NodeLoop:
    """The window of one instance. `begin`, `run`, `judged`; then `calls` holds those that reached Python, by number."""

    def __init__(self, instance: Instance, window: Window, world: GuestWorld) -> None:
        self._instance = instance
        self._window = window
        self._world = world
        self._base = 0
        self._layout = -1  # of the snapshot that the window was filled from
        self._too_large = -1  # a layout whose names do not fit
        self._mark = 0
        self._known: list[object] = []  # by position: the Node whose encoding is in the window
        self._places: list[tuple[int, int]] = []  # by position: where there is room for it, and how much
        self._entries = self._order = self._results = self._pod = self._reasons = self._free = 0
        self._pod_data: bytes | None = None
        self.export = ""
        self.calls: dict[int, Call] = {}
        self._nodes: Sequence[NodeInfo] = ()
        self._encoded: Callable[[], bytes] = bytes
        self._last_told = -1
        self._done = 0
        self._cut = False
        self._cpu_before_s = 0.0
        self._most = MOST_AT_ONCE

    # --- before

    def begin(
        self, export: str, nodes: Sequence[NodeInfo], encoded: Callable[[], bytes], known_pod: bytes | None
    ) -> bool:
        """Whether the window holds the names of the first nodes, one at least. The Pod is `encoded()`; `known_pod` is
        the same where it was encoded already."""
        snapshot = self._world.snapshot
        if self._too_large == snapshot.layout:
            return False
        nodes = nodes[: self._most]
        self.export, self._nodes, self._encoded = export, nodes, encoded
        self.calls = {}
        self._last_told, self._cut, self._cpu_before_s = -1, False, 0.0
        state = self._instance.state
        state.begin(Call(encoded))
        if self._layout != snapshot.layout:
            if not self._lay_out(snapshot.nodes):
                self._too_large = snapshot.layout
                return False
            self._layout = snapshot.layout
        else:
            self._base = self._window.address()
            for position in snapshot.changed_since(self._mark):
                if self._known[position] is not None and self._known[position] is not snapshot.nodes[position].node:
                    self._forget(position)
        self._mark = snapshot.mark
        positions = [snapshot.index(node.name) for node in nodes]
        if state.reads_nodes:
            self._put_nodes(positions)
        entries = self._entries
        order = [entries + places.ENTRY * position for position in positions]
        self._write(self._order, Struct(f"<{len(order)}I").pack(*order))
        pod_length = self._put_pod(known_pod)
        end = self._reasons + ROOM_FOR_REASONS
        self._write(0, _HEADER.pack(1, 0, 0, 0, self._pod, pod_length, self._reasons, end, 0, 0))
        return True

    def _lay_out(self, nodes: Sequence[NodeInfo]) -> bool:
        """Names and empty entries of all nodes; Nodes come when the guest turns out to read them."""
        names = [node.name.encode() for node in nodes]
        total = len(nodes)
        self._order = places.HEADER
        self._results = (self._order + 4 * total + 7) & ~7
        self._entries = self._results + places.RESULT_SIZE * total
        self._reasons = self._entries + places.ENTRY * total
        self._pod = self._reasons + ROOM_FOR_REASONS
        at = self._pod + ROOM_FOR_POD
        if not self._window.reserve(at + sum(map(len, names))):
            return False
        self._base = self._window.address()
        entries = bytearray()
        self._write(at, b"".join(names))
        for name in names:
            entries += _ENTRY.pack(at, len(name), 0, places.NOTHING)
            at += len(name)
        self._write(self._entries, bytes(entries))
        self._free = at
        self._known = [None] * total
        self._places = [(0, 0)] * total
        self._pod_data = None
        return True

    def _put_pod(self, data: bytes | None) -> int:
        """Its length, or that Python is to be asked."""
        if data is None or len(data) > ROOM_FOR_POD:
            return places.NOTHING
        if data is not self._pod_data:
            self._write(self._pod, data)
            self._pod_data = data
        return len(data)

    def _put_nodes(self, positions: Sequence[int]) -> None:
        """Those that are encoded. Encoding takes half a millisecond per Node, and nobody else has a turn before the
        call: so a Node is encoded when the guest asks for it, within its slice."""
        nodes, world = self._world.snapshot.nodes, self._world
        ready = (i for i in positions if self._known[i] is None and world.is_encoded(nodes[i]))
        for position in islice(ready, MOST_AT_ONCE):
            self._put_node(position, nodes[position])

    def _put_node(self, position: int, node: NodeInfo) -> None:
        data = self._world.node(node.name)
        at, room = self._places[position]
        if len(data) > room:
            room = len(data) + (len(data) >> 3)  # a Node that grows a little keeps its place
            at = self._free
            if at + room > MOST_WINDOW or not self._window.reserve(at + room):
                return
            self._base = self._window.address()
            self._free += room
            self._places[position] = at, room
        self._write(at, data)
        self._write(self._entries + places.ENTRY * position + 8, Struct("<II").pack(at, len(data)))
        self._known[position] = node.node

    def _forget(self, position: int) -> None:
        self._known[position] = None
        self._write(self._entries + places.ENTRY * position + 12, _WORD.pack(places.NOTHING))

    def _write(self, at: int, data: bytes) -> None:
        ctypes.memmove(self._base + at, data, len(data))

    def _word(self, at: int) -> int:
        return int.from_bytes(ctypes.string_at(self._base + at, 4), "little")

    # --- while the guest runs

    async def run(self) -> None:
        """Raises as `Instance.call`; then the guest failed on the node after those judged."""
        instance = self._instance
        instance.driver.on_cut = self._slice_ended
        try:
            self._done = await instance.call_beside(self.export, len(self._nodes), self._order, self._results)
        except BaseException:
            self._done = self._word(places.NUMBER)
            raise
        finally:
            instance.driver.on_cut = None
            if not instance.dead:
                self._write(places.LOOPING, bytes(4))
            self._most = max(LEAST_NODES, MORE_NODES * self._done)

    def _slice_ended(self) -> None:
        """The node that is being judged is the last of this call, and has all of the budget from here on."""
        if not self._cut:
            self._cut = True
            self._write(places.STOP, _WORD.pack(1))
            if self._word(places.NUMBER):
                account = self._instance.account
                self._cpu_before_s += account.cpu_s
                account.begin()

    def tell(self, number: int) -> None:
        """A host function is about to be called for that node: it has a call of its own."""
        self._last_told = number
        self._instance.output.take()
        call = self.calls[number] = Call(self._encoded, self._nodes[number].name.encode())
        self._instance.state.begin(call)

    # --- afterwards

    @property
    def told(self) -> bool:
        """What the guest has printed belongs to the node that it failed on."""
        return self._last_told == self._done

    @property
    def cpu_s(self) -> float:
        return self._cpu_before_s + self._instance.cpu_s

    def judged(self) -> list[Judged]:
        """Of the nodes that the guest answered for, in order."""
        size = places.RESULT_SIZE
        results = ctypes.string_at(self._base + self._results, size * self._done)
        return [
            (value, self._reason(number, at, length) if length else "")
            for number, (value, at, length) in enumerate(_RESULT.iter_unpack(results))
        ]

    def _reason(self, number: int, at: int, length: int) -> str:
        if length == places.NOTHING:
            return self.calls[number].reason
        text = ctypes.string_at(self._base + at, length).decode(errors="replace")
        return cut(text, MOST_REASON_BYTES)
