"""The line between a daemon and an API server, tapped: which streams are open on it, and what came over it.

Plain towards the daemon; towards the server as its URL says. Nothing is changed on the way.
"""

from __future__ import annotations

import re
import select
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

_REQUEST = re.compile(rb"^[A-Z]+ (\S+) HTTP/1\.1\r\n")
_CHUNK = 1 << 16


class Stream(NamedTuple):
    """A watch: of which resource, in which namespace ("": all), selected by which fields."""

    resource: str
    namespace: str
    fields: str


class Line:
    """`received`: all bytes that came from the server. `requests`: what was asked for, path and query.
    `late`: resource -> how many seconds what a watch of it tells is held back."""

    def __init__(self, url: str, authority: str | None = None, late: Mapping[str, float] | None = None) -> None:
        self._late = late or {}
        self._server = urlsplit(url)
        self._context = ssl.create_default_context(cafile=authority) if self._server.scheme == "https" else None
        if self._context is not None:
            # The tickets of 1.3 make a socket readable of which nothing can be read.
            self._context.maximum_version = ssl.TLSVersion.TLSv1_2
        self.received = bytearray()
        self._targets: dict[socket.socket, str] = {}
        self.requests: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for client in list(self._targets):
            _end(client)

    def streams(self, resource: str) -> list[Stream]:
        """The watches that are open now."""
        found = [stream for target in list(self._targets.values()) if (stream := _stream(target))]
        return sorted(each for each in found if each.resource == resource)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self._targets[client] = ""
        with suppress(OSError), client, self._connected() as server:
            while True:
                ready, _, _ = select.select([client, server], [], [])
                if client in ready and not self._carry(client, server):
                    break
                if server in ready and not self._answer(server, client):
                    break
        self._targets.pop(client, None)

    def _connected(self) -> socket.socket:
        host = str(self._server.hostname)
        server = socket.create_connection((host, self._server.port or 443))
        return server if self._context is None else self._context.wrap_socket(server, server_hostname=host)

    def _carry(self, client: socket.socket, server: socket.socket) -> bool:
        """False at the end."""
        chunk = client.recv(_CHUNK)
        if found := _REQUEST.match(chunk):
            self._targets[client] = found[1].decode()
            self.requests.append(self._targets[client])
        server.sendall(chunk)
        return chunk != b""

    def _answer(self, server: socket.socket, client: socket.socket) -> bool:
        """False at the end. What TLS has decrypted already, no `select` tells."""
        while True:
            chunk = server.recv(_CHUNK)
            self.received += chunk
            if self._late and (stream := _stream(self._targets[client])) and chunk:
                time.sleep(self._late.get(stream.resource, 0.0))
            client.sendall(chunk)
            if not isinstance(server, ssl.SSLSocket) or not server.pending():
                return chunk != b""


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    with suppress(OSError):
        connection.close()


def _stream(target: str) -> Stream | None:
    address = urlsplit(target)
    query = parse_qs(address.query)
    if query.get("watch", ["0"])[0] not in ("true", "1"):
        return None
    parts = address.path.strip("/").split("/")
    namespace = parts[parts.index("namespaces") + 1] if "namespaces" in parts else ""
    return Stream(parts[-1], namespace, query.get("fieldSelector", [""])[0])
