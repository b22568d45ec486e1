"""ApiClient against the fake server: answers, errors, timeouts, streams, cancelled reads."""

from __future__ import annotations

import gc
from base64 import b64encode
from json import dumps as dumps_any
from pathlib import Path
from typing import Any

import orjson
import pytest
import trio

from edged.errors import ConfigError, PeerError
from edged.kube.client import ApiClient, ApiError, NoAnswer, NotConfigured, Session, StreamIdle, error_of
from tests.cluster.certificates import write_certificates
from tests.fakes.apiserver import CutAfter, Drop, Lines, OneByteAtATime, Plain, Silence, Status
from tests.kube.support import PODS_PATH, fake_server, run, session_for, tls_pair

WATCH = {"watch": "true"}


def test_plain_dicts_in_and_out() -> None:
    async def main() -> None:
        async with fake_server() as server:
            server.answers["POST", "/api/v1/x"] = lambda request: (201, {"got": request.json()})
            client = ApiClient(session_for(server.url, token="secret"))
            answer = await client.request("POST", "/api/v1/x", query={"a": "b c"}, body={"k": 1})
            assert answer == {"got": {"k": 1}}
            request = server.requests[0]
            assert request.query == {"a": "b c"} and request.headers["authorization"] == "Bearer secret"
            assert request.headers["content-type"] == "application/json"
            await client.request("POST", "/api/v1/x", body=b"[]", content_type="application/json-patch+json")
            assert server.requests[1].headers["content-type"] == "application/json-patch+json"
            await client.aclose()

    run(main)


def test_errors_have_code_reason_and_message() -> None:
    async def main() -> None:
        async with fake_server() as server:
            client = ApiClient(session_for(server.url))
            with pytest.raises(ApiError, match="404 NotFound: the server could not find") as caught:
                await client.request("GET", "/api/v1/nothing")
            assert caught.value.code == 404 and caught.value.body["kind"] == "Status"
            server.script("list", Status(429, "TooManyRequests", "later", (("Retry-After", "3"),)))
            with pytest.raises(ApiError) as caught:
                await client.request("GET", PODS_PATH)
            assert caught.value.retry_after_s == 3.0
            server.script("list", Plain(b"upstream sent\xff nothing", 502))
            with pytest.raises(ApiError, match="502: upstream sent"):
                await client.request("GET", PODS_PATH)
            for body in (b"not json", b"[]", b""):
                server.script("list", Plain(body))
                with pytest.raises(PeerError, match="JSON"):
                    await client.request("GET", PODS_PATH)
            await client.aclose()

    run(main)


def test_no_answer_names_the_address_and_the_cause() -> None:
    async def main() -> None:
        async with fake_server() as server:
            client = ApiClient(session_for(server.url))
            assert not client.contact.is_tried
            address = server.url.replace(".", r"\.")
            server.script("list", Silence(headers=False))
            with pytest.raises(NoAnswer, match=rf"{address}: no answer to GET .* within 0\.05 s"):
                await client.request("GET", PODS_PATH, timeout_s=0.05)
            assert client.contact.failure == f"{server.url}: no answer within 0.05 s"
            with pytest.raises(ApiError):
                await client.request("GET", "/nowhere")
            assert client.contact.failure == "" and client.contact.heard_at is not None, "a refusal is an answer"
            server.stop()
            with pytest.raises(NoAnswer, match=rf"{address}: GET {PODS_PATH}: Connection refused"):
                await client.request("GET", PODS_PATH)
            with pytest.raises(NoAnswer, match="Connection refused"):
                async with client.stream(PODS_PATH, WATCH):
                    raise AssertionError
            assert client.contact.failure == f"{server.url}: Connection refused"
            await client.swap(session_for(server.url))
            assert client.contact.failure == "", "nothing is known of the next one"
            with pytest.raises(NotConfigured, match="waiting for a kubeconfig"):
                await ApiClient().request("GET", PODS_PATH)
            await client.aclose()

    run(main)


def test_a_read_is_repeated_once_a_write_never() -> None:
    async def main() -> None:
        async with fake_server() as server:
            client = ApiClient(session_for(server.url))
            server.script("list", Drop())
            await client.request("GET", PODS_PATH)
            assert len(server.requests) == 2
            server.script("list", Drop(), CutAfter(5))
            with pytest.raises(NoAnswer):
                await client.request("GET", PODS_PATH)
            server.script("POST", Drop())
            with pytest.raises(NoAnswer):
                await client.request("POST", PODS_PATH, body={})
            assert len(server.requests) == 5
            await client.aclose()

    run(main)


def test_certificate_of_an_unknown_authority(tmp_path: Path) -> None:
    server_side, authority = tls_pair(tmp_path)

    async def main() -> None:
        async with fake_server(tls=server_side) as server:
            client = ApiClient(session_for(server.url, authority=authority))
            assert (await client.request("GET", PODS_PATH))["kind"] == "PodList"
            await client.aclose()
            stranger = ApiClient(session_for(server.url))
            with pytest.raises(NoAnswer, match="certificate not accepted"):
                await stranger.request("GET", PODS_PATH)
            await stranger.aclose()

    run(main)


def test_servers_behind_a_path() -> None:
    async def main() -> None:
        async with fake_server() as server:
            server.collection("/k8s/clusters/c-1" + PODS_PATH, "Pod")
            client = ApiClient(session_for(server.url + "/k8s/clusters/c-1/"))
            assert (await client.request("GET", PODS_PATH))["kind"] == "PodList"
            await client.aclose()

    run(main)


@pytest.mark.parametrize("server", ["ftp://x", "127.0.0.1:6443", "https://", ""])
def test_server_that_is_not_a_url(server: str) -> None:
    with pytest.raises(ConfigError, match="server is not a URL"):
        session_for(server)


def test_the_certificate_that_we_show(tmp_path: Path) -> None:
    made = write_certificates(tmp_path).admin
    pem = made.certificate.read_bytes()
    files = {"client_cert": str(made.certificate), "client_key": str(made.key)}
    data = {"client_cert_data": b64encode(pem).decode(), "client_key_data": b64encode(made.key.read_bytes()).decode()}
    for user in (files, data):
        assert session_for("https://127.0.0.1:1", **user).client_certificate == pem
    assert session_for("https://127.0.0.1:1", token="t").client_certificate == b""


async def lines_of(client: ApiClient, **options: Any) -> list[bytes]:
    async with client.stream(PODS_PATH, WATCH, **options) as lines:
        return [line async for line in lines]


def test_lines_of_a_stream_however_they_are_cut() -> None:
    long = b"x" * 200_000

    async def main() -> None:
        async with fake_server() as server:
            client = ApiClient(session_for(server.url))
            server.script("watch", Lines((b"one", b"", b"  ", b"two", long, b"three")))
            assert await lines_of(client) == [b"one", b"two", long, b"three"]
            server.put(PODS_PATH, "a", "ns")
            server.put(PODS_PATH, "b", "ns")
            server.script("watch", OneByteAtATime())
            async with client.stream(PODS_PATH, WATCH) as lines:
                assert [orjson.loads(await anext(lines))["object"]["metadata"]["name"] for _ in "ab"] == [
                    "a",
                    "b",
                ]
            server.script("watch", CutAfter(20))
            with pytest.raises(NoAnswer):
                await lines_of(client)
            await client.aclose()

    run(main)


def test_stream_that_is_silent_or_has_lasted() -> None:
    async def main() -> None:
        async with fake_server() as server:
            client = ApiClient(session_for(server.url))
            with pytest.raises(StreamIdle, match=r"nothing received for 0\.05 s"):
                await lines_of(client, idle_s=0.05)
            assert await lines_of(client, end_after_s=0.05) == []
            server.script("watch", Silence(headers=False))
            with pytest.raises(NoAnswer, match="no answer to GET"):
                await lines_of(client, open_timeout_s=0.05)
            server.script("watch", Status(403, "Forbidden", "no"))
            with pytest.raises(ApiError, match="403 Forbidden: no"):
                await lines_of(client)
            await server.wait(lambda: server.open_connections <= 1)
            await client.aclose()

    run(main)


def test_left_and_cancelled_streams_are_closed_without_litter() -> None:
    """Unfinished generators inside the HTTP client would warn when they are collected: an error in tests."""

    async def main() -> None:
        async with fake_server() as server:
            client = ApiClient(session_for(server.url))
            server.put(PODS_PATH, "a", "ns")
            for _ in range(5):
                async with client.stream(PODS_PATH, WATCH) as lines:
                    await anext(lines)
                with trio.move_on_after(0.03):
                    await lines_of(client)
            gc.collect()
            await server.wait(lambda: server.open_connections == 0)
            await client.aclose()

    run(main)


def test_401_is_answered_with_new_credentials() -> None:
    async def main() -> None:
        async with fake_server() as server:
            server.token = "new"

            async def refresh(rejected: Session) -> bool:
                await client.swap(session_for(server.url, token="new"))
                return True

            client = ApiClient(session_for(server.url, token="old"), refresh=refresh)
            await client.request("GET", PODS_PATH)
            await client.swap(session_for(server.url, token="old"))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(lines_of, client)
                await server.wait(lambda: len(server.requests) >= 4)
                nursery.cancel_scope.cancel()
            assert [request.headers["authorization"] for request in server.requests] == [
                "Bearer old",
                "Bearer new",
            ] * 2
            client._refresh = None
            server.token = "other"
            with pytest.raises(ApiError) as caught:
                await client.request("GET", PODS_PATH)
            assert caught.value.code == 401
            await client.aclose()

    run(main)


def test_swapping_cuts_streams_and_lets_requests_finish() -> None:
    async def main() -> None:
        async with fake_server() as server:
            client = ApiClient(session_for(server.url))
            cut = trio.Event()

            async def follow() -> None:
                with pytest.raises(NoAnswer, match="credentials were replaced"):
                    await lines_of(client)
                cut.set()

            async def ask() -> None:
                with pytest.raises(NoAnswer):  # in the end the silent server hangs up
                    await client.request("POST", PODS_PATH, body={})

            server.script("POST", Silence())
            old = client.session
            async with trio.open_nursery() as nursery:
                nursery.start_soon(follow)
                nursery.start_soon(ask)
                await server.wait_request("watch")
                await server.wait_request("POST")
                await client.swap(session_for(server.url))
                await server.wait(lambda: server.open_connections == 1)
                assert not old.http.is_closed
                server.release_silent()
            assert cut.is_set() and old.http.is_closed
            await client.aclose()

    run(main)


def test_a_token_with_a_line_break_is_refused() -> None:
    async def main() -> None:
        client = ApiClient(session_for("http://127.0.0.1:1", token="one\r\nX-Other: two"))
        with pytest.raises(NoAnswer, match="header Authorization contains a line break"):
            await client.request("GET", PODS_PATH)
        await client.aclose()

    run(main)


@pytest.mark.parametrize(
    ("header", "in_status", "seconds"),
    [
        ("3", 7, 3.0),
        ("0", 7, 0.0),
        ("99999", 7, 30.0),
        ("9" * 5000, 7, 30.0),
        ("-5", None, None),
        ("soon", 7, 7.0),
        ("Wed, 21 Oct 2065 07:28:00 GMT", None, None),
        ("", 99999, 30.0),
        ("", 10**18, 30.0),
        ("", -1, None),
        ("", "3", None),
        ("", [], None),
    ],
)
def test_how_long_it_is_left_alone(header: str, in_status: Any, seconds: float | None) -> None:
    content = dumps_any({"kind": "Status", "message": "later", "details": {"retryAfterSeconds": in_status}}).encode()
    error = error_of(429, {"retry-after": header}, content)
    assert error.retry_after_s == seconds
    assert ("asks to be left alone for longer than the 30 s" in error.message) == (seconds == 30.0)
    assert error_of(429, {"retry-after": "99999"}, b"busy").retry_after_s == 30.0


@pytest.mark.parametrize("path", ["/a\0b", "/\ud800", "/" + "a" * 70_000, "http://[::1/", "//[/"])
def test_addresses_that_are_none_are_an_error_of_ours(path: str) -> None:
    """Names in them come out of the server's own answers."""

    async def main() -> None:
        async with fake_server() as server:
            client = ApiClient(session_for(server.url))
            with pytest.raises(PeerError):
                await client.request("GET", path, query={"continue": "\ud800"})
            with pytest.raises(PeerError):
                async with client.stream(path, {}):
                    pass
            await client.aclose()

    run(main)
