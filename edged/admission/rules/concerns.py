"""Which members of a shared webhook a request concerns. Pure.

The API server calls a shared webhook for what any member's rules match, so each member is asked only about what its own
webhook would be called for. Selectors and match conditions are equal among the members, and the API server went by
them; rules, scope and what is left out for the system are decided here, by the rules of its own matcher
(k8s.io/apiserver, admission/plugin/webhook/predicates/rules), with which a test compares.

What is compared is `request.resource`: the resource that the API server matched, in whose version the object comes. It
differs from `requestResource`, what the client asked for, only with matchPolicy Equivalent, and only where no rule of
the webhook matches literally: then the API server takes the first equivalent resource that a rule names, and converts.
With rules joined, another member's rule could match literally, or come first: a member that wants a conversion would
not get it. So members are joined only where all ask for the same versions of a resource, equivalent ones counted as
one; then each member's own webhook would have been called with the same `request.resource`, and the version decides
nothing among them. Deciding by `requestResource` would skip whoever was to see the converted object.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from edged.admission.rules import exemptions
from edged.admission.rules.review import AdmissionRequest
from edged.admission.rules.webhooks import WebhookSpec
from edged.records import dataclass

_NAMESPACES = ("", "v1", "namespaces")


@dataclass(frozen=True, slots=True)
class Subject:
    """What a request is about, as far as rules go. `namespace` is "" for cluster-scoped objects; for a Namespace, and
    for its subresources, it is the Namespace's own name."""

    group: str
    version: str
    resource: str
    subresource: str
    operation: str
    namespace: str

    @property
    def is_namespaced(self) -> bool:
        """Whether the object is in a namespace. A Namespace is not."""
        return self.namespace != "" and (self.group, self.version, self.resource) != _NAMESPACES


def subject_of(request: AdmissionRequest) -> Subject:
    """Of a request that `parse_review` made."""
    resource = request.field("resource")
    return Subject(
        resource["group"],
        resource["version"],
        resource["resource"],
        request.text("subResource"),
        request.text("operation"),
        request.text("namespace"),
    )


def concerns(spec: WebhookSpec, subject: Subject, *, include_system: bool) -> bool:
    """Whether the API server would call a webhook of this member alone. One whose rules are not known is asked."""
    if spec.namespace:
        if not subject.is_namespaced or subject.namespace != spec.namespace:
            return False
    elif not include_system and exemptions.leaves_out(spec.rules, subject.group, subject.resource):
        return False
    return spec.rules is None or any(matches(rule, subject) for rule in spec.rules)


def matches(rule: Mapping[str, Any], subject: Subject) -> bool:
    """Whether a RuleWithOperations matches."""
    return (
        _has(rule["apiGroups"], subject.group)
        and _has_resource(rule["resources"], subject)
        and _has(rule["operations"], subject.operation)
        and _has(rule["apiVersions"], subject.version)
        and _has_scope(rule.get("scope") or "*", subject)
    )


def _has(items: Iterable[str], wanted: str) -> bool:
    return "*" in items or wanted in items


def _has_resource(entries: Iterable[str], subject: Subject) -> bool:
    """An entry without a slash stands for the resource itself, and for none of its subresources."""
    for entry in entries:
        resource, _, subresource = entry.partition("/")
        if resource in ("*", subject.resource) and subresource in ("*", subject.subresource):
            return True
    return False


def _has_scope(scope: str, subject: Subject) -> bool:
    return scope == "*" or scope == ("Namespaced" if subject.is_namespaced else "Cluster")
