"""The versions of a custom resource: how an object is stored, and how it is read in another version. Pure.

An object is stored in the storage version of its time. Whoever reads it gets it pruned and with the defaults of that
version, then converted, then pruned by the version asked for. Source: apiextensions-apiserver's customresource_handler.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from edged.errors import EdgedError
from edged.json_text import dumps
from edged.sandbox.custom.pruning import Object, Schema
from edged.sandbox.custom.whole_objects import as_stored, completed, pruned

CONVERTED_METADATA = ("labels", "annotations")


@dataclass(slots=True)
class Versions:
    """`webhook`: spec.conversion.webhook where the strategy is that. `converted`: what it made of objects, by
    `conversion_key`; converter.py asks for what is missing."""

    group: str
    storage: str
    schemas: Mapping[str, Schema]
    webhook: Object | None = None
    converted: dict[tuple[str, bytes], Object] = field(default_factory=dict)

    def presented(self, obj: Object, version: str) -> Object:
        """A stored object as it is read in a version. Raises Unconverted, as stored and in_version do."""
        return self.in_version(self.read(obj), version)

    def read(self, obj: Object) -> Object:
        """A stored object in the version in which it is stored."""
        schema = self.schemas.get(version_of(obj))
        return obj if schema is None else completed(pruned(obj, schema)[0], schema)

    def stored(self, obj: Object) -> Object:
        """An object in the storage version."""
        result: Object = as_stored(self.in_version(obj, self.storage))
        return result

    def storage_hash(self, kind: str) -> str:
        """What discovery says of the storage version."""
        digest = hashlib.sha256(f"{self.group}/{self.storage}/{kind}".encode()).digest()
        return base64.b64encode(digest[:8]).decode()

    def in_version(self, obj: Object, version: str) -> Object:
        """Converted and pruned."""
        wanted = f"{self.group}/{version}"
        if obj.get("apiVersion") != wanted and self.webhook is not None:
            obj = self._converted(obj, wanted)
        body = {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")}
        kept, _gone = pruned({"kind": obj["kind"], "apiVersion": wanted, **body}, self.schemas.get(version) or {})
        return kept


    def _converted(self, obj: Object, wanted: str) -> Object:
        """What the webhook made of it, with the metadata of now: a webhook changes labels and annotations alone."""
        found = self.converted.get((wanted, conversion_key(obj)))
        if found is None:
            raise Unconverted(self, obj, wanted)
        given = found.get("metadata") or {}
        metadata = {key: value for key, value in obj["metadata"].items() if key not in CONVERTED_METADATA}
        return {**found, "metadata": metadata | {key: given[key] for key in CONVERTED_METADATA if key in given}}


class Unconverted(EdgedError):
    """The webhook has to be asked for an object in a version first (`wanted`: the apiVersion)."""

    def __init__(self, versions: Versions, obj: Object, wanted: str) -> None:
        super().__init__(f"{obj.get('kind')} is not converted to {wanted}")
        self.versions = versions
        self.object = obj
        self.wanted = wanted


def version_of(obj: Object) -> str:
    return str(obj.get("apiVersion") or "").rpartition("/")[2]


def conversion_key(obj: Object) -> bytes:
    """What a conversion depends on: everything but the metadata that it cannot change."""
    names = ("name", "namespace", "uid", *CONVERTED_METADATA)
    metadata = {key: value for key, value in obj["metadata"].items() if key in names}
    return hashlib.sha256(dumps({**obj, "metadata": metadata}, sort=True)).digest()


def priority(version: str) -> tuple[int, int, int, str]:
    """Sorts versions: v10, v2, v1, v2beta1, v1beta2, v1alpha1, and after those the rest by their letters."""
    found = re.fullmatch(r"v([1-9][0-9]*)(?:(alpha|beta)([1-9][0-9]*))?", version)
    if found is None:
        return (3, 0, 0, version)
    stage = {None: 0, "beta": 1, "alpha": 2}[found[2]]
    return (stage, -int(found[1]), -int(found[3] or 0), version)


def deprecation_warning(spec: Object, version: Object) -> str:
    """What every request in a deprecated version is told; "" for others."""
    if not version.get("deprecated"):
        return ""
    if version.get("deprecationWarning") is not None:
        return str(version["deprecationWarning"])
    kind = spec["names"]["kind"]
    better = [
        each["name"] for each in spec["versions"]
        if each.get("served") and not each.get("deprecated") and priority(each["name"]) < priority(version["name"])
    ]  # fmt: skip
    text = f"{spec['group']}/{version['name']} {kind} is deprecated"
    return f"{text}; use {spec['group']}/{min(better, key=priority)} {kind}" if better else text
