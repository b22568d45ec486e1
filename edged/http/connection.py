"""One server connection: its states, its deadlines, and the loop request -> handler -> response.

A connection is one task, and a request costs it no nursery, no cancel scope and no timer of its own:
deadlines are plain numbers that the listener's sweep compares a few times a second, and only a handler that
outlives a sweep gets a second task beside it (`watch`) that notices when the client hangs up. Then the
connection's own scope is cancelled, and with it the handler. `places.py` makes connections and sweeps them.
"""

from __future__ import annotations

import math
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import field
from enum import IntEnum

import trio

from edged.http.budget import MemoryBudget, Reservation
from edged.http.messages import BadMessage, MessageLimits, Peer, Request, RequestParser, Response, render
from edged.http.refusals import EVICTED, HANDSHAKE_FAILED, HANDSHAKE_TIMEOUT, Refusals
from edged.http.transport import SocketTransport
from edged.http.turns import Turns
from edged.json_text import dumps
from edged.process.boundary import boundary
from edged.records import dataclass
from edged.telemetry.logs import Logger

Handler = Callable[[Request], Awaitable[Response]]
Patience = Callable[[Request], float]

FAILED = "Something went wrong"  # policy-server's own words
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CHARGED_FROM_BYTES = 16384  # smaller bodies are not worth counting
PROGRESS_BYTES = 65536  # so much of a body, or its end, must come within `grace_s` where others wait
IN_A_PASS = 4  # so many requests begin in one pass of the event loop: two milliseconds, ten on a small board
LATE_IN_A_PASS = 16  # and so many whose time is over: their bodies are read, nothing else
MOST_HANDSHAKES = 512  # a connection needs twice as much memory during its handshake as later
DISCARD_BYTES = 8 * 1024 * 1024
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one listener grants. Times in seconds; deadlines are kept to within two `tick_s`."""

    message: MessageLimits = field(default_factory=MessageLimits)
    connections: int = 512  # accepted at once; further ones wait in the kernel's accept queue
    places: int = 256  # of them, those that have spoken: they have a task and TLS state; further ones wait in the lobby
    in_flight: int = 64  # requests inside handlers at once; further ones wait in order
    bodies_bytes: int = 48 * 1024 * 1024  # large bodies of all connections together; further ones are not read yet
    wait_s: float = 35.0  # that a body may wait for that; longer than the API server waits for any webhook
    grace_s: float = 2.0  # that every connection has for its next step, however many others wait for its place
    handshake_s: float = 10.0  # as long as client-go waits for it
    head_s: float = 10.0  # first byte of a request -> end of its headers
    body_s: float = 15.0  # end of headers -> end of body
    idle_s: float = 120.0  # between requests; longer than Go's client keeps idle connections (90 s)
    send_s: float = 15.0
    fresh_s: float = 1.0  # while draining: accepting a connection -> first byte of its first request
    linger_s: float = 1.0  # how long a refused client may go on sending before the socket closes
    tick_s: float = 0.2

    @property
    def handshakes(self) -> int:
        """How many places connections may hold that have not completed their handshake. Where client certificates are
        required, that is all that anybody without one ever holds."""
        return max(1, min(MOST_HANDSHAKES, self.places // 4))


class State(IntEnum):
    """Where a connection is. Those up to IDLE wait for the client and may be evicted to make room, in this order."""

    HANDSHAKE = 0
    HEAD = 1  # a request has begun
    BODY = 2
    IDLE = 3
    WAITING = 4  # for room for the body
    QUEUED = 5  # the request is complete, and others are handled first
    HANDLING = 6
    SENDING = 7
    LINGERING = 8


_LATE = (408, "the request did not arrive in time")
_LAST_WORDS = {
    State.HEAD: _LATE,
    State.BODY: _LATE,
    State.WAITING: (503, "too many large requests at once"),
}
_TOO_LATE = {
    State.HANDSHAKE: HANDSHAKE_TIMEOUT,
    **{state: str(status) for state, (status, _) in _LAST_WORDS.items()},
}
"""As what a deadline that has passed counts among the refusals."""


class Shared:
    """What the connections of one listener have in common."""

    def __init__(
        self,
        handler: Handler,
        limits: Limits,
        log: Logger,
        refusals: Refusals | None = None,
        is_behind: Callable[[], bool] = lambda: False,
        patience: Patience = lambda _request: math.inf,
    ) -> None:
        self.handler = handler
        self.patience = patience
        self.limits = limits
        self.log = log
        self.now = 0.0  # trio's clock as of the last sweep or arrival: good enough for deadlines
        self.draining = False
        self.bodies = MemoryBudget(max(limits.bodies_bytes, limits.message.body_bytes))
        self.refusals = refusals or Refusals(log)
        self.handshaking = 0  # connections that have a place and no end of their handshake
        self.shook_at = 0.0  # when one of them last completed it
        self.room = trio.lowlevel.ParkingLot()  # who waits for a place
        self.slots = trio.Semaphore(limits.in_flight)
        self.turns = Turns(IN_A_PASS, is_behind)
        self.late = Turns(LATE_IN_A_PASS)  # those that came together are late together
        self._date_second = -1
        self._date = b""

    def shaken(self) -> None:
        """A handshake has come to its end, one way or the other."""
        self.handshaking -= 1
        self.room.unpark_all()

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
    """One accepted socket that has a place. `run` serves it to its end; `scope` ends it from outside at any time.

    `arrived`: when its client connected, on trio's clock; now where that is not known.
    """

    def __init__(
        self, transport: SocketTransport, address: str, shared: Shared, arrived: float | None = None
    ) -> None:
        self.address = address
        self.scope = trio.CancelScope()
        self.state = State.HANDSHAKE
        self.since = shared.now  # when it entered its state, or made progress in it
        self.deadline = shared.now + shared.limits.handshake_s
        self.watched: trio.CancelScope | None = None
        self._transport = transport
        self._shared = shared
        self._arrived = shared.now if arrived is None else arrived  # of the request that comes, or is under way
        self._reserved: Reservation | None = None
        self._progress = 0  # bytes of the body when `since` was set
        self._expired = False
        self._served = False  # whether a request was answered on it
        self._parser = RequestParser(shared.limits.message, Peer(address))
        shared.handshaking += 1

    # --- called by places.py
    async def run(self) -> None:
        """Serve until the client leaves, something breaks, or `scope` is cancelled. Closes the socket.

        Whatever goes wrong on a connection ends that connection only.
        """
        with boundary(self._shared.log, "connection", self.address):
            try:
                with self.scope:
                    await self._shake_hands()
                    await self._serve()
            except OSError as error:  # the network, or a TLS handshake
                self._shared.log.debug("connection failed", peer=self.address, error=str(error))
            finally:
                self._close()

    async def _shake_hands(self) -> None:
        try:
            await self._transport.handshake()
        except ssl.SSLError as error:
            self._shared.refusals.note(HANDSHAKE_FAILED, peer=self.address, error=str(error))
            raise
        self._parser = RequestParser(
            self._shared.limits.message, Peer(self.address, self._transport.certificate()))

    def expire(self) -> None:
        """The deadline of the current state has passed."""
        self._expired = True
        if self.state in _TOO_LATE:
            self._shared.refusals.note(_TOO_LATE[self.state], peer=self.address, during=self.state.name.lower())
        self.scope.cancel()

    @property
    def holds_room(self) -> bool:
        """Whether room for a body is reserved for it."""
        return self._reserved is not None

    def may_go(self, before: float) -> bool:
        """Whether it has waited for its client since before that time, and nothing is lost when it is evicted."""
        return self.state <= State.IDLE and self.since <= before and not self.scope.cancel_called

    @property
    def rank(self) -> tuple[int, bool, float]:
        """Who is evicted first: handshakes and requests that do not come to an end, before the merely idle ones."""
        return self.state, self._served, self.since

    def evict(self) -> bool:
        """Make room for others; False where a request has come in meanwhile."""
        if self.state in (State.HEAD, State.BODY, State.IDLE) and self._transport.readable_now():
            return False  # it came while nobody could look, such as after a long pause of the machine
        self._shared.refusals.note(EVICTED, peer=self.address, during=self.state.name.lower())
        self.scope.cancel()
        return True

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
        if self.state == State.HANDSHAKE != state:
            self._shared.shook_at = trio.current_time()
            self._shared.shaken()
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
            if self.state == State.IDLE:
                self._note_arrival()
            parser.feed(data)
            if not parser.requests and parser.failure is None:
                await self._wait_for_rest()
        if self._reserved is not None and parser.requests:
            # The room is the first one's: bytes of further requests may have come with its end.
            self._reserved.shrink(min(self._reserved.size, len(parser.requests[0].body)))
        return True

    def _note_arrival(self) -> None:
        """A request begins. The first one has waited since its connection came, unless that stood open unused: clients
        keep connections that they opened and did not need."""
        now = trio.current_time()
        if self._served or now - self.since > self._shared.limits.grace_s:
            self._arrived = now

    async def _wait_for_rest(self) -> None:
        """A request is there in part: its deadlines, room for its body, and `100 Continue`."""
        parser, limits = self._parser, self._shared.limits
        if not parser.in_body:
            if self.state != State.HEAD:
                self._enter(State.HEAD, limits.head_s)
            return
        if self._reserved is None and (size := self._size()) > CHARGED_FROM_BYTES:
            await self._reserve(size)
        if self.state != State.BODY:
            self._progress = parser.body_bytes
            self._enter(State.BODY, limits.body_s)
        elif parser.body_bytes - self._progress >= PROGRESS_BYTES:
            self._progress, self.since = parser.body_bytes, self._shared.now
        if parser.wants_continue:
            parser.wants_continue = False
            await self._send(CONTINUE)

    def _size(self) -> int:
        """What the body may become; one in chunks that is no longer small as much as any."""
        parser = self._parser
        if parser.declared_bytes is not None:
            return parser.declared_bytes
        return self._shared.limits.message.body_bytes if parser.body_bytes > CHARGED_FROM_BYTES else 0

    async def _reserve(self, size: int) -> None:
        """Room for a body. Until there is some, the socket is not read, and the client's kernel holds the rest."""
        bodies = self._shared.bodies
        try:
            self._reserved = bodies.reserve_nowait(size)
        except trio.WouldBlock:
            self._enter(State.WAITING, self._shared.limits.wait_s)
            self._reserved = await bodies.reserve(size)

    def _discharge(self) -> None:
        if self._reserved is not None:
            self._reserved.release()
            self._reserved = None

    async def _answer(self, request: Request) -> bool:
        """Hand a request to the handler and send what it answers; whether the connection may go on."""
        shared = self._shared
        request.arrived = self._arrived
        response = await self._handle(request)
        keep_alive = request.keep_alive and not shared.draining
        self._served = True
        await self._send(self._render(request, response, keep_alive))
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
        """Its answer, in turn. One whose client is about to lose its patience is handled among the late ones, without a
        slot perhaps: the handler says that its time is over, which is better than no answer. A client that left gets
        none: after an overload there are many, and what they asked for would keep others waiting."""
        shared = self._shared
        self._enter(State.QUEUED, math.inf)
        holds_slot = False
        try:
            holds_slot = await self._slot(request)
            if not (holds_slot and await self._turn(request)):
                await shared.late.take()
            if shared.now - self.since > shared.limits.tick_s and self._transport.has_left():
                raise ConnectionResetError("the client left before its request was handled")
            self._enter(State.HANDLING, math.inf)
            with boundary(shared.log, "request", request.path):
                return await shared.handler(request)
        finally:
            if holds_slot:
                shared.slots.release()
            if self.watched is not None:
                self._unwatch(self.watched)
        shared.refusals.note("500", peer=self.address, path=request.path)
        return refusal(500, FAILED)

    async def _slot(self, request: Request) -> bool:
        """Wait for a slot; whether there is one before the client loses its patience."""
        shared = self._shared
        try:
            shared.slots.acquire_nowait()
        except trio.WouldBlock:
            with trio.move_on_at(request.arrived + shared.patience(request)) as scope:
                await shared.slots.acquire()
            return not scope.cancelled_caught
        return True

    async def _turn(self, request: Request) -> bool:
        """Wait for a turn; whether there is one before the client loses its patience."""
        shared = self._shared
        if shared.turns.take_nowait():
            return True
        with trio.move_on_at(request.arrived + shared.patience(request)) as scope:
            await shared.turns.take()
        return not scope.cancelled_caught

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
        self._shared.refusals.note(str(failure.status), peer=self.address, error=failure.reason)
        answer = render(refusal(failure.status, failure.reason), date=self._shared.date(), keep_alive=False)
        await self._send(answer)
        self._enter(State.LINGERING, limits.linger_s)
        self._transport.end_sending()
        await self._transport.discard(DISCARD_BYTES)

    def _close(self) -> None:
        if self.state == State.HANDSHAKE:
            self._shared.shaken()
        self._discharge()
        if self._expired and self.state in _LAST_WORDS:
            late = refusal(*_LAST_WORDS[self.state])
            self._transport.send_now(render(late, date=self._shared.date(), keep_alive=False))
        if self.state != State.LINGERING:
            self._transport.end_sending()
        self._transport.close()
