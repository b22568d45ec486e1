"""What expressions may call and read: functions by name with their overloads, variables, fields of messages.

Functions are those of kube-apiserver's environment, from declarations.json (tests/kube/cel/real makes it).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources

from edged.json_text import loads
from edged.kube.cel import types
from edged.kube.cel.types import BOOL, DYN, INT, STRING, TIMESTAMP, Type, list_of, map_of, struct


@dataclass(frozen=True, slots=True)
class Overload:
    id: str
    member: bool
    arguments: tuple[Type, ...]
    result: Type
    params: tuple[str, ...]


@lru_cache(maxsize=1)
def functions() -> Mapping[str, tuple[Overload, ...]]:
    """Name -> its overloads, in the order in which they are tried."""
    text = resources.files("edged.kube.cel").joinpath("declarations.json").read_bytes()
    return {
        name: tuple(_overload(id_, member, arguments, result) for id_, member, arguments, result in overloads)
        for name, overloads in loads(text)["functions"].items()
    }


def _overload(id_: str, member: bool, arguments: list[object], result: object) -> Overload:
    read = tuple(types.read(each) for each in arguments)
    names = dict.fromkeys(name for each in (*read, types.read(result)) for name in _params(each))
    return Overload(id_, member, read, types.read(result), tuple(names))


def _params(of: Type) -> list[str]:
    if of.kind == "param":
        return [of.name]
    return [name for each in of.params for name in _params(each)]


Fields = Mapping[str, Type]
GVK, GVR, USER = "kubernetes.GroupVersionKind", "kubernetes.GroupVersionResource", "kubernetes.UserInfo"
REQUEST, NAMESPACE, VARIABLES = "kubernetes.AdmissionRequest", "kubernetes.Namespace", "kubernetes.variables"
AUTHORIZER = struct("kubernetes.authorization.Authorizer")
RESOURCE_CHECK = struct("kubernetes.authorization.ResourceCheck")
MESSAGES: Mapping[str, Fields] = {
    GVK: {"group": STRING, "version": STRING, "kind": STRING},
    GVR: {"group": STRING, "version": STRING, "resource": STRING},
    USER: {"username": STRING, "uid": STRING, "groups": list_of(STRING), "extra": map_of(STRING, list_of(STRING))},
    REQUEST: {
        "kind": struct(GVK), "resource": struct(GVR), "subResource": STRING, "requestKind": struct(GVK),
        "requestResource": struct(GVR), "requestSubResource": STRING, "name": STRING, "namespace": STRING,
        "operation": STRING, "userInfo": struct(USER), "dryRun": BOOL, "options": DYN,
    },
    NAMESPACE: {
        "metadata": struct("kubernetes.NamespaceMetadata"), "spec": struct("kubernetes.NamespaceSpec"),
        "status": struct("kubernetes.NamespaceStatus"),
    },
    "kubernetes.NamespaceMetadata": {
        "name": STRING, "generateName": STRING, "namespace": STRING, "labels": map_of(STRING, STRING),
        "annotations": map_of(STRING, STRING), "UID": STRING, "creationTimestamp": TIMESTAMP,
        "deletionGracePeriodSeconds": INT, "deletionTimestamp": TIMESTAMP, "generation": INT,
        "resourceVersion": STRING, "finalizers": list_of(STRING),
    },
    "kubernetes.NamespaceSpec": {"finalizers": list_of(STRING)},
    "kubernetes.NamespaceStatus": {"conditions": list_of(struct("kubernetes.NamespaceCondition")), "phase": STRING},
    "kubernetes.NamespaceCondition": {
        "status": STRING, "type": STRING, "lastTransitionTime": TIMESTAMP, "message": STRING, "reason": STRING,
    },
    "JSONPatch": {"op": STRING, "path": STRING, "from": STRING, "value": DYN},
}  # fmt: skip
"""Fields of messages that are declared for admission. Source: BuildRequestType and BuildNamespaceType of
k8s.io/apiserver/pkg/admission/plugin/cel, and pkg/cel/mutation."""
TYPE_NAMES: Mapping[str, Type] = {
    "bool": BOOL, "bytes": types.BYTES, "double": types.DOUBLE, "int": INT, "uint": types.UINT, "string": STRING,
    "null_type": types.NULL, "list": list_of(DYN), "map": map_of(DYN, DYN), "type": Type("type", "type"),
    "google.protobuf.Timestamp": TIMESTAMP, "google.protobuf.Duration": types.DURATION,
    "optional_type": Type("opaque", "optional_type", (DYN,)), "net.IP": struct("net.IP"),
    "net.CIDR": struct("net.CIDR"),
}  # fmt: skip


@dataclass(frozen=True)
class Environment:
    """`variables` by name; `messages` adds to MESSAGES; `patches`: whether Object{...} and JSONPatch{...} exist."""

    variables: Mapping[str, Type]
    messages: Mapping[str, Fields] = field(default_factory=dict)
    patches: bool = False

    def fields_of(self, message: str) -> Fields | None:
        """None for a message that has any field."""
        found = self.messages.get(message)
        return found if found is not None else MESSAGES.get(message)

    def message(self, name: str) -> Type | None:
        """What NAME{...} makes."""
        known = name in self.messages or (name in MESSAGES and (name != "JSONPatch" or self.patches))
        if known or (self.patches and (name == "Object" or name.startswith("Object."))):
            return struct(name)
        return None


def admission(*, params: bool = False, authorizer: bool = True, variables: Mapping[str, Type] | None = None,
              patches: bool = False) -> Environment:  # fmt: skip
    """The environment of policies and match conditions; `variables` are those of the policy, None without any."""
    names = {"object": DYN, "oldObject": DYN, "namespaceObject": struct(NAMESPACE), "request": struct(REQUEST)}
    if params:
        names["params"] = DYN
    if authorizer:
        names |= {"authorizer": AUTHORIZER, "authorizer.requestResource": RESOURCE_CHECK}
    if variables is None:
        return Environment(names, patches=patches)
    return Environment({**names, "variables": struct(VARIABLES)}, {VARIABLES: variables}, patches)
