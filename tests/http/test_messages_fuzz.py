"""Whatever bytes a client sends, in whatever pieces: the parser never raises, and a connection is always given back."""

from __future__ import annotations

import json
import socket

import trio
from hypothesis import given

from edged.http.connection import Connection, Limits, Shared
from edged.http.messages import MessageLimits, Peer, Request, RequestParser, Response
from edged.http.transport import SocketTransport
from edged.telemetry.logs import Logger, LogStyle
from tests.fuzzing import bounded, broken, in_parts

SMALL = MessageLimits(body_bytes=200, head_bytes=400, header_count=8, pipelined=4)
SAMPLES = [
    b"GET /x?a=%20 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /validate/p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /v HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nTrailer: x\r\n\r\n",
    b"PUT http://host/v HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
    b"POST /v HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
    b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
]
PIECES = (
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b" ", b":", b"\0", b"\xff", b"%", b"://", b"Content-Length: 3\r\n",
    b"Content-Length: 18446744073709551616\r\n", b"Content-Length: 1_0\r\n", b"Content-Length: +5\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: identity, chunked\r\n", b"Expect: later\r\n",
    b"Expect: 100-continue\r\n", b"Connection: close\r\n", b"ffffffffffffffff\r\n", b"0\r\n\r\n",
    b"A: " + b"b" * 500 + b"\r\n",
)  # fmt: skip
ANY = in_parts(broken(SAMPLES, PIECES))


def parsed(parts: list[bytes]) -> RequestParser:
    parser = RequestParser(SMALL, Peer("a"))
    for part in parts:
        parser.feed(part)
    return parser


def content(request: Request) -> tuple[object, ...]:
    return request.method, request.raw_path, request.query, request.headers, request.body, request.keep_alive


@bounded
@given(ANY)
def test_the_parser_keeps_what_was_complete_and_says_what_was_wrong(parts: list[bytes]) -> None:
    parser = parsed(parts)
    assert len(parser.requests) <= SMALL.pipelined
    for request in parser.requests:
        assert request.method and request.path is not None and request.headers is not None
        assert len(request.body) <= SMALL.body_bytes
    if parser.failure is not None:
        assert 400 <= parser.failure.status < 600 and parser.failure.reason


@bounded
@given(ANY)
def test_requests_are_the_same_however_the_network_cuts_them(parts: list[bytes]) -> None:
    in_pieces, at_once = parsed(parts), parsed([b"".join(parts)])
    if in_pieces.failure is None and at_once.failure is None:
        assert [content(r) for r in in_pieces.requests] == [content(r) for r in at_once.requests]
        assert in_pieces.started == at_once.started


@bounded
@given(ANY)
def test_a_connection_answers_and_gives_back_what_it_held(parts: list[bytes]) -> None:
    trio.run(exchange, parts)


async def exchange(parts: list[bytes]) -> None:
    said: list[bytes] = []
    limits = Limits(message=SMALL, in_flight=2)
    shared = Shared(echo, limits, Logger(LogStyle("json", "debug"), write=said.append))
    shared.now = trio.current_time()
    server, client = socket.socketpair()
    connection = Connection(SocketTransport(server), "peer", shared)
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(shared.turns.run)
            nursery.start_soon(shared.late.run)
            async with trio.open_nursery() as served:
                served.start_soon(connection.run)
                await converse(client, parts)
            nursery.cancel_scope.cancel()
    assert all(json.loads(line)["msg"] == "refused" for line in said)
    assert shared.bodies.used == shared.handshaking == 0
    assert shared.slots.value == 2


async def converse(client: socket.socket, parts: list[bytes]) -> None:
    stream = trio.SocketStream(trio.socket.from_stdlib_socket(client))
    received = bytearray()
    async with stream:
        try:
            for part in parts:
                await stream.send_all(part)
            await stream.send_eof()
        except trio.BrokenResourceError:
            pass  # it has heard enough
        try:
            async for data in stream:
                received += data
        except trio.BrokenResourceError:
            pass
    assert not received or received.startswith(b"HTTP/1.1 ")


async def echo(request: Request) -> Response:
    return Response(200, request.body or request.path.encode(), "text/plain")
