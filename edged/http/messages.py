"""HTTP/1.1 requests and responses as values, and the parser that makes requests out of bytes. No I/O.

The parser is llhttp (through httptools) with its strict rules: conflicting lengths, folded headers and the
like are errors. Limits are counted here. A request that was complete before an error came is kept: its
answer goes out first, in order. `connection.py` calls the parser; handlers see `Request` and `Response`.
"""

from __future__ import annotations

from collections import deque
from http import HTTPStatus
from io import BytesIO
from typing import Any
from urllib.parse import unquote

import httptools

from edged.records import dataclass

REASONS = {int(status): status.phrase for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class MessageLimits:
    """Sizes in bytes; a request over a limit gets 413 (body) or 431 (the rest) and the connection closes."""

    body_bytes: int = 3 * 1024 * 1024
    head_bytes: int = 16 * 1024  # request line and headers together
    header_count: int = 64
    pipelined: int = 64  # complete requests waiting on one connection


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end. `certificate`: what `ssl` gives for a verified client certificate, else None."""

    address: str
    certificate: dict[str, Any] | None = None

    @property
    def common_name(self) -> str | None:
        """CN of the client certificate's subject."""
        if self.certificate is None:
            return None
        for rdn in self.certificate.get("subject", ()):
            for key, value in rdn:
                if key == "commonName":
                    return str(value)
        return None


class Request:
    """One complete request. The hot path builds one per call: slots, headers decoded only when asked for.

    `arrived`: when its client began to wait for the answer, as far as that is known; on trio's clock.
    """

    __slots__ = ("_headers", "arrived", "body", "keep_alive", "method", "peer", "query", "raw_path", "version")

    def __init__(self, method: str, target: bytes, version: str, headers: list[tuple[bytes, bytes]],
                 body: bytes, keep_alive: bool, peer: Peer) -> None:
        self.method = method  # upper case: "POST"
        self.raw_path, self.query = split_target(target)  # as sent, without decoding
        self.version = version  # "1.1" or "1.0"
        self._headers = headers
        self.body = body
        self.keep_alive = keep_alive
        self.peer = peer
        self.arrived = 0.0

    @property
    def path(self) -> str:
        """The percent-decoded path. To take single segments apart, split `raw_path` first."""
        raw = self.raw_path
        return unquote(raw) if "%" in raw else raw

    def header(self, name: str) -> str | None:
        """Value of a header by its lower-case name; several lines of one name are joined with ", "."""
        lowered = name.encode("ascii")
        lines = [value for key, value in self._headers if key.lower() == lowered]
        return b", ".join(lines).decode("latin-1") if lines else None

    @property
    def headers(self) -> dict[str, str]:
        """All headers, names in lower case, repeated ones joined with ", "."""
        joined: dict[str, str] = {}
        for key, value in self._headers:
            name, text = key.decode("latin-1").lower(), value.decode("latin-1")
            joined[name] = f"{joined[name]}, {text}" if name in joined else text
        return joined


class Response:
    """What a handler answers. `headers`: more (name, value) pairs; length, date, connection are added."""

    __slots__ = ("body", "content_type", "headers", "status")

    def __init__(self, status: int, body: bytes = b"", content_type: str = "application/json",
                 headers: tuple[tuple[str, str], ...] = ()) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers


class BadMessage(Exception):
    """Not servable as HTTP; `status` is what the sender is told before the connection closes."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def split_target(target: bytes) -> tuple[str, str]:
    """Request target -> (path, query). Absolute form (`http://host/path`) loses its scheme and authority."""
    text = target.decode("latin-1")
    if not text.startswith("/") and "://" in text:
        rest = text.split("://", 1)[1]
        slash = rest.find("/")
        text = rest[slash:] if slash >= 0 else "/"
    path, _, query = text.partition("?")
    return path, query


def render(response: Response, *, date: bytes, keep_alive: bool, head_only: bool = False,
           version: str = "1.1") -> bytes:
    """A response as one piece of bytes, so that one write sends it. `date` is an IMF-fixdate."""
    lines = [_status_line(response.status), b"\r\ndate: ", date]
    body = response.body
    if body and response.content_type:
        lines += [b"\r\ncontent-type: ", _header_text(response.content_type)]
    for name, value in response.headers:
        lines += [b"\r\n", _header_text(name), b": ", _header_text(value)]
    if not keep_alive:
        lines.append(b"\r\nconnection: close")
    elif version == "1.0":
        lines.append(b"\r\nconnection: keep-alive")
    if response.status == 204 or response.status == 304:
        lines.append(b"\r\n\r\n")
    else:
        lines.append(b"\r\ncontent-length: %d\r\n\r\n" % len(body))
        if not head_only:
            lines.append(body)
    return b"".join(lines)


def _status_line(status: int) -> bytes:
    return b"HTTP/1.1 %d %s" % (status, REASONS.get(status, "Unknown").encode("ascii"))


def _header_text(text: str) -> bytes:
    if "\r" in text or "\n" in text or "\0" in text:
        raise ValueError("a response header may not contain CR, LF or NUL")
    return text.encode("latin-1")


class RequestParser:
    """Bytes in (`feed`), complete requests out (`requests`), in the order of arrival.

    After `failure` is set nothing more is parsed; requests that came before it are still in `requests`.
    """

    def __init__(self, limits: MessageLimits, peer: Peer) -> None:
        self.requests: deque[Request] = deque()
        self.failure: BadMessage | None = None
        self.started = False  # some bytes of an unfinished request are in
        self.in_body = False  # the head of the unfinished request is complete
        self.wants_continue = False  # ... it asked for `100 Continue` and no body byte has come
        self.body_bytes = 0  # of the unfinished request, so far
        self.declared_bytes: int | None = None  # what its body will have in the end, where it said so
        self._limits = limits
        self._peer = peer
        self._fed_bytes = 0
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = b""  # while it is in one piece
        self._pieces: BytesIO | None = None  # gives what it holds away without copying it
        self._parser = httptools.HttpRequestParser(self)

    def feed(self, data: bytes) -> None:
        """Parse what was received. Sets `failure` instead of raising."""
        if self.failure is not None:
            return
        unfinished = self.started
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            if self.failure is None:
                raise  # not one of ours: a callback failed for a reason of its own
        except httptools.HttpParserError as error:
            self._fail(400, f"malformed HTTP request: {error}")
        else:
            if self.started and unfinished:
                self._count_fed(len(data))

    def forget_body(self) -> None:
        """Give back the memory of a request that will not be served."""
        self._body = b""
        self._pieces = None

    def _count_fed(self, size: int) -> None:
        """Bound by bytes fed what no callback shows: unfinished names and values, trailers, chunk headers."""
        self._fed_bytes += size
        limits = self._limits
        if not self.in_body and self._fed_bytes > limits.head_bytes:
            self._fail(431, f"request head over {limits.head_bytes} bytes")
        elif self._fed_bytes > 2 * limits.body_bytes + 2 * limits.head_bytes:
            self._fail(413, "request body with too much chunk overhead")

    def _fail(self, status: int, reason: str) -> BadMessage:
        if self.failure is None:
            self.failure = BadMessage(status, reason)
        return self.failure

    # --- called by httptools
    def on_message_begin(self) -> None:
        self.started = True
        self.in_body = self.wants_continue = False
        self._target = b""
        self._headers = []
        self.forget_body()
        self.body_bytes = self._fed_bytes = 0
        self.declared_bytes = None

    def on_url(self, part: bytes) -> None:
        self._target += part
        if len(self._target) > self._limits.head_bytes:
            raise self._fail(414, "request target too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.in_body:  # a trailer says nothing that a handler may rely on
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        limits, headers = self._limits, self._headers
        if len(headers) > limits.header_count:
            raise self._fail(431, f"more than {limits.header_count} headers")
        size = len(self._target)
        for name, value in headers:
            size += len(name) + len(value) + 4
            # A length is compared first: cheaper than lower() on every header of every request.
            length = len(name)
            if length == 14 and name.lower() == b"content-length":
                self._check_length(value)
            elif length == 6 and name.lower() == b"expect":
                self._expect(value)
            elif length == 17 and name.lower() == b"transfer-encoding" and value.strip().lower() != b"chunked":
                # llhttp takes `gzip, chunked` for chunks and leaves the rest to us.
                raise self._fail(501, "only the transfer encoding `chunked` is supported")
        if size > limits.head_bytes:
            raise self._fail(431, f"request head over {limits.head_bytes} bytes")
        if self._parser.should_upgrade():
            raise self._fail(501, "protocol upgrades and CONNECT are not supported")
        self.in_body = True

    def _check_length(self, value: bytes) -> None:
        self.declared_bytes = int(value)
        if self.declared_bytes > self._limits.body_bytes:
            raise self._fail(413, f"request body over {self._limits.body_bytes} bytes")

    def _expect(self, value: bytes) -> None:
        if value.strip().lower() != b"100-continue":
            raise self._fail(417, "only `Expect: 100-continue` is supported")
        self.wants_continue = self._parser.get_http_version() != "1.0"

    def on_body(self, part: bytes) -> None:
        self.wants_continue = False
        self.body_bytes += len(part)
        if self.body_bytes > self._limits.body_bytes:
            raise self._fail(413, f"request body over {self._limits.body_bytes} bytes")
        if self._pieces is not None:
            self._pieces.write(part)
        elif not self._body:
            self._body = part
        else:
            self._pieces = BytesIO()
            self._pieces.write(self._body)
            self._pieces.write(part)

    def on_message_complete(self) -> None:
        parser = self._parser
        if len(self.requests) >= self._limits.pipelined:
            raise self._fail(400, f"more than {self._limits.pipelined} requests in a pipeline")
        self.requests.append(Request(
            parser.get_method().decode("ascii"), self._target, parser.get_http_version(), self._headers,
            self._body if self._pieces is None else self._pieces.getvalue(), parser.should_keep_alive(), self._peer))
        self.forget_body()
        self.started = self.in_body = self.wants_continue = False
        self.body_bytes = 0
