"""Which handler of a table gets a path."""

from __future__ import annotations

import pytest
import trio

from edged.http.connection import Handler
from edged.http.messages import Peer, Request, Response
from edged.http.routes import Routes


def handler(name: str) -> Handler:
    async def answer(request: Request) -> Response:
        return Response(200, name.encode())

    return answer


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/a/x", "below a"),
        ("/a/x/y", "below a"),
        ("/a/b/x", "below a/b"),
        ("/a/", "below a"),
        ("/a", ""),
        ("/exact", "exact"),
        ("/exact/", ""),
        ("/exact/more", ""),
        ("/", ""),
        ("", ""),
        ("/a%2Fx", ""),
        ("/a/x?timeout=3s", "below a"),
        ("/exact?timeout=3s", "exact"),
    ],
)
def test_the_longest_path_that_fits(path: str, name: str) -> None:
    routes = Routes({"/a/": handler("below a"), "/a/b/": handler("below a/b"), "/exact": handler("exact")})
    request = Request("GET", path.encode(), "1.1", [], b"", True, Peer("127.0.0.1"))
    answer = trio.run(routes, request)
    assert (answer.status, answer.body) == ((200, name.encode()) if name else (404, b""))
