"""Who has a place: connections with a task and TLS state. Who gets one next, who has to go, and whose time is over.

A place costs about 25 KiB, twice as much during the handshake. There are few of them, so everybody else waits in the
lobby (lobby.py): a burst of ten thousand connections is served by the first few thousand, which the client uses again
and again. Handshakes come in small groups, so that guests and other requests go on between them. A connection that
has not completed its handshake shares a quarter of the places: where client certificates are required, that is all that
others than the API server can ever hold.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

import trio

from edged.http.connection import Connection, Shared, State
from edged.http.lobby import Lobby, Newcomer
from edged.http.transport import SocketTransport
from edged.process.boundary import boundary

AT_ONCE = 2  # so many begin their handshakes in one pass of the event loop: one millisecond, three on a small board
AT_ONCE_LATE = 16  # ... once the first of them has waited for `LATE_S`
LATE_S = 3.0  # clients of client-go give up after ten seconds without a handshake, whatever their request's timeout


class Places:
    """The connections of one listener. `transport` makes the transport of an accepted socket."""

    def __init__(self, shared: Shared, lobby: Lobby, transport: Callable[[socket.socket], SocketTransport]) -> None:
        self.connections: set[Connection] = set()
        self._shared = shared
        self._lobby = lobby
        self._transport = transport
        self._swept = 0.0

    async def fill(self, nursery: trio.Nursery) -> None:
        """Give places to whoever speaks in the lobby, for ever. Connections are tasks of `nursery`."""
        while True:
            with boundary(self._shared.log, "connection", "lobby") as unit:
                await self._lobby.wait()
                self._lobby.look()
                await self._admit_some(nursery)
                await trio.lowlevel.checkpoint()
            if unit.error is not None:
                await trio.sleep(self._shared.limits.tick_s)

    async def _admit_some(self, nursery: trio.Nursery) -> None:
        is_late = self._lobby.waits_since < trio.current_time() - LATE_S
        for _ in range(AT_ONCE_LATE if is_late else AT_ONCE):
            while self._lobby.ready and not self._has_room():
                self._make_room()
                with trio.move_on_after(self._shared.limits.tick_s):
                    await self._shared.room.park()
                self._lobby.look()
            newcomer = self._lobby.take()
            if newcomer is None:
                return
            self._admit(newcomer, nursery)

    def _has_room(self) -> bool:
        limits = self._shared.limits
        return len(self.connections) < limits.places and self._shared.handshaking < limits.handshakes

    def _make_room(self) -> None:
        """Evict who kept a place without using it for longer than the grace, as many as others wait. Idle connections
        have twice as long: a client may be about to use one again."""
        shared, grace_s = self._shared, self._shared.limits.grace_s
        shared.now = trio.current_time()
        before = shared.now - grace_s
        # While handshakes are completed, those that are not yet are slow and not held up: their client is busy.
        first = State.HANDSHAKE if shared.shook_at <= before else State.HEAD
        last = State.IDLE if len(self.connections) >= shared.limits.places else State.HANDSHAKE
        idle = [
            connection
            for connection in self.connections
            if first <= connection.state <= last
            and connection.may_go(before - grace_s if connection.state == State.IDLE else before)
        ]
        leaving = sum(c.scope.cancel_called for c in self.connections)
        for connection in sorted(idle, key=lambda c: c.rank)[: max(0, self._lobby.ready - leaving)]:
            connection.evict()

    def _admit(self, newcomer: Newcomer, nursery: trio.Nursery) -> None:
        shared = self._shared
        shared.now = trio.current_time()
        connection = None
        with boundary(shared.log, "connection", newcomer.address):
            try:
                transport = self._transport(newcomer.sock)
                connection = Connection(transport, newcomer.address, shared, newcomer.arrived)
            except OSError as error:
                shared.log.debug("connection failed", peer=newcomer.address, error=str(error))
        if connection is None:
            newcomer.sock.close()
            return
        self.connections.add(connection)
        nursery.start_soon(self._run, connection)

    async def _run(self, connection: Connection) -> None:
        try:
            await connection.run()
        finally:
            self.connections.discard(connection)
            self._shared.room.unpark_all()

    def sweep(self, nursery: trio.Nursery) -> None:
        """Look at every deadline; called a few times a second."""
        shared = self._shared
        now, before = shared.now, self._swept
        self._swept = now
        for connection in list(self.connections):
            if connection.deadline <= now:
                connection.expire()
            elif connection.state == State.HANDLING and connection.watched is None and connection.since < before:
                connection.watched = watched = trio.CancelScope()
                nursery.start_soon(connection.watch, watched)
        if shared.bodies.waiting:
            self._hurry_bodies(now - shared.limits.grace_s)

    def _hurry_bodies(self, before: float) -> None:
        """A body that does not come keeps its room from those that wait for some."""
        for connection in list(self.connections):
            if connection.state == State.BODY and connection.holds_room and connection.may_go(before):
                connection.evict()
