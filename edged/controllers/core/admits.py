"""What a module may admit beside its reconciles, and what its answer to an admission says.

The manifest declares, the operator's `admits` bounds. Making an AdmissionResponse of a verdict is the daemon's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from edged.controllers.core.fields import Fields
from edged.errors import GuestError
from edged.json_text import JsonError, loads
from edged.kube.values.names import GroupVersionResource
from edged.records import dataclass

OPERATIONS = ("CREATE", "UPDATE", "DELETE", "CONNECT")
MOST_WARNINGS, MOST_PATCHES = 64, 4096
FailurePolicy = Literal["Fail", "Ignore"]


@dataclass(frozen=True, slots=True)
class Admit:
    """Reviews of one kind. `operations` in the order of OPERATIONS."""

    operations: tuple[str, ...]
    api_version: str
    kind: str
    failure_policy: FailurePolicy = "Fail"


@dataclass(frozen=True, slots=True)
class AdmissionVerdict:
    """`patch`: operations of a JSON patch, or None. `code` 0 and `message` "": not said."""

    allowed: bool
    code: int = 0
    message: str = ""
    patch: tuple[dict[str, object], ...] | None = None
    warnings: tuple[str, ...] = ()


def admit_of(fields: Fields) -> Admit:
    """One entry of a manifest's `admits`, or of the configuration's."""
    operations = fields.texts("operations") or ("CREATE", "UPDATE")
    unknown = [each for each in operations if each not in OPERATIONS]
    if unknown:
        raise fields.wrong("operations", f"{', '.join(unknown)}: known are {', '.join(OPERATIONS)}")
    policy = fields.choice("failurePolicy", ("Fail", "Ignore"), "Fail")
    return Admit(
        tuple(each for each in OPERATIONS if each in operations),
        fields.text("apiVersion", most=253),
        fields.text("kind", most=253),
        "Ignore" if policy == "Ignore" else "Fail",
    )


class AdmitBound(NamedTuple):
    """What an operator allows: a webhook's rule (`*` is anything) and the strictest failure policy."""

    operations: tuple[str, ...]
    groups: tuple[str, ...]
    versions: tuple[str, ...]
    resources: tuple[str, ...]
    failure_policy: FailurePolicy = "Fail"


def bound_of(rule: Mapping[str, Any], failure_policy: FailurePolicy) -> AdmitBound:
    """Of a RuleWithOperations, as the configuration has it."""
    return AdmitBound(
        tuple(rule["operations"]), tuple(rule["apiGroups"]), tuple(rule["apiVersions"]), tuple(rule["resources"]),
        failure_policy,
    )  # fmt: skip


class AdmitWebhook(NamedTuple):
    """What one entry of the operator's `admits` comes to with a module: the rules of its webhook."""

    rules: tuple[dict[str, Any], ...]
    failure_policy: FailurePolicy


def webhook_of(
    admits: Iterable[tuple[Admit, GroupVersionResource]], rules: Sequence[Mapping[str, Any]], strictest: FailurePolicy
) -> AdmitWebhook | None:
    """What a module declares of an entry with these rules, each kind with its resource; None: nothing. One webhook has
    one failurePolicy: that of the strictest declaration."""
    found: dict[tuple[GroupVersionResource, str], set[str]] = {}
    policy: FailurePolicy = "Ignore"
    for rule in rules:
        bound = bound_of(rule, strictest)
        for admit, resource in admits:
            if covered := {each for each in admit.operations if _covers(bound, admit, resource, each)}:
                found.setdefault((resource, rule.get("scope") or "*"), set()).update(covered)
                policy = "Fail" if admit.failure_policy == "Fail" else policy
    made = tuple(_rule(*which, operations) for which, operations in found.items())
    return AdmitWebhook(made, policy) if made else None


def _rule(resource: GroupVersionResource, scope: str, operations: set[str]) -> dict[str, Any]:
    return {
        "operations": [each for each in OPERATIONS if each in operations], "apiGroups": [resource.group],
        "apiVersions": [resource.version], "resources": [resource.resource], "scope": scope,
    }  # fmt: skip


def beyond(admit: Admit, resource: GroupVersionResource, bounds: Iterable[AdmitBound]) -> str:
    """What a module declares and no bound allows, for a message; "" where all of it is allowed. `resource` is that of
    the kind. Who allows `Fail`, which can stop the cluster's writes, allows `Ignore` too, but not the other way."""
    known = tuple(bounds)
    missing = [each for each in admit.operations if not any(_covers(one, admit, resource, each) for one in known)]
    if not missing:
        return ""
    return (
        f"it wants to admit {', '.join(missing)} of {admit.kind} in {admit.api_version} with failurePolicy "
        f"{admit.failure_policy}, which `admits` does not allow"
    )


def _covers(bound: AdmitBound, admit: Admit, resource: GroupVersionResource, operation: str) -> bool:
    return (
        _has(bound.operations, operation)
        and _has(bound.groups, resource.group)
        and _has(bound.versions, resource.version)
        and _has(bound.resources, resource.resource)
        and (bound.failure_policy == "Fail" or admit.failure_policy == "Ignore")
    )


def _has(words: tuple[str, ...], word: str) -> bool:
    return word in words or "*" in words or "*/*" in words


def admission_name(controller: str, number: int) -> str:
    """Under which name the entry of that number (from 0) of a controller's `admits` is asked and registered."""
    return controller if number == 0 else f"{controller}.{number + 1}"


def verdict_of(data: bytes) -> AdmissionVerdict:
    """What `edged_ctl_admit` answered. Raises GuestError."""
    try:
        value = loads(data, what="the answer to an admission")
    except JsonError as error:
        raise GuestError(str(error)) from None
    fields = Fields(value, "the answer to an admission", GuestError)
    if not fields.has("allowed"):
        raise fields.wrong("allowed", "is missing")
    status = fields.inner("status") if fields.has("status") else Fields({}, "", GuestError)
    patches = fields.items("patch", most=MOST_PATCHES)
    for number, patch in enumerate(patches):
        Fields(patch, f"patch[{number}]", GuestError).text("op")
    return AdmissionVerdict(
        fields.flag("allowed"),
        status.whole("code", 0, most=65535),
        status.text("message", "", most=1 << 16),
        tuple(each for each in patches if isinstance(each, dict)) or None,
        fields.texts("warnings", most=MOST_WARNINGS),
    )
