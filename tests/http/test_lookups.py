"""Names that nobody answers for: what they hold up, and what not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import trio

from edged.http import lookups as lookups_file
from edged.http.client import ConnectFailed, connect
from edged.http.lookups import Lookups, Resolver


class Names:
    """A system's resolver: names that begin with `hung` are answered when the test is over."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.hanging = 0
        self.most: dict[str, int] = {}
        self.port = 0
        self._lock = threading.Lock()

    def getaddrinfo(self, host: Any, port: Any, *options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name.startswith("hung"):
            with self._lock:
                self.hanging += 1
                self.most[name] = self.most.get(name, 0) + 1
            self.over.wait(30)
            raise socket.gaierror(socket.EAI_AGAIN, "nobody answered")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", self.port))]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    names, real = Names(), socket.getaddrinfo

    def answered(host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0) -> Any:
        if flags & socket.AI_NUMERICHOST:
            return real(host, port, family, type, proto, flags)
        return names.getaddrinfo(host, port)

    monkeypatch.setattr(socket, "getaddrinfo", answered)
    yield names
    names.over.set()


def test_hung_names_of_one_part_hold_up_no_other_part_and_no_thread(names: Names) -> None:
    guests = Lookups()

    async def look_up(name: str) -> None:
        with guests.used():
            await trio.socket.getaddrinfo(name, 80)

    async def main() -> None:
        trio.socket.set_custom_hostname_resolver(Resolver())
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        names.port = listeners[0].socket.getsockname()[1]
        async with trio.open_nursery() as nursery:
            for number in range(100):
                nursery.start_soon(look_up, f"hung{number}.example")
            while names.hanging < lookups_file.AT_ONCE:
                await trio.sleep(0.01)
            with trio.fail_after(5):
                await trio.socket.getaddrinfo("api.example", 6443)
                await (await connect("api.example", names.port, None)).aclose()
                for _ in range(50):
                    await trio.to_thread.run_sync(lambda: None)
            assert trio.to_thread.current_default_thread_limiter().borrowed_tokens == 0
            assert names.hanging == lookups_file.AT_ONCE
            nursery.cancel_scope.cancel()
        await listeners[0].aclose()

    trio.run(main)


def test_one_hung_name_holds_up_no_other_name(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is asked for: one thread hangs, the rest are free."""
    monkeypatch.setattr(lookups_file, "ANSWER_S", 0.05)

    async def main() -> None:
        trio.socket.set_custom_hostname_resolver(Resolver())
        for _ in range(10):
            with pytest.raises(ConnectFailed, match="do not answer within"):
                await connect("hung.example", 80, None)
        await trio.socket.getaddrinfo("other.example", 80)
        assert names.most == {"hung.example": 1}
        names.over.set()

    trio.run(main)


def test_what_is_over_leaves_nothing_behind(names: Names) -> None:
    lookups = Lookups(at_once=2)

    async def main() -> None:
        trio.socket.set_custom_hostname_resolver(Resolver())
        with lookups.used():
            async with trio.open_nursery() as nursery:
                for number in range(20):
                    nursery.start_soon(trio.socket.getaddrinfo, f"n{number % 3}.example", 80)
            with trio.move_on_after(0.1):
                async with trio.open_nursery() as nursery:
                    for number in range(5):
                        nursery.start_soon(trio.socket.getaddrinfo, f"hung{number}.example", 80)
            names.over.set()
            with trio.fail_after(5):
                while lookups._names:
                    await trio.sleep(0.01)
        assert lookups._all.borrowed_tokens == 0

    trio.run(main)


def test_names_of_addresses_are_answered_as_before() -> None:
    async def main() -> None:
        trio.socket.set_custom_hostname_resolver(Resolver())
        assert (await trio.socket.getnameinfo(("127.0.0.1", 80), socket.NI_NUMERICHOST))[0] == "127.0.0.1"
        assert await trio.socket.getaddrinfo("localhost", 80)
        with pytest.raises(socket.gaierror):
            await trio.socket.getaddrinfo("nobody.invalid", 80)

    trio.run(main)
