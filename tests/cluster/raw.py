"""Requests to an API server byte by byte: edged's own or the real one."""

from __future__ import annotations

import base64
import http.client
import re
import ssl
from typing import Any
from urllib.parse import urlsplit

import orjson

from tests.cluster.scheduling import Server

JSON, YAML = "application/json", "application/yaml"
MERGE, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"
STRATEGIC, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"


class Client:
    """Raw requests: a status, the warnings, and the object."""

    def __init__(self, server: Server) -> None:
        self.kubectl = server.kubectl
        config = orjson.loads(server.kubectl("config", "view", "--raw", "--flatten", "-o", "json").stdout)
        cluster, user = config["clusters"][0]["cluster"], (config["users"] or [{"user": {}}])[0]["user"]
        address = urlsplit(cluster["server"])
        host, port = str(address.hostname), address.port
        self._connection = http.client.HTTPConnection(host, port, timeout=60)
        if address.scheme == "https":
            authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
            context = ssl.create_default_context(cadata=authority)
            self._connection = http.client.HTTPSConnection(host, port, timeout=60, context=context)
        self._headers = {"Authorization": f"Bearer {user['token']}"} if user.get("token") else {}

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
