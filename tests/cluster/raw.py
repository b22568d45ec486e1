"""Requests to an API server byte by byte: edged's own or the real one."""

from __future__ import annotations

import base64
import http.client
import re
import ssl
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import orjson

from tests.cluster.cluster import Kubectl

JSON, YAML = "application/json", "application/yaml"
MERGE, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"
STRATEGIC, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"


class Running(Protocol):
    """An API server that is running."""

    kubeconfig: Path
    kubectl: Kubectl


class Access:
    """The way to an API server, read from its kubeconfig: an address, who we are, and whom to trust."""

    def __init__(self, server: Running) -> None:
        config = orjson.loads(server.kubectl("config", "view", "--raw", "--flatten", "-o", "json").stdout)
        cluster, user = config["clusters"][0]["cluster"], (config["users"] or [{"user": {}}])[0]["user"]
        self._address = urlsplit(cluster["server"])
        authority = cluster.get("certificate-authority-data")
        self._context = ssl.create_default_context(
            cadata=base64.b64decode(authority).decode() if authority else None
        )
        self.headers = {"Authorization": f"Bearer {user['token']}"} if user.get("token") else {}

    def connection(self, timeout_s: float) -> http.client.HTTPConnection:
        host, port = str(self._address.hostname), self._address.port
        if self._address.scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=self._context)
        return http.client.HTTPConnection(host, port, timeout=timeout_s)


class Client:
    """Raw requests: a status, the warnings, and the object."""

    def __init__(self, server: Running) -> None:
        self.kubectl = server.kubectl
        access = Access(server)
        self._connection, self._headers = access.connection(60), access.headers

    def __call__(self, method: str, path: str, text: str | bytes, kind: str) -> tuple[int, list[str], Any]:
        content = text.encode() if isinstance(text, str) else text
        self._connection.request(method, path, body=content, headers={**self._headers, "Content-Type": kind})
        answer = self._connection.getresponse()
        said = [warning_text(value) for name, value in answer.getheaders() if name.lower() == "warning"]
        return answer.status, said, orjson.loads(answer.read())

    def close(self) -> None:
        self._connection.close()


def warning_text(header: str) -> str:
    """`299 - "text"` -> text"""
    match = re.fullmatch(r'299 - "(.*)"', header, re.DOTALL)
    assert match is not None, header
    return re.sub(r"\\(.)", r"\1", match[1])
