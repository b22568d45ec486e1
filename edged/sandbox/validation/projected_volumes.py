"""Volumes of files: secret, configMap, downwardAPI, projected. Pure.

Facts from kubernetes' pkg/apis/core/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import each_invalid, forbidden, invalid, not_supported, required, too_long
from edged.sandbox.validation.environment import VOLUME_FIELDS, field_reference, resource_reference
from edged.sandbox.validation.formats import qualified_name, size
from edged.sandbox.validation.internal_values import invalid_value
from edged.sandbox.validation.local_paths import not_reserved
from edged.sandbox.validation.metadata import MOST_ANNOTATIONS
from edged.sandbox.validation.selectors import label_selector
from edged.sandbox.validation.signer_names import bundle_name, is_kubernetes, signer_name

MODE = "must be a number between 0 and 0777 (octal), both inclusive"
_KEY_TYPES = ("RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519")
_CERTIFICATE_PATHS = ("credentialBundlePath", "keyPath", "certificateChainPath")
_TOKEN_LEAST_S, _TOKEN_MOST_S = 600, 1 << 32
_CERTIFICATE_LEAST_S, _CERTIFICATE_MOST_S, _KUBERNETES_MOST_S = 3600, 7862400, 86400


def secret(given: Object, field: str) -> Iterator[Cause]:
    """`secret` and `configMap` volumes."""
    yield from _mode(given.get("defaultMode"), f"{field}.defaultMode")
    for index, item in enumerate(given.get("items") or ()):
        yield from _key_to_path(item, f"{field}.items[{index}]")


config_map = secret


def downward_api(given: Object, field: str) -> Iterator[Cause]:
    """What is wrong with a file is told of the volume."""
    yield from _mode(given.get("defaultMode"), f"{field}.defaultMode")
    for item in given.get("items") or ():
        yield from _file(item, field)


def projected(given: Object, field: str) -> Iterator[Cause]:
    yield from _mode(given.get("defaultMode"), f"{field}.defaultMode")
    paths = _Paths(field)
    for index, source in enumerate(given.get("sources") or ()):
        where = f"{field}.sources[{index}]"
        named = [kind for kind in _SOURCES if source.get(kind) is not None]
        for kind in named:
            yield from _SOURCES[kind](source[kind], f"{where}.{kind}", paths)
        if len(named) > 1:
            yield forbidden(where, "may not specify more than 1 volume type per source")


class _Paths:
    """The paths of a projected volume so far, and the field under which conflicts are told."""

    def __init__(self, field: str) -> None:
        self.field = field
        self._seen: set[str] = set()

    def add(self, path: str, shown: str) -> Iterator[Cause]:
        if path in self._seen:
            yield invalid(self.field, shown, "conflicting duplicate paths")
        self._seen.add(path)


def _mode(mode: int | None, field: str) -> Iterator[Cause]:
    if mode is not None and not 0 <= mode <= 0o777:
        yield invalid(field, mode, MODE)


def _key_to_path(item: Object, field: str) -> Iterator[Cause]:
    for name in ("key", "path"):
        if not item.get(name):
            yield required(f"{field}.{name}")
    yield from not_reserved(item.get("path") or "", f"{field}.path")
    yield from _mode(item.get("mode"), f"{field}.mode")


def _file(item: Object, field: str) -> Iterator[Cause]:
    path, of_field, of_resource = item.get("path") or "", item.get("fieldRef"), item.get("resourceFieldRef")
    if not path:
        yield required(f"{field}.path")
    yield from not_reserved(path, f"{field}.path")
    if of_field is not None:
        yield from field_reference(of_field, VOLUME_FIELDS, f"{field}.fieldRef")
        if of_resource is not None:
            yield invalid(field, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously")
    elif of_resource is not None:
        yield from resource_reference(of_resource, f"{field}.resourceFieldRef", volume=True)
    else:
        yield required(field, "one of fieldRef and resourceFieldRef is required")
    yield from _mode(item.get("mode"), f"{field}.mode")


def _keys(given: Object, field: str, paths: _Paths) -> Iterator[Cause]:
    name = given.get("name") or ""
    if not name:
        yield required(f"{field}.name")
    for index, item in enumerate(given.get("items") or ()):
        yield from _key_to_path(item, f"{field}.items[{index}]")
        if item.get("path"):
            yield from paths.add(item["path"], name)


def _downward(given: Object, field: str, paths: _Paths) -> Iterator[Cause]:
    for item in given.get("items") or ():
        yield from _file(item, field)
        if item.get("path"):
            yield from paths.add(item["path"], item["path"])


def _token(given: Object, field: str, paths: _Paths) -> Iterator[Cause]:
    seconds, path = given.get("expirationSeconds"), given.get("path") or ""
    if seconds is None:
        yield required(f"{field}.expirationSeconds")
    elif seconds < _TOKEN_LEAST_S:
        yield invalid(f"{field}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
    elif seconds > _TOKEN_MOST_S:
        yield invalid(f"{field}.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds")
    if path:
        yield from not_reserved(path, f"{paths.field}.path")
    else:
        yield required(f"{paths.field}.path")


def _bundle(given: Object, field: str, paths: _Paths) -> Iterator[Cause]:
    name, signer, path = given.get("name"), given.get("signerName"), given.get("path") or ""
    if name is not None and signer is not None:
        why = "only one of name and signerName may be used"
        yield invalid_value(field, "core.ClusterTrustBundleProjection", given, why)
    elif name is not None:
        yield from _bundle_by_name(given, name, field)
    elif signer is not None:
        if not signer:
            yield required(f"{field}.signerName", "must be a valid signer name")
        yield from signer_name(signer, f"{field}.signerName")
        yield from label_selector(given.get("labelSelector"), f"{field}.labelSelector")
    else:
        yield required(field, "either name or signerName must be specified")
    if not path:
        yield required(f"{field}.path")
    yield from not_reserved(path, f"{field}.path")
    yield from paths.add(path, path)


def _bundle_by_name(given: Object, name: str, field: str) -> Iterator[Cause]:
    if not name:
        yield required(f"{field}.name", "must be a valid object name")
    wrong = (f"not a valid clustertrustbundlename: {why}" for why in bundle_name(name))
    yield from each_invalid(f"{field}.name", name, wrong)
    if given.get("labelSelector") is not None:
        selector = given["labelSelector"]
        yield invalid(f"{field}.labelSelector", selector, "labelSelector must be unset if name is specified")


def _certificate(given: Object, field: str, paths: _Paths) -> Iterator[Cause]:
    signer = given.get("signerName") or ""
    yield from signer_name(signer, f"{field}.signerName")
    if given.get("userAnnotations") is not None:
        yield from _user_annotations(given["userAnnotations"], f"{field}.userAnnotations")
    key_type = given.get("keyType") or ""
    if key_type not in _KEY_TYPES:
        yield not_supported(f"{field}.keyType", key_type, _KEY_TYPES)
    yield from _expiration(given.get("maxExpirationSeconds"), signer, f"{field}.maxExpirationSeconds")
    for name in _CERTIFICATE_PATHS:
        if given.get(name):
            yield from not_reserved(given[name], f"{field}.{name}")
            yield from paths.add(given[name], given[name])
    if not any(given.get(name) for name in _CERTIFICATE_PATHS):
        yield required(field, "specify at least one of credentialBundlePath, keyPath, and certificateChainPath")


def _expiration(seconds: int | None, signer: str, field: str) -> Iterator[Cause]:
    if seconds is None:
        return
    most = _KUBERNETES_MOST_S if is_kubernetes(signer) else _CERTIFICATE_MOST_S
    if seconds < _CERTIFICATE_LEAST_S:
        yield invalid(field, seconds, f"if provided, maxExpirationSeconds must be >= {_CERTIFICATE_LEAST_S}")
    if seconds > most:
        yield invalid(field, seconds, f"if provided, maxExpirationSeconds must be <= {most}")


def _user_annotations(given: Object, field: str) -> Iterator[Cause]:
    for key in given:
        wrong = qualified_name(key.lower())
        if not key:
            yield required(field)
        elif wrong:
            yield from each_invalid(field, key.lower(), wrong)
        elif "/" not in key:
            yield invalid(field, key.lower(), 'must be a domain-prefixed key (such as "acme.io/foo")')
    if sum(size(key) + size(value) for key, value in given.items()) > MOST_ANNOTATIONS:
        yield too_long(field, MOST_ANNOTATIONS)


_SOURCES = {
    "secret": _keys, "configMap": _keys, "downwardAPI": _downward, "serviceAccountToken": _token,
    "clusterTrustBundle": _bundle, "podCertificate": _certificate,
}  # fmt: skip
