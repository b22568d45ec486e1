"""What a policy may ask of the host: allow-lists, request shapes, replies. Pure; admission/host/context.py does the
asking.

Order of the checks, as in Kubewarden: the capability, then (for reads of the cluster) the kind, both before any
cache is looked at, so that one policy never reads what another one's informer holds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias

from edged.abi.wapc import HostCallError
from edged.errors import ConfigError
from edged.json_text import JsonError, dumps, loads
from edged.records import dataclass

OPERATIONS: dict[str, tuple[str, ...]] = {
    "oci": ("v1/verify", "v2/verify", "v1/manifest_digest", "v1/oci_manifest", "v1/oci_manifest_config"),
    "net": ("v1/dns_lookup_host",),
    "crypto": ("v1/is_certificate_trusted",),
    "kubernetes": ("list_resources_by_namespace", "list_resources_all", "get_resource", "can_i"),
}
MAX_CHAIN = 64
MOST_PAYLOAD = 2 << 20
"""Bytes of a host call's payload: two chains of certificates as lists of numbers."""
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,6})?\d*([Zz]|[+-]\d\d:\d\d)")
PATHS = tuple(
    f"{namespace}/{operation}" for namespace, operations in OPERATIONS.items() for operation in operations
)


@dataclass(frozen=True, slots=True)
class Grants:
    """What one policy is allowed. `kinds` holds (apiVersion, kind) pairs, matched exactly. `max_age_s`: how old what it
    is told of objects may be."""

    capabilities: tuple[str, ...] = ()
    kinds: frozenset[tuple[str, str]] = frozenset()
    max_age_s: float = math.inf

    # Both refusals are policy-server's own words.
    def check_capability(self, namespace: str, operation: str) -> None:
        """Raise HostCallError unless the capability was granted."""
        path = f"{namespace}/{operation}"
        if not any(_covers(pattern, path) for pattern in self.capabilities):
            raise HostCallError(
                f"Policy has not been granted access to the '{path}' host capability. The violation has been reported."
            )

    def check_kind(self, api_version: str, kind: str) -> None:
        """Raise HostCallError unless reading that kind was granted."""
        if (api_version, kind) not in self.kinds:
            raise HostCallError(
                f"Policy has not been granted access to Kubernetes {api_version}/{kind} resources. "
                "The violation has been reported."
            )


def _covers(pattern: str, path: str) -> bool:
    return pattern in ("*", path) or (pattern.endswith("/*") and path.startswith(pattern[:-1]))


def check_patterns(patterns: tuple[str, ...]) -> None:
    """Raise ConfigError for a capability pattern that can match nothing."""
    for pattern in patterns:
        text = pattern.strip()
        stem = text[:-1] if text.endswith("/*") else None
        known = (
            text == "*"
            or text in PATHS
            or (stem is not None and any(path.startswith(stem) for path in PATHS))
        )
        if not known:
            raise ConfigError(
                f"{pattern!r} is not a host capability (one of: *, {', '.join(PATHS)}, or a prefix with /*)"
            )


@dataclass(frozen=True, slots=True)
class CertificateQuestion:
    """`is_certificate_trusted`: certificates as PEM or DER. `chain` None: this host's roots. `at`: Unix time, None for
    now."""

    certificate: bytes
    chain: tuple[bytes, ...] | None
    at: float | None


@dataclass(frozen=True, slots=True)
class ListRequest:
    """`list_resources_by_namespace` and `list_resources_all` (namespace None)."""

    api_version: str
    kind: str
    namespace: str | None
    label_selector: str
    field_selector: str
    field_masks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GetRequest:
    """`get_resource`."""

    api_version: str
    kind: str
    name: str
    namespace: str | None
    disable_cache: bool
    field_masks: tuple[str, ...]


def parse_list(payload: bytes, *, by_namespace: bool) -> ListRequest:
    """Raises HostCallError for a payload of the wrong shape."""
    data = _object(payload)
    return ListRequest(
        _text(data, "api_version"),
        _text(data, "kind"),
        _text(data, "namespace") if by_namespace else None,
        _optional_text(data, "label_selector"),
        _optional_text(data, "field_selector"),
        _masks(data),
    )


def parse_get(payload: bytes) -> GetRequest:
    """Raises HostCallError for a payload of the wrong shape."""
    data = _object(payload)
    return GetRequest(
        _text(data, "api_version"),
        _text(data, "kind"),
        _text(data, "name"),
        _optional_text(data, "namespace") or None,
        _flag(data, "disable_cache"),
        _masks(data),
    )


def parse_can_i(payload: bytes) -> tuple[dict[str, Any], bool]:
    """(spec of a SubjectAccessReview, disable_cache). Raises HostCallError."""
    data = _object(payload)
    review = data.get("subject_access_review")
    attributes = review.get("resource_attributes") if isinstance(review, dict) else None
    if not isinstance(review, dict) or not isinstance(attributes, dict):
        raise HostCallError("can_i: subject_access_review with resource_attributes is missing")
    known = ("group", "name", "namespace", "resource", "subresource", "verb", "version")
    spec: dict[str, Any] = {
        "user": _text(review, "user"),
        "resourceAttributes": {
            key: _text(attributes, key) for key in known if attributes.get(key) is not None
        },
    }
    for key in ("resource", "verb"):
        _text(attributes, key)
    groups = review.get("groups")
    if groups is not None:
        if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
            raise HostCallError("can_i: groups is not a list of strings")
        spec["groups"] = groups
    return spec, _flag(data, "disable_cache")


def parse_name(payload: bytes, what: str) -> str:
    """A payload that is one string: an image reference, a host. Raises HostCallError."""
    try:
        value = loads(payload)
    except JsonError as error:
        raise HostCallError(f"host call payload is not JSON: {error}") from error
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise HostCallError(f"host call payload is not {what}")
    return value


def parse_certificate(payload: bytes) -> CertificateQuestion:
    """Raises HostCallError for a payload of the wrong shape."""
    data = _object(payload)
    chain = data.get("cert_chain")
    if chain is not None and (not isinstance(chain, list) or len(chain) > MAX_CHAIN):
        raise HostCallError(f"host call payload: cert_chain is not a list of at most {MAX_CHAIN} certificates")
    return CertificateQuestion(
        _certificate(data.get("cert"), "cert"),
        None if chain is None else tuple(_certificate(entry, f"cert_chain[{n}]") for n, entry in enumerate(chain)),
        _timestamp(_optional_text(data, "not_after")),
    )


def _certificate(entry: object, where: str) -> bytes:
    """`{"encoding": "Pem"|"Der", "data": [bytes]}`."""
    known = ("Pem", "Der")
    if not isinstance(entry, dict) or entry.get("encoding") not in known or not isinstance(entry.get("data"), list):
        raise HostCallError(f'host call payload: {where} is not {{"encoding": "Pem" or "Der", "data": [bytes]}}')
    try:
        content = bytes(entry["data"])
    except (TypeError, ValueError) as error:
        raise HostCallError(f"host call payload: {where}.data is not a list of bytes") from error
    if (b"-----BEGIN" in content) != (entry["encoding"] == "Pem"):
        raise HostCallError(f"host call payload: {where} is not {entry['encoding']}")
    return content


def _timestamp(text: str) -> float | None:
    """Unix time of an RFC 3339 timestamp; None for ""."""
    if not text:
        return None
    if not _RFC3339.fullmatch(text):
        raise HostCallError(f"host call payload: not_after is {text!r}, not an RFC 3339 time")
    try:
        return datetime.fromisoformat(text.upper()).timestamp()
    except (ValueError, OverflowError) as error:
        raise HostCallError(f"host call payload: not_after is {text!r}: {error}") from error


def list_reply(request: ListRequest, items: list[dict[str, object]]) -> bytes:
    """The list as guests expect it; items get the apiVersion and kind that API servers leave out of lists."""
    shown = [listed(request, item) for item in items]
    return dumps({"apiVersion": request.api_version, "kind": f"{request.kind}List", "metadata": {}, "items": shown})


def listed(request: ListRequest, item: dict[str, object]) -> dict[str, object]:
    """One object of a list as guests expect it."""
    return {"apiVersion": request.api_version, "kind": request.kind, **mask(item, request.field_masks)}


_Mask: TypeAlias = "dict[str, _Mask]"
"""Key -> what is kept below it; empty: everything."""


def mask(item: dict[str, object], masks: tuple[str, ...]) -> dict[str, Any]:
    """Only what the masks keep. Type and metadata always survive; no masks keep everything."""
    if not masks:
        return item
    tree: _Mask = {}
    for path in masks:
        node = tree
        for part in path.split("."):
            node = node.setdefault(part, {})
    kept: dict[str, Any] = _prune(item, tree)
    for key in ("apiVersion", "kind", "metadata"):
        if key in item:
            kept[key] = item[key]
    return kept


def _prune(value: object, tree: _Mask) -> Any:
    if not tree:
        return value
    if isinstance(value, list):
        return [_prune(element, tree) for element in value]
    if isinstance(value, dict):
        return {key: _prune(value[key], below) for key, below in tree.items() if key in value}
    return value


def _object(payload: bytes) -> dict[str, Any]:
    try:
        data = loads(payload, most=MOST_PAYLOAD)
    except JsonError as error:
        raise HostCallError(f"host call payload is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise HostCallError("host call payload is not a JSON object")
    return data


def _text(data: Mapping[str, object], key: str) -> str:
    value = data.get(key)
    if not isinstance(value, str):
        raise HostCallError(f"host call payload: {key} is missing or not a string")
    return value


def _optional_text(data: Mapping[str, object], key: str) -> str:
    return _text(data, key) if data.get(key) is not None else ""


def _flag(data: Mapping[str, object], key: str) -> bool:
    value = data.get(key, False)
    if not isinstance(value, bool):
        raise HostCallError(f"host call payload: {key} is not a boolean")
    return value


def _masks(data: Mapping[str, object]) -> tuple[str, ...]:
    masks = data.get("field_masks") or []
    if not isinstance(masks, list) or not all(isinstance(path, str) and path for path in masks):
        raise HostCallError("host call payload: field_masks is not a list of paths")
    return tuple(masks)
