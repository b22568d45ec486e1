"""Clients that connect and do not behave: silent, half a handshake, slow headers, garbage; and reviews beside them."""

from __future__ import annotations

import os
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.fire.context import Context, FireDaemon
from tests.fire.reviews import Reviews, privileged_questions
from tests.fire.rows import Row, Tally
from tests.fire.sampling import resting
from tests.fire.unit import raised_file_limit

HELLO_HEAD = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
Behaviour = Callable[[socket.socket, threading.Event], None]


def unverified() -> ssl.SSLContext:
    """For clients that do not care whom they talk to."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def silent(connection: socket.socket, end: threading.Event) -> None:
    """Says nothing."""


def half_handshake(connection: socket.socket, end: threading.Event) -> None:
    """The head of a ClientHello."""
    connection.sendall(HELLO_HEAD)


def garbage(connection: socket.socket, end: threading.Event) -> None:
    """No TLS at all."""
    with suppress(OSError):
        connection.sendall(os.urandom(2000))


def slow_headers(connection: socket.socket, end: threading.Event) -> None:
    """A request whose headers never end."""
    secured = unverified().wrap_socket(connection)
    secured.sendall(b"POST /validate/no-privileged HTTP/1.1\r\nHost: x\r\n")
    for number in range(200):
        if end.wait(0.25):
            return
        secured.sendall(f"X-{number}: 1\r\n".encode())


def slow_body(connection: socket.socket, end: threading.Event) -> None:
    """A body that comes byte by byte."""
    secured = unverified().wrap_socket(connection)
    secured.sendall(b"POST /validate/no-privileged HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
    for _ in range(200):
        if end.wait(0.25):
            return
        secured.sendall(b"{")


BEHAVIOURS: tuple[Behaviour, ...] = (silent, half_handshake, garbage, slow_headers, slow_body)


class Hostile:
    """Keeps so many connections of one behaviour at a time: each one that ends is replaced."""

    def __init__(self, port: int, behaviour: Behaviour, count: int) -> None:
        self.made = 0
        self._port, self._behaviour = port, behaviour
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join(60)

    def _run(self) -> None:
        while not self._end.is_set():
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=5) as connection:
                self.made += 1
                connection.settimeout(0.5)
                self._behaviour(connection, self._end)
                while not self._end.is_set():
                    with suppress(TimeoutError):
                        if not connection.recv(4096):
                            break
            self._end.wait(0.1)


@contextmanager
def hostile_clients(edged: FireDaemon, each: int) -> Iterator[list[Hostile]]:
    """So many of each behaviour."""
    clients = [Hostile(edged.port, behaviour, each) for behaviour in BEHAVIOURS]
    try:
        yield clients
    finally:
        for client in clients:
            client.stop()


def hostile(context: Context, tally: Tally) -> None:
    """160 at a time. When they are gone nothing of them is held."""
    with context.edged() as edged:
        before = edged.sampler.now()
        assert before is not None
        with hostile_clients(edged, 32) as clients:
            with Reviews(edged, tally, privileged_questions(), threads=2, pause_s=0.02, late_s=2.0) as reviews:
                time.sleep(context.scaled(60.0, 8.0))
            tally.figures["connections"] = sum(client.made for client in clients)
        tally.figures["slowest_review_s"] = round(reviews.slowest_s, 2)
        if left := resting(edged.sampler, before):
            tally.add_wrong(f"after the clients had gone: {left}")


def many_silent(context: Context, tally: Tally) -> None:
    """5,000 sockets that are open all the time; those that edged closes are opened again."""
    count = 5000
    raised_file_limit(count + 500)
    with context.edged() as edged:
        before = edged.sampler.now()
        assert before is not None
        flood = _Flood(edged.port, count)
        flood.start()
        try:
            deadline = time.monotonic() + 30
            while flood.opened < count and time.monotonic() < deadline:
                time.sleep(0.1)
            with Reviews(edged, tally, privileged_questions(), threads=2, pause_s=0.05, late_s=1.0) as reviews:
                time.sleep(context.scaled(60.0, 8.0))
        finally:
            flood.stop()
        tally.figures |= {"opened": flood.opened, "slowest_review_s": round(reviews.slowest_s, 2)}
        tally.check(flood.opened >= count, f"only {flood.opened} of {count} sockets were opened")
        if left := resting(edged.sampler, before):
            tally.add_wrong(f"after the sockets had gone: {left}")


class _Flood(threading.Thread):
    """Sockets that never say a word. Connecting does not wait: the kernel completes it, or keeps it in its queue."""

    def __init__(self, port: int, count: int) -> None:
        super().__init__(daemon=True)
        self.opened = 0
        self._port, self._count = port, count
        self._end = threading.Event()

    def stop(self) -> None:
        self._end.set()
        self.join(60)

    def run(self) -> None:
        sockets: list[socket.socket] = []
        while not self._end.is_set():
            for _ in range(min(200, self._count - len(sockets))):
                sockets.append(self._opened())
            self._end.wait(0.02)
            if len(sockets) >= self._count:
                sockets = [each for each in sockets if not self._closed(each)]
                self._end.wait(0.2)
        for each in sockets:
            # A reset: thousands of connections in TIME_WAIT would stay behind.
            with suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            each.close()

    def _opened(self) -> socket.socket:
        made = socket.socket()
        made.setblocking(False)
        with suppress(BlockingIOError):
            made.connect(("127.0.0.1", self._port))
        self.opened += 1
        return made

    def _closed(self, each: socket.socket) -> bool:
        try:
            if each.recv(1, socket.MSG_PEEK):
                return False
        except BlockingIOError:
            return False
        except OSError:
            pass
        each.close()
        return True


ROWS = (
    Row("hostile-connections", "160 clients: silent, half handshakes, garbage, slow", hostile, quick=True),
    Row("silent-5000", "5,000 silent sockets, reviews within a second", many_silent, quick=True),
)
