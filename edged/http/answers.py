"""The answer of an HTTP/1.1 server: what its bytes become, within bounds. No I/O; client.py reads.

Every byte counts against one of two bounds. The body has one of its own, unless somebody takes it away as it comes.
Everything else (status line, headers, interim answers, sizes and extensions of chunks, trailers) may be HEAD_BYTES long
in one piece: before the body, between two bytes of it, and behind it. So no server can fill memory, whatever part of an
answer it does not end. Time is the caller's to bound.
"""

from __future__ import annotations

import httptools

HEAD_BYTES = 64 << 10
"""More than that without a byte of the body is no answer. API servers and registries send less than 2 KiB."""
MOST_HEADERS = 256
BODY_BYTES = 16 << 20
"""Of a body that is read as a whole, unless the caller says otherwise."""
ERROR_BYTES = 1 << 20
"""Of the body of an error; people read its first line."""


class BadAnswer(Exception):
    """What came is not HTTP, or not what was asked for."""


class TooLarge(BadAnswer):
    """A bound was exceeded."""


class Answer:
    """One response as httptools reports it; its `on_` methods are the parser's callbacks. `most_bytes`: of the whole
    body; None where it is taken out of `body` as it comes (the body of an error is bounded even so)."""

    def __init__(self, most_bytes: int | None = BODY_BYTES) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = bytearray()  # what was received and not taken yet
        self.begun = False
        self.complete = False
        self.keeps_open = False
        self._most_bytes = most_bytes
        self._body_bytes = 0
        self._other_bytes = 0  # since the last byte of the body
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)

    def feed(self, data: bytes | bytearray) -> None:
        """Take what was received. Raises BadAnswer."""
        assert self._parser is not None
        self._other_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.keeps_open = False
            if not self.complete:  # else it is what follows the answer
                raise _reason(error) from None
        if self._other_bytes > HEAD_BYTES and not self.complete:
            raise TooLarge(f"{HEAD_BYTES} bytes of headers or the like, and no end")

    def ends_with_connection(self) -> bool:
        """No length was given: the end of the connection is the end of the body."""
        names = {name.lower() for name, _ in self.headers}
        return self.begun and not names & {b"content-length", b"transfer-encoding"}

    def header(self, name: bytes) -> bytes:
        """The value of a header by its lower-case name, b"" without one."""
        return next((value for key, value in self.headers if key.lower() == name), b"")

    def forget_parser(self) -> None:
        """It holds this object's methods: without this every request would leave a cycle to the collector."""
        self._parser = None

    # --- the parser's callbacks

    def on_message_begin(self) -> None:
        if self.complete:
            raise BadAnswer("more than one answer")
        self.headers.clear()  # of an interim answer

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.begun:
            return  # a trailer
        if len(self.headers) >= MOST_HEADERS:
            raise TooLarge(f"more than {MOST_HEADERS} headers")
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        self.status = self._parser.get_status_code()
        self.begun = self.status >= 200  # 100 and 103 are not the answer that was waited for
        if not self.begun:
            return
        encoding = self.header(b"content-encoding").lower()
        if self._most_bytes is not None and encoding not in (b"", b"identity"):
            # It could have any size once it is unpacked.
            raise BadAnswer(f"the answer is compressed ({encoding[:40].decode('latin-1')}), which was not asked for")
        if self.status >= 300:
            self._most_bytes = ERROR_BYTES if self._most_bytes is None else min(self._most_bytes, ERROR_BYTES)
        length = self.header(b"content-length")
        if length.isdigit() and len(length) < 20:
            self._check(int(length))

    def on_body(self, body: bytes) -> None:
        self._other_bytes = 0
        self._body_bytes += len(body)
        if self._most_bytes is not None:
            self._check(self._body_bytes)
        self.body += body

    def on_message_complete(self) -> None:
        assert self._parser is not None
        self.complete = self.begun
        self.keeps_open = self._parser.should_keep_alive()  # true only in this callback

    def _check(self, size: int) -> None:
        if self._most_bytes is not None and size > self._most_bytes:
            raise TooLarge(f"answer of more than {self._most_bytes} bytes")


def _reason(error: Exception) -> BadAnswer:
    """httptools wraps what a callback raises."""
    if isinstance(error, httptools.HttpParserUpgrade):
        return BadAnswer("the server wants to speak another protocol")
    inner = error.__context__
    return inner if isinstance(inner, BadAnswer) else BadAnswer(f"answer is not HTTP: {error}")
