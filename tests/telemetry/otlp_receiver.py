"""A small OTLP/HTTP receiver on a loopback socket, and a decoder of protobuf written against the wire format alone."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Message = dict[int, list[Any]]


def decode(data: bytes) -> Message:
    """Field number -> its values in order: bytes, int, or (fixed64) int."""
    found: Message = {}
    for number, value in _fields(data):
        found.setdefault(number, []).append(value)
    return found


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield number, value
        elif kind == 1:
            yield number, struct.unpack_from("<Q", data, at)[0]
            at += 8
        elif kind == 2:
            size, at = _varint(data, at)
            assert at + size <= len(data)
            yield number, data[at : at + size]
            at += size
        else:
            raise AssertionError(f"wire type {kind}")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def attributes(pairs: list[bytes]) -> dict[str, Any]:
    """KeyValue messages as a dict."""
    found = {}
    for pair in pairs:
        key, value = decode(pair)[1][0].decode(), decode(decode(pair)[2][0])
        found[key] = value[1][0].decode() if 1 in value else bool(value[2][0]) if 2 in value else value[3][0]
    return found


class Receiver:
    """Takes exports; `spans` are decoded. `answers` are the next statuses; then 200."""

    def __init__(self, answers: list[int] | None = None) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.arrived = threading.Event()
        self.answers = answers or []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver.answers.pop(0) if receiver.answers else 200
                receiver.paths.append(self.path)
                receiver.headers.append({name.lower(): value for name, value in self.headers.items()})
                if status == 200:
                    receiver.bodies.append(body)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()
                if status == 200:
                    receiver.arrived.set()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def spans(self) -> list[tuple[dict[str, Any], Message]]:
        """(resource attributes, span) of everything that arrived."""
        found = []
        for body in self.bodies:
            for resource_spans in decode(body)[1]:
                message = decode(resource_spans)
                resource = attributes(decode(message[1][0])[1])
                for scope in message[2]:
                    found += [(resource, decode(span)) for span in decode(scope)[2]]
        return found
