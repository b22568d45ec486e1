"""Reads the OpenAPI documents of a real API server and writes openapi.xz and openapi_v2.pb.xz: see README.md."""

from __future__ import annotations

import base64
import json
import lzma
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edged.sandbox.protocol.protobuf import wire_fields

KINDS = Path(__file__).parents[4] / "edged/sandbox/kinds"
V2 = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
GROUP, VERSION = "template.example", "vtemplate"
SCOPES = ("Namespaced", "Cluster")


def main(kubeconfig: str) -> None:
    """Every document in a line: its name, a tab, its text. The two templates are of definitions made for this."""
    kubectl = ["kubectl", "--kubeconfig", kubeconfig]
    shown = subprocess.run([*kubectl, "config", "view", "--raw", "-o", "json"], capture_output=True, check=True)
    get = getter(json.loads(shown.stdout))
    for scope in SCOPES:
        subprocess.run([*kubectl, "apply", "-f", "-"], input=json.dumps(definition(scope)).encode(), check=True)
    try:
        time.sleep(5)  # the server makes its documents anew a little later
        documents = {}
        for scope in SCOPES:
            documents[f"custom/{scope.lower()}"] = get(f"/openapi/v3/apis/{scope.lower()}.{GROUP}/{VERSION}")
        names = [name for name in json.loads(get("/openapi/v3"))["paths"] if not is_custom(name)]
        documents |= {name: get(f"/openapi/v3/{name}") for name in names}
        whole = json.loads(get("/openapi/v2"))
        documents["v2"] = text_without_custom(whole)
        for scope in SCOPES:
            group = f"{scope.lower()}.{GROUP}"
            paths = {path: item for path, item in whole["paths"].items() if path.startswith(f"/apis/{group}/")}
            documents[f"custom/{scope.lower()}.v2"] = compact({"paths": paths})
        binary = protobuf_without_custom(get("/openapi/v2", V2))
    finally:
        for scope in SCOPES:
            subprocess.run([*kubectl, "delete", "crd", f"plurals.{scope.lower()}.{GROUP}"], check=True)
    write("openapi.xz", b"".join(b"%s\t%s\n" % (name.encode(), documents[name].strip()) for name in sorted(documents)))
    write("openapi_v2.pb.xz", binary)


def write(name: str, content: bytes) -> None:
    (KINDS / name).write_bytes(lzma.compress(content, preset=9 | lzma.PRESET_EXTREME))


def getter(config: dict[str, Any]) -> Callable[..., bytes]:
    """(path, media type) -> body, of the first cluster as its first user, who has a token."""
    cluster = config["clusters"][0]["cluster"]
    context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}

    def get(path: str, media: str = "application/json") -> bytes:
        request = urllib.request.Request(cluster["server"] + path, headers={**headers, "Accept": media})
        with urllib.request.urlopen(request, context=context) as answer:
            content: bytes = answer.read()
            return content

    return get


def definition(scope: str) -> dict[str, Any]:
    """A CustomResourceDefinition with every subresource, and names that are easily replaced."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    scale = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    properties = {"spec": anything, "status": anything}
    version = {
        "name": VERSION, "served": True, "storage": True, "subresources": {"status": {}, "scale": scale},
        "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
    }  # fmt: skip
    group = f"{scope.lower()}.{GROUP}"
    names = {"kind": "Templatekind", "listKind": "Templatelist", "plural": "plurals", "singular": "singular"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": f"plurals.{group}"},
        "spec": {"group": group, "scope": scope, "names": names, "versions": [version]},
    }  # fmt: skip


def is_custom(name: str) -> bool:
    group = name.split("/")[1] if name.startswith("apis/") else ""
    return "." in group and not group.endswith(".k8s.io")


def text_without_custom(document: dict[str, Any]) -> bytes:
    paths = {path: value for path, value in document["paths"].items() if not is_custom(path[1:])}
    definitions = {name: value for name, value in document["definitions"].items() if name.startswith("io.k8s.")}
    return compact({**document, "paths": paths, "definitions": definitions})


def compact(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def protobuf_without_custom(document: bytes) -> bytes:
    """Document has its Paths at 8, whose items are at 2, and its Definitions at 9, at 1. Each begins with its name."""
    result = b""
    for number, value in wire_fields(document):
        assert isinstance(value, bytes)
        if number == 8:
            value = kept(value, 2, lambda name: not is_custom(name[1:]))
        elif number == 9:
            value = kept(value, 1, lambda name: name.startswith("io.k8s."))
        result += field(number, value)
    return result


def kept(message: bytes, number: int, wanted: Callable[[str], bool]) -> bytes:
    values = (value for each, value in wire_fields(message) if each == number and isinstance(value, bytes))
    return b"".join(field(number, value) for value in values if wanted(first(value)))


def first(message: bytes) -> str:
    value = next(iter(wire_fields(message)))[1]
    assert isinstance(value, bytes)
    return value.decode()


def field(number: int, value: bytes) -> bytes:
    size, encoded = len(value), bytearray()
    while size > 0x7F:
        encoded.append(size & 0x7F | 0x80)
        size >>= 7
    encoded.append(size)
    return bytes((number << 3 | 2,)) + encoded + value


if __name__ == "__main__":
    main(sys.argv[1])
