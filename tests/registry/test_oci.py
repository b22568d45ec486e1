"""The registry protocol against a fake that says what no real one would; tests with a real one are beside it."""

import base64
import io
import json

import pytest
import trio

from edged.errors import PeerError
from edged.registry.credentials import Login
from edged.registry.download import Download
from edged.registry.http import Http
from edged.registry.oci import Registry, architecture
from edged.registry.reference import parse_url
from edged.registry.sources import Sources
from tests.registry.fake import LAYER, WASM, digest, fake

MODULE = WASM + b"module"


@pytest.fixture
def server():
    with fake() as server:
        yield server


def pull(server, name, login=None, limit=1000):
    async def main():
        async with Http(Sources(insecure=frozenset({server.host}))) as http:
            into = Download(io.BytesIO())
            found = await Registry(http, login).module(parse_url(f"registry://{server.host}/{name}"), into, limit)
            return into.file.getvalue(), found

    return trio.run(main)


def refused(server, name, said, **options):
    with pytest.raises(PeerError, match=said):
        pull(server, name, **options)


def test_by_tag_and_by_digest(server):
    made = server.publish("team/p", "v1", MODULE)
    binary, manifest = pull(server, "team/p:v1")
    assert (binary, manifest.digest) == (MODULE, made)
    assert pull(server, f"team/p@{made}")[0] == MODULE
    accept = server.asked[0][2]["accept"]
    assert "application/vnd.oci.image.index.v1+json" in accept and "docker.distribution.manifest.v2" in accept


def test_what_came_is_checked_against_its_digest(server):
    made = server.publish("p", "v1", MODULE)
    path = f"/v2/p/blobs/{digest(MODULE)}"
    server.pages[path] = (200, {}, WASM + b"other")
    refused(server, "p:v1", "arrived with digest")
    server.pages[f"/v2/p/manifests/{made}"] = (200, {}, b'{"layers":[]}')
    refused(server, f"p@{made}", "sent a manifest with digest")


def test_layers_that_are_no_module(server):
    server.publish("p", "text", b"hello")
    refused(server, "p:text", "the layer is not a Wasm module")
    server.publish("p", "image", MODULE, "application/vnd.oci.image.layer.v1.tar+gzip")
    refused(server, "p:image", "no Wasm module")
    layer = {"mediaType": LAYER, "digest": digest(MODULE)}
    server.publish_manifest("p", "two", {"layers": [layer, {**layer, "mediaType": "text/plain"}]})
    refused(server, "p:two", "text/plain")
    for tag, manifest, said in (
        ("none", {"layers": []}, "no layers"),
        ("no-list", {}, "no list `layers`"),
        ("bad", {"layers": [{**layer, "digest": "md5:1"}]}, "digest is"),
        ("path", {"layers": [{**layer, "digest": "../../x"}]}, "digest is"),
        ("text", {"layers": ["x"]}, "no list"),
    ):
        server.publish_manifest("p", tag, manifest)
        refused(server, f"p:{tag}", said)
    server.pages["/v2/p/manifests/array"] = (200, {}, b"[]")
    refused(server, "p:array", "not an object")
    server.pages["/v2/p/manifests/garbage"] = (200, {}, b"{")
    refused(server, "p:garbage", "not JSON")


def test_an_index_gives_what_is_for_this_machine(server):
    made = server.publish("p", "arch", MODULE)
    other = server.publish("p", "other", WASM + b"other")
    platforms = [
        {"digest": other, "platform": {"os": "linux", "architecture": "s390x"}},
        {"digest": made, "platform": {"os": "linux", "architecture": architecture()}},
    ]
    server.publish_manifest("p", "index", {"manifests": platforms})
    assert pull(server, "p:index")[0] == MODULE
    server.publish_manifest("p", "foreign", {"manifests": platforms[:1]})
    refused(server, "p:foreign", f"nothing for linux/{architecture()}")


def test_errors_tell_what_the_registry_said(server):
    refused(server, "p:absent", "not found")
    said = json.dumps({"errors": [{"code": "DENIED", "message": "not for you"}]}).encode()
    server.pages["/v2/p/manifests/v1"] = (403, {}, said)
    refused(server, "p:v1", "DENIED not for you")
    server.pages["/v2/p/manifests/v1"] = (503, {}, b"<html>")
    refused(server, "p:v1", "HTTP 503")


def test_too_large_a_module(server):
    server.publish("p", "v1", WASM + b"x" * 2000)
    refused(server, "p:v1", "1000")


def guarded(server, challenge, accepted):
    """Everything of `p` asks for an Authorization."""
    for path, page in list(server.pages.items()):
        def answer(_method, headers, _body, page=page):
            return page if headers.get("authorization") == accepted else (401, {"WWW-Authenticate": challenge}, b"")

        server.pages[path] = answer


def test_basic_authentication(server):
    server.publish("p", "v1", MODULE)
    guarded(server, 'Basic realm="r"', "Basic " + base64.b64encode(b"u:p").decode())
    assert pull(server, "p:v1", Login("u", "p"))[0] == MODULE
    refused(server, "p:v1", "not authorised")
    refused(server, "p:v1", "not authorised", login=Login("u", "wrong"))


def test_tokens(server):
    server.publish("team/p", "v1", MODULE)
    challenge = f'Bearer realm="http://{server.host}/token",service="s",scope="repository:team/p:pull"'
    guarded(server, challenge, "Bearer t1")
    asked = []

    def token(_method, headers, _body):
        asked.append(headers.get("authorization"))
        return 200, {}, b'{"token":"t1","expires_in":60}'

    server.pages["/token"] = token
    assert pull(server, "team/p:v1", Login("u", "p"))[0] == MODULE
    paths = [path for _, path, _ in server.asked if path.startswith("/token")]
    assert paths == ["/token?scope=repository%3Ateam%2Fp%3Apull&service=s"], "one token serves manifest and blob"
    assert asked == ["Basic " + base64.b64encode(b"u:p").decode()]
    assert pull(server, "team/p:v1")[0] == MODULE and asked[-1] is None
    for status, body, said in ((200, b"{}", "gave no token"), (401, b"", "no token from"), (200, b"x", "JSON")):
        server.pages["/token"] = (status, {}, body)
        refused(server, "team/p:v1", said)


@pytest.mark.parametrize("realm", ["file:///etc/passwd", "http://elsewhere.example/token", ""])
def test_tokens_are_not_fetched_from_anywhere(server, realm):
    server.publish("p", "v1", MODULE)
    guarded(server, f'Bearer realm="{realm}"', "never")
    refused(server, "p:v1", "token", login=Login("u", "p"))


def test_push_and_pull(server):
    uploaded = {}

    def upload(method, _headers, body):
        if method == "POST":
            return 202, {"Location": "/v2/p/upload?state=1"}, b""
        return 404, {}, b""

    def put(_method, _headers, body):
        uploaded[digest(body)] = body
        server.pages[f"/v2/p/blobs/{digest(body)}"] = (200, {}, body)
        return 201, {}, b""

    def manifest(method, headers, body):
        if method == "PUT":
            server.publish_manifest("p", "v1", json.loads(body))
            assert headers["content-type"] == "application/vnd.oci.image.manifest.v1+json"
            return 201, {}, b""
        return 404, {}, b""

    server.pages |= {"/v2/p/blobs/uploads/": upload, "/v2/p/upload": put, "/v2/p/manifests/v1": manifest}

    async def main():
        async with Http(Sources(insecure=frozenset({server.host}))) as http:
            reference = parse_url(f"registry://{server.host}/p:v1")
            return await Registry(http).push(reference, MODULE, {"io.kubewarden.policy.title": "p"})

    made = trio.run(main)
    assert uploaded == {digest(b"{}"): b"{}", digest(MODULE): MODULE}
    binary, found = pull(server, "p:v1")
    assert binary == MODULE and found.document["annotations"] == {"io.kubewarden.policy.title": "p"}
    assert made.startswith("sha256:")


def test_another_host_that_keeps_blobs_is_told_nothing(server):
    """Neither when it asks who we are, nor when it wants an upload."""
    with fake() as storage:
        name = server.publish("p", "v1", MODULE)
        layer = json.loads(server.pages[f"/v2/p/manifests/{name}"][2])["layers"][0]["digest"]
        login = Login("u", "p")
        guarded(server, 'Basic realm="r"', login.header())
        server.pages[f"/v2/p/blobs/{layer}"] = (307, {"Location": f"http://{storage.host}/blob"}, b"")
        storage.pages["/blob"] = (401, {"WWW-Authenticate": f'Bearer realm="http://{storage.host}/token"'}, b"")
        storage.pages["/upload"] = (401, {"WWW-Authenticate": 'Basic realm="r"'}, b"")
        server.pages["/v2/p/blobs/uploads/"] = (202, {"Location": f"http://{storage.host}/upload"}, b"")

        async def main(insecure):
            async with Http(Sources(insecure=frozenset(insecure))) as http:
                registry, reference = Registry(http, login), parse_url(f"registry://{server.host}/p:v1")
                with pytest.raises(PeerError, match="not authorised"):
                    await registry.module(reference, Download(io.BytesIO()), 1000)
                said = "not authorised" if storage.host in insecure else "sends the upload to"
                with pytest.raises(PeerError, match=said):
                    await registry.push(reference, MODULE + b"2", {})

        trio.run(main, {server.host})
        trio.run(main, {server.host, storage.host})
        assert {path.partition("?")[0] for _, path, _ in storage.asked} == {"/blob", "/upload"}
        assert not any("authorization" in headers for _, _, headers in storage.asked)
