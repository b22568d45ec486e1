"""The server answers as it is told, goes on until the client hangs up, and changes at once."""

from __future__ import annotations

import socket

import pytest

from tests.cluster.edged import wait_for
from tests.fire.hostile_server import ANSWERS, HostileServer, closes, dripping, endless_body, garbage, silent

ENDLESS = [answer for answer in ANSWERS if answer not in (closes, dripping, garbage, silent)]


def ask(server: HostileServer, most: int) -> bytes:
    """What comes until so many bytes are there, or the connection ends."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        received = b""
        while len(received) < most and (data := connection.recv(65536)):
            received += data
    return received


@pytest.mark.parametrize("answer", ENDLESS)
def test_endless_answers_do_not_end(answer) -> None:  # type: ignore[no-untyped-def]
    with HostileServer(answer) as server:
        received = ask(server, 500_000)
        assert len(received) >= 500_000 and received.startswith(b"HTTP/1.1 ")
        assert server.asked == 1 and server.sent >= 300_000, "the piece that is under way is not counted yet"


def test_short_answers_end() -> None:
    with HostileServer(closes) as server:
        assert ask(server, 1) == b""
        server.change(garbage)
        assert ask(server, 1 << 20) == bytes(range(256)) * 100


def test_a_change_ends_what_is_under_way() -> None:
    with HostileServer(silent) as server, socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
        wait_for(lambda: server.asked == 1, "the question to arrive")
        server.change(endless_body)
        assert connection.recv(1) == b"", "the connection of the answer before is closed"
        assert ask(server, 1000)
