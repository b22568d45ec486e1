"""Writes edged/sandbox/kinds/columns.json: the columns of every built-in kind's Table, as a real API server says them.

The server says them even with a list of no objects. Scale has no list: a ReplicationController is made for it.
"""

from __future__ import annotations

import base64
import json
import ssl
import sys
import urllib.request
from pathlib import Path
from typing import Any

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
CONTROLLERS = "/api/v1/namespaces/default/replicationcontrollers"
CONTROLLER = {
    "apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "columns"},
    "spec": {"replicas": 0, "selector": {"a": "b"}, "template": {
        "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "a", "image": "b"}]},
    }},
}  # fmt: skip


class Server:
    """A real API server. `kubeconfig`: JSON with a token, as the tests write it."""

    def __init__(self, kubeconfig: Path) -> None:
        config = json.loads(kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        self._url = cluster["server"]
        self._token = config["users"][0]["user"]["token"]
        self._context = ssl.create_default_context(
            cadata=base64.b64decode(cluster["certificate-authority-data"]).decode()
        )

    def ask(self, method: str, path: str, body: object = None, accept: str = "application/json") -> Any:
        headers = {"Authorization": f"Bearer {self._token}", "Accept": accept, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, headers, method=method)
        with urllib.request.urlopen(request, context=self._context) as answer:
            return json.load(answer)


def columns(server: Server) -> dict[str, list[list[Any]]]:
    """Kind.group -> its columns: name, type, format, description, priority."""
    groups = server.ask("GET", "/apis")["groups"]
    versions = ["/api/v1", *(f"/apis/{v['groupVersion']}" for group in groups for v in group["versions"])]
    found = {}
    for version in versions:
        for resource in server.ask("GET", version)["resources"]:
            if "list" in resource["verbs"] and "/" not in resource["name"]:
                group = version.split("/")[2] if version.startswith("/apis/") else ""
                found[f"{resource['kind']}.{group}".rstrip(".")] = _columns(server, f"{version}/{resource['name']}")
    server.ask("POST", CONTROLLERS, CONTROLLER)
    try:
        found["Scale.autoscaling"] = _columns(server, f"{CONTROLLERS}/columns/scale")
    finally:
        server.ask("DELETE", f"{CONTROLLERS}/columns")
    return found


def _columns(server: Server, path: str) -> list[list[Any]]:
    keys = ("name", "type", "format", "description", "priority")
    return [[each[key] for key in keys] for each in server.ask("GET", path, accept=TABLE)["columnDefinitions"]]


def main() -> None:
    """One kind per line, so that a new Kubernetes version shows up as a readable difference."""
    found = columns(Server(Path(sys.argv[1])))
    lines = (f"{json.dumps(kind)}:{json.dumps(found[kind], ensure_ascii=False)}" for kind in sorted(found))
    sys.stdout.write("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
