"""Completes an AdmissionRequest that somebody wrote by hand or took from a test suite of another tool. Pure.

policy-server and kwctl want `uid`, `kind`, `resource`, `operation` and `userInfo`; the API server always sends them.
Gatekeeper's gator wants no more than `object` or `oldObject`. What is missing follows from these, or is empty. What is
there is not changed. Called by requests.py.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

Plural = Callable[[str, str], str]
"""(apiVersion, kind) -> the resource's name."""


def completed(
    request: Mapping[str, Any], plural: Plural, text: Callable[[object], str]
) -> tuple[dict[str, Any], list[str]]:
    """(the request with what it lacks, the keys that were added). `text`: any JSON as text, for the uid."""
    found = {key: value for key, value in request.items() if value is not None}
    made: dict[str, Any] = {}
    objects = (found.get(key) for key in ("object", "oldObject"))
    subject: Mapping[str, Any] = next((each for each in objects if isinstance(each, Mapping)), {})
    _add_kind(found, made, subject)
    _add_resource(found, made, plural)
    if "operation" not in found:
        made["operation"] = _operation(found)
    if "userInfo" not in found:
        made["userInfo"] = {}
    if "uid" not in found:
        made["uid"] = str(uuid.uuid5(uuid.NAMESPACE_OID, text([found, made])))
    return {**found, **made}, sorted(made)


def _add_kind(found: Mapping[str, Any], made: dict[str, Any], subject: Mapping[str, Any]) -> None:
    """`kind` of the object. Without an object nobody knows it: the parser then says that it is missing."""
    api_version, kind = subject.get("apiVersion"), subject.get("kind")
    known = isinstance(api_version, str) and isinstance(kind, str)
    own = {**_group_version(str(api_version)), "kind": kind} if known else {}
    _fill(found, made, "kind", own)
    for key in ("requestKind", "requestResource"):
        _fill(found, made, key, {}, optional=True)


def _add_resource(found: Mapping[str, Any], made: dict[str, Any], plural: Plural) -> None:
    """`resource` of the kind."""
    kind = made.get("kind") or found.get("kind")
    own: dict[str, Any] = {}
    if isinstance(kind, Mapping) and all(isinstance(kind.get(key), str) for key in ("group", "version", "kind")):
        group, version = kind["group"], kind["version"]
        api_version = f"{group}/{version}" if group else version
        own = {"group": group, "version": version, "resource": plural(api_version, kind["kind"])}
    _fill(found, made, "resource", own)


def _fill(
    found: Mapping[str, Any], made: dict[str, Any], key: str, own: Mapping[str, Any], *, optional: bool = False
) -> None:
    """A missing one becomes `own`; of one that is there a missing group is the core group, as for programs in Go."""
    value = found.get(key)
    if value is None:
        if own and not optional:
            made[key] = dict(own)
    elif isinstance(value, Mapping):
        given = {part: text for part, text in value.items() if text is not None}
        whole = {"group": "", "version": own.get("version", ""), **given}
        if whole != value:
            made[key] = whole


def _group_version(api_version: str) -> dict[str, str]:
    group, _, version = api_version.rpartition("/")
    return {"group": group, "version": version}


def _operation(found: Mapping[str, Any]) -> str:
    if "oldObject" not in found:
        return "CREATE"
    return "UPDATE" if "object" in found else "DELETE"
