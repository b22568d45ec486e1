"""The five kinds: their names in URLs and on the command line, and the names that policies made of them answer to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edged.kube.values.names import GroupVersionResource
from edged.records import dataclass

GROUP = "policies.kubewarden.io"
VERSION = "v1"
OLD_VERSION = "v1alpha2"
FINALIZER = "kubewarden.io/finalizer"
OLD_FINALIZER = "kubewarden"
DEFAULT_SERVER = "default"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind. `prefix` begins the unique names of its policies; "" for PolicyServer, which is none."""

    kind: str
    plural: str
    short: str
    namespaced: bool
    prefix: str
    is_group: bool = False
    versions: tuple[str, ...] = (VERSION, OLD_VERSION)

    @property
    def resource(self) -> GroupVersionResource:
        return GroupVersionResource(GROUP, VERSION, self.plural)

    @property
    def is_policy(self) -> bool:
        return bool(self.prefix)

    @property
    def mutate_path(self) -> str:
        """Path of the defaulting webhook."""
        return f"/mutate-policies-kubewarden-io-v1-{self.kind.lower()}"

    @property
    def validate_path(self) -> str:
        """Path of the validating webhook."""
        return f"/validate-policies-kubewarden-io-v1-{self.kind.lower()}"


POLICY_SERVER = Kind("PolicyServer", "policyservers", "ps", False, "")
CLUSTER_POLICY = Kind("ClusterAdmissionPolicy", "clusteradmissionpolicies", "cap", False, "clusterwide")
POLICY = Kind("AdmissionPolicy", "admissionpolicies", "ap", True, "namespaced")
CLUSTER_GROUP = Kind(
    "ClusterAdmissionPolicyGroup", "clusteradmissionpolicygroups", "capg", False, "clusterwide-group", True, (VERSION,)
)
POLICY_GROUP = Kind("AdmissionPolicyGroup", "admissionpolicygroups", "apg", True, "namespaced-group", True, (VERSION,))
KINDS = {kind.kind: kind for kind in (POLICY_SERVER, CLUSTER_POLICY, POLICY, CLUSTER_GROUP, POLICY_GROUP)}


def is_foreign(obj: Mapping[str, object]) -> bool:
    """Whether its kind has one of these names and belongs to another group: other programs have such kinds, too."""
    group, _, _ = str(obj.get("apiVersion") or "").rpartition("/")
    return str(obj.get("kind")) in KINDS and group not in ("", GROUP)


def unique_name(kind: Kind, namespace: str, name: str) -> str:
    """What a policy of that kind answers to at /validate/NAME, and its name in metrics and logs."""
    return "-".join(part for part in (kind.prefix, namespace if kind.namespaced else "", name) if part)


def unique_name_of(obj: Mapping[str, Any]) -> str:
    """The same, of an object."""
    metadata = obj["metadata"]
    return unique_name(KINDS[obj["kind"]], metadata.get("namespace") or "", metadata["name"])


def server_of(obj: Mapping[str, object]) -> str:
    """The PolicyServer that a policy asks for; "" when it explicitly asks for none."""
    spec = obj.get("spec")
    name = spec.get("policyServer", DEFAULT_SERVER) if isinstance(spec, Mapping) else DEFAULT_SERVER
    return name if isinstance(name, str) else ""


def is_deleting(obj: Mapping[str, Any]) -> bool:
    """Whether the object only waits for its finalizers."""
    return bool(obj["metadata"].get("deletionTimestamp"))
