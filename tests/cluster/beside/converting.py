"""A conversion webhook for stories, one for both servers: what it does to an object is in the path of its URL."""

from __future__ import annotations

import base64
import functools
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson

from edged.sandbox.authority import Authority
from tests.cluster.beside.steps import Client, Object, client

Review = dict[str, Any]


def converted(obj: Object, wanted: str) -> Object:
    """v1 has spec.both "a-b", v2 has spec.first and spec.second."""
    spec = dict(obj.get("spec") or {})
    if wanted.endswith("/v2") and "both" in spec:
        first, _, second = spec.pop("both").partition("-")
        spec |= {"first": first, "second": second}
    elif wanted.endswith("/v1") and "first" in spec:
        spec["both"] = f"{spec.pop('first')}-{spec.pop('second', '')}"
    return {**obj, "apiVersion": wanted, "spec": spec}


def answer(review: Review, change: Callable[[Object], Object] = lambda obj: obj) -> Review:
    request = review["request"]
    objects = [change(converted(obj, request["desiredAPIVersion"])) for obj in request["objects"]]
    response = {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": objects}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "response": response}


def _metadata(**fields: Any) -> Callable[[Object], Object]:
    return lambda obj: {**obj, "metadata": {**obj["metadata"], **fields}}


def _responding(**fields: Any) -> Callable[[Review], Review]:
    def respond(review: Review) -> Review:
        whole = answer(review)
        return {**whole, "response": {**whole["response"], **fields}}

    return respond


ANSWERS: dict[str, Callable[[Review], Any]] = {
    "good": answer,
    "labelled": lambda review: answer(review, _metadata(labels={"converted": "yes"}, annotations={"a": "b"}, x="y")),
    "bad-label": lambda review: answer(review, _metadata(labels={"converted": "not so"})),
    "number-label": lambda review: answer(review, _metadata(labels={"converted": 1})),
    "renamed": lambda review: answer(review, _metadata(name="other")),
    "moved": lambda review: answer(review, _metadata(namespace="other")),
    "new-uid": lambda review: answer(review, _metadata(uid="other")),
    "no-metadata": lambda review: answer(review, lambda obj: {k: v for k, v in obj.items() if k != "metadata"}),
    "same-version": lambda review: answer(review, lambda obj: {**obj, "apiVersion": "example.com/v9"}),
    "other-kind": lambda review: answer(review, lambda obj: {**obj, "kind": "Other"}),
    "no-kind": lambda review: answer(review, lambda obj: {k: v for k, v in obj.items() if k != "kind"}),
    "none": _responding(convertedObjects=[]),
    "failed": _responding(result={"status": "Failure", "message": "no such luck"}),
    "silent": _responding(result={"status": "Failure"}),
    "wrong-uid": _responding(uid="x"),
    "no-response": lambda review: {**answer(review), "response": None},
    "v1beta1": lambda review: {**answer(review), "apiVersion": "apiextensions.k8s.io/v1beta1"},
    "other": lambda _: {"apiVersion": "v1", "kind": "Pod"},
    "list": lambda _: [1],
    "500": lambda _: 500, "404": lambda _: 404, "403": lambda _: 403,
}  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        review = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
        made = ANSWERS[self.path.strip("/").partition("?")[0]](review)
        status, body = (made, b"said so") if isinstance(made, int) else (200, orjson.dumps(made))
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@functools.cache
def _server() -> dict[str, str]:
    """Started when it is first asked for; it ends with the process."""
    authority = Authority("conversion")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.socket = authority.server_context("127.0.0.1").wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"https://127.0.0.1:{server.server_port}"
    return {"url": url, "authority": base64.b64encode(authority.ca_pem).decode()}


def webhook_runs() -> Client:
    """After this step `{webhook}` is the URL of the webhook and `{authority}` its caBundle."""

    def start(_kubeconfig: Path, _namespace: str) -> Object:
        return _server()

    return client("a conversion webhook", start, save={"webhook": "url", "authority": "authority"})


def by_webhook(path: str, **config: Any) -> Object:
    """spec.conversion with that webhook."""
    found = config or {"url": f"{{webhook}}/{path}", "caBundle": "{authority}"}
    return {"strategy": "Webhook", "webhook": {"clientConfig": found, "conversionReviewVersions": ["v1"]}}
