"""One server connection: its states, its deadlines, and the loop request -> handler -> response.

A connection is one task, and a request costs it no nursery, no cancel scope and no timer of its own:
deadlines are plain numbers that the listener's sweep compares a few times a second, and only a handler that
outlives a sweep gets a second task beside it (`watch`) that notices when the client hangs up. Then the
connection's own scope is cancelled, and with it the handler. `listener.py` makes connections and sweeps them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import IntEnum

import trio

from edged.http.messages import BadMessage, MessageLimits, Peer, Request, RequestParser, Response, render
from edged.http.transport import SocketTransport
from edged.json_text import dumps
from edged.process.boundary import boundary
from edged.telemetry.logs import Logger

Handler = Callable[[Request], Awaitable[Response]]

FAILED = "Something went wrong"  # policy-server's own words
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CHARGED_FROM_BYTES = 65536  # smaller bodies are not worth counting
DISCARD_BYTES = 8 * 1024 * 1024
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one listener grants. Times in seconds; deadlines are kept to within two `tick_s`."""

    message: MessageLimits = field(default_factory=MessageLimits)
    connections: int = 256
    connections_per_peer: int = 128
    in_flight: int = 64  # requests inside handlers at once; further ones wait in order
    buffered_bytes: int = 32 * 1024 * 1024  # large bodies of all connections together; over it: 503
    handshake_s: float = 5.0
    head_s: float = 10.0  # first byte of a request -> end of its headers
    body_s: float = 15.0  # end of headers -> end of body
    idle_s: float = 120.0  # between requests; longer than Go's client keeps idle connections (90 s)
    send_s: float = 15.0
    fresh_s: float = 1.0  # while draining: accepting a connection -> first byte of its first request
    linger_s: float = 1.0  # how long a refused client may go on sending before the socket closes
    tick_s: float = 0.2


class State(IntEnum):
    """Where a connection is. Those up to BODY wait for the client and may be evicted to make room."""

    HANDSHAKE = 0
    IDLE = 1
    HEAD = 2  # a request has begun
    BODY = 3
    HANDLING = 4
    SENDING = 5
    LINGERING = 6


class Shared:
    """What the connections of one listener have in common."""

    def __init__(self, handler: Handler, limits: Limits, log: Logger) -> None:
        self.handler = handler
        self.limits = limits
        self.log = log
        self.now = 0.0  # trio's clock as of the last sweep or arrival: good enough for deadlines
        self.draining = False
        self.buffered_bytes = 0
        self.slots = trio.Semaphore(limits.in_flight)
        self._date_second = -1
        self._date = b""

    def date(self) -> bytes:
        """Now as an IMF-fixdate, made once per second."""
        second = int(time.time())
        if second != self._date_second:
            self._date_second, self._date = second, imf_fixdate(second)
        return self._date


def imf_fixdate(second: int) -> bytes:
    """Unix time -> `Sun, 06 Nov 1994 08:49:37 GMT`, whatever the locale."""
    t = time.gmtime(second)
    return (f"{DAYS[t.tm_wday]}, {t.tm_mday:02d} {MONTHS[t.tm_mon - 1]} {t.tm_year} "
            f"{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d} GMT").encode("ascii")


def refusal(status: int, reason: str) -> Response:
    """The answer to a request that never reaches a handler, in the shape policy-server uses."""
    return Response(status, dumps({"message": reason, "status": status}))


class Connection:
    """One accepted socket. `run` serves it to its end; `scope` ends it from outside at any time."""

    def __init__(self, transport: SocketTransport, address: str, shared: Shared) -> None:
        self.address = address
        self.scope = trio.CancelScope()
        self.state = State.HANDSHAKE
        self.since = shared.now  # when it entered its state
        self.deadline = shared.now + shared.limits.handshake_s
        self.watched: trio.CancelScope | None = None
        self._transport = transport
        self._shared = shared
        self._charged = 0
        self._expired = False
        self._served = False  # whether a request was answered on it
        self._parser = RequestParser(shared.limits.message, Peer(address))

    # --- called by the listener
    async def run(self) -> None:
        """Serve until the client leaves, something breaks, or `scope` is cancelled. Closes the socket.

        Whatever goes wrong on a connection ends that connection only.
        """
        with boundary(self._shared.log, "connection", self.address):
            try:
                with self.scope:
                    await self._transport.handshake()
                    self._parser = RequestParser(
                        self._shared.limits.message, Peer(self.address, self._transport.certificate()))
                    await self._serve()
            except OSError as error:  # the network, or a TLS handshake
                self._shared.log.debug("connection failed", peer=self.address, error=str(error))
            finally:
                self._close()

    def expire(self) -> None:
        """The deadline of the current state has passed."""
        self._expired = True
        self.scope.cancel()

    def finish(self) -> None:
        """Draining has begun: go at once when no request is under way. A request that is already in the
        kernel's buffer is still served: closing now would answer it with a reset. So is the first one of a new
        connection: clients try again what fails on an old connection, not what fails on a new one."""
        if self.state != State.IDLE or self._transport.readable_now():
            return
        if self._served:
            self.scope.cancel()
        else:
            self._enter(State.IDLE, self._shared.limits.fresh_s)

    async def watch(self, watched: trio.CancelScope) -> None:
        """Beside a handler that takes long: end the connection when the client does. Bytes of a next request
        are kept. A client that only closes its sending side counts as gone, as with Go's server."""
        gone = False
        if not watched.cancel_called:
            with boundary(self._shared.log, "connection", self.address), watched:
                try:
                    gone = await self._transport.look_ahead()
                except OSError:
                    gone = True
        if gone and not watched.cancel_called:
            self.scope.cancel()

    # --- the loop
    async def _serve(self) -> None:
        requests, limits = self._parser.requests, self._shared.limits
        self._enter(State.IDLE, limits.fresh_s if self._shared.draining else limits.idle_s)
        while True:
            if requests:
                await trio.lowlevel.checkpoint()  # a pipeline must not keep the event loop for itself
            elif self._parser.failure is not None:
                await self._refuse(self._parser.failure)
                return
            elif not await self._receive():
                return
            if requests and not await self._answer(requests.popleft()):
                return

    def _enter(self, state: State, seconds: float) -> None:
        self.state = state
        self.since = now = self._shared.now
        self.deadline = now + seconds

    async def _receive(self) -> bool:
        """Until a request is complete or cannot become so; False when there will be none."""
        parser, transport = self._parser, self._transport
        while not parser.requests and parser.failure is None:
            if self.state == State.IDLE and self._served and self._shared.draining and not transport.readable_now():
                return False
            data = await transport.receive()
            if not data:
                return False
            parser.feed(data)
            if not parser.requests and parser.failure is None:
                await self._wait_for_rest()
        return True

    async def _wait_for_rest(self) -> None:
        """A request is there in part: its deadlines, its share of memory, and `100 Continue`."""
        parser, limits = self._parser, self._shared.limits
        if not parser.in_body:
            if self.state != State.HEAD:
                self._enter(State.HEAD, limits.head_s)
            return
        if self.state != State.BODY:
            self._enter(State.BODY, limits.body_s)
        if parser.body_bytes > CHARGED_FROM_BYTES:
            self._charge(parser.body_bytes)
        if parser.wants_continue:
            parser.wants_continue = False
            await self._send(CONTINUE)

    def _charge(self, size: int) -> None:
        shared = self._shared
        shared.buffered_bytes += size - self._charged
        self._charged = size
        if shared.buffered_bytes > shared.limits.buffered_bytes:
            self._parser.failure = BadMessage(503, "too many large requests at once")

    def _discharge(self) -> None:
        self._shared.buffered_bytes -= self._charged
        self._charged = 0

    async def _answer(self, request: Request) -> bool:
        """Hand a request to the handler and send what it answers; whether the connection may go on."""
        shared = self._shared
        self._enter(State.HANDLING, math.inf)
        response = await self._handle(request)
        keep_alive = request.keep_alive and not shared.draining
        self._served = True
        await self._send(self._render(request, response, keep_alive))
        if self._charged:
            self._discharge()
        if keep_alive:
            self._enter(State.IDLE, shared.limits.idle_s)
        return keep_alive

    async def _send(self, data: bytes) -> None:
        rest = self._transport.send(data)
        if rest is not None:
            self._enter(State.SENDING, self._shared.limits.send_s)
            await self._transport.send_rest(rest)

    async def _handle(self, request: Request) -> Response:
        shared = self._shared
        try:
            shared.slots.acquire_nowait()
        except trio.WouldBlock:
            await shared.slots.acquire()
        try:
            with boundary(shared.log, "request", request.path):
                return await shared.handler(request)
        finally:
            shared.slots.release()
            if self.watched is not None:
                self._unwatch(self.watched)
        return refusal(500, FAILED)

    def _unwatch(self, watched: trio.CancelScope) -> None:
        self._transport.stop_looking()
        watched.cancel()
        self.watched = None

    def _render(self, request: Request, response: Response, keep_alive: bool) -> bytes:
        date, head_only = self._shared.date(), request.method == "HEAD"
        with boundary(self._shared.log, "request", request.path):
            return render(response, date=date, keep_alive=keep_alive, head_only=head_only,
                          version=request.version)
        return render(refusal(500, FAILED), date=date, keep_alive=keep_alive, head_only=head_only,
                      version=request.version)

    # --- the end
    async def _refuse(self, failure: BadMessage) -> None:
        limits = self._shared.limits
        self._parser.forget_body()
        self._discharge()
        answer = render(refusal(failure.status, failure.reason), date=self._shared.date(), keep_alive=False)
        await self._send(answer)
        self._enter(State.LINGERING, limits.linger_s)
        self._transport.end_sending()
        await self._transport.discard(DISCARD_BYTES)

    def _close(self) -> None:
        self._discharge()
        if self._expired and self.state in (State.HEAD, State.BODY):
            late = refusal(408, "the request did not arrive in time")
            self._transport.send_now(render(late, date=self._shared.date(), keep_alive=False))
        if self.state != State.LINGERING:
            self._transport.end_sending()
        self._transport.close()
