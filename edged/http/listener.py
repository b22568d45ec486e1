"""Listening sockets -> connections: accepting, limits, the sweep that keeps deadlines, draining.

`Listener.serve` is a long-lived task of its caller's nursery; `edged/daemon` opens one per address. It knows
nothing of paths or policies: requests go to the handler it is given.
"""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress

import trio

from edged.errors import BrokenInvariant, ConfigError
from edged.http.connection import Connection, Handler, Limits, Shared, State
from edged.http.transport import SocketTransport, TlsTransport
from edged.process.boundary import boundary
from edged.telemetry.logs import Logger

BACKLOG = 512
ACCEPTS_PER_TURN = 16
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


def inherited(fd: int) -> socket.socket:
    """A listening stream socket that systemd opened (LISTEN_FDS), by its number. Raises ConfigError."""
    try:
        sock = socket.socket(fileno=fd)
        if sock.type == socket.SOCK_STREAM and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return sock
        sock.detach()
    except OSError as error:
        raise ConfigError(f"file descriptor {fd}: {error.strerror}") from error
    raise ConfigError(f"file descriptor {fd} is not a listening stream socket")


def _peer(name: object) -> str:
    """Whom `accept` names: an IP address, or "unix"."""
    return name[0] if isinstance(name, tuple) else "unix"


class Listener:
    """Serves `handler` on listening sockets, which it owns from here on.

    `tls` is asked once per connection, so that replaced certificates reach new connections at once; None
    serves plain HTTP. What a handler raises costs its request, what breaks on a connection that connection.
    """

    def __init__(self, sockets: Sequence[socket.socket], handler: Handler, *,
                 log: Logger, tls: Callable[[], ssl.SSLContext] | None = None,
                 limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.sockets = list(sockets)
        self._tls = tls
        self._shared = Shared(handler, self.limits, log)
        self._connections: set[Connection] = set()
        self._per_peer: dict[str, int] = {}
        self._scope = trio.CancelScope()
        self._accepting = trio.CancelScope()
        self._nursery: trio.Nursery | None = None  # of the connections, while `serve` runs
        self._changed = trio.Event()  # the first connection came, or the last one went

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._connections)

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
                    self._nursery = nursery
                    nursery.start_soon(self._sweep, nursery)
                    with self._accepting:
                        async with trio.open_nursery() as intake:
                            for sock in self.sockets:
                                sock.setblocking(False)
                                intake.start_soon(self._accept, sock, nursery)
                            task_status.started(self)
                    self._close_sockets()
                    while self._connections:
                        await self._changed.wait()
                    nursery.cancel_scope.cancel()
        finally:
            self._close_sockets()

    async def drain(self, deadline_s: float) -> bool:
        """Stop accepting, close idle connections, let requests under way finish for at most `deadline_s`,
        then end what is left. Returns whether everything finished by itself."""
        self._shared.draining = True
        self._accepting.cancel()
        self._take_waiting()
        self._close_sockets()
        for connection in list(self._connections):
            connection.finish()
        with trio.move_on_after(deadline_s):
            while self._connections:
                await self._changed.wait()
        clean = not self._connections
        self._scope.cancel()
        return clean

    def _take_waiting(self) -> None:
        """Accept what the kernel has queued: closing the sockets would reset those connections."""
        for sock in self.sockets:
            with suppress(OSError):  # BlockingIOError: that was all
                while self._nursery is not None:
                    client, name = sock.accept()
                    self._admit(client, _peer(name), self._nursery)

    def _close_sockets(self) -> None:
        for sock in self.sockets:
            if sock.fileno() >= 0:
                trio.lowlevel.notify_closing(sock)
                sock.close()

    # --- accepting
    async def _accept(self, sock: socket.socket, nursery: trio.Nursery) -> None:
        while not self._shared.draining:
            try:
                await trio.lowlevel.wait_readable(sock)
            except trio.ClosedResourceError:
                return  # drain() closed it
            for _ in range(ACCEPTS_PER_TURN):
                if not await self._accept_one(sock, nursery):
                    break

    async def _accept_one(self, sock: socket.socket, nursery: trio.Nursery) -> bool:
        if self._shared.draining:
            return False  # drain() closed the socket after this task was woken
        try:
            client, name = sock.accept()
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            if error.errno in OUT_OF_RESOURCES:
                self._shared.log.debug("connection failed", peer="", error=str(error))
                self._evict("")
                await trio.sleep(self.limits.tick_s)
            elif error.errno in (errno.EBADF, errno.EINVAL, errno.ENOTSOCK):
                raise BrokenInvariant(f"the listening socket is none any more: {error}") from error
            return False  # the rest are errors of that one connection, see accept(2)
        self._admit(client, _peer(name), nursery)
        return True

    def _admit(self, client: socket.socket, address: str, nursery: trio.Nursery) -> None:
        if not self._make_room(address):
            client.close()
            return
        self._shared.now = trio.current_time()
        connection = None
        with boundary(self._shared.log, "connection", address):
            try:
                connection = Connection(self._transport(client), address, self._shared)
            except OSError as error:
                self._shared.log.debug("connection failed", peer=address, error=str(error))
        if connection is None:
            client.close()
            return
        if not self._connections:
            self._wake()
        self._connections.add(connection)
        self._per_peer[address] = self._per_peer.get(address, 0) + 1
        nursery.start_soon(self._run, connection)

    def _transport(self, client: socket.socket) -> SocketTransport:
        if client.family != socket.AF_UNIX:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return SocketTransport(client) if self._tls is None else TlsTransport(client, self._tls())

    def _make_room(self, address: str) -> bool:
        """At a limit, the connection that waited longest without a complete request is closed: a client that opens
        connections and says nothing cannot lock others out. False when all are at work."""
        if self._per_peer.get(address, 0) >= self.limits.connections_per_peer:
            return self._evict(address)
        return len(self._connections) < self.limits.connections or self._evict("")

    def _evict(self, address: str) -> bool:
        waiting = [c for c in self._connections if c.state <= State.BODY and not c.scope.cancel_called
                   and (not address or c.address == address)]
        if not waiting:
            return False
        # Those in the middle of a handshake or a request that does not end go before the merely idle ones.
        min(waiting, key=lambda c: (c.state == State.IDLE, c.since)).scope.cancel()
        return True

    async def _run(self, connection: Connection) -> None:
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
            left = self._per_peer.pop(connection.address) - 1
            if left:
                self._per_peer[connection.address] = left
            if not self._connections:
                self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    # --- deadlines
    async def _sweep(self, nursery: trio.Nursery) -> None:
        """The one timer of all connections. Without connections it sleeps for good."""
        before = trio.current_time()
        while True:
            if not self._connections:
                await self._changed.wait()
            await trio.sleep(self.limits.tick_s)
            self._shared.now = now = trio.current_time()
            with boundary(self._shared.log, "connection", "deadlines"):
                self._sweep_once(now, before, nursery)
            before = now

    def _sweep_once(self, now: float, before: float, nursery: trio.Nursery) -> None:
        for connection in list(self._connections):
            if connection.deadline <= now:
                connection.expire()
            elif (connection.state == State.HANDLING and connection.watched is None
                  and connection.since < before):
                connection.watched = watched = trio.CancelScope()
                nursery.start_soon(connection.watch, watched)
