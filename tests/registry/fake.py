"""A small web server and registry in threads, with and without TLS, that tests fill with what it has to say."""

from __future__ import annotations

import hashlib
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from edged.tls import certificates

Answer = tuple[int, dict[str, str], bytes]
WASM = b"\0asm\1\0\0\0"
LAYER = "application/vnd.wasm.content.layer.v1+wasm"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class Fake:
    """`pages`: path -> answer, or a function of (method, headers, body). `asked`: (method, path, headers) in order."""

    def __init__(self, folder: Path | None = None, address: str = "127.0.0.1") -> None:
        self.pages: dict[str, Answer | Callable[[str, Any, bytes], Answer]] = {}
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                fake.asked.append((self.command, self.path, headers))
                page = fake.pages.get(self.path) or fake.pages.get(self.path.partition("?")[0]) or (404, {}, b"")
                status, said, content = page(self.command, headers, body) if callable(page) else page
                self.send_response(status)
                length = {} if "Transfer-Encoding" in said else {"Content-Length": str(len(content))}
                for name, value in {**length, **said}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_HEAD = do_POST = do_PUT = _answer

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer((address, 0), Handler)
        self._server.daemon_threads = True
        self.host = f"{address}:{self._server.server_address[1]}"
        self.authority = ""
        if folder is not None:
            made = certificates.ensure(folder, [address], time.time())
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(made.cert, made.key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self.authority = made.bundle().decode()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def publish(self, repository: str, tag: str, content: bytes, media_type: str = LAYER) -> str:
        """A module under a tag; the digest of its manifest."""
        layer = {"mediaType": media_type, "digest": digest(content), "size": len(content)}
        manifest = {"schemaVersion": 2, "layers": [layer]}
        return self.publish_manifest(repository, tag, manifest, {digest(content): content})

    def publish_manifest(
        self, repository: str, tag: str, manifest: dict[str, Any], blobs: dict[str, bytes] | None = None
    ) -> str:
        body = json.dumps(manifest).encode()
        for name in (tag, digest(body)):
            self.pages[f"/v2/{repository}/manifests/{name}"] = (200, {"Content-Type": MANIFEST}, body)
        for name, content in (blobs or {}).items():
            self.pages[f"/v2/{repository}/blobs/{name}"] = (200, {}, content)
        return digest(body)


@contextmanager
def fake(folder: Path | None = None, address: str = "127.0.0.1") -> Iterator[Fake]:
    server = Fake(folder, address)
    try:
        yield server
    finally:
        server.close()
