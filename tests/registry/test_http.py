"""Where connections go and what they trust."""

import gzip
import io
import socket
import threading

import pytest
import trio

from edged.errors import PeerError
from edged.registry import http
from edged.registry.download import Download
from edged.registry.http import Http, Unreachable, is_inward
from edged.registry.sources import Sources
from tests.registry.fake import fake


def get(url, sources=None, **options):
    async def main():
        async with Http(sources or Sources(), inward=options.pop("inward", True)) as http:
            return await http.request("GET", url, limit=options.pop("limit", 1000), **options)

    return trio.run(main)


def test_tls_is_checked_unless_the_host_is_known(tmp_path):
    with fake(tmp_path) as server:
        server.pages["/x"] = (200, {}, b"hello")
        url = f"https://{server.host}/x"
        with pytest.raises(PeerError, match=r"TLS: .*(certificate|issuer)"):
            get(url)
        assert get(url, Sources(authorities={server.host: (server.authority,)})).body == b"hello"
        assert get(url, Sources(insecure=frozenset({server.host}))).body == b"hello"


def test_an_insecure_host_may_speak_plainly():
    with fake() as server:
        server.pages["/x"] = (200, {}, b"hello")
        assert get(f"https://{server.host}/x", Sources(insecure=frozenset({server.host}))).url.startswith("http://")
        with pytest.raises(PeerError):
            get(f"https://{server.host}/x")


def test_credentials_stay_with_their_host():
    with fake() as first, fake() as second:
        first.pages["/here"] = (302, {"Location": "/there"}, b"")
        first.pages["/there"] = (307, {"Location": f"http://{second.host}/x"}, b"")
        second.pages["/x"] = (200, {}, b"hello")
        answer = get(f"http://{first.host}/here", headers={"Authorization": "Basic x", "Accept": "y"})
        assert answer.body == b"hello"
        assert [headers.get("authorization") for _, _, headers in first.asked] == ["Basic x", "Basic x"]
        assert [(h.get("authorization"), h.get("accept")) for _, _, h in second.asked] == [(None, "y")]


def test_redirects_end_and_do_not_leave_tls(tmp_path):
    with fake(tmp_path) as server, fake() as plain:
        sources = Sources(authorities={server.host: (server.authority,)})
        server.pages["/round"] = (302, {"Location": "/round"}, b"")
        server.pages["/down"] = (302, {"Location": f"http://{plain.host}/x"}, b"")
        server.pages["/file"] = (302, {"Location": "file:///etc/passwd"}, b"")
        for path, said in (("round", "redirects"), ("down", "plain HTTP"), ("file", "not a web address")):
            with pytest.raises(PeerError, match=said):
                get(f"https://{server.host}/{path}", sources)
        assert plain.asked == []


@pytest.mark.parametrize("headers", [{}, {"Transfer-Encoding": "chunked"}])
def test_bodies_are_bounded(headers):
    with fake() as server:
        body = b"7d0\r\n" + b"x" * 2000 + b"\r\n0\r\n\r\n" if headers else b"x" * 2000

        def page(*_):
            return 200, dict(headers), body

        server.pages["/x"] = page
        with pytest.raises(PeerError, match="1000"):
            get(f"http://{server.host}/x")


def test_progress_is_told():
    with fake() as server:
        server.pages["/x"] = (200, {}, b"x" * 500)
        seen = []

        def told(done, total):
            seen.append((done, total))

        assert get(f"http://{server.host}/absent", progress=told, into=Download(io.BytesIO())).status == 404
        assert seen == []
        get(f"http://{server.host}/x", progress=told, into=Download(io.BytesIO()))
        assert seen[-1] == (500, 500)


def test_nobody_there_is_a_peer_error():
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody_listens.getsockname()[1]}/x"
        with pytest.raises(Unreachable, match=f"^{url}: Connection refused$"):
            get(url)
    with pytest.raises(PeerError):
        get("https://does-not-exist.invalid/x")


def test_inward_connections_are_refused_by_the_address_that_is_connected_to(monkeypatch):
    """A name that resolves to this host is this host. Also tells when the transport's insides changed."""
    with fake() as server:
        server.pages["/x"] = (200, {}, b"hello")
        port = server.host.rpartition(":")[2]
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"):
            with pytest.raises(PeerError, match="loopback and link-local"):
                get(f"http://{host}:{port}/x", inward=False)
        assert server.asked == []

        async def resolves(host, port, **_):
            return [(None, None, None, "", ("169.254.169.254", port))]

        monkeypatch.setattr(trio.socket, "getaddrinfo", resolves)
        with pytest.raises(PeerError, match=r"metadata.example is 169\.254\.169\.254"):
            get("http://metadata.example/x", inward=False)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.9.9.9", "::1", "169.254.169.254", "fe80::1%eth0", "0.0.0.0", "::", "::ffff:127.0.0.1",
     "::ffff:169.254.1.1", "224.0.0.1", "ff02::1", "2002:7f00:1::", "64:ff9b::a9fe:a9fe", "fd00:ec2::254",
     "100.100.100.200", "168.63.129.16", "2001:0:1234::5601:5601"],
)  # fmt: skip
def test_addresses_that_lead_inward(address):
    assert is_inward(address)


@pytest.mark.parametrize("address", ["10.0.0.1", "192.168.1.1", "8.8.8.8", "2001:4860:4860::8888", "fd00::1"])
def test_addresses_that_do_not(address):
    assert not is_inward(address)


def test_behind_a_proxy_what_is_inward_by_its_name_is_refused():
    for host in ("127.0.0.1", "localhost", "[::1]", "169.254.169.254", "a.localhost"):
        with pytest.raises(PeerError, match="behind a proxy too"):
            get(f"http://{host}/x", Sources(http_proxy="http://127.0.0.1:1"), inward=False)


def test_packed_answers_are_not_unpacked():
    packed = gzip.compress(b"x" * 100_000)
    with fake() as server:
        server.pages["/x"] = (200, {"Content-Encoding": "gzip"}, packed)
        assert get(f"http://{server.host}/x").body == packed
        assert server.asked[0][2]["accept-encoding"] == "identity"


def test_a_proxy_is_asked_for_other_hosts():
    with fake() as proxy:
        proxy.pages["http://far.example/x"] = (200, {}, b"hello")
        sources = Sources(http_proxy=f"http://{proxy.host}", no_proxy=("near.invalid",))
        assert get("http://far.example/x", sources).body == b"hello"
        with pytest.raises(PeerError):
            get("http://near.invalid/x", sources)
        assert [path for _, path, _ in proxy.asked] == ["http://far.example/x"]


def test_silence_has_an_end(monkeypatch):
    gate = threading.Event()

    def silent(*_):
        gate.wait(30)
        return 200, {}, b""

    monkeypatch.setattr(http, "SILENCE_S", 0.1)
    with fake() as server:
        server.pages["/x"] = silent
        with pytest.raises(PeerError, match="no data for 0 s"):
            get(f"http://{server.host}/x")
        gate.set()
