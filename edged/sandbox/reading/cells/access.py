"""The cells of roles, certificates, admission and CustomResourceDefinitions. Pure."""

from __future__ import annotations

from collections.abc import Callable

from edged.sandbox.reading import ages
from edged.sandbox.reading.cells.values import (
    AGE,
    CREATED,
    NAME,
    NONE,
    UNSET,
    Cell,
    Object,
    condition,
    count,
    dig,
    items,
    joined,
    text,
)


def _role(binding: Object, _now: float) -> str:
    return f"{dig(binding, 'roleRef.kind') or ''}/{dig(binding, 'roleRef.name') or ''}"


def _subjects(kind: str, shown: Callable[[Object], str]) -> Cell:
    def cell(binding: Object, _now: float) -> str:
        return ", ".join(shown(each) for each in items(binding, "subjects") if each.get("kind") == kind)

    return cell


def _plain(subject: Object) -> str:
    return str(subject.get("name") or "")


_BINDING: tuple[Cell, ...] = (
    NAME, _role, AGE, _subjects("User", _plain), _subjects("Group", _plain),
    _subjects("ServiceAccount", lambda each: f"{each.get('namespace') or ''}/{_plain(each)}"),
)  # fmt: skip


def _certificate_state(request: Object, _now: float) -> str:
    kinds = {each.get("type") for each in items(request, "status.conditions")}
    state = "Denied" if "Denied" in kinds else "Approved" if "Approved" in kinds else "Pending"
    failed = ",Failed" if "Failed" in kinds else ""
    return f"{state}{failed}{',Issued' if dig(request, 'status.certificate') else ''}"


def _requested_duration(request: Object, _now: float) -> str:
    wanted = dig(request, "spec.expirationSeconds")
    return NONE if wanted is None else ages.human_duration(wanted)


# --- policies


def _parameter_kind(policy: Object, _now: float) -> str:
    kind = dig(policy, "spec.paramKind")
    return UNSET if kind is None else f"{kind.get('apiVersion') or ''}/{kind.get('kind') or ''}"


def _parameters(binding: Object, _now: float) -> str:
    given = dig(binding, "spec.paramRef") or {}
    if given.get("name"):
        return f"{given.get('namespace') or '*'}/{given['name']}"
    return UNSET if given.get("selector") is None else _go_text(given["selector"])


def _go_text(selector: Object) -> str:
    """A LabelSelector as Go's generated String method writes it."""
    labels = "".join(f"{key}: {value}," for key, value in sorted((selector.get("matchLabels") or {}).items()))
    expressions = "".join(
        f"LabelSelectorRequirement{{Key:{each.get('key')},Operator:{each.get('operator')},"
        f"Values:[{' '.join(each.get('values') or ())}],}},"
        for each in items(selector, "matchExpressions")
    )
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},"
        f"MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
    )


_POLICY_BINDING: tuple[Cell, ...] = (NAME, text("spec.policyName"), _parameters, AGE)


# --- CustomResourceDefinitions


def _versions(definition: Object, _now: float) -> str:
    served = [each for each in items(definition, "spec.versions") if each.get("served")]
    return ",".join(sorted(f"{each.get('name')}{'(storage)' if each.get('storage') else ''}" for each in served))


_GROUP = "admissionregistration.k8s.io"
CELLS: dict[str, tuple[Cell, ...]] = {
    "ServiceAccount": (NAME, AGE),
    "Role.rbac.authorization.k8s.io": (NAME, CREATED),
    "ClusterRole.rbac.authorization.k8s.io": (NAME, CREATED),
    "RoleBinding.rbac.authorization.k8s.io": _BINDING,
    "ClusterRoleBinding.rbac.authorization.k8s.io": _BINDING,
    "CertificateSigningRequest.certificates.k8s.io": (
        NAME, AGE, text("spec.signerName", NONE), text("spec.username"), _requested_duration, _certificate_state,
    ),
    f"MutatingWebhookConfiguration.{_GROUP}": (NAME, count("webhooks"), AGE),
    f"ValidatingWebhookConfiguration.{_GROUP}": (NAME, count("webhooks"), AGE),
    f"ValidatingAdmissionPolicy.{_GROUP}": (NAME, count("spec.validations"), _parameter_kind, AGE),
    f"ValidatingAdmissionPolicyBinding.{_GROUP}": _POLICY_BINDING,
    f"MutatingAdmissionPolicy.{_GROUP}": (NAME, count("spec.mutations"), _parameter_kind, AGE),
    f"MutatingAdmissionPolicyBinding.{_GROUP}": _POLICY_BINDING,
    "CustomResourceDefinition.apiextensions.k8s.io": (
        NAME, text("spec.scope"), _versions, CREATED, text("spec.group"), text("spec.names.kind"),
        joined("spec.names.shortNames"),
        lambda definition, _now: condition(definition, "Established").get("status") == "True",
    ),
}  # fmt: skip
