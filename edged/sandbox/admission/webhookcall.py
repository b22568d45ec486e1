"""One HTTPS POST to an admission webhook: h11 on trio.SSLStream, the caBundle as the only root, texts of client-go.

Called by webhook_admission.py only. A connection serves one call; the sandbox is not about speed.
"""

from __future__ import annotations

import base64
import errno
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import h11
import trio

from edged.errors import PeerError
from edged.json_text import dumps, loads

MAX_REPLY = 8 * 1024 * 1024


class CallFailed(PeerError):
    """The webhook gave no usable answer; the text follows `failed calling webhook "x": `."""


@dataclass(frozen=True, slots=True)
class WebhookClient:
    """How webhooks are called. `certificate` and `key` (PEM) are presented to webhooks that ask for a client
    certificate, as a kubeConfigFile of the API server's admission configuration would."""

    certificate: bytes | None = None
    key: bytes | None = None

    async def post(self, url: str, body: bytes, *, ca_bundle: str, timeout: int, refused: str | None = None) -> Any:
        """The decoded JSON of the reply. `ca_bundle`: base64 PEM, "" for the system's roots. `refused`: why the
        address cannot be resolved. Raises CallFailed."""
        full = f"{url}?timeout={timeout}s"
        if refused is not None:
            raise CallFailed(f'failed to call webhook: Post "{full}": {refused}')
        with trio.move_on_after(timeout):
            try:
                status, reply = await self._exchange(full, body, ca_bundle)
            except _Broken as error:
                raise CallFailed(f'failed to call webhook: Post "{full}": {error}') from error
            return _decoded(status, reply)
        raise CallFailed(f'failed to call webhook: Post "{full}": context deadline exceeded')

    async def _exchange(self, url: str, body: bytes, ca_bundle: str) -> tuple[int, bytes]:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 443
        context = self._context(ca_bundle)
        try:
            raw = await trio.open_tcp_stream(host, port)
        except OSError as error:
            raise _Broken(_dial_error(error, host, port)) from error
        stream = trio.SSLStream(raw, context, server_hostname=host, https_compatible=True)
        try:
            await stream.do_handshake()
            return await _request(stream, parts.netloc, f"{parts.path or '/'}?{parts.query}", body)
        except trio.BrokenResourceError as error:
            raise _Broken(_tls_error(error)) from error
        except h11.RemoteProtocolError as error:
            raise _Broken(f"net/http: HTTP/1.x transport connection broken: {error}") from error
        finally:
            await trio.aclose_forcefully(stream)

    def _context(self, ca_bundle: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.set_alpn_protocols(["http/1.1"])
        if ca_bundle:
            try:
                context.load_verify_locations(cadata=base64.b64decode(ca_bundle).decode("ascii"))
            except (ValueError, ssl.SSLError) as error:
                raise CallFailed(
                    "failed to call webhook: unable to load root certificates: unable to parse bytes as PEM block"
                ) from error
        else:
            context.load_default_certs()
        if self.certificate is not None and self.key is not None:
            from edged.sandbox.authority import load_chain

            load_chain(context, self.certificate, self.key)
        return context


class _Broken(Exception):
    """The exchange ended early; the text is what Go's http client says."""


def _dial_error(error: OSError, host: str, port: int) -> str:
    causes = [error, *(error.__cause__.exceptions if isinstance(error.__cause__, BaseExceptionGroup) else ())]
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else causes[-1]
    code = getattr(cause, "errno", None)
    if code == errno.ECONNREFUSED:
        return f"dial tcp {host}:{port}: connect: connection refused"
    if code in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return f"dial tcp {host}:{port}: connect: no route to host"
    if type(cause).__name__ == "gaierror":
        return f"dial tcp: lookup {host}: no such host"
    return f"dial tcp {host}:{port}: {cause}"


def _tls_error(error: trio.BrokenResourceError) -> str:
    cause = error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        if cause.verify_code in (62, 64):
            return f"tls: failed to verify certificate: x509: {cause.verify_message}"
        if cause.verify_code == 10:
            return "tls: failed to verify certificate: x509: certificate has expired or is not yet valid"
        return "tls: failed to verify certificate: x509: certificate signed by unknown authority"
    if isinstance(cause, ssl.SSLError):
        reason = (cause.reason or str(cause)).lower().replace("_", " ")
        return f"remote error: tls: {reason}"
    return "EOF"


async def _request(stream: trio.abc.Stream, host: str, target: str, body: bytes) -> tuple[int, bytes]:
    http = h11.Connection(h11.CLIENT)
    headers = [
        ("Host", host), ("User-Agent", "kube-apiserver-admission"), ("Content-Length", str(len(body))),
        ("Accept", "application/json, */*"), ("Content-Type", "application/json"), ("Connection", "close"),
    ]  # fmt: skip
    head = h11.Request(method="POST", target=target, headers=headers)
    data = b"".join(http.send(event) or b"" for event in (head, h11.Data(data=body), h11.EndOfMessage()))
    await stream.send_all(data)
    status, reply = 0, bytearray()
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(bytes(await stream.receive_some(64 * 1024)))
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            reply += event.data
            if len(reply) > MAX_REPLY:
                raise _Broken(f"the reply is longer than {MAX_REPLY} bytes")
        elif isinstance(event, h11.EndOfMessage):
            return status, bytes(reply)
        elif isinstance(event, h11.ConnectionClosed):
            raise _Broken("EOF")


_REFUSALS = {
    400: "the server rejected our request for an unknown reason",
    401: "the server has asked for the client to provide credentials",
    403: "unknown",
    404: "the server could not find the requested resource",
    405: "the server does not allow this method on the requested resource",
    409: "the server reported a conflict",
    422: "the server rejected our request due to an error in our request",
    429: "the server has received too many requests and has asked us to try again later",
}
"""What client-go says of an answer without a Status."""


def _decoded(status: int, reply: bytes) -> Any:
    if status in _REFUSALS:
        raise CallFailed(f"failed to call webhook: {_REFUSALS[status]}")
    if not 200 <= status < 300:
        text = reply.decode("utf-8", "replace").strip()[:1024] or "unknown"
        shown = dumps(text if status != 500 else "unknown").decode()
        raise CallFailed(
            f"failed to call webhook: an error on the server ({shown}) has prevented the request from succeeding"
        )
    try:
        return loads(reply)
    except ValueError as error:
        raise CallFailed(f"failed to call webhook: couldn't get version/kind; json parse error: {error}") from error
