"""CustomResourceDefinitions of the virtual networks that the modules kos-subnets, kos-ipam and kos-agent run. Pure.

Rules in CEL say what one object may hold and what of it never changes, so that no webhook is needed for that. They use
functions of kube-apiserver 1.31 and newer, where selectableFields are on too. `edged crds --network` prints them.
"""

from __future__ import annotations

from typing import Any

GROUP, VERSION = "network.edged.dev", "v1alpha1"
HIGHEST_VNI = 2**21 - 1
"""21 bits: with the address they make a MAC address, see modules/controllers/virtual-networks.md."""

_PRIVATE = "['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16']"
_IMMUTABLE = {"rule": "self == oldSelf", "message": "is immutable"}


def definitions() -> dict[str, dict[str, Any]]:
    """Name of the resource -> definition."""
    kinds = [_subnet(), _attachment(), _lock()]
    return {each["spec"]["names"]["plural"]: each for each in kinds}


def _subnet() -> dict[str, Any]:
    network = {
        "rule": "isCIDR(self) && cidr(self).ip().family() == 4 && string(cidr(self).masked()) == self",
        "message": "must be an IPv4 network like 10.1.2.0/24, with no bit set behind its prefix",
    }
    private = {
        "rule": f"!isCIDR(self) || {_PRIVATE}.exists(range, cidr(range).containsCIDR(self))",
        "message": "must lie in 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16: MAC addresses are made of it",
    }
    spec = {
        "ipv4": _text("The addresses. Immutable.", maxLength=18, validations=[network, private, _IMMUTABLE]),
        "vni": _vni("The virtual network, a number. Immutable.", validations=[_IMMUTABLE]),
    }
    status = {
        "validated": {
            "type": "boolean",
            "description": "Whether the Subnet may be used. Absent until it was examined; once true, it stays true.",
        },
        "errors": _texts("Why the Subnet may not be used: with which others it is in conflict."),
        "rivals": _texts("These others, as NAMESPACE/NAME/UID: the Subnet is examined anew when one of them is gone."),
    }
    columns = [("IPv4", "string", ".spec.ipv4"), ("VNI", "integer", ".spec.vni")]
    columns += [("Validated", "boolean", ".status.validated"), ("Errors", "string", ".status.errors")]
    about = "A range of addresses of a virtual network. Of those that overlap at most one can be used."
    schema = _schema(about, spec, ("ipv4", "vni"), status)
    return _definition("Subnet", "subnets", ["sn"], schema, (".spec.vni",), columns)


def _attachment() -> dict[str, Any]:
    name: dict[str, Any] = {"maxLength": 253, "minLength": 1, "validations": [_IMMUTABLE]}
    spec = {
        "node": _text("The Node that has the interface. Immutable.", **name),
        "subnet": _text("The Subnet that the address is of, in the same namespace. Immutable.", **name),
    }
    errors = {
        "ipam": _texts("Why there is no address; written by kos-ipam."),
        "host": _texts("Why there is no interface; written by kos-agent."),
    }
    status = {
        "ipv4": _text("The address. Written by kos-ipam, as are the fields below it."),
        "addressVNI": _vni("The virtual network of the address."),
        "lockUID": _text("UID of the IPLock of the address."),
        "addressContention": {"type": "boolean", "description": "Whether it waits, because its Subnet is full."},
        "unaddressedSince": _time("Since when there is no Subnet to have an address of."),
        "releasing": _texts("UIDs of IPLocks that were given up: no controller takes them up again."),
        "macAddress": _text("Of the interface. Written by kos-agent, as are the fields below it."),
        "ifcName": _text("The interface's name."),
        "hostIP": _text("The node's address, where others send what is for this one."),
        "readyTime": _time("When the interface was there for the first time with this address."),
        "errors": {"type": "object", "properties": errors},
    }
    columns = [("Node", "string", ".spec.node"), ("Subnet", "string", ".spec.subnet")]
    columns += [("IPv4", "string", ".status.ipv4"), ("VNI", "integer", ".status.addressVNI")]
    columns += [("Host", "string", ".status.hostIP")]
    about = "An interface on a node with an address of a virtual network."
    schema = _schema(about, spec, ("node", "subnet"), status)
    fields = (".spec.node", ".spec.subnet", ".status.ipv4", ".status.hostIP", ".status.addressVNI")
    return _definition("NetworkAttachment", "networkattachments", ["na"], schema, fields, columns)


def _lock() -> dict[str, Any]:
    address = {"rule": "isIP(self) && ip(self).family() == 4", "message": "must be an IPv4 address"}
    spec = {
        "vni": _vni("The virtual network."),
        "ipv4": _text("The address.", maxLength=15, validations=[address]),
        "subnetName": _text("The Subnet that the address was taken of; for people.", maxLength=253),
    }
    about = "An address of a virtual network that is taken, by the NetworkAttachment that owns the lock."
    schema = _schema(about, spec, ("vni", "ipv4"), None)
    schema["properties"]["spec"]["x-kubernetes-validations"] = [_IMMUTABLE]
    schema["x-kubernetes-validations"] = [
        {
            # Not one comparison: the text of a number has no length that the API server's estimate of costs knows.
            "rule": "self.metadata.name.matches('^v1-[1-9][0-9]*(-[0-9]+){4}$')"
            " && int(self.metadata.name.split('-')[1]) == self.spec.vni"
            " && self.metadata.name.endsWith('-' + self.spec.ipv4.replace('.', '-'))",
            "message": "the name must be v1-VNI-A-B-C-D of spec.vni and spec.ipv4: it is what excludes a second lock",
        }
    ]
    columns = [("VNI", "integer", ".spec.vni"), ("IPv4", "string", ".spec.ipv4")]
    columns += [("Owner", "string", ".metadata.ownerReferences[0].name")]
    return _definition("IPLock", "iplocks", [], schema, (".spec.vni",), columns)


def _definition(
    kind: str, plural: str, short: list[str], schema: dict[str, Any], fields: tuple[str, ...],
    columns: list[tuple[str, str, str]],
) -> dict[str, Any]:  # fmt: skip
    columns = [*columns, ("Age", "date", ".metadata.creationTimestamp")]
    names: dict[str, Any] = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [{"name": n, "type": t, "jsonPath": p} for n, t, p in columns],
        "selectableFields": [{"jsonPath": path} for path in fields],
        "schema": {"openAPIV3Schema": schema},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": names | ({"shortNames": short} if short else {}),
            "versions": [version | ({"subresources": {"status": {}}} if "status" in schema["properties"] else {})],
        },
    }


def _schema(
    about: str, spec: dict[str, Any], required: tuple[str, ...], status: dict[str, Any] | None
) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
        "spec": {"type": "object", "required": list(required), "properties": spec},
    }
    if status is not None:
        properties["status"] = {"type": "object", "properties": status}
    return {"description": about, "type": "object", "required": ["spec"], "properties": properties}


def _text(about: str, validations: list[dict[str, str]] | None = None, **more: object) -> dict[str, Any]:
    return _with_validations({"type": "string", "description": about, **more}, validations)


def _vni(about: str, validations: list[dict[str, str]] | None = None) -> dict[str, Any]:
    schema = {"type": "integer", "format": "int32", "minimum": 1, "maximum": HIGHEST_VNI, "description": about}
    return _with_validations(schema, validations)


def _texts(about: str) -> dict[str, Any]:
    return {"type": "array", "description": about, "items": {"type": "string"}}


def _time(about: str) -> dict[str, Any]:
    return {"type": "string", "format": "date-time", "description": about}


def _with_validations(schema: dict[str, Any], validations: list[dict[str, str]] | None) -> dict[str, Any]:
    return schema | ({"x-kubernetes-validations": validations} if validations else {})
