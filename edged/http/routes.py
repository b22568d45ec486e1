"""Several handlers on one listener: each request goes to the handler of its path.

edged/daemon fills the table. As with Go's ServeMux, a path that ends with a slash stands for everything below it, other
paths for themselves alone, and the longest one that fits is taken. Paths are compared as they were sent, undecoded.
"""

from __future__ import annotations

from collections.abc import Mapping

from edged.http.connection import Handler
from edged.http.messages import Request, Response


class Routes:
    """A handler made of others. A path that none of them has is answered with 404."""

    def __init__(self, table: Mapping[str, Handler]) -> None:
        self._exact = {path: handler for path, handler in table.items() if not path.endswith("/")}
        self._below = {path: handler for path, handler in table.items() if path.endswith("/")}

    async def __call__(self, request: Request) -> Response:
        handler = self._find(request.raw_path)
        return Response(404) if handler is None else await handler(request)

    def _find(self, path: str) -> Handler | None:
        if path in self._exact:
            return self._exact[path]
        while slash := path.rfind("/") + 1:
            if path[:slash] in self._below:
                return self._below[path[:slash]]
            path = path[: slash - 1]
        return None
