"""A blocking keep-alive connection to an API server, for test set-up and for looking at results.

Independent of edged.apiserver: what is tested does not judge itself. One connection serves one thread.
"""

from __future__ import annotations

import http.client
import ssl
from typing import Any
from urllib.parse import urlsplit

import orjson


class ApiFailure(Exception):
    """The server answered 4xx or 5xx: `code`, and the Status object's text as the message."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


class Api:
    """`url` with or without TLS; `token` is sent with every request when there is one."""

    def __init__(
        self, url: str, token: str | None = None, authority: str | None = None, timeout_s: float = 30.0
    ) -> None:
        address = urlsplit(url)
        host, port = address.hostname or "", address.port
        if address.scheme == "https":
            context = ssl.create_default_context(cafile=authority)
            self._connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, port, timeout=timeout_s, context=context
            )
        else:
            self._connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
        self._headers = {"Accept": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def request(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> Any:
        """The decoded answer (text when it is not JSON). Raises ApiFailure, or OSError."""
        data = None if body is None else orjson.dumps(body)
        headers = self._headers if data is None else self._headers | {"Content-Type": content_type}
        try:
            self._connection.request(method, path, body=data, headers=headers)
            response = self._connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise
        is_json = "json" in response.headers.get("Content-Type", "")
        if response.status >= 400:
            raise ApiFailure(response.status, orjson.loads(answer)["message"] if is_json else answer.decode())
        return orjson.loads(answer) if is_json else answer.decode()

    def get(self, path: str) -> Any:
        """One object, list or text."""
        return self.request("GET", path)

    def create(self, path: str, body: dict[str, Any]) -> Any:
        """POST."""
        return self.request("POST", path, body)

    def delete(self, path: str, grace_period_s: int | None = None) -> Any:
        """DELETE of one object or of a collection."""
        body = None if grace_period_s is None else {"gracePeriodSeconds": grace_period_s}
        return self.request("DELETE", path, body)

    def connection(self) -> tuple[http.client.HTTPConnection, dict[str, str]]:
        """For requests whose answers are streams: the connection, and the headers that every request has."""
        return self._connection, self._headers

    def close(self) -> None:
        """Idempotent."""
        self._connection.close()
