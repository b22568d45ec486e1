"""Makes the request body that the API server would send, from what the author has. Pure, except for reading files.

An AdmissionReview and a bare AdmissionRequest are used as they are; partial_reviews.py adds what they lack. For a
Kubernetes object the request is built as the API server builds it. Called by run, test, bench and scaffold.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeGuard

from edged.admission.rules.review import AdmissionRequest, BadReview, parse_raw, parse_review
from edged.cli.policy.partial_reviews import completed
from edged.errors import ConfigError
from edged.json_text import JsonError, dumps

OPERATIONS = ("CREATE", "UPDATE", "DELETE", "CONNECT")
_OPTIONS_KINDS = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions"}


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the API server knows in addition to the object. `resource` is the plural, for kinds that are not built
    in; `old` the object before an update."""

    operation: str = "CREATE"
    namespace: str = ""
    name: str = ""
    user: str = "edged-policy"
    groups: tuple[str, ...] = ("system:authenticated",)
    subresource: str = ""
    resource: str = ""
    old: dict[str, Any] | None = None
    dry_run: bool = False


USUAL = Circumstances()


@cache
def _builtin() -> dict[tuple[str, str], tuple[str, bool]]:
    from edged.sandbox.kinds.builtin_kinds import builtin_plurals

    return builtin_plurals()


def plural_of(api_version: str, kind: str) -> tuple[str, bool]:
    """(plural, whether the kind is namespaced). For a kind that is not built in it is guessed, as kubectl does."""
    known = _builtin().get((api_version, kind))
    if known is not None:
        return known
    word = kind.lower()
    if word.endswith("s"):
        return f"{word}es", False
    return (f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"), False


def is_review(document: object) -> bool:
    """With a `request`; an object of another kind may have such a field, too."""
    if not isinstance(document, dict):
        return False
    return document.get("kind") == "AdmissionReview" or (
        isinstance(document.get("request"), dict) and not is_object(document)
    )


def is_request(document: object) -> bool:
    """A bare AdmissionRequest: an object's `kind` is a text, a request's names group and version as well. One without a
    kind has an object."""
    if not isinstance(document, dict):
        return False
    if isinstance(document.get("kind"), dict):
        return "operation" in document or "uid" in document or _has_object(document)
    return not is_object(document) and document.get("kind") is None and _has_object(document)


def _has_object(document: Mapping[str, object]) -> bool:
    return isinstance(document.get("object"), dict) or isinstance(document.get("oldObject"), dict)


def is_object(document: object) -> TypeGuard[dict[str, Any]]:
    return (
        isinstance(document, dict)
        and isinstance(document.get("apiVersion"), str)
        and isinstance(document.get("kind"), str)
    )


def request_of(
    document: object, where: str, circumstances: Circumstances = USUAL, *, raw: bool = False
) -> AdmissionRequest:
    """The request that a document is or stands for, read by the daemon's own parser. Raises ConfigError."""
    return request_and_added(document, where, circumstances, raw=raw)[0]


def request_and_added(
    document: object, where: str, circumstances: Circumstances = USUAL, *, raw: bool = False
) -> tuple[AdmissionRequest, list[str]]:
    """As `request_of`, and the keys that a review or request lacked. Raises ConfigError."""
    try:
        if raw:
            return parse_raw(encode({"request": document}, where)), []
        if is_review(document) or is_request(document):
            if circumstances != USUAL:
                raise ConfigError(f"{where} is a request already: options that describe one cannot change it")
            return _of_request(document, where)
        if not is_object(document):
            raise ConfigError(
                f"{where} is neither an AdmissionReview, nor an AdmissionRequest, nor a Kubernetes object "
                "(with apiVersion and kind)" + (" (any JSON is taken with --raw)" if document is not None else "")
            )
        return parse_review(encode({"request": build(document, where, circumstances)}, where)), []
    except BadReview as error:
        raise ConfigError(f"{where}: {error}") from error


def _of_request(document: Any, where: str) -> tuple[AdmissionRequest, list[str]]:
    """Of a review or a bare request."""
    request = document.get("request") if is_review(document) else document
    if not isinstance(request, dict):
        raise ConfigError(f"{where}: an AdmissionReview without a request")
    whole, added = completed(request, lambda *kind: plural_of(*kind)[0], lambda value: encode(value, where).decode())
    if "kind" not in whole:
        raise ConfigError(f"{where}: the request has no kind, and no object or oldObject that would tell it")
    return parse_review(encode({"request": whole}, where)), added


def encode(value: object, where: str) -> bytes:
    """As JSON. Raises ConfigError for what JSON cannot hold."""
    try:
        return dumps(value)
    except JsonError as error:
        raise ConfigError(f"{where}: cannot be written as JSON: {error}") from error


def objects_of(document: object, where: str) -> list[tuple[Any, str]]:
    """The document, or each item of a List, as kubectl prints several objects."""
    if is_object(document) and document["kind"] == "List" and isinstance(document.get("items"), list):
        return [(item, f"{where}: items[{index}]") for index, item in enumerate(document["items"])]
    return [(document, where)]


def build(obj: dict[str, Any], where: str, circumstances: Circumstances = USUAL) -> dict[str, Any]:
    """An AdmissionRequest about this object, as the API server makes it. Raises ConfigError."""
    metadata = obj.get("metadata")
    if circumstances.operation != "CONNECT" and not isinstance(metadata, dict):
        raise ConfigError(f"{where}: metadata is missing or not an object")
    obj = {**obj, "metadata": dict(metadata)} if isinstance(metadata, dict) else dict(obj)
    group, version = _split(obj["apiVersion"])
    kind = {"group": group, "version": version, "kind": obj["kind"]}
    plural, namespaced = plural_of(obj["apiVersion"], obj["kind"])
    resource = {"group": group, "version": version, "resource": circumstances.resource or plural}
    request: dict[str, Any] = {"uid": _uid(obj, circumstances, where), "kind": kind, "resource": resource}
    if circumstances.subresource:
        request["subResource"] = circumstances.subresource
    request |= {"requestKind": dict(kind), "requestResource": dict(resource)}
    if circumstances.subresource:
        request["requestSubResource"] = circumstances.subresource
    request |= _place(obj, circumstances, namespaced)
    request["operation"] = circumstances.operation
    request["userInfo"] = {"username": circumstances.user, "groups": list(circumstances.groups)}
    request |= _objects(obj, circumstances)
    request["dryRun"] = circumstances.dry_run
    options = _OPTIONS_KINDS.get(circumstances.operation)
    if options is not None:
        request["options"] = {"kind": options, "apiVersion": "meta.k8s.io/v1"}
    return request


def _objects(obj: Mapping[str, object], circumstances: Circumstances) -> dict[str, Any]:
    """Which of object and oldObject there is: a deletion has no object, a creation has no oldObject."""
    if circumstances.operation == "DELETE":
        return {"oldObject": circumstances.old or obj}
    if circumstances.operation == "UPDATE":
        return {"object": obj, "oldObject": circumstances.old or obj}
    return {"object": obj}


def _place(obj: dict[str, Any], circumstances: Circumstances, namespaced: bool) -> dict[str, str]:
    """Name and namespace; the API server writes the namespace of the request into the object."""
    metadata = obj.get("metadata") or {}
    place = {}
    name = circumstances.name or metadata.get("name")
    if isinstance(name, str) and name:
        place["name"] = name
    namespace = metadata.get("namespace") or circumstances.namespace or ("default" if namespaced else "")
    if obj["apiVersion"] == "v1" and obj["kind"] == "Namespace":
        namespace = name if isinstance(name, str) else ""  # a Namespace is said to be in itself
    elif namespace and "metadata" in obj:
        metadata["namespace"] = namespace
    if namespace:
        place["namespace"] = str(namespace)
    return place


def _split(api_version: str) -> tuple[str, str]:
    group, _, version = api_version.rpartition("/")
    return group, version


def _uid(obj: Mapping[str, object], circumstances: Circumstances, where: str) -> str:
    """The same for the same question, so that two runs print the same."""
    content = encode([obj, circumstances.operation, circumstances.subresource, circumstances.old], where)
    return str(uuid.uuid5(uuid.NAMESPACE_OID, content.decode()))
