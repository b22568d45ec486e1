"""The parser and the renderer, bytes against values."""

import pytest

from edged.http.messages import MessageLimits, Peer, RequestParser, Response, render, split_target

PEER = Peer("127.0.0.1")
DATE = b"Sun, 06 Nov 1994 08:49:37 GMT"


def parsed(*pieces: bytes, **limits: int) -> RequestParser:
    parser = RequestParser(MessageLimits(**limits), PEER)
    for piece in pieces:
        parser.feed(piece)
    return parser


def post(body: bytes = b"{}", extra: bytes = b"") -> bytes:
    return b"POST /validate/a?timeout=3s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\n\r\n%s" % (
        extra, len(body), body)


def test_a_whole_request():
    parser = parsed(post(b'{"a":1}', b"X-A: 1\r\nx-a: 2\r\n"))
    (request,) = parser.requests
    assert (request.method, request.raw_path, request.query) == ("POST", "/validate/a", "timeout=3s")
    assert request.body == b'{"a":1}'
    assert request.keep_alive and request.version == "1.1"
    assert request.header("x-a") == "1, 2" == request.headers["x-a"]
    assert request.header("absent") is None
    assert not parser.started and parser.failure is None


def test_byte_by_byte_gives_the_same():
    text = post(b"0123456789")
    parser = parsed(*(text[i:i + 1] for i in range(len(text))))
    (request,) = parser.requests
    assert request.body == b"0123456789" and request.headers == parsed(text).requests[0].headers


def test_pipelined_requests_come_out_in_order():
    parser = parsed(post(b"1") + post(b"2") + post(b"3")[:-1])
    assert [r.body for r in parser.requests] == [b"1", b"2"]
    assert parser.started and parser.in_body
    parser.feed(b"3")
    assert parser.requests[-1].body == b"3"


def test_chunked_body_with_trailers_which_are_not_headers():
    parser = parsed(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
                    b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n")
    (request,) = parser.requests
    assert request.body == b"abcde" and request.header("t") is None


def test_requests_before_garbage_are_kept():
    parser = parsed(post(b"1") + b"\x16\x03\x01 garbage\r\n\r\n")
    assert [r.body for r in parser.requests] == [b"1"]
    assert parser.failure is not None and parser.failure.status == 400


@pytest.mark.parametrize("text", [
    b"nonsense\r\n\r\n",
    b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 1x\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET / HTTP/1.1\r\nA : b\r\n\r\n",
    b"GET / HTTP/1.1\r\nA: b\x00c\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
])
def test_malformed_requests_are_400(text):
    parser = parsed(text)
    assert not parser.requests
    assert parser.failure is not None and parser.failure.status == 400


@pytest.mark.parametrize("encoding", [b"gzip, chunked", b"chunked, chunked", b"gzip", b"identity"])
def test_other_encodings_than_chunks_are_refused(encoding):
    parser = parsed(b"POST / HTTP/1.1\r\nTransfer-Encoding: " + encoding + b"\r\n\r\n1\r\na\r\n0\r\n\r\n")
    assert parser.failure is not None and parser.failure.status in (400, 501) and not parser.requests
    assert parsed(b"POST / HTTP/1.1\r\nTransfer-Encoding: Chunked \r\n\r\n1\r\na\r\n0\r\n\r\n").requests


def test_upgrade_is_refused():
    parser = parsed(b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
    assert parser.failure is not None and parser.failure.status == 501 and not parser.requests


def test_declared_body_over_the_limit_is_refused_before_it_comes():
    parser = parsed(b"POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\n", body_bytes=10)
    assert parser.failure is not None and parser.failure.status == 413
    assert parsed(post(b"0123456789"), body_bytes=10).failure is None


def test_chunked_body_over_the_limit_is_refused_when_it_gets_there():
    head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    parser = parsed(head, b"6\r\nabcdef\r\n", b"5\r\nabcde\r\n", body_bytes=10)
    assert parser.failure is not None and parser.failure.status == 413


def test_endless_chunk_overhead_and_trailers_are_bounded():
    head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nTrailer: "
    parser = parsed(head, *[b"x" * 100] * 12, body_bytes=100, head_bytes=300)
    assert parser.failure is not None and parser.failure.status == 413


@pytest.mark.parametrize("pieces", [
    [b"GET / HTTP/1.1\r\nA: " + b"x" * 300 + b"\r\n\r\n"],
    [b"GET / HTTP/1.1\r\n", *[b"x" * 50] * 8],
    [b"GET / HTTP/1.1\r\n" + b"A: 1\r\n" * 9 + b"\r\n"],
])
def test_heads_over_a_limit_are_431(pieces):
    parser = parsed(*pieces, head_bytes=200, header_count=8)
    assert parser.failure is not None and parser.failure.status == 431


def test_target_over_the_limit_is_414():
    parser = parsed(b"GET /" + b"x" * 300 + b" HTTP/1.1\r\n\r\n", head_bytes=200)
    assert parser.failure is not None and parser.failure.status == 414


def test_too_deep_a_pipeline_keeps_the_first_ones():
    parser = parsed(post() * 5, pipelined=3)
    assert len(parser.requests) == 3 and parser.failure is not None


def test_expect_continue():
    head, body = post(extra=b"Expect: 100-continue\r\n").split(b"\r\n\r\n")
    parser = parsed(head + b"\r\n\r\n")
    assert parser.in_body and parser.wants_continue
    parser.feed(body)
    assert not parser.wants_continue and len(parser.requests) == 1
    failure = parsed(post(extra=b"Expect: tea\r\n")).failure
    assert failure is not None and failure.status == 417
    assert not parsed(head.replace(b"1.1", b"1.0") + b"\r\n\r\n").wants_continue


@pytest.mark.parametrize(("target", "expected"), [
    (b"/a?b=c?d", ("/a", "b=c?d")), (b"http://h:1/a?b", ("/a", "b")), (b"http://h", ("/", "")),
    (b"*", ("*", "")), (b"//x", ("//x", "")),
])
def test_targets(target, expected):
    assert split_target(target) == expected


def test_path_is_percent_decoded_raw_path_is_not():
    (request,) = parsed(b"GET /a%2Fb/%C3%BC HTTP/1.1\r\n\r\n").requests
    assert request.path == "/a/b/\u00fc" and request.raw_path == "/a%2Fb/%C3%BC"


def test_render():
    assert render(Response(200, b"{}"), date=DATE, keep_alive=True) == (
        b"HTTP/1.1 200 OK\r\ndate: " + DATE
        + b"\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}")
    text = render(Response(503, headers=(("retry-after", "1"),)), date=DATE, keep_alive=False)
    assert text.endswith(b"\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
    assert b"content-type" not in text
    head = render(Response(200, b"{}"), date=DATE, keep_alive=True, head_only=True, version="1.0")
    assert head.endswith(b"connection: keep-alive\r\ncontent-length: 2\r\n\r\n")
    assert render(Response(204), date=DATE, keep_alive=True).endswith(DATE + b"\r\n\r\n")


def test_header_injection_is_an_error():
    with pytest.raises(ValueError):
        render(Response(200, headers=(("a", "b\r\nc: d"),)), date=DATE, keep_alive=True)
