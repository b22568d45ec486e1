"""Listening sockets -> connections: accepting, the sweep that keeps deadlines, draining.

`Listener.serve` is a long-lived task of its caller's nursery; `edged/daemon` opens one per address. It knows
nothing of paths or policies: requests go to the handler it is given.
"""

from __future__ import annotations

import errno
import math
import socket
import ssl
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

import trio

from edged.errors import BrokenInvariant, ConfigError
from edged.http.connection import Handler, Limits, Patience, Shared
from edged.http.lobby import Lobby, Newcomer
from edged.http.places import Places
from edged.http.refusals import EVICTED, HANDSHAKE_TIMEOUT, Refusals
from edged.http.transport import SocketTransport, TlsTransport
from edged.process.boundary import boundary
from edged.telemetry.logs import Logger

BACKLOG = 65535
"""The kernel makes it as many as net.core.somaxconn allows."""
ACCEPTS_PER_TURN = 16
MOST_CONNECTIONS = 12_288  # all policies of a burst: 200 objects at once, 50 policies
MOST_PLACES = 4096
SPARE_DESCRIPTORS = 128
_LAST_RECEIVED = slice(52, 56)  # tcpi_last_data_recv of struct tcp_info, milliseconds
OUT_OF_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})


def parse_address(listen: str) -> tuple[str, int]:
    """`127.0.0.1:8443`, `[::1]:8443`, `:8443` (all), `name:8443` -> (host, port). Raises ConfigError."""
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or len(port) > 5 or int(port) > 65535:
        raise ConfigError(f"listen address {listen!r}: expected host:port with a port from 0 to 65535")
    if host.startswith("[") and host.endswith("]"):
        return host[1:-1], int(port)
    if ":" in host:
        raise ConfigError(f"listen address {listen!r}: an IPv6 address goes in brackets, [::1]:8443")
    return host, int(port)


def bind(listen: str, key: str = "") -> list[socket.socket]:
    """Listening sockets for one address, one for each that its name resolves to. `key` is where the address is
    configured. Raises ConfigError."""
    host, port = parse_address(listen)
    bound: list[socket.socket] = []
    try:
        addresses = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in dict.fromkeys(addresses):
            bound.append(_bind_one(family, address))
    except OSError as error:
        for sock in bound:
            sock.close()
        from edged.process import ports  # only needed when this goes wrong

        where = f"{key}: " if key else ""
        raise ConfigError(f"{where}cannot listen on {listen}: {ports.refusal(error, port)}") from error
    return bound


def _bind_one(family: int, address: tuple[object, ...]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def capacity(descriptors: int) -> tuple[int, int]:
    """(connections, places) of a listener in a process that may open so many files. Some are left for all else."""
    connections = max(16, min(MOST_CONNECTIONS, descriptors - max(SPARE_DESCRIPTORS, descriptors // 8)))
    return connections, max(8, min(MOST_PLACES, connections // 2))


def _peer(name: object) -> str:
    """Whom `accept` names: an IP address, or "unix"."""
    return name[0] if isinstance(name, tuple) else "unix"


def _seconds_connected(client: socket.socket) -> float:
    """How long ago the client connected, or said the first thing: it may have waited in the accept queue."""
    if client.family == socket.AF_UNIX:
        return 0.0
    try:
        info = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_RECEIVED.stop)
    except OSError:
        return 0.0
    return int.from_bytes(info[_LAST_RECEIVED], sys.byteorder) / 1000


class Listener:
    """Serves `handler` on listening sockets, which it owns from here on.

    `tls` is asked once per connection, so that replaced certificates reach new connections at once; None
    serves plain HTTP. What a handler raises costs its request, what breaks on a connection that connection.
    Nobody is turned away for want of room: clients wait in the lobby, and beyond it in the kernel's accept queue.
    `is_behind`: whether no further request should begin in this pass of the event loop (turns.py). `patience`: for how
    many seconds after its arrival a request waits for its turn; afterwards the handler only says that it is too late.
    """

    def __init__(self, sockets: Sequence[socket.socket], handler: Handler, *,
                 log: Logger, tls: Callable[[], ssl.SSLContext] | None = None,
                 limits: Limits | None = None, refusals: Refusals | None = None,
                 is_behind: Callable[[], bool] = lambda: False,
                 patience: Patience = lambda _request: math.inf) -> None:
        self.limits = limits or Limits()
        self.sockets = list(sockets)
        for sock in self.sockets:
            sock.listen(BACKLOG)  # systemd opens them with a shorter queue
        self.lobby = Lobby(half_closed=tls is None)
        self._tls = tls
        self._shared = Shared(handler, self.limits, log, refusals, is_behind, patience)
        self._places = Places(self._shared, self.lobby, self._transport)
        self._drained_at = math.inf
        self._scope = trio.CancelScope()
        self._accepting = trio.CancelScope()
        self._changed = trio.Event()  # somebody came, or draining began

    @property
    def connections(self) -> int:
        """How many have a place."""
        return len(self._places.connections)

    @property
    def addresses(self) -> list[str]:
        """`host:port` of each socket: where a port of 0 ended up."""
        names = [sock.getsockname() for sock in self.sockets]
        return [f"[{n[0]}]:{n[1]}" if ":" in n[0] else f"{n[0]}:{n[1]}" for n in names]

    async def serve(self, *, task_status: trio.TaskStatus[Listener] = trio.TASK_STATUS_IGNORED) -> None:
        """Accept and serve until drained or cancelled. `started` once connections are being taken."""
        self._shared.now = trio.current_time()
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._sweep, nursery)
                    nursery.start_soon(self._places.fill, nursery)
                    nursery.start_soon(self._shared.turns.run)
                    nursery.start_soon(self._shared.late.run)
                    with self._accepting:
                        async with trio.open_nursery() as intake:
                            for sock in self.sockets:
                                sock.setblocking(False)
                                intake.start_soon(self._accept, sock)
                            task_status.started(self)
                    self._close_sockets()
                    await self._until_empty()
                    nursery.cancel_scope.cancel()
        finally:
            self._close_sockets()
            self.lobby.close()

    async def drain(self, deadline_s: float) -> bool:
        """Stop accepting, close idle connections, let requests under way finish for at most `deadline_s`,
        then end what is left. Returns whether everything finished by itself."""
        self._shared.draining = True
        self._drained_at = trio.current_time()
        self._accepting.cancel()
        self._take_waiting()
        self._close_sockets()
        for connection in list(self._places.connections):
            connection.finish()
        with trio.move_on_after(deadline_s):
            await self._until_empty()
        clean = self._is_empty()
        self._scope.cancel()
        return clean

    def _is_empty(self) -> bool:
        return not self._places.connections and not len(self.lobby)

    async def _until_empty(self) -> None:
        while not self._is_empty():
            with trio.move_on_after(self.limits.tick_s):
                await self._shared.room.park()

    def _take_waiting(self) -> None:
        """Accept what the kernel has queued: closing the sockets would reset those connections."""
        for sock in self.sockets:
            with suppress(OSError):  # BlockingIOError: that was all
                while True:
                    self._receive(*sock.accept())

    def _close_sockets(self) -> None:
        for sock in self.sockets:
            if sock.fileno() >= 0:
                trio.lowlevel.notify_closing(sock)
                sock.close()

    # --- accepting
    async def _accept(self, sock: socket.socket) -> None:
        while not self._shared.draining:
            try:
                await trio.lowlevel.wait_readable(sock)
            except trio.ClosedResourceError:
                return  # drain() closed it
            for _ in range(ACCEPTS_PER_TURN):
                await self._room_in_the_lobby()
                if not await self._accept_one(sock):
                    break

    async def _room_in_the_lobby(self) -> None:
        """Who comes meanwhile waits in the accept queue."""
        while len(self.lobby) + self.connections >= self.limits.connections and not self._evict_silent():
            await trio.sleep(self.limits.tick_s)

    async def _accept_one(self, sock: socket.socket) -> bool:
        if self._shared.draining:
            return False  # drain() closed the socket after this task was woken
        try:
            client, name = sock.accept()
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            if error.errno in OUT_OF_RESOURCES:
                self._shared.log.debug("connection failed", peer="", error=str(error))
                self._evict_silent()
                await trio.sleep(self.limits.tick_s)
            elif error.errno in (errno.EBADF, errno.EINVAL, errno.ENOTSOCK):
                raise BrokenInvariant(f"the listening socket is none any more: {error}") from error
            return False  # the rest are errors of that one connection, see accept(2)
        self._receive(client, name)
        return True

    def _receive(self, client: socket.socket, name: object) -> None:
        now = trio.current_time()
        try:
            client.setblocking(False)
            self.lobby.add(Newcomer(client, _peer(name), now - _seconds_connected(client), now))
        except OSError as error:
            self._shared.log.debug("connection failed", peer=_peer(name), error=str(error))
            client.close()
        self._changed.set()

    def _transport(self, client: socket.socket) -> SocketTransport:
        if client.family != socket.AF_UNIX:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return SocketTransport(client) if self._tls is None else TlsTransport(client, self._tls())

    def _evict_silent(self) -> bool:
        """Let go of who connected, said nothing for longer than the grace, and takes the room of others."""
        evicted = self.lobby.close_silent(trio.current_time() - self.limits.grace_s, ACCEPTS_PER_TURN)
        for _ in range(evicted):
            self._shared.refusals.note(EVICTED, during="connect")
        return bool(evicted)

    # --- deadlines
    async def _sweep(self, nursery: trio.Nursery) -> None:
        """The one timer of all connections. Without connections it sleeps for good."""
        shared = self._shared
        while True:
            if self._is_empty() and not shared.refusals.keeps_back:
                self._changed = trio.Event()
                await self._changed.wait()
            await trio.sleep(self.limits.tick_s)
            shared.now = trio.current_time()
            with boundary(shared.log, "connection", "deadlines"):
                self._places.sweep(nursery)
                self._let_silent_go(shared.now)
                shared.refusals.say_kept_back()

    def _let_silent_go(self, now: float) -> None:
        if self._shared.draining:
            if now >= self._drained_at + self.limits.fresh_s:
                self.lobby.close_silent(math.inf)
        elif self._tls is None:
            self.lobby.close_silent(now - self.limits.idle_s)
        else:
            for _ in range(self.lobby.close_silent(now - self.limits.handshake_s)):
                self._shared.refusals.note(HANDSHAKE_TIMEOUT, during="connect")
