"""Lean connections against the fake server: keep-alive, limits, what is repeated and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from edged.kube.client import ApiClient, ApiError, NoAnswer, NotConfigured, Session
from edged.kube.lean import LeanPool
from tests.fakes.apiserver import (
    CutAfter,
    Drop,
    FakeApiServer,
    OneByteAtATime,
    Plain,
    Request,
    Silence,
    Status,
)
from tests.kube.support import fake_server, run, session_for, tls_pair

PATH = "/api/v1/namespaces/ns/pods/p/binding"


def answering(server: FakeApiServer) -> ApiClient:
    server.answers["POST", PATH] = lambda request: (201, {"kind": "Status", "status": "Success"})
    return ApiClient(session_for(server.url))


def posts(server: FakeApiServer) -> list[Request]:
    return [request for request in server.requests if request.kind == "POST"]


def test_one_connection_carries_many_requests() -> None:
    async def main() -> None:
        async with fake_server() as server:
            pool = LeanPool(answering(server), connections=1)
            for number in range(5):
                assert b"Success" in await pool.request("POST", PATH, b"%d" % number)
            assert server.accepted_connections == 1
            assert [request.body for request in posts(server)] == [b"0", b"1", b"2", b"3", b"4"]
            await pool.aclose()
            await server.wait(lambda: server.open_connections == 0)

    run(main)


def test_an_answer_is_contact() -> None:
    async def main() -> None:
        async with fake_server() as server:
            client = answering(server)
            pool = LeanPool(client)
            client.contact.failed("away")
            await pool.request("POST", PATH)
            await pool.aclose()
            assert client.contact.failure == "" and client.contact.heard_at is not None

    run(main)


def test_a_connection_that_breaks_before_the_answer_is_whole_is_no_contact() -> None:
    async def main() -> None:
        async with fake_server() as server:
            client = answering(server)
            pool = LeanPool(client)
            for spoiled in (Drop(), CutAfter(3)):
                server.script("POST", spoiled)
                with pytest.raises(NoAnswer):
                    await pool.request("POST", PATH)
                assert client.contact.failure.startswith(f"{client.server}: ")
                await pool.request("POST", PATH)
                assert client.contact.failure == ""
            await pool.aclose()

    run(main)


def test_at_most_so_many_connections() -> None:
    async def main() -> None:
        async with fake_server() as server:
            pool = LeanPool(answering(server), connections=3)
            async with trio.open_nursery() as nursery:
                for _ in range(20):
                    nursery.start_soon(pool.request, "POST", PATH, b"{}")
            assert len(posts(server)) == 20 and server.accepted_connections <= 3
            await pool.aclose()

    run(main)


def test_errors_carry_the_status() -> None:
    async def main() -> None:
        async with fake_server() as server:
            pool = LeanPool(answering(server))
            server.script("POST", Status(409, "Conflict", "taken", (("Retry-After", "3"),)))
            with pytest.raises(ApiError) as caught:
                await pool.request("POST", PATH)
            assert (caught.value.code, caught.value.reason, caught.value.message) == (
                409,
                "Conflict",
                "taken",
            )
            assert caught.value.retry_after_s == 3.0
            await pool.request("POST", PATH)
            assert server.accepted_connections == 1
            await pool.aclose()

    run(main)


def test_connection_closed_while_idle_is_replaced() -> None:
    async def main() -> None:
        async with fake_server() as server:
            pool = LeanPool(answering(server))
            await pool.request("POST", PATH)
            server.stop()
            await server.wait(lambda: server.open_connections == 0)
            await server.start()
            await pool.request("POST", PATH)
            assert len(posts(server)) == 2
            await pool.aclose()

    run(main)


@pytest.mark.parametrize(("repeatable", "sent"), [(True, 3), (False, 2)])
def test_closed_without_a_byte_is_repeated_only_when_harmless(repeatable: bool, sent: int) -> None:
    async def main() -> None:
        async with fake_server() as server:
            pool = LeanPool(answering(server))
            await pool.request("POST", PATH)
            server.script("POST", Drop())
            if repeatable:
                await pool.request("POST", PATH, repeatable=True)
            else:
                with pytest.raises(NoAnswer, match="closed by the server"):
                    await pool.request("POST", PATH)
            assert len(posts(server)) == sent
            await pool.aclose()

    run(main)


def test_not_repeated_on_a_new_connection_or_after_a_byte() -> None:
    async def main() -> None:
        async with fake_server() as server:
            pool = LeanPool(answering(server))
            server.script("POST", Drop())
            with pytest.raises(NoAnswer):
                await pool.request("POST", PATH, repeatable=True)
            await pool.request("POST", PATH)
            server.script("POST", CutAfter(3))
            with pytest.raises(NoAnswer):
                await pool.request("POST", PATH, repeatable=True)
            assert len(posts(server)) == 3 and pool.idle == 0

    run(main)


def test_garbage_silence_and_slow_answers() -> None:
    async def main() -> None:
        async with fake_server() as server:
            pool = LeanPool(answering(server))
            server.script("POST", Plain(b"hello", 502))
            with pytest.raises(ApiError, match="502: hello"):
                await pool.request("POST", PATH)
            server.script("POST", Silence())
            with pytest.raises(NoAnswer, match=r"within 0\.1 s"):
                await pool.request("POST", PATH, timeout_s=0.1)
            server.script("POST", OneByteAtATime())
            assert b"Success" in await pool.request("POST", PATH)
            await pool.aclose()

    run(main)


def test_not_http() -> None:
    async def nonsense(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"SSH-2.0-x\r\n")

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(trio.serve_tcp, nonsense, 0)
            port = listeners[0].socket.getsockname()[1]
            pool = LeanPool(ApiClient(session_for(f"http://127.0.0.1:{port}")))
            with pytest.raises(NoAnswer, match="not HTTP"):
                await pool.request("POST", PATH, repeatable=True)
            nursery.cancel_scope.cancel()

    run(main)


def test_refused_and_not_configured() -> None:
    async def main() -> None:
        async with fake_server() as server:
            client = answering(server)
            server.stop()
            with pytest.raises(NoAnswer, match=r"127\.0\.0\.1.*Connection refused"):
                await LeanPool(client).request("POST", PATH)
            assert client.contact.failure.endswith("Connection refused")
            with pytest.raises(NotConfigured):
                await LeanPool(ApiClient()).request("POST", PATH)

    run(main)


def test_cancelled_request_costs_its_connection() -> None:
    async def main() -> None:
        async with fake_server() as server:
            pool = LeanPool(answering(server), connections=1)
            server.script("POST", Silence())
            async with trio.open_nursery() as nursery:
                nursery.start_soon(pool.request, "POST", PATH)
                await server.wait_request("POST")
                nursery.cancel_scope.cancel()
            assert pool.idle == 0
            await pool.request("POST", PATH)  # its place is free again
            assert server.accepted_connections == 2
            await pool.aclose()

    run(main)


@pytest.mark.parametrize("path", ["x", "/a b", "/a\r\nX: y", "/\u00e4"])
def test_path_cannot_break_out_of_the_request_line(path: str) -> None:
    async def main() -> None:
        with pytest.raises(ValueError):
            await LeanPool(ApiClient()).request("POST", path)

    run(main)


def test_401_asks_for_other_credentials_once() -> None:
    async def main() -> None:
        async with fake_server() as server:
            server.answers["POST", PATH] = lambda request: (201, {})
            server.token = "new"
            asked: list[Session] = []

            async def refresh(rejected: Session) -> bool:
                asked.append(rejected)
                await client.swap(session_for(server.url, token="new"))
                return True

            client = ApiClient(session_for(server.url, token="old"), refresh=refresh)
            pool = LeanPool(client)
            await pool.request("POST", PATH)
            assert len(asked) == 1 and len(posts(server)) == 2
            server.token = "newer"
            client._refresh = None
            with pytest.raises(ApiError) as caught:
                await pool.request("POST", PATH)
            assert caught.value.code == 401
            await pool.aclose()

    run(main)


def test_token_file_is_read_again_after_a_401(tmp_path: Path) -> None:
    async def main() -> None:
        token = tmp_path / "token"
        token.write_text("one")
        async with fake_server() as server:
            server.answers["POST", PATH] = lambda request: (201, {})
            server.token = "one"
            pool = LeanPool(ApiClient(session_for(server.url, token_file=str(token))))
            await pool.request("POST", PATH)
            token.write_text("two")
            server.token = "two"
            await pool.request("POST", PATH)
            await pool.request("POST", PATH)
            assert len(posts(server)) == 4
            await pool.aclose()

    run(main)


def test_tls(tmp_path: Path) -> None:
    server_side, authority = tls_pair(tmp_path)

    async def main() -> None:
        async with fake_server(tls=server_side) as server:
            server.answers["POST", PATH] = lambda request: (201, {"kind": "Status", "status": "Success"})
            pool = LeanPool(ApiClient(session_for(server.url, authority=authority)))
            for _ in range(3):
                await pool.request("POST", PATH, b"{}")
            assert server.accepted_connections == 1
            await pool.aclose()
            with pytest.raises(NoAnswer, match="certificate not accepted"):
                await LeanPool(ApiClient(session_for(server.url))).request("POST", PATH)

    run(main)
