"""A server that takes every connection and then answers as nobody should: without an end, or drop by drop."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Self

Answer = Callable[[], Iterator[bytes]]
PIECE = 1 << 16
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
DROPS_S = 0.2


def endless_headers() -> Iterator[bytes]:
    yield OK
    while True:
        yield b"X-Header: " + b"a" * PIECE + b"\r\n"


def many_headers() -> Iterator[bytes]:
    yield OK
    while True:
        yield b"".join(b"X-%d: 1\r\n" % number for number in range(5000))


def endless_status() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 "
    while True:
        yield b"O" * PIECE


def continues() -> Iterator[bytes]:
    """One interim answer after the other."""
    while True:
        yield b"HTTP/1.1 100 Continue\r\n\r\n" * 1000


def endless_body() -> Iterator[bytes]:
    yield CHUNKED
    piece = b'{"metadata":{}},' * (PIECE // 16)
    yield b'%x\r\n{"kind":"List","items":[\r\n' % 24
    while True:
        yield b"%x\r\n" % len(piece) + piece + b"\r\n"


def body_to_the_end() -> Iterator[bytes]:
    """No length: as long as the connection is open."""
    yield OK + b"\r\n"
    while True:
        yield b" " * PIECE


def large_length() -> Iterator[bytes]:
    yield OK + b"Content-Length: 99999999999\r\n\r\n"
    while True:
        yield b" " * PIECE


def many_chunks() -> Iterator[bytes]:
    yield CHUNKED
    while True:
        yield b"1\r\n \r\n" * 10_000


def chunk_extension() -> Iterator[bytes]:
    yield CHUNKED + b"1;"
    while True:
        yield b"a" * PIECE


def trailers() -> Iterator[bytes]:
    yield CHUNKED + b"2\r\n{}\r\n0\r\n"
    while True:
        yield b"X-Trailer: 1\r\n" * 5000


def dripping() -> Iterator[bytes]:
    yield OK + b"Content-Length: 1000000\r\n\r\n"
    while True:
        time.sleep(DROPS_S)
        yield b" "


def silent() -> Iterator[bytes]:
    while True:
        time.sleep(DROPS_S)
        yield b""


def garbage() -> Iterator[bytes]:
    yield bytes(range(256)) * 100


def closes() -> Iterator[bytes]:
    return iter(())


ANSWERS: tuple[Answer, ...] = (
    endless_headers, many_headers, endless_status, continues, endless_body, body_to_the_end, large_length, many_chunks,
    chunk_extension, trailers, dripping, silent, garbage, closes,
)  # fmt: skip


class HostileServer:
    """`change` may be called at any time; connections that are open then end. `sent`: bytes that it got rid of."""

    def __init__(self, answer: Answer = silent) -> None:
        self.asked = 0
        self.sent = 0
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self._listener.getsockname()[1])
        self._end = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def change(self, answer: Answer) -> None:
        self._answer = answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        answer = self._answer
        with suppress(OSError), connection:
            connection.settimeout(2.0)
            while not self._end and answer is self._answer:
                with suppress(TimeoutError):
                    if not connection.recv(PIECE):
                        return
                    break
            self.asked += 1
            for piece in answer():
                if self._end or answer is not self._answer:
                    return
                connection.sendall(piece)
                self.sent += len(piece)
