"""Requests at random: every verb, kind, subresource, media type and query, with bodies nearly right."""

from __future__ import annotations

import random
from typing import Any

from edged.sandbox.kinds.go_types import Shape
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.protocol.request import Request
from tests.hostile_values import FRAGMENTS, STRINGS, Verbatim, copy_of, one, text_of
from tests.sandbox.harness import Caller
from tests.sandbox.hostile_samples import (
    ACCEPTS,
    NAMES,
    ODD,
    PATCHES,
    QUERIES,
    SAMPLES,
    SUBBODIES,
    TYPES,
    WORDS,
)


class Maker:
    """Objects, paths, patches, by chance."""

    def __init__(self, rng: random.Random, caller: Caller) -> None:
        self.rng, self.caller = rng, caller
        self.names: list[tuple[Resource, str, str]] = []

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def value(self, shape: Shape, depth: int, name: str = "") -> Any:
        """Something of that shape, most often."""
        if self.chance(0.004):
            return self.rng.choice((None, [], {}, "x", 5, True, -1, 2**63, 1.5, [None], {"": None}))
        if shape.kind == "struct":
            fields = shape.children()
            few = 1 if depth > 9 else 3 if depth > 5 else 6
            chosen = [f for f in fields if self.chance(min(0.9, few / max(1, len(fields))))]
            return {f: self.value(fields[f], depth + 1, f) for f in chosen if f != "managedFields" or self.chance(0.1)}
        if depth > 14 and shape.kind in ("list", "map"):
            return [] if shape.kind == "list" else {}
        if shape.kind == "list":
            return [self.value(shape.element, depth + 1, name) for _ in range(self.rng.choice((0, 1, 1, 1, 2, 3)))]
        if shape.kind == "map":
            keys = [self.word() for _ in range(self.rng.choice((0, 1, 1, 2)))]
            return {key: self.value(shape.element, depth + 1, key) for key in keys}
        return self.scalar(shape, name)

    def word(self) -> str:
        pool = self.rng.choices((NAMES[:6], WORDS, ODD, STRINGS), (4, 10, 3, 1))[0]
        return self.rng.choice(pool)

    def scalar(self, shape: Shape, name: str) -> Any:
        match shape.go_type:
            case "bool":
                return self.chance(0.5)
            case "int" | "int32" | "int64" | "uint32" | "uint8":
                return self.rng.choice((0, 1, 2, 80, 443, 65535, -1, 2**31 - 1, 2**62))
            case "float32" | "float64":
                return self.rng.choice((0, 1, 0.5, -1.5, 1e300))
            case "Quantity":
                return self.rng.choice(("1", "100m", "1Gi", "1e999999999", "-1", 5, "0", "1n", "9" * 40 + "Ei"))
            case "Time" | "MicroTime":
                return self.rng.choice(("2023-11-14T22:13:20Z", None, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"))
            case "Duration":
                return self.rng.choice(("1h", "-1s", "9999999h"))
            case "IntOrString":
                return self.rng.choice((1, 80, "25%", "http", "", -1, "1000%"))
            case "bytes":
                return self.rng.choice(("", "YQ==", "e30=", "//8="))
            case "string" if name in ("name", "namespace"):
                return self.rng.choice(NAMES[:6] if self.chance(0.95) else STRINGS)
            case "string":
                return self.word()
        small: tuple[Any, ...] = (None, 1, "a", [], {}, {"a": 1}, [1, "a"], {"type": "object"}, [{"a": [{}]}], True)
        return self.rng.choice(small)

    def body(self, resource: Resource, name: str) -> Any:
        """An object: of a sample or by its types."""
        obj = self.value(resource.shape, 0)
        if not isinstance(obj, dict):
            return obj
        if sample := SAMPLES.get(resource.kind):
            obj = merged(sample, obj) if self.chance(0.3) else copy_of(sample)
        if self.chance(0.5):
            obj = trimmed(obj)
        obj |= {"kind": resource.kind, "apiVersion": resource.api_version}
        metadata = obj.get("metadata") if isinstance(obj.get("metadata"), dict) else {}
        metadata = dict(metadata or {}) if self.chance(0.3) else {}
        if self.chance(0.9):
            metadata["name"] = name
        for noise in ("namespace", "uid", "resourceVersion", "deletionTimestamp"):
            if self.chance(0.85):
                metadata.pop(noise, None)
        obj["metadata"] = metadata
        return obj

    def mutated(self, obj: Any) -> Any:
        for _ in range(self.rng.choice((0, 0, 1, 1, 2, 4))):
            try:
                obj = one(obj, self.rng)
            except RecursionError:
                return obj  # it is deep already
        if self.chance(0.03):
            obj = one_piece(obj, Verbatim(self.rng.choice(FRAGMENTS)), self.rng)
        return obj

    def patch(self, resource: Resource, name: str) -> tuple[str, Any]:
        kind = self.rng.choice(PATCHES)
        if kind == PATCHES[0]:
            pointers = (
                "",
                "/",
                "/metadata/labels",
                "/metadata/labels/a",
                "/spec",
                "/spec/containers/0",
                "/spec/containers/-",
                "/a/b",
                "/metadata/name",
                "/status",
                "/spec/containers/01",
                "/spec/containers/-1",
                "/~2",
                "/~1",
                "/metadata",
                "/data/a",
                "/metadata/finalizers",
                "/metadata/managedFields/0",
            )
            operations = [
                {
                    "op": self.rng.choice(("add", "remove", "replace", "move", "copy", "test", "x")),
                    "path": self.rng.choice(pointers),
                    "from": self.rng.choice(pointers),
                    "value": self.rng.choice((None, 1, "a", {}, [], {"a": "b"}, [{"name": "a"}])),
                }
                for _ in range(self.rng.choice((0, 1, 2, 5, 40)))
            ]
            return kind, operations
        obj = self.body(resource, name)
        if kind == PATCHES[2] and isinstance(obj, dict) and self.chance(0.5):
            self.direct(obj)
        return kind, obj

    def direct(self, obj: Any) -> None:
        """Puts directives of strategic merges somewhere."""
        for value in list(obj.values()) if isinstance(obj, dict) else obj if isinstance(obj, list) else ():
            self.direct(value)
        if isinstance(obj, dict) and self.chance(0.3):
            key = self.rng.choice(
                (
                    "$patch",
                    "$retainKeys",
                    "$setElementOrder/containers",
                    "$deleteFromPrimitiveList/finalizers",
                    "$setElementOrder/",
                    "$deleteFromPrimitiveList/x",
                    "$setElementOrder/finalizers",
                )
            )
            obj[key] = self.rng.choice(
                ("delete", "replace", "merge", "x", None, 5, [], ["a"], [{"name": "a"}], [None], {})
            )
        elif isinstance(obj, list) and self.chance(0.2):
            obj.append(
                self.rng.choice(({"$patch": "replace"}, {"$patch": "delete", "name": "a"}, None, 5, {"$patch": 1}))
            )

    def path(self, resource: Resource) -> tuple[str, str]:
        """A path, and the name in it."""
        at = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
        if resource.namespaced and self.chance(0.95):
            at += f"/namespaces/{self.rng.choice(('default', 'default', 'default', 'a', 'kube-system', 'none'))}"
        at += f"/{resource.plural}"
        name = self.rng.choice(NAMES[:4] if self.chance(0.95) else NAMES)
        if resource.plural == "customresourcedefinitions" and self.chance(0.7):
            name = "widgets.demo.example"
        return at, name

    def query(self) -> dict[str, str]:
        chosen = self.rng.sample(QUERIES, self.rng.choice((0, 0, 0, 1, 1, 2, 4)))
        return {name: self.rng.choice(values) for name, values in chosen}

    def request(self) -> Request:
        rng = self.rng
        resource = rng.choice(list(self.caller.api.cluster.registry))
        if self.chance(0.3):
            resource = rng.choice([r for r in self.caller.api.cluster.registry if r.kind in SAMPLES or r.custom])
        base, name = self.path(resource)
        method = rng.choices(
            ("POST", "PUT", "PATCH", "GET", "DELETE", "HEAD", "OPTIONS", "x"), (40, 15, 25, 14, 8, 1, 0.3, 0.3)
        )[0]
        path = base if method == "POST" and self.chance(0.95) else f"{base}/{name}"
        if method in ("GET", "DELETE") and self.chance(0.4):
            path = base
        subresources = (
            *resource.subresources,
            "status",
            "scale",
            "log",
            "binding",
            "eviction",
            "token",
            "x",
            "approval",
        )
        if path != base and self.chance(0.25):
            path += "/" + rng.choice(subresources if self.chance(0.3) else resource.subresources or subresources)
        headers, body = self.sent(method, resource, path, name)
        query = self.query()
        if method == "PATCH" and headers["content-type"] == PATCHES[3] and self.chance(0.9):
            query.setdefault("fieldManager", rng.choice("mn"))
        return Request(method, path, query, headers, body)

    def sent(self, method: str, resource: Resource, path: str, name: str) -> tuple[dict[str, str], bytes]:
        """Headers and body."""
        rng = self.rng
        headers = {"accept": rng.choice(ACCEPTS)} if self.chance(0.3) else {}
        if self.chance(0.5):
            headers["user-agent"] = rng.choice(("kubectl/v1", "", "/", "x" * 300, "é/1"))
        body: Any = b""
        if method == "PATCH":
            headers["content-type"], body = self.patch(resource, name)
        elif method in ("POST", "PUT"):
            headers["content-type"] = rng.choices(TYPES, (40, 3, 1, 1, 1, 1))[0]
            body = self.body(resource, name)
            if path.rpartition("/")[2] in ("scale", "token", "eviction", "binding") and self.chance(0.9):
                body = copy_of(SUBBODIES[path.rpartition("/")[2]])
        elif method == "DELETE" and self.chance(0.5):
            body = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0, "preconditions": {"uid": "x"}}
            body.pop(rng.choice(list(body)))
        if body == b"":
            return headers, b""
        return headers, text_of(self.mutated(body) if self.chance(0.5) else body)


def one_piece(obj: Any, piece: Any, rng: random.Random) -> Any:
    if isinstance(obj, dict) and obj and rng.random() < 0.8:
        key = rng.choice(list(obj))
        return {**obj, key: one_piece(obj[key], piece, rng)}
    return piece


def merged(base: Any, other: Any) -> Any:
    """The base where both say something else than a mapping."""
    if isinstance(base, dict) and isinstance(other, dict):
        return {**other, **{key: merged(value, other.get(key)) for key, value in base.items()}}
    return copy_of(base)


def trimmed(obj: Any) -> Any:
    """Without what is empty or null."""
    if isinstance(obj, dict):
        return {key: trimmed(value) for key, value in obj.items() if value not in (None, {}, [], "")}
    return [trimmed(item) for item in obj if item not in (None, {}, [])] if isinstance(obj, list) else obj
