"""The policies of tests/guests/rego/policies, compiled once by the real `opa`, and requests that exercise them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.guests.rego import build


@dataclass(frozen=True)
class Sample:
    """One policy. The first line of its source holds its settings."""

    name: str
    mode: str
    source: str

    @property
    def settings(self) -> Any:
        return json.loads(self.source.splitlines()[0].partition(": ")[2])

    def wasm(self, **metadata: Any) -> bytes:
        return build.annotated(compiled(self.source, build.ENTRYPOINTS[self.mode]), self.mode, **metadata)


def compiled(source: str, entrypoint: str) -> bytes:
    """As build.compiled, kept in the cache folder."""
    key = hashlib.sha256(f"{build.opa().name}\n{entrypoint}\n{source}".encode()).hexdigest()[:24]
    path = build.cache_folder() / "rego" / f"{key}.wasm"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".new")
        unfinished.write_bytes(build.compiled(source, entrypoint))
        unfinished.replace(path)
    return path.read_bytes()


def _sample(path: Path) -> Sample:
    return Sample(path.stem, path.parent.name, path.read_text())


SAMPLES = [_sample(path) for path in sorted(build.POLICIES.glob("*/*.rego"))]
BY_NAME = {sample.name: sample for sample in SAMPLES}


def pod(name: str = "web", containers: Any = (), metadata: Any = None, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, **(metadata or {})},
        "spec": {"containers": list(containers), **spec},
    }


def container(name: str, image: str = "nginx", **more: Any) -> dict[str, Any]:
    return {"name": name, "image": image, **more}


OBJECTS: list[dict[str, Any]] = [
    pod(),
    pod("", []),
    pod("größe 😀 \u2028 \"quoted\" \\ back", metadata={"labels": {"größe": "ä", "owner": "x", "app": "web"}}),
    pod("a-b-c", [container("a", "registry.example.com/a:1"), container("b", "evil.com/b:latest"), container("a")]),
    pod("limits", [
        container("x", resources={"limits": {"cpu": "3", "memory": "512Mi"}}),
        container("y", resources={"limits": {"cpu": 1, "memory": "2Gi"}}),
        container("z", securityContext={"privileged": True}),
        container("trusted", securityContext={"privileged": True}),
    ]),
    pod("numbers", [], replicas=3, ratio=0.1, huge=9007199254740993, tiny=1e-9, minus=-7),
    pod("networks", externalIPs=["10.1.2.3", "8.8.8.8", "2001:db8::1"], ranges=["10.0.0.0/25", "10.0.0.128/25"]),
    pod("versions", metadata={"labels": {"version": "1.9.3", "app": "api", "owner": "a"}}),
    pod("versions-2", metadata={"labels": {"version": "not one", "app": "db"}}),
    pod("versions-3", metadata={"labels": {"version": "2.0.0-rc.1+b", "app": "cache"}}),
    pod("dates", metadata={"annotations": {"valid-until": "2023-12-24T18:00:00+01:00", "begin": "2024-01-31"}}),
    pod("dates-2", metadata={"annotations": {"valid-until": "2030-01-01T00:00:00.5Z", "begin": "2024-02-29"}}),
    pod("bad", [None], forbidden="forbidden", deep={"a": [{"b": "forbidden"}]}),
    pod("hosts", rules=[{"host": "a.example.com"}, {"host": "a.b.example.com"}, {"host": "api.x.test"}, {"host": ""}]),
    pod("nulls", None or [], metadata={"labels": {}, "annotations": {}}, nothing=None, empty={}, none=[]),
    pod("long" * 50, [container(f"c{n}", f"ghcr.io/team/c{n}:v{n}") for n in range(30)]),
]  # fmt: skip


def request(obj: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The payload of a review."""
    return {
        "uid": "u-1",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "operation": "CREATE",
        "userInfo": {},
        "object": obj,
    } | more


REQUESTS = [
    *(request(obj) for obj in OBJECTS),
    request(OBJECTS[0], operation="UPDATE", oldObject=OBJECTS[3], userInfo={"username": "admin"}),
    request(OBJECTS[3], operation="UPDATE", userInfo={"username": "x", "groups": ["a", "system:masters"]}),
    request(OBJECTS[0], userInfo={"username": "system:serviceaccount:kube:x"}),
    request(OBJECTS[0], userInfo={"username": "system:serviceaccount:KUBE:x", "groups": []}),
]
