"""The daemon's identity in the cluster: its ServiceAccount, roles and token, and the kubeconfig made of them. Pure.

Each node has an identity of its own, `edged-NODE`: two nodes with different configurations do not take rights from each
other, and a stolen token is one node's. All objects carry a label, by which they are found again, and the annotation
`edged.dev/owner`, which says whose they are.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from edged.admission.rules.webhooks import OWNER
from edged.json_text import JsonError, dumps, loads
from edged.kube.values.names import GroupVersionResource

NAMESPACE = "kube-system"
BY_HAND = "edged"
"""The name that `edged rbac render` gives to all objects unless it is told another one."""
LABEL, LABEL_VALUE = "app.kubernetes.io/managed-by", "edged"
SELECTOR = f"{LABEL}={LABEL_VALUE}"
RBAC = "rbac.authorization.k8s.io"
RESOURCES = {
    "ServiceAccount": GroupVersionResource("", "v1", "serviceaccounts"),
    "Secret": GroupVersionResource("", "v1", "secrets"),
    "ClusterRole": GroupVersionResource(RBAC, "v1", "clusterroles"),
    "ClusterRoleBinding": GroupVersionResource(RBAC, "v1", "clusterrolebindings"),
    "Role": GroupVersionResource(RBAC, "v1", "roles"),
    "RoleBinding": GroupVersionResource(RBAC, "v1", "rolebindings"),
}
"""Kinds of the objects that an identity consists of."""
EXTENSION = "edged.dev/init"
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ClusterAddress:
    """How the daemon reaches the API server: as the administrator's kubeconfig does. `authority`: PEM in base64, or
    ""."""

    server: str
    authority: str = ""
    insecure: bool = False


def name_of(node: str) -> str:
    return f"edged-{node}"


def owned(objects: Iterable[Object], owner: str) -> list[Object]:
    """The objects with the label and the annotation."""
    found = []
    for obj in objects:
        metadata = {**obj["metadata"]}
        metadata["labels"] = {**metadata.get("labels", {}), LABEL: LABEL_VALUE}
        metadata["annotations"] = {**metadata.get("annotations", {}), OWNER: owner}
        found.append({**obj, "metadata": metadata})
    return found


def label_of(obj: Mapping[str, Any]) -> str:
    """Kind and name for people: `Role default/edged-edge-1`."""
    metadata = obj["metadata"]
    namespace = metadata.get("namespace")
    return f"{obj['kind']} {namespace}/{metadata['name']}" if namespace else f"{obj['kind']} {metadata['name']}"


def key(obj: Mapping[str, Any]) -> tuple[str, str, str]:
    return obj["kind"], obj["metadata"].get("namespace") or "", obj["metadata"]["name"]


def token_of(secret: Mapping[str, Any]) -> str:
    """The token that the cluster put into the Secret; "" where it has not yet."""
    try:
        return base64.b64decode((secret.get("data") or {}).get("token") or "", validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError):
        return ""


def kubeconfig(name: str, address: ClusterAddress, secret: Mapping[str, Any]) -> bytes:
    """JSON: the daemon needs no YAML parser for it. It carries a digest of itself, by which it is known again."""
    cluster: Object = {"server": address.server}
    authority = address.authority or (secret.get("data") or {}).get("ca.crt")
    if address.insecure:
        cluster["insecure-skip-tls-verify"] = True
    elif authority:
        cluster["certificate-authority-data"] = authority
    content = {
        "apiVersion": "v1", "kind": "Config", "current-context": name,
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": {"token": token_of(secret)}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }  # fmt: skip
    extension = {"name": EXTENSION, "extension": {"sha256": _digest(content)}}
    return dumps({**content, "extensions": [extension]}, indent=True, newline=True)


def is_our_kubeconfig(data: bytes) -> bool:
    """Whether `edged init` wrote this, and nobody edited it."""
    try:
        content = loads(data)
    except JsonError:
        return False
    if not isinstance(content, dict):
        return False
    extensions = content.pop("extensions", None)
    ours = [{"name": EXTENSION, "extension": {"sha256": _digest(content)}}]
    return bool(extensions == ours)


def node_of(data: bytes) -> str:
    """The node that a kubeconfig of `edged init` was made for; "" where it is not one. It knows the node's name when
    the configuration does not, or says another one by now."""
    if not is_our_kubeconfig(data):
        return ""
    return str(loads(data)["current-context"]).removeprefix(name_of(""))


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(dumps(content)).hexdigest()
