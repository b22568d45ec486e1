"""The listener over real sockets: keep-alive, limits, slow and vanishing clients, draining, TLS."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from edged.errors import ConfigError
from edged.http.connection import IN_A_PASS, LATE_IN_A_PASS, Connection, Handler, Limits, State
from edged.http.listener import Listener, bind, parse_address
from edged.http.messages import MessageLimits, Request, Response
from edged.telemetry.logs import Logger, LogStyle
from edged.tls.certificates import ensure
from edged.tls.contexts import ServerTls, TlsFiles

LIMITS = Limits(tick_s=0.01)
GET = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"


def post(body: bytes, extra: bytes = b"") -> bytes:
    return b"POST /v HTTP/1.1\r\nHost: a\r\n%sContent-Length: %d\r\n\r\n%s" % (extra, len(body), body)


async def echo(request: Request) -> Response:
    return Response(200, request.body or request.path.encode(), "text/plain")


class Server:
    """A listener on a free port, and what it reported."""

    def __init__(self, handler: Handler, limits: Limits, **options: Any) -> None:
        self.events: list[dict[str, Any]] = []
        log = Logger(LogStyle("json", "debug"), write=lambda line: self.events.append(json.loads(line)))
        self.internal_errors = log.internal_errors
        self.listener = Listener(bind("127.0.0.1:0"), handler, limits=limits, log=log, **options)
        self.address = self.listener.sockets[0].getsockname()
        self.clients: list[trio.SocketStream] = []

    @property
    def connection_errors(self) -> list[str]:
        """Why connections failed, apart from internal errors."""
        return [event["error"] for event in self.events if event["msg"] == "connection failed"]

    async def until(self, *states: State) -> list[Connection]:
        """Wait until the open connections are in these states."""
        while True:
            connections = sorted(self.listener._places.connections, key=lambda c: c.state)
            if [c.state for c in connections] == sorted(states):
                return connections
            await trio.sleep(0.001)

    async def connect(self) -> trio.SocketStream:
        self.clients.append(await trio.open_tcp_stream(*self.address))
        return self.clients[-1]


@asynccontextmanager
async def serving(handler: Handler = echo, limits: Limits = LIMITS,
                  **options: Any) -> AsyncIterator[Server]:
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            server = Server(handler, limits, **options)
            await nursery.start(server.listener.serve)
            try:
                yield server
            finally:
                for client in server.clients:
                    client.socket.close()
            nursery.cancel_scope.cancel()


async def read_response(stream: trio.abc.Stream,
                        buffered: bytearray | None = None) -> tuple[int, dict[bytes, bytes], bytes]:
    """(status, headers, body) of one response with a content-length."""
    data = bytearray() if buffered is None else buffered
    while b"\r\n\r\n" not in data:
        more = await stream.receive_some()
        assert more, f"connection ended within a head: {bytes(data)!r}"
        data += more
    head, _, _ = bytes(data).partition(b"\r\n\r\n")
    del data[:len(head) + 4]
    lines = head.split(b"\r\n")
    headers = dict(line.split(b": ", 1) for line in lines[1:])
    length = int(headers.get(b"content-length", b"0"))
    while len(data) < length:
        more = await stream.receive_some()
        assert more, "connection ended within a body"
        data += more
    body = bytes(data[:length])
    del data[:length]
    return int(lines[0].split()[1]), headers, body


async def read_all(stream: trio.abc.Stream) -> bytes:
    data = b""
    while more := await stream.receive_some():
        data += more
    return data


def run(main: Callable[[], Awaitable[None]]) -> None:
    trio.run(main)


def test_keep_alive_serves_many_requests_on_one_connection():
    async def main() -> None:
        async with serving() as server:
            client = await server.connect()
            for i in range(5):
                await client.send_all(post(b"%d" % i))
                status, headers, body = await read_response(client)
                assert (status, body) == (200, b"%d" % i)
                assert b"connection" not in headers and headers[b"content-type"] == b"text/plain"
            assert server.listener.connections == 1
    run(main)


def test_pipelined_requests_are_answered_in_order_although_the_first_is_slow():
    async def main() -> None:
        release = trio.Event()

        async def handler(request: Request) -> Response:
            if request.body == b"0":
                await release.wait()
            return Response(200, request.body)

        async with serving(handler) as server:
            client = await server.connect()
            await client.send_all(post(b"0") + post(b"1"))
            await client.send_all(post(b"2")[:30])
            (connection,) = await server.until(State.HANDLING)
            while connection.watched is None:
                await trio.sleep(0.001)
            release.set()
            await client.send_all(post(b"2")[30:])
            buffered = bytearray()
            assert [(await read_response(client, buffered))[2] for _ in range(3)] == [b"0", b"1", b"2"]
    run(main)


@pytest.mark.parametrize("second", [10, 30_000])
def test_a_pipelined_body_may_be_larger_or_smaller_than_the_one_that_room_was_kept_for(second):
    async def main() -> None:
        async with serving() as server:
            client = await server.connect()
            first = post(b"a" * 17_000)
            await client.send_all(first[:5000])
            await server.until(State.BODY)
            await client.send_all(first[5000:] + post(b"b" * second))
            buffered = bytearray()
            assert [len((await read_response(client, buffered))[2]) for _ in range(2)] == [17_000, second]
            await client.aclose()
            while server.listener.connections:
                await trio.sleep(0.001)
            assert server.listener._shared.bodies.used == 0
    run(main)


def test_connection_close_and_http_1_0():
    async def main() -> None:
        async with serving() as server:
            client = await server.connect()
            await client.send_all(b"GET /a HTTP/1.1\r\nConnection: close\r\n\r\n")
            assert b"connection: close" in await read_all(client)
            client = await server.connect()
            await client.send_all(b"GET /a HTTP/1.0\r\n\r\n")
            assert (await read_all(client)).endswith(b"\r\n\r\n/a")
            client = await server.connect()
            await client.send_all(b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" * 2)
            buffered = bytearray()
            for _ in range(2):
                assert (await read_response(client, buffered))[1][b"connection"] == b"keep-alive"
    run(main)


def test_head_has_a_length_and_no_body():
    async def main() -> None:
        async with serving() as server:
            client = await server.connect()
            await client.send_all(b"HEAD /abc HTTP/1.1\r\nConnection: close\r\n\r\n")
            assert (await read_all(client)).endswith(b"content-length: 4\r\n\r\n")
    run(main)


def test_continue_is_sent_before_the_body():
    async def main() -> None:
        async with serving() as server:
            client = await server.connect()
            await client.send_all(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            assert await client.receive_some() == b"HTTP/1.1 100 Continue\r\n\r\n"
            await client.send_all(b"hi")
            assert (await read_response(client))[2] == b"hi"
    run(main)


def test_an_oversized_body_gets_a_readable_413_while_it_is_still_being_sent():
    async def main() -> None:
        limits = replace(LIMITS, message=MessageLimits(body_bytes=100_000))
        async with serving(limits=limits) as server:
            client = await server.connect()
            await client.send_all(b"POST / HTTP/1.1\r\nContent-Length: 3000000\r\n\r\n")
            await client.send_all(b"x" * 3_000_000)
            status, headers, body = await read_response(client)
            assert status == 413 and headers[b"connection"] == b"close"
            assert body == b'{"message":"request body over 100000 bytes","status":413}'
            assert await client.receive_some() == b""
            client = await server.connect()
            await client.send_all(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
            await client.send_all(b"30d40\r\n" + b"x" * 200_000)
            assert (await read_response(client))[0] == 413
    run(main)


def test_garbage_is_answered_after_the_good_requests_before_it():
    async def main() -> None:
        async with serving() as server:
            client = await server.connect()
            await client.send_all(post(b"good") + b"\x00\x01garbage\r\n\r\n")
            buffered = bytearray()
            assert (await read_response(client, buffered))[2] == b"good"
            assert (await read_response(client, buffered))[0] == 400
            assert await client.receive_some() == b""
    run(main)


def test_an_exception_in_a_handler_costs_that_request_only():
    async def main() -> None:
        async def handler(request: Request) -> Response:
            if request.path == "/bad":
                raise RuntimeError("boom")
            if request.path == "/junk":
                return Response(200, headers=(("a", "b\nc"),))
            return Response(200, b"fine")

        async with serving(handler) as server:
            client = await server.connect()
            for path, status in ((b"/bad", 500), (b"/junk", 500), (b"/ok", 200)):
                await client.send_all(b"GET %s HTTP/1.1\r\n\r\n" % path)
                assert (await read_response(client))[0] == status
            assert server.internal_errors.last[0].error == "RuntimeError: boom"
            assert server.internal_errors.counts == {"request": 2} and not server.connection_errors
    run(main)


def test_errors_beside_a_cancellation_cost_that_request_only():
    """A handler's nursery gives both at once when its client goes while one of its tasks fails."""
    async def main() -> None:
        begun = trio.Event()

        async def fails_when_cancelled() -> None:
            try:
                await trio.sleep_forever()
            finally:
                raise KeyError("odd")

        async def handler(request: Request) -> Response:
            if request.path == "/ok":
                return Response(200, b"fine")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(fails_when_cancelled)
                nursery.start_soon(trio.sleep_forever)
                begun.set()
                await trio.sleep_forever()
            raise AssertionError

        async with serving(handler) as server:
            client = await server.connect()
            await client.send_all(b"GET /slow HTTP/1.1\r\n\r\n")
            await begun.wait()
            await client.aclose()
            await server.until()
            client = await server.connect()
            await client.send_all(b"GET /ok HTTP/1.1\r\n\r\n")
            assert (await read_response(client))[0] == 200
            assert server.internal_errors.counts == {"request": 1}
            assert server.listener._shared.slots.value == LIMITS.in_flight
    run(main)


@pytest.mark.parametrize("sent", [b"GET / HT", post(b"12345")[:-3]])
def test_a_request_that_does_not_arrive_in_time_is_408(sent):
    async def main() -> None:
        async with serving(limits=replace(LIMITS, head_s=0.05, body_s=0.05)) as server:
            client = await server.connect()
            await client.send_all(sent)
            assert (await read_all(client)).startswith(b"HTTP/1.1 408 ")
    run(main)


def test_a_slow_head_is_not_saved_by_more_bytes():
    async def main() -> None:
        async with serving(limits=replace(LIMITS, head_s=0.05)) as server:
            client = await server.connect()
            await client.send_all(b"GET / HTTP/1.1\r\n")
            with pytest.raises(trio.BrokenResourceError):
                while True:  # one header line after the other, for ever
                    await client.send_all(b"A: b\r\n")
                    await trio.sleep(0.01)
    run(main)


def test_an_idle_connection_is_closed_without_a_word():
    async def main() -> None:
        async with serving(limits=replace(LIMITS, idle_s=0.05)) as server:
            client = await server.connect()
            await client.send_all(GET)
            await read_response(client)
            assert await client.receive_some() == b""
            client = await server.connect()
            assert await client.receive_some() == b""
    run(main)


def test_a_client_that_does_not_read_is_dropped():
    async def main() -> None:
        async def handler(request: Request) -> Response:
            return Response(200, b"x" * 20_000_000)

        async with serving(handler, replace(LIMITS, send_s=0.05)) as server:
            client = await server.connect()
            await client.send_all(GET)
            await server.until(State.SENDING)
            await server.until()
    run(main)


@pytest.mark.parametrize("how", ["close", "half", "reset"])
def test_a_client_that_hangs_up_cancels_its_handler(how):
    async def main() -> None:
        cancelled, started = trio.Event(), trio.Event()

        async def handler(request: Request) -> Response:
            started.set()
            try:
                await trio.sleep_forever()
            finally:
                cancelled.set()

        async with serving(handler) as server:
            client = await server.connect()
            await client.send_all(GET)
            await started.wait()
            if how == "half":
                await client.send_eof()
            else:
                if how == "reset":
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                await client.aclose()
            await cancelled.wait()
            assert not server.internal_errors.counts
    run(main)


def test_a_half_closed_client_still_gets_a_quick_answer():
    async def main() -> None:
        async with serving() as server:
            client = await server.connect()
            await client.send_all(GET)
            await client.send_eof()
            assert (await read_all(client)).endswith(b"/x")
    run(main)


def test_requests_beyond_the_in_flight_limit_wait_their_turn():
    async def main() -> None:
        inside = most = 0
        release = trio.Event()

        async def handler(request: Request) -> Response:
            nonlocal inside, most
            inside += 1
            most = max(most, inside)
            await release.wait()
            inside -= 1
            return Response(200, b"ok")

        async with serving(handler, replace(LIMITS, in_flight=2)) as server:
            clients = [await server.connect() for _ in range(5)]
            for client in clients:
                await client.send_all(GET)
            await server.until(*[State.HANDLING] * 2, *[State.QUEUED] * 3)
            assert inside == 2
            release.set()
            for client in clients:
                assert (await read_response(client))[0] == 200
            assert most == 2
    run(main)


class Passes(trio.abc.Instrument):
    """Counts passes of the event loop."""

    def __init__(self) -> None:
        self.count = 0

    def before_io_wait(self, timeout: float) -> None:
        self.count += 1


@pytest.mark.parametrize("waits_for", ["slot", "turn"])
def test_those_that_are_late_together_begin_a_few_in_a_pass(waits_for):
    async def main() -> None:
        passes, release = Passes(), trio.Event()
        trio.lowlevel.add_instrument(passes)
        begun: list[int] = []

        async def handler(request: Request) -> Response:
            begun.append(passes.count)
            if len(begun) <= in_flight and waits_for == "slot":
                await release.wait()
            return Response(200)

        in_flight = 2 if waits_for == "slot" else 1000
        limits = replace(LIMITS, in_flight=in_flight)
        behind = waits_for == "turn"
        due = trio.current_time() + 1.0  # of all of them
        async with serving(
            handler, limits, patience=lambda request: due - request.arrived, is_behind=lambda: behind
        ) as server:
            clients = [await server.connect() for _ in range(150)]
            for client in clients:
                await client.send_all(GET)
            while len(begun) < len(clients):  # whichever of them have the slots
                await trio.sleep(0.01)
            release.set()
            for client in clients:
                assert (await read_response(client))[0] == 200
        counts = [begun.count(at) for at in set(begun)]
        assert sum(counts) == 150 and max(counts) <= LATE_IN_A_PASS + IN_A_PASS

    run(main)


def test_large_bodies_wait_for_each_other_and_none_is_refused():
    """What is over the budget is not read meanwhile; the client's kernel holds it."""
    async def main() -> None:
        limits = replace(LIMITS, bodies_bytes=300_000, message=MessageLimits(body_bytes=260_000))
        async with serving(limits=limits) as server:
            bodies = server.listener._shared.bodies
            head = b"POST / HTTP/1.1\r\nContent-Length: 250000\r\n\r\n"
            first, second = await server.connect(), await server.connect()
            await first.send_all(head + b"x" * 200_000)
            await server.until(State.BODY)
            assert bodies.used == 250_000, "the whole body is reserved before it is read"
            await second.send_all(head + b"x" * 100_000)
            await server.until(State.BODY, State.WAITING)
            await first.send_all(b"x" * 50_000)
            assert len((await read_response(first))[2]) == 250_000
            await server.until(State.BODY, State.IDLE)
            await second.send_all(b"x" * 150_000)
            assert len((await read_response(second))[2]) == 250_000
            await second.send_all(head + b"x" * 250_000)
            assert (await read_response(second))[0] == 200
            assert (bodies.used, bodies.waiting) == (0, 0)
            assert server.listener._shared.refusals.counts == {}
    run(main)


def test_a_small_body_waits_for_no_large_one():
    async def main() -> None:
        limits = replace(LIMITS, bodies_bytes=300_000, message=MessageLimits(body_bytes=300_000))
        async with serving(limits=limits) as server:
            large, small = await server.connect(), await server.connect()
            await large.send_all(b"POST / HTTP/1.1\r\nContent-Length: 300000\r\n\r\nx")
            await server.until(State.BODY)
            await small.send_all(post(b"x" * 16384))
            assert (await read_response(small))[0] == 200
    run(main)


def test_a_body_in_chunks_reserves_the_most_it_may_become_and_keeps_what_it_is():
    async def main() -> None:
        limits = replace(LIMITS, bodies_bytes=300_000, message=MessageLimits(body_bytes=250_000))
        release = trio.Event()

        async def handler(request: Request) -> Response:
            await release.wait()
            return Response(200, b"%d" % len(request.body))

        async with serving(handler, limits=limits) as server:
            bodies = server.listener._shared.bodies
            client = await server.connect()
            await client.send_all(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2000\r\n" + b"x" * 8192)
            await server.until(State.BODY)
            assert bodies.used == 0
            await client.send_all(b"\r\n10000\r\n" + b"x" * 30_000)
            while bodies.used != 250_000:
                await trio.sleep(0.001)
            await client.send_all(b"x" * 35_536 + b"\r\n0\r\nx-sum: 5\r\n\r\n")
            await server.until(State.HANDLING)
            assert bodies.used == 8192 + 65536
            release.set()
            assert (await read_response(client))[2] == b"73728"
            assert bodies.used == 0
    run(main)


def test_a_body_that_does_not_come_makes_room_for_those_that_wait():
    async def main() -> None:
        limits = replace(LIMITS, bodies_bytes=300_000, message=MessageLimits(body_bytes=300_000), grace_s=0.1)
        async with serving(limits=limits) as server:
            stalled, late = await server.connect(), await server.connect()
            await stalled.send_all(b"POST / HTTP/1.1\r\nContent-Length: 300000\r\n\r\n" + b"x" * 20_000)
            await server.until(State.BODY)
            await late.send_all(post(b"x" * 300_000))
            assert (await read_response(late))[0] == 200
            assert await read_all(stalled) == b""
            assert server.listener._shared.refusals.counts == {"evicted": 1}
    run(main)


def test_who_waits_too_long_for_room_is_told_so():
    async def main() -> None:
        limits = replace(LIMITS, bodies_bytes=300_000, message=MessageLimits(body_bytes=300_000), wait_s=0.1)
        async with serving(limits=limits) as server:
            first, second = await server.connect(), await server.connect()
            await first.send_all(b"POST / HTTP/1.1\r\nContent-Length: 300000\r\n\r\n" + b"x" * 20_000)
            await server.until(State.BODY)
            await second.send_all(b"POST / HTTP/1.1\r\nContent-Length: 300000\r\n\r\n" + b"x" * 20_000)
            assert (await read_all(second)).startswith(b"HTTP/1.1 503 ")
            assert server.listener._shared.refusals.counts == {"503": 1}
            await first.send_all(b"x" * 280_000)
            assert (await read_response(first))[0] == 200
            assert server.listener._shared.bodies.used == 0
    run(main)


def test_continue_is_sent_once_there_is_room():
    async def main() -> None:
        limits = replace(LIMITS, bodies_bytes=300_000, message=MessageLimits(body_bytes=300_000))
        async with serving(limits=limits) as server:
            first, second = await server.connect(), await server.connect()
            await first.send_all(b"POST / HTTP/1.1\r\nContent-Length: 300000\r\n\r\n" + b"x" * 20_000)
            await server.until(State.BODY)
            await second.send_all(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 20000\r\n\r\n")
            await server.until(State.BODY, State.WAITING)
            with trio.move_on_after(0.05) as scope:
                await second.receive_some()
            assert scope.cancelled_caught
            await first.send_all(b"x" * 280_000)
            await read_response(first)
            assert await second.receive_some() == b"HTTP/1.1 100 Continue\r\n\r\n"
            await second.send_all(b"y" * 20_000)
            assert len((await read_response(second))[2]) == 20_000
    run(main)


def test_drain_finishes_what_is_in_flight_and_closes_what_is_idle():
    async def main() -> None:
        release, started = trio.Event(), trio.Event()

        async def handler(request: Request) -> Response:
            if request.path == "/quick":
                return Response(200)
            started.set()
            await release.wait()
            return Response(200, b"done")

        async with serving(handler) as server:
            idle, busy = await server.connect(), await server.connect()
            await idle.send_all(b"GET /quick HTTP/1.1\r\nHost: a\r\n\r\n")
            await read_response(idle)
            await busy.send_all(GET + GET)
            await started.wait()
            results: list[bool] = []

            async def drain() -> None:
                results.append(await server.listener.drain(10))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(drain)
                assert await idle.receive_some() == b""
                with pytest.raises(OSError):
                    await server.connect()
                release.set()
                answer = await read_all(busy)
            assert answer.count(b"done") == 1 and b"connection: close" in answer
            assert results == [True]
    run(main)


def test_drain_serves_new_connections_first_request():
    """Accepted or still queued by the kernel: a client does not try again what fails on a new connection."""
    async def main() -> None:
        async with serving() as server:
            accepted, silent = await server.connect(), await server.connect()
            while server.listener.lobby.silent != 2:
                await trio.sleep(0.001)
            queued = await server.connect()
            results: list[bool] = []

            async def drain() -> None:
                results.append(await server.listener.drain(10))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(drain)
                while not server.listener._shared.draining:
                    await trio.lowlevel.checkpoint()
                assert server.listener.lobby.silent == 3
                for client in (accepted, queued):
                    await client.send_all(GET)
                    assert b"connection: close" in await read_all(client)
                assert await silent.receive_some() == b"", "one that says nothing is not waited for"
            assert results == [True]
    run(main)


def test_drain_in_the_very_moment_of_an_arrival():
    """The accepting task has been woken, and finds its socket closed: no reason to fall over."""
    async def main() -> None:
        async with serving() as server:
            with server.listener.sockets[0].dup() as twin:
                async def drain_on_arrival() -> None:
                    await trio.lowlevel.wait_readable(twin)  # woken together with the accepting task
                    assert await server.listener.drain(10)

                async with trio.open_nursery() as nursery:
                    nursery.start_soon(drain_on_arrival)
                    await trio.sleep(0)
                    client = await server.connect()
                    await client.send_all(GET)
                    assert b"connection: close" in await read_all(client)
    for _ in range(8):  # which of the two goes first is chance
        run(main)


def test_drain_ends_what_does_not_finish():
    async def main() -> None:
        started = trio.Event()

        async def handler(request: Request) -> Response:
            started.set()
            await trio.sleep_forever()
            raise AssertionError

        async with serving(handler) as server:
            client = await server.connect()
            await client.send_all(GET)
            await started.wait()
            assert await server.listener.drain(0.02) is False
            assert await client.receive_some() == b""
    run(main)


def test_an_address_in_use_is_named_with_its_key_and_who_listens_there():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConfigError) as refused:
            bind(listen, "[admission] listen")
    said = f"[admission] listen: cannot listen on {listen}: Address already in use by pid {os.getpid()} ("
    assert str(refused.value).startswith(said)


def test_a_socket_that_another_program_opened():
    async def main() -> None:
        (sock,) = bind("127.0.0.1:0")
        address = sock.getsockname()
        sock.listen(1)
        listener = Listener([socket.socket(fileno=sock.detach())], echo, log=Logger())
        async with trio.open_nursery() as nursery:
            await nursery.start(listener.serve)
            client = await trio.open_tcp_stream(*address)
            await client.send_all(GET)
            assert (await read_response(client))[0] == 200
            await client.aclose()
            nursery.cancel_scope.cancel()
    run(main)


@pytest.mark.parametrize(("listen", "expected"), [
    ("127.0.0.1:8443", ("127.0.0.1", 8443)), ("[::1]:1", ("::1", 1)), (":80", ("", 80)),
    ("a.b:1", ("a.b", 1))])
def test_addresses(listen, expected):
    assert parse_address(listen) == expected


@pytest.mark.parametrize("listen", ["", "8443", "a:b", "::1:80", "1.2.3.4:70000", "1.2.3.4:-1"])
def test_bad_addresses_are_configuration_errors(listen):
    with pytest.raises(ConfigError, match="listen address"):
        parse_address(listen)


def test_an_address_in_use_is_a_configuration_error():
    (sock,) = bind("127.0.0.1:0")
    with sock, pytest.raises(ConfigError, match="in use"):
        bind(f"127.0.0.1:{sock.getsockname()[1]}")


# --- TLS
@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("state")
    ensure(directory, ["127.0.0.1"], time.time(), ["kube-apiserver"])
    return directory / "tls"


def client_context(state: Path, *, certificate: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=state / "ca-bundle.crt")
    if certificate:
        context.load_cert_chain(state / "kube-apiserver.crt", state / "kube-apiserver.key")
    return context


async def tls_connect(server: Server, context: ssl.SSLContext) -> trio.SSLStream[trio.SocketStream]:
    stream = trio.SSLStream(
        await server.connect(), context, server_hostname="127.0.0.1", https_compatible=True)
    await stream.do_handshake()
    return stream


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_round_trips_small_and_large(state, version):
    async def main() -> None:
        tls = ServerTls(TlsFiles(state / "tls.crt", state / "tls.key"))
        async with serving(tls=tls.context) as server:
            context = client_context(state)
            context.maximum_version = version
            client = await tls_connect(server, context)
            for size in (1, 2500, 16384, 1_000_000, 3 * 1024 * 1024):
                body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(client.send_all, post(body))
                    assert (await read_response(client))[2] == body
            await client.aclose()
            await server.until()
            assert not server.connection_errors
    run(main)


def test_tls_client_certificates(state):
    async def main() -> None:
        seen: list[str | None] = []

        async def handler(request: Request) -> Response:
            seen.append(request.peer.common_name)
            return Response(200, b"ok")

        files = TlsFiles(state / "tls.crt", state / "tls.key", (state / "ca-bundle.crt",), "require")
        tls = ServerTls(files)
        async with serving(handler, tls=tls.context) as server:
            client = await tls_connect(server, client_context(state, certificate=True))
            await client.send_all(GET)
            assert (await read_response(client))[0] == 200
            assert seen == ["kube-apiserver"]
            with pytest.raises(trio.BrokenResourceError):
                client = await tls_connect(server, client_context(state))
                await client.send_all(GET)
                await client.receive_some()
            assert len(server.connection_errors) == 1 and seen == ["kube-apiserver"]
            # "request": a client without one is served, and is nobody
            assert tls.reload(replace(files, client_auth="request"))
            client = await tls_connect(server, client_context(state))
            await client.send_all(GET)
            assert (await read_response(client))[0] == 200 and seen[-1] is None
    run(main)


def test_plain_http_on_the_tls_port_and_silence_are_survived(state):
    async def main() -> None:
        tls = ServerTls(TlsFiles(state / "tls.crt", state / "tls.key"))
        async with serving(tls=tls.context, limits=replace(LIMITS, handshake_s=0.05)) as server:
            plain = await server.connect()
            await plain.send_all(GET)
            await read_all(plain)
            assert "SSL" in server.connection_errors[0]
            silent = await server.connect()
            assert await silent.receive_some() == b""
            slow = await server.connect()
            await slow.send_all(b"\x16\x03\x01")
            assert await slow.receive_some() == b""
            client = await tls_connect(server, client_context(state))
            await client.send_all(GET)
            assert (await read_response(client))[0] == 200
            assert server.listener._shared.refusals.counts == {"handshake_failed": 1, "handshake_timeout": 2}
    run(main)


def test_tls_client_that_says_goodbye_cancels_its_handler(state):
    async def main() -> None:
        cancelled, started = trio.Event(), trio.Event()

        async def handler(request: Request) -> Response:
            if request.path == "/quick":
                return Response(200, b"ok")
            started.set()
            try:
                await trio.sleep_forever()
            finally:
                cancelled.set()

        tls = ServerTls(TlsFiles(state / "tls.crt", state / "tls.key"))
        async with serving(handler, tls=tls.context) as server:
            context = client_context(state)
            client = trio.SSLStream(await server.connect(), context, server_hostname="127.0.0.1")
            await client.send_all(GET)
            await started.wait()
            await client.aclose()  # a closing notice, then the end of the stream
            await cancelled.wait()
    run(main)


def test_new_connections_use_a_reloaded_certificate(tmp_path):
    for name in ("one", "two"):
        ensure(tmp_path / name, ["127.0.0.1"], time.time())
    one, two, live = tmp_path / "one/tls", tmp_path / "two/tls", tmp_path
    shutil.copy(one / "tls.crt", live / "c.pem")
    shutil.copy(one / "tls.key", live / "k.pem")

    async def main() -> None:
        tls = ServerTls(TlsFiles(live / "c.pem", live / "k.pem"))
        async with serving(tls=tls.context) as server:
            old = await tls_connect(server, client_context(one))
            shutil.copy(two / "tls.crt", live / "c.pem")
            assert not tls.reload() and "do not belong together" in tls.error
            (await tls_connect(server, client_context(one)))
            shutil.copy(two / "tls.key", live / "k.pem")
            assert tls.reload() and tls.error == ""
            new = await tls_connect(server, client_context(two))
            for client in (old, new):
                await client.send_all(GET)
                assert (await read_response(client))[0] == 200
            with pytest.raises(trio.BrokenResourceError):
                await tls_connect(server, client_context(one))
    run(main)


def test_renegotiation_is_refused_and_harms_nobody(state):
    """A TLS 1.2 client that asks for it (openssl's `R`)."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("there is no openssl program")

    async def main() -> None:
        tls = ServerTls(TlsFiles(state / "tls.crt", state / "tls.key"))
        async with serving(tls=tls.context) as server:
            port = server.address[1]
            command = [program, "s_client", "-tls1_2", "-connect", f"127.0.0.1:{port}"]
            asking = await trio.run_process(
                command, stdin=b"R\n", capture_stdout=True, capture_stderr=True, check=False
            )
            assert b"RENEGOTIATING" in asking.stdout + asking.stderr
            assert b"no renegotiation" in asking.stderr.lower(), asking.stderr
            client = await tls_connect(server, client_context(state))
            await client.send_all(GET)
            assert (await read_response(client))[0] == 200
    run(main)


@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        (b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\nHost: other\r\n\r\n", [200, 200]),
        (b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc\r\n0\r\n\r\n", [400]),  # longer than it says
        (b"Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n", [400]),  # shorter
        (b"Transfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n0\r\n\r\n", [400]),
        (b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc", [400]),
        (b"Content-Length: 2\r\n\r\nabc", [200, 400]),  # the rest is no request
        (b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", [400]),
        (b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc", [400]),
        (b"Content-Length: -3\r\n\r\nabc", [400]),
        (b"Expect: 200-maybe\r\nContent-Length: 3\r\n\r\nabc", [417]),
    ],
)
def test_bodies_with_trailers_and_wrong_lengths(sent, statuses):
    async def main() -> None:
        async with serving() as server:
            client = await server.connect()
            await client.send_all(b"POST /v HTTP/1.1\r\nHost: a\r\n" + sent)
            if statuses[-1] == 200:
                await client.send_all(GET)
            buffered = bytearray()
            for status in statuses:
                assert (await read_response(client, buffered))[0] == status
            if statuses[-1] != 200:
                assert await client.receive_some() == b""
                assert server.listener._shared.refusals.counts == {str(statuses[-1]): 1}
    run(main)
