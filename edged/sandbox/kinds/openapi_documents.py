"""The OpenAPI documents of the built-in kinds, as kube-apiserver has them, and templates for those of custom resources.

openapi.xz and openapi_v2.pb.xz (tests/sandbox/kinds/openapi writes them) are read when somebody asks, and then kept.
"""

from __future__ import annotations

import hashlib
import lzma
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

V2, TEMPLATES = "v2", "custom/"


@cache
def documents() -> Mapping[str, bytes]:
    """Name -> JSON. The name of one of version 3 is its path after /openapi/v3/; others are V2 and what begins with
    TEMPLATES, for each scope."""
    lines = _read("openapi.xz").splitlines()
    return {name.decode(): text for name, _, text in (line.partition(b"\t") for line in lines)}


@cache
def hashes() -> Mapping[str, str]:
    """The hashes of the documents of version 3."""
    found = documents().items()
    return {name: hash_of(text) for name, text in found if name != V2 and not name.startswith(TEMPLATES)}


@cache
def v2_protobuf() -> bytes:
    """The document of version 2 as protobuf. It has no custom resources."""
    return _read("openapi_v2.pb.xz")


def hash_of(document: bytes) -> str:
    """What is in links to a document and, in quotes, its ETag."""
    return hashlib.sha512(document).hexdigest().upper()


def _read(name: str) -> bytes:
    return lzma.decompress((files(__package__) / name).read_bytes())
