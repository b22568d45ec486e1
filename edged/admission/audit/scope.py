"""Decides which policies an audit asks about which objects, makes the questions, and rates the answers. Pure.

An audit asks about every object as if it were created now. The rules are those of Kubewarden's audit scanner;
docs/kubewarden-differences.md lists where edged checks more. What rules mean is in targets.py.
admission/audit/audit_run.py reads objects and asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, cast

from edged.admission.audit.reports import PolicyFacts
from edged.admission.audit.targets import Served, named, targets_of
from edged.admission.rules.review import AdmissionRequest, AdmissionResponse
from edged.kube.values.names import GroupVersionResource, ServedKind
from edged.kube.values.selectors import LabelSelector, parse_label_selector
from edged.records import dataclass

if TYPE_CHECKING:
    from edged.kube.values import shapes
    from edged.kube.values.shapes import KubernetesObject

MESSAGE_BYTES = 4096  # of one result: a report with thousands of policies must stay below what etcd takes
NAMESPACES = GroupVersionResource("", "v1", "namespaces")


@dataclass(frozen=True, slots=True, eq=False)
class AuditPolicy:
    """One policy or group as far as audits go. `namespace`: it belongs to that one. `background` False: it is not to
    be audited. `active` False: it does not answer yet. `problem`: why it cannot be asked at all. `ask`: whatever the
    caller asks it with."""

    facts: PolicyFacts
    rules: Sequence[Mapping[str, Any]]
    namespace_selector: LabelSelector
    object_selector: LabelSelector
    match_conditions: Sequence[Mapping[str, str]] = ()
    background: bool = True
    active: bool = True
    problem: str = ""
    ask: Any = None

    @property
    def namespace(self) -> str:
        return self.facts.namespace


def selector(written: Mapping[str, object] | None) -> LabelSelector:
    """A selector as policies have them: an absent one selects everything."""
    checked = cast("shapes.LabelSelector | None", written)  # checked when the policy was read
    return parse_label_selector(checked) or LabelSelector(())


@dataclass(frozen=True, slots=True)
class Plan:
    """What one scan (of a namespace, or of the cluster-scoped objects) has to do: kinds, each with the policies to ask
    about its objects; which policies are skipped, which cannot be asked (name -> why), which only about a part of what
    they name (`partly`, name -> why), and what some name that has no objects (name -> resources). `whole`: nothing may
    be missing because the API server did not say what it has."""

    kinds: dict[ServedKind, list[AuditPolicy]] = field(default_factory=dict)
    skipped: frozenset[str] = frozenset()
    errored: dict[str, str] = field(default_factory=dict)
    partly: dict[str, str] = field(default_factory=dict)
    unlistable: dict[str, str] = field(default_factory=dict)
    whole: bool = True


def needed(policies: Iterable[AuditPolicy]) -> set[str]:
    """apiVersions whose resources have to be known before `plan`."""
    return {gvr.api_version for policy in policies if policy.background for gvr in named(policy.rules)}


def plan(policies: Iterable[AuditPolicy], served: Served, *, namespaced: bool) -> Plan:
    """Sorts policies of one scan: asked, skipped, not to be asked."""
    made, skipped, whole = Plan(), set[str](), True
    for policy in policies:
        name = policy.facts.id
        found = targets_of(policy.rules, served)
        if not policy.background or not found.named_any:
            skipped.add(name)
            continue
        whole = whole and not found.unread
        why = "; ".join(each for each in (policy.problem, found.problem) if each)
        if found.problem:
            asked = found.kinds and policy.active and not policy.problem
            (made.partly if asked else made.errored)[name] = why
        if found.unlistable:
            made.unlistable[name] = ", ".join(found.unlistable)
        here = [kind for kind in found.kinds if kind.namespaced == namespaced]
        if found.only_unlistable or (here and not policy.active):
            skipped.add(name)
        elif here and policy.problem:
            made.errored[name] = why
        else:
            for kind in here:
                made.kinds.setdefault(kind, []).append(policy)
    return replace(made, skipped=frozenset(skipped), whole=whole)


def of_namespace(policies: Iterable[AuditPolicy], name: str, labels: Mapping[str, str]) -> list[AuditPolicy]:
    """Policies that check objects of this namespace."""
    return [
        policy
        for policy in policies
        if (policy.namespace == name if policy.namespace else policy.namespace_selector.matches(labels))
    ]


def of_cluster(policies: Iterable[AuditPolicy]) -> list[AuditPolicy]:
    """Policies that check cluster-scoped objects."""
    return [policy for policy in policies if not policy.namespace]


def selects(policy: AuditPolicy, obj: KubernetesObject, kind: ServedKind) -> bool:
    """Whether its selectors take this object. A Namespace's own labels are those of its namespace."""
    labels = obj["metadata"].get("labels") or {}
    if kind.resource == NAMESPACES and not policy.namespace_selector.matches(labels):
        return False
    return policy.object_selector.matches(labels)


def request_for(obj: KubernetesObject, kind: ServedKind) -> AdmissionRequest:
    """The question about an existing object: its creation, by nobody. `resource.resource` holds the kind, as
    Kubewarden's audits have it: policies may tell audits by that."""
    metadata = obj["metadata"]
    resource = kind.resource
    named = {"group": resource.group, "version": resource.version, "kind": kind.kind}
    payload: dict[str, Any] = {
        "uid": metadata["uid"],
        "kind": named,
        "resource": {"group": resource.group, "version": resource.version, "resource": kind.kind},
        "requestKind": dict(named),
        "name": metadata["name"],
        **({"namespace": metadata["namespace"]} if metadata.get("namespace") else {}),
        "operation": "CREATE",
        "userInfo": {},
        "object": obj,
    }
    return AdmissionRequest(payload["uid"], payload, obj)


def condition_variables(obj: KubernetesObject, kind: ServedKind) -> dict[str, Any]:
    """What match conditions read: the same creation, as the API server itself would describe it."""
    metadata, resource = obj["metadata"], kind.resource
    named = {"group": resource.group, "version": resource.version, "kind": kind.kind}
    plural = {"group": resource.group, "version": resource.version, "resource": resource.resource}
    request = {
        "uid": metadata["uid"],
        "kind": named,
        "resource": plural,
        "subResource": "",
        "requestKind": named,
        "requestResource": plural,
        "requestSubResource": "",
        "name": metadata["name"],
        "namespace": metadata.get("namespace") or "",
        "operation": "CREATE",
        "userInfo": {"username": "", "uid": "", "groups": [], "extra": {}},
        "dryRun": False,
        "options": {},
    }
    return {"object": obj, "oldObject": None, "request": request}


def outcome(response: AdmissionResponse) -> tuple[str, str]:
    """("pass", "fail" or "error", message) of the policy's own answer."""
    status = response.status or {}
    message = _cut(str(status.get("message") or ""))
    if status.get("code") == 500:
        return "error", message
    return ("pass" if response.allowed else "fail"), message


def _cut(text: str) -> str:
    data = text.encode()
    return text if len(data) <= MESSAGE_BYTES else data[:MESSAGE_BYTES].decode(errors="ignore") + "..."


def name_of(item: Mapping[str, object]) -> str:
    """`NAMESPACE/NAME`, or `NAME`; "" where it has none."""
    metadata = item.get("metadata")
    if not isinstance(metadata, Mapping):
        return ""
    return "/".join(str(metadata[key]) for key in ("namespace", "name") if metadata.get(key))


def item_of(item: object, kind: ServedKind) -> KubernetesObject | None:
    """An entry of a list as an object of its own, with the apiVersion and kind that lists leave out; None for what is
    none (no name or uid)."""
    if not isinstance(item, dict):
        return None
    metadata = item.get("metadata")
    if not isinstance(metadata, dict) or not (metadata.get("name") and metadata.get("uid")):
        return None
    whole = {"apiVersion": kind.resource.api_version, "kind": kind.kind, **item}
    return cast("KubernetesObject", whole)  # of an API server, which gives no other metadata
