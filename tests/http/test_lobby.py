"""The lobby: who has spoken, who left, and who was silent for too long."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trio

from edged.http.lobby import Lobby, Newcomer


class Guests:
    """Socket pairs: the near ends are in the lobby."""

    def __init__(self, lobby: Lobby) -> None:
        self._lobby = lobby
        self.far: list[socket.socket] = []

    def add(self, accepted: float = 0.0) -> socket.socket:
        with socket.create_server(("127.0.0.1", 0)) as server:
            far = socket.create_connection(server.getsockname())
            near, _ = server.accept()
        near.setblocking(False)
        self._lobby.add(Newcomer(near, "127.0.0.1", accepted, accepted))
        self.far.append(far)
        return far


@contextmanager
def a_lobby(*, half_closed: bool = False) -> Iterator[tuple[Lobby, Guests]]:
    lobby = Lobby(half_closed=half_closed)
    guests = Guests(lobby)
    yield lobby, guests
    for far in guests.far:
        far.close()
    lobby.close()
    lobby.close()


def test_only_who_has_spoken_is_taken_in_the_order_of_speaking():
    async def main() -> None:
        with a_lobby() as (lobby, guests):
            first, second, silent = guests.add(), guests.add(), guests.add()
            assert (lobby.look(), lobby.take(), len(lobby), lobby.silent) == (0, None, 3, 3)
            second.send(b"x")
            lobby.look()
            first.send(b"y")
            await lobby.wait()
            lobby.look()
            assert (lobby.ready, lobby.silent, len(lobby)) == (2, 1, 3)
            taken = [lobby.take(), lobby.take(), lobby.take()]
            assert [entry.sock.recv(9) for entry in taken if entry is not None] == [b"x", b"y"]
            for entry in taken:
                if entry is not None:
                    entry.sock.close()
            with trio.move_on_after(0.05) as scope:
                await lobby.wait()
            assert scope.cancelled_caught
            silent.send(b"z")
            with trio.fail_after(5):
                await lobby.wait()
    trio.run(main)


@pytest.mark.parametrize("half_closed", [False, True])
def test_who_leaves_without_a_word_is_let_go(half_closed):
    async def main() -> None:
        with a_lobby(half_closed=half_closed) as (lobby, guests):
            gone, half = guests.add(), guests.add()
            gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            gone.close()  # a reset
            half.send(b"a question")
            half.shutdown(socket.SHUT_WR)
            left = 0
            while lobby.silent:
                await lobby.wait()
                left += lobby.look()
            assert left == (1 if half_closed else 2)
            taken = lobby.take()
            assert (taken is not None) is half_closed
            if taken is not None:
                taken.sock.close()
    trio.run(main)


def test_who_leaves_while_it_waits_for_a_place_gets_none():
    async def main() -> None:
        with a_lobby() as (lobby, guests):
            gone, there = guests.add(), guests.add()
            for far in (gone, there):
                far.send(b"hello")
                lobby.look()
            assert lobby.ready == 2
            gone.close()
            taken = lobby.take()
            assert taken is not None and taken.sock.getpeername() == there.getsockname()
            assert len(lobby) == 0
            taken.sock.close()
    trio.run(main)


def test_the_silent_go_oldest_first_and_those_that_spoke_stay():
    async def main() -> None:
        with a_lobby() as (lobby, guests):
            far = [guests.add(accepted=float(at)) for at in range(6)]
            far[0].send(b"x")
            lobby.look()
            assert lobby.waits_since == 0.0
            assert lobby.close_silent(accepted_before=3.0, most=1) == 1
            assert far[1].recv(1) == b""
            assert lobby.close_silent(accepted_before=3.0) == 1
            assert far[2].recv(1) == b""
            assert (lobby.silent, lobby.ready) == (3, 1)
            assert lobby.close_silent(accepted_before=100.0) == 3
            assert len(lobby) == 1
    trio.run(main)
