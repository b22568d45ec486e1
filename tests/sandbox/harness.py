"""An API without a network and a caller for it; a server with a network; a webhook that answers as told."""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import h11
import orjson
import trio

from edged.sandbox.api import Api
from edged.sandbox.authority import Authority
from edged.sandbox.protocol.request import Request, Response
from edged.sandbox.server import new_api

Object = dict[str, Any]
NS = "/api/v1/namespaces/default"


class Caller:
    """Requests to an Api, as a client would make them. `now` stands still."""

    def __init__(self, **options: Any) -> None:
        self.api: Api = new_api(now=lambda: 1_700_000_000.0, **options)
        self.storage = self.api.cluster.storage

    async def response(self, method: str, path: str, body: Any = None, **headers: str) -> Response:
        url, _, query = path.partition("?")
        parameters = dict(pair.partition("=")[::2] for pair in query.split("&")) if query else {}
        raw = body if isinstance(body, bytes) else b"" if body is None else orjson.dumps(body)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.api.handle(Request(method, url, parameters, names, raw))

    async def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Object]:
        response = await self.response(method, path, body, **headers)
        return response.status, orjson.loads(response.body or b"{}")

    async def ok(self, method: str, path: str, body: Any = None, **headers: str) -> Object:
        """The body of an answer that must be a success."""
        status, answer = await self(method, path, body, **headers)
        assert status < 300, answer
        return answer

    async def refused(self, code: int, method: str, path: str, body: Any = None, **headers: str) -> Object:
        status, answer = await self(method, path, body, **headers)
        assert status == code, answer
        return answer

    async def merge(self, path: str, patch: Any) -> Object:
        return await self.ok("PATCH", path, patch, content_type="application/merge-patch+json")


async def lines(response: Response, count: int) -> list[Object]:
    """The next `count` events of a watch."""
    found: list[Object] = []
    assert isinstance(response.stream, AsyncGenerator)
    async with aclosing(response.stream) as stream:
        async for chunk in stream:
            found += [orjson.loads(line) for line in chunk.splitlines()]
            if len(found) >= count:
                break
    return found


def config_map(name: str, **data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def pod(name: str, **spec: Any) -> Object:
    spec = {"containers": [{"name": "c", "image": "nginx:1"}], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def crd(schema: Object, **version: Any) -> Object:
    """A definition of Widgets (demo.example/v1, namespaced) with that schema for spec."""
    root: Object = {"type": "object", "properties": {"spec": schema, "status": {"type": "object"}}}
    root["properties"]["status"]["x-kubernetes-preserve-unknown-fields"] = True
    one = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": root}, **version}
    names = {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"]}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.demo.example"},
        "spec": {"group": "demo.example", "scope": "Namespaced", "names": names, "versions": [one]},
    }


def widget(name: str, **spec: Any) -> Object:
    return {"apiVersion": "demo.example/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec}


CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/demo.example/v1/namespaces/default/widgets"
Answer = Callable[[Object], Any]


class Webhook:
    """An HTTPS server on loopback. `answer` gets the AdmissionReview and returns the reply (an object, or bytes and
    a status as a tuple); `seen` holds every request."""

    def __init__(self, authority: Authority, port: int) -> None:
        self.url = f"https://127.0.0.1:{port}"
        self.ca_bundle = base64.b64encode(authority.ca_pem).decode()
        self.seen: list[Object] = []
        self.answers: dict[str, Answer] = {}

    def config(self, name: str, path: str, **fields: Any) -> Object:
        """One element of `webhooks` about ConfigMaps."""
        rule = {"operations": ["*"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}
        return {
            "name": name,
            "rules": [rule],
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "clientConfig": {"url": self.url + path, "caBundle": self.ca_bundle},
            **fields,
        }


def reply(review: Object, **response: Any) -> Object:
    """A well-formed reply that allows unless told otherwise."""
    body = {"uid": review["request"]["uid"], "allowed": True, **response}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": body}


def patch_of(operations: Any) -> dict[str, str]:
    encoded = base64.b64encode(orjson.dumps(operations)).decode()
    return {"patch": encoded, "patchType": "JSONPatch"}


@asynccontextmanager
async def webhook_server(client_authority: Authority | None = None) -> AsyncIterator[Webhook]:
    """`client_authority`: only clients with a certificate of it are let in."""
    authority = Authority("webhook")
    context = authority.server_context("127.0.0.1")
    if client_authority is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=client_authority.ca_pem.decode())
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    hook = Webhook(authority, listeners[0].socket.getsockname()[1])

    async def handle(stream: trio.SocketStream) -> None:
        await _answer(hook, trio.SSLStream(stream, context, server_side=True, https_compatible=True))

    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, handle, listeners)
        yield hook
        nursery.cancel_scope.cancel()


async def _answer(hook: Webhook, stream: Any) -> None:
    http, body = h11.Connection(h11.SERVER), b""
    path = ""
    try:
        while not isinstance(event := http.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                http.receive_data(await stream.receive_some(65536))
            elif isinstance(event, h11.Request):
                path = event.target.decode().partition("?")[0]
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                return
        review = orjson.loads(body)
        hook.seen.append(review["request"])
        answer = hook.answers[path](review)
        if answer is None:
            await trio.sleep_forever()
        status, data = answer if isinstance(answer, tuple) else (200, orjson.dumps(answer))
        head = h11.Response(status_code=status, headers=[("Content-Length", str(len(data)))])
        out = b"".join(http.send(e) or b"" for e in (head, h11.Data(data=data), h11.EndOfMessage()))
        await stream.send_all(out)
    except (trio.BrokenResourceError, ssl.SSLError):
        pass  # the API server refused our certificate, or hung up after its timeout
    finally:
        await trio.aclose_forcefully(stream)
