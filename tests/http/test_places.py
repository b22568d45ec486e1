"""Places and the lobby before them: nobody is turned away, and who keeps a place without using it gives it up."""

from __future__ import annotations

import resource
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from edged.http.connection import State
from edged.http.listener import capacity
from edged.http.messages import Request, Response
from edged.tls.certificates import ensure
from edged.tls.contexts import ServerTls, TlsFiles
from tests.http.test_listener import (
    GET,
    LIMITS,
    Server,
    client_context,
    post,
    read_all,
    read_response,
    serving,
    tls_connect,
)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("state")
    ensure(directory, ["127.0.0.1"], time.time(), ["kube-apiserver"])
    return directory / "tls"


def counts(server: Server) -> dict[str, int]:
    return server.listener._shared.refusals.counts


def test_more_clients_than_places_are_all_served():
    async def main() -> None:
        answered = 0

        async def ask(server: Server) -> None:
            nonlocal answered
            client = await server.connect()
            await client.send_all(GET)
            assert (await read_response(client))[0] == 200
            await client.aclose()
            answered += 1

        async with serving(limits=replace(LIMITS, places=3, connections=10)) as server:
            async with trio.open_nursery() as nursery:
                for _ in range(60):
                    nursery.start_soon(ask, server)
            assert answered == 60
            assert counts(server) == {}
    trio.run(main)


def test_nobody_is_turned_away_while_all_places_are_at_work():
    async def main() -> None:
        release = trio.Event()

        async def handler(request: Request) -> Response:
            await release.wait()
            return Response(200, b"ok")

        async with serving(handler, replace(LIMITS, places=2, grace_s=0.05)) as server:
            clients = [await server.connect() for _ in range(6)]
            for client in clients:
                await client.send_all(GET)
            await server.until(State.HANDLING, State.HANDLING)
            while server.listener.lobby.ready != 4:
                await trio.sleep(0.001)
            await trio.sleep(0.2)
            assert server.listener.lobby.ready == 4
            release.set()
            for client in clients[:2]:
                assert (await read_response(client))[0] == 200
                await client.aclose()
            for client in clients[2:]:
                assert (await read_response(client))[0] == 200
                await client.aclose()
            assert counts(server) == {}
    trio.run(main)


def test_who_stalls_longer_than_the_grace_goes_before_the_idle_ones_and_not_sooner():
    async def main() -> None:
        async with serving(limits=replace(LIMITS, places=3, grace_s=0.3)) as server:
            good = await server.connect()
            await good.send_all(GET)
            await read_response(good)
            stalled = []
            for states in ((State.IDLE, State.HEAD), (State.IDLE, State.HEAD, State.HEAD)):
                stalled.append(await server.connect())
                await stalled[-1].send_all(b"GET")
                await server.until(*states)
                await trio.sleep(0.05)
            late = await server.connect()
            began = trio.current_time()
            await late.send_all(GET)
            assert (await read_response(late))[0] == 200
            assert trio.current_time() - began > 0.15
            await server.until(State.IDLE, State.IDLE, State.HEAD)
            await good.send_all(GET)
            assert (await read_response(good))[0] == 200
            assert counts(server) == {"evicted": 1}
            assert await read_all(stalled[0]) == b""
    trio.run(main)


def test_silent_connections_take_no_places_and_go_when_others_need_their_room():
    async def main() -> None:
        async with serving(limits=replace(LIMITS, places=2, connections=20, grace_s=0.3)) as server:
            silent = [await server.connect() for _ in range(40)]
            while server.listener.lobby.silent != 20:
                await trio.sleep(0.001)
            assert server.listener.connections == 0
            client = await server.connect()
            await client.send_all(GET)  # behind the others in the accept queue
            assert (await read_response(client))[0] == 200
            assert 20 <= counts(server)["evicted"] <= 41
            assert await silent[0].receive_some() == b""
    trio.run(main)


def test_handshakes_take_a_quarter_of_the_places(state):
    """Where client certificates are required, nobody without one gets further."""
    async def main() -> None:
        files = TlsFiles(state / "tls.crt", state / "tls.key", (state / "ca-bundle.crt",), "require")
        limits = replace(LIMITS, places=8, grace_s=0.3)
        async with serving(tls=ServerTls(files).context, limits=limits) as server:
            strangers = [await server.connect() for _ in range(12)]
            for stranger in strangers:
                await stranger.send_all(b"\x16\x03\x01\x02\x00\x01")  # the beginning of a ClientHello
            await server.until(State.HANDSHAKE, State.HANDSHAKE)
            while server.listener.lobby.ready != 10:
                await trio.sleep(0.001)
            own = []
            for _ in range(3):
                own.append(await tls_connect(server, client_context(state, certificate=True)))
            for client in own:
                await client.send_all(GET)
                assert (await read_response(client))[0] == 200
            assert server.listener._shared.handshaking <= 2
            assert counts(server)["evicted"] >= 10
    trio.run(main)


def test_a_body_that_came_while_the_process_was_held_up_is_read(state):
    """After a pause everything looks late, and what is there is not what takes room from others."""
    async def main() -> None:
        limits = replace(LIMITS, grace_s=0.3)
        body = post(b"x" * (LIMITS.message.body_bytes - 1000))
        limits = replace(limits, bodies_bytes=0)  # as much as one body may be
        async with serving(limits=limits) as server:
            first, second = await server.connect(), await server.connect()
            await first.send_all(body[:-1000])
            await server.until(State.BODY)
            await second.send_all(body[:500])
            await server.until(State.BODY, State.WAITING)
            await first.send_all(body[-1000:])
            time.sleep(0.8)  # nothing runs meanwhile
            assert (await read_response(first))[0] == 200
            await second.send_all(body[500:])
            assert (await read_response(second))[0] == 200
            assert counts(server) == {}
    trio.run(main)


def test_slow_handshakes_are_not_evicted_while_others_are_completed(state):
    async def main() -> None:
        tls = ServerTls(TlsFiles(state / "tls.crt", state / "tls.key"))
        limits = replace(LIMITS, places=8, grace_s=0.5)
        async with serving(tls=tls.context, limits=limits) as server:
            slow = await server.connect()
            await slow.send_all(b"\x16\x03\x01\x02\x00\x01")
            until = trio.current_time() + 1.5
            while trio.current_time() < until:
                async with trio.open_nursery() as nursery:
                    for _ in range(3):
                        nursery.start_soon(handshake_and_leave, server, state)
            assert server.listener._shared.handshaking == 1
            assert counts(server) == {}
    trio.run(main)


async def handshake_and_leave(server: Server, state: Path) -> None:
    client = await tls_connect(server, client_context(state))
    await client.aclose()


@contextmanager
def many_descriptors(wanted: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < wanted:
        pytest.skip(f"{wanted} open files are not allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_behind_five_thousand_silent_sockets_a_review_is_answered_within_a_second(state):
    async def main() -> None:
        tls = ServerTls(TlsFiles(state / "tls.crt", state / "tls.key"))
        connections, places = capacity(16384)
        limits = replace(LIMITS, connections=connections, places=places)
        with many_descriptors(10_500):
            async with serving(tls=tls.context, limits=limits) as server:
                for _ in range(5000):
                    await server.connect()
                began = trio.current_time()
                client = await tls_connect(server, client_context(state))
                await client.send_all(GET)
                assert (await read_response(client))[0] == 200
                assert trio.current_time() - began < 1
                assert server.listener.connections == 1
    trio.run(main)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_http_2_is_not_offered(state, version):
    async def main() -> None:
        tls = ServerTls(TlsFiles(state / "tls.crt", state / "tls.key"))
        async with serving(tls=tls.context) as server:
            context = client_context(state)
            context.maximum_version = version
            context.set_alpn_protocols(["h2", "http/1.1"])
            client = await tls_connect(server, context)
            await client.send_all(GET)
            await read_response(client)
            assert client.selected_alpn_protocol() == "http/1.1"
            if version == ssl.TLSVersion.TLSv1_3:
                assert client.session is None or not client.session.has_ticket, "client-go resumes no session"
    trio.run(main)


@pytest.mark.parametrize(
    ("descriptors", "expected"),
    [(16384, (12288, 4096)), (65536, (12288, 4096)), (4096, (3584, 1792)), (1024, (896, 448)), (64, (16, 8))],
)
def test_places_follow_from_how_many_files_may_be_open(descriptors, expected):
    assert capacity(descriptors) == expected
