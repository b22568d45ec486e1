"""Paths of files in volumes that come upon each other. Pure.

Facts from kubernetes' pkg/api/pod/warnings.go. A path is compared with a bounded number of those before it, so that a
long list costs no more than its length.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.sandbox.cluster import Object
from edged.sandbox.validation.causes import part, quoted

_MOST_COMPARED = 100
_CERTIFICATE = (
    ("certificateChainPath", "PodCertificate chain"), ("keyPath", "PodCertificate key"),
    ("credentialBundlePath", "PodCertificate credential bundle"),
)  # fmt: skip
Place = tuple[str, str]
"""(path, what it comes from, which may be "")"""


def overlapping_paths(volumes: list[Object]) -> Iterator[str]:
    for volume in volumes:
        name = quoted(volume.get("name") or "")
        of_map, secret = part(volume, "configMap"), part(volume, "secret")
        for given, what in (
            (of_map, f"ConfigMap {quoted(of_map.get('name') or '')}"),
            (secret, f"Secret {quoted(secret.get('secretName') or '')}"),
            (part(volume, "downwardAPI"), "DownwardAPI"),
        ):
            for told in _overlaps(_places(given, "")):
                yield f"volume {name} ({what}): overlapping paths: {told}"
        if volume.get("projected") is not None:
            yield from _projected(volume["projected"], name)


def _projected(given: Object, name: str) -> Iterator[str]:
    places: list[Place] = []
    for source in given.get("sources") or ():
        if not any(value is not None for value in source.values()):
            yield f"volume {name} (Projected) has no sources provided"
            continue
        fresh = _of_source(source)
        for told in _overlaps(fresh, places):
            yield f"volume {name} (Projected): overlapping paths: {told}"


def _of_source(source: Object) -> list[Place]:
    of_map, secret, bundle = part(source, "configMap"), part(source, "secret"), part(source, "clusterTrustBundle")
    if of_map.get("items"):
        return _places(of_map, f"ConfigMap {quoted(of_map.get('name') or '')}")
    if secret.get("items"):
        return _places(secret, f"Secret {quoted(secret.get('name') or '')}")
    if part(source, "downwardAPI").get("items"):
        return _places(source["downwardAPI"], "DownwardAPI")
    if source.get("serviceAccountToken") is not None:
        return [(source["serviceAccountToken"].get("path") or "", "ServiceAccountToken")]
    if bundle:
        name = quoted(bundle.get("name") or bundle.get("signerName") or "")
        return [(bundle.get("path") or "", f"ClusterTrustBundle {name}")]
    certificate = part(source, "podCertificate")
    return [(certificate[field], what) for field, what in _CERTIFICATE if certificate.get(field)]


def _places(given: Object, what: str) -> list[Place]:
    return [(item.get("path") or "", what) for item in given.get("items") or ()]


def _overlaps(fresh: list[Place], known: list[Place] | None = None) -> Iterator[str]:
    """Adds what is fresh to what is known."""
    known = [] if known is None else known
    for path, what in fresh:
        path = path.rstrip("/")
        for other, other_what in known[:_MOST_COMPARED] if path else ():
            if other and (f"{other}/".startswith(f"{path}/") or f"{path}/".startswith(f"{other}/")):
                yield f"{_shown(path, what)} with {_shown(other, other_what)}"
        known.append((path, what))


def _shown(path: str, what: str) -> str:
    return f"{quoted(path)} ({what})" if what else quoted(path)
