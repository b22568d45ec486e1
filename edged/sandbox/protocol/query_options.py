"""Options in the query of a request: their types, and which values they may have. Pure.

Source: apimachinery's pkg/runtime/conversion.go (texts to numbers and booleans), pkg/apis/meta/v1/validation and
pkg/apis/meta/internalversion/validation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from edged.kube.values.go_texts import quoted
from edged.sandbox.protocol.api_status import Cause, bad_request, invalid_options

Query = Mapping[str, str]
MAX_MANAGER = 128
"""Bytes of a fieldManager."""
_LARGEST = 2**63 - 1


def number(query: Query, name: str) -> int | None:
    """An option that is an int64; None if it is not there. Raises 400."""
    text = query.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise bad_request(f"strconv.ParseInt: parsing {quoted(text)}: invalid syntax")
    # A number of thousands of digits must not reach int().
    digits = text.lstrip("+-").lstrip("0")
    if len(digits) > 19 or not -_LARGEST - 1 <= (value := int(text)) <= _LARGEST:
        raise bad_request(f"strconv.ParseInt: parsing {quoted(text)}: value out of range")
    return value


def flag(query: Query, name: str) -> bool | None:
    """An option that is a boolean, None if it is not there: every text but "false" and "0" is true."""
    text = query.get(name)
    return None if text is None else text.lower() not in ("false", "0")


def _forbidden(field: str, why: str) -> Cause:
    return Cause(field, f"Forbidden: {why}", "FieldValueForbidden")


def _unsupported(field: str, value: str, supported: Sequence[str]) -> Cause:
    listed = ", ".join(map(quoted, supported))
    return Cause(field, f"Unsupported value: {value}: supported values: {listed}", "FieldValueNotSupported")


# --- lists and watches


def check_list(query: Query, *, watch: bool) -> None:
    """ListOptions. Raises 400 for what is no number, 422 for contradictions."""
    number(query, "limit")
    number(query, "timeoutSeconds")
    if causes := [*(_watch_causes(query) if watch else _list_causes(query))]:
        raise invalid_options("ListOptions", causes)


def _list_causes(query: Query) -> list[Cause]:
    match, version = query.get("resourceVersionMatch", ""), query.get("resourceVersion", "")
    field, causes = "resourceVersionMatch", list[Cause]()
    if match and not version:
        causes.append(_forbidden(field, f"{field} is forbidden unless resourceVersion is provided"))
    if match and query.get("continue"):
        causes.append(_forbidden(field, f"{field} is forbidden when continue is provided"))
    if match not in ("", "Exact", "NotOlderThan"):
        causes.append(_unsupported(field, quoted(match), ("Exact", "NotOlderThan", "")))
    if match == "Exact" and version == "0":
        causes.append(_forbidden(field, f'{field} "exact" is forbidden for resourceVersion "0"'))
    if "sendInitialEvents" in query:
        causes.append(_forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    return causes


def _watch_causes(query: Query) -> list[Cause]:
    match, initial = query.get("resourceVersionMatch", ""), "sendInitialEvents" in query
    field, causes = "resourceVersionMatch", list[Cause]()
    if initial and match != "NotOlderThan":
        causes.append(_forbidden(field, f"sendInitialEvents requires setting {field} to NotOlderThan"))
    if match and not initial:
        causes.append(_forbidden(field, f"{field} is forbidden for watch unless sendInitialEvents is provided"))
    if match not in ("", "NotOlderThan"):
        causes.append(_unsupported(field, quoted(match), ("NotOlderThan",)))
    if match and query.get("continue"):
        causes.append(_forbidden(field, f"{field} is forbidden when continue is provided"))
    return causes


# --- writes


def check_write(kind: str, query: Query, *, apply: bool = False) -> None:
    """CreateOptions, UpdateOptions or PatchOptions. `apply`: whether the patch is a server-side apply. Raises 422."""
    causes: list[Cause] = []
    if kind == "PatchOptions":
        causes += _patch_causes(query, apply=apply)
    causes += _manager_causes(query.get("fieldManager", ""))
    if "dryRun" in query:
        causes += dry_run_causes([query["dryRun"]])
    mode = query.get("fieldValidation", "")
    if mode not in ("", "Ignore", "Strict", "Warn"):
        causes.append(_unsupported("fieldValidation", quoted(mode), ("", "Ignore", "Strict", "Warn")))
    if causes:
        raise invalid_options(kind, causes)


def _patch_causes(query: Query, *, apply: bool) -> list[Cause]:
    if apply and not query.get("fieldManager"):
        return [Cause("fieldManager", "Required value: is required for apply patch", "FieldValueRequired")]
    if not apply and "force" in query:
        return [_forbidden("force", "may not be specified for non-apply patch")]
    return []


def _manager_causes(manager: str) -> list[Cause]:
    causes = []
    if len(manager.encode(errors="replace")) > MAX_MANAGER:
        why = f"Too long: may not be more than {MAX_MANAGER} bytes"
        causes.append(Cause("fieldManager", why, "FieldValueTooLong"))
    for position, character in enumerate(manager[:MAX_MANAGER]):
        if not character.isprintable():
            why = f"invalid character U+{ord(character):04X} (at position {position})"
            causes.append(Cause("fieldManager", f"Invalid value: {quoted(manager)}: {why}"))
    return causes


def dry_run_causes(values: Sequence[object]) -> list[Cause]:
    if all(value == "All" for value in values):
        return []
    shown = "[" + ",".join(quoted(str(value)) for value in values) + "]"
    return [_unsupported("dryRun", shown, ("All",))]


def propagation_causes(policy: object, *, orphan_dependents: bool) -> list[Cause]:
    """What is wrong about a DeleteOptions' propagationPolicy; `orphan_dependents`: its predecessor is there, too."""
    if policy is None:
        return []
    causes, field = list[Cause](), "propagationPolicy"
    if orphan_dependents:
        why = "orphanDependents and deletionPropagation cannot be both set"
        causes.append(Cause(field, f"Invalid value: {quoted(str(policy))}: {why}"))
    supported = ("Foreground", "Background", "Orphan")
    if policy not in supported:
        causes.append(_unsupported(field, quoted(str(policy)), (*supported, "nil")))
    return causes
