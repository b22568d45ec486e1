"""The cells of Services, Ingresses and what else is about addresses. Pure."""

from __future__ import annotations

from edged.sandbox.reading.cells.values import (
    AGE,
    NAME,
    NONE,
    UNKNOWN,
    Cell,
    Object,
    dig,
    items,
    joined,
    labels_at,
    pointer,
    selector_at,
    some_of,
    text,
)

MOST_SHOWN = 3


def _cluster_ip(service: Object, _now: float) -> str:
    return str(next(iter(dig(service, "spec.clusterIPs") or ()), NONE))


def _balancer(obj: Object, _now: float) -> str:
    points = items(obj, "status.loadBalancer.ingress")
    found = {str(point.get("ip") or point.get("hostname") or "") for point in points} - {""}
    return ",".join(sorted(found))


def _external_ip(service: Object, now: float) -> str:
    kind = dig(service, "spec.type")
    own = [str(address) for address in dig(service, "spec.externalIPs") or ()]
    match kind:
        case "ClusterIP" | "NodePort":
            return ",".join(own) or NONE
        case "LoadBalancer":
            balancer = _balancer(service, now)
            return ",".join(([balancer] if balancer else []) + own) or "<pending>"
        case "ExternalName":
            return str(dig(service, "spec.externalName") or "")
    return UNKNOWN


def _service_ports(service: Object, _now: float) -> str:
    return ",".join(_service_port(port) for port in items(service, "spec.ports")) or NONE


def _service_port(port: Object) -> str:
    node_port = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port.get('port') or 0}{node_port}/{port.get('protocol') or ''}"


def _hosts(ingress: Object, _now: float) -> str:
    rules = items(ingress, "spec.rules")
    shown: list[str] = []
    for rule in rules:
        if len(shown) == MOST_SHOWN:
            return f"{','.join(shown)} + {len(rules) - MOST_SHOWN} more..."
        if rule.get("host"):
            shown.append(str(rule["host"]))
    return ",".join(shown) or "*"


def _ingress_ports(ingress: Object, _now: float) -> str:
    return "80, 443" if dig(ingress, "spec.tls") else "80"


def _class_name(ingress_class: Object, now: float) -> str:
    annotations = dig(ingress_class, "metadata.annotations") or {}
    default = annotations.get("ingressclass.kubernetes.io/is-default-class") == "true"
    return f"{NAME(ingress_class, now)}{' (default)' if default else ''}"


def _parameters(ingress_class: Object, _now: float) -> str:
    given = dig(ingress_class, "spec.parameters")
    if given is None:
        return NONE
    group = given.get("apiGroup")
    return f"{given.get('kind')}{'' if group is None else f'.{group}'}/{given.get('name')}"


def _endpoints(endpoints: Object, _now: float) -> str:
    subsets = items(endpoints, "subsets")
    shown = [each for subset in subsets for each in _subset(subset)]
    more = f" + {len(shown) - MOST_SHOWN} more..." if len(shown) > MOST_SHOWN else ""
    return f"{','.join(shown[:MOST_SHOWN])}{more}" if subsets else NONE


def _subset(subset: Object) -> list[str]:
    addresses = [str(each.get("ip") or "") for each in items(subset, "addresses")]
    ports = items(subset, "ports")
    return [_with_port(ip, port.get("port") or 0) for port in ports for ip in addresses] if ports else addresses


def _with_port(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _slice_ports(obj: Object, _now: float) -> str:
    ports = items(obj, "ports")
    shown = (str(port.get("port", port.get("name", "*"))) for port in ports)
    return some_of(shown, MOST_SHOWN, len(ports))


def _slice_addresses(obj: Object, _now: float) -> str:
    found = [str(address) for each in items(obj, "endpoints") for address in each.get("addresses") or ()]
    return some_of(found, MOST_SHOWN, len(found))


def _parent(obj: Object, _now: float) -> str:
    parent = dig(obj, "spec.parentRef")
    if parent is None:
        return NONE
    group, resource = parent.get("group"), str(parent.get("resource") or "")
    named = (f"{resource}.{group}" if group else resource).lower()
    return "/".join(part for part in (named, parent.get("namespace") or "", str(parent.get("name") or "")) if part)


CELLS: dict[str, tuple[Cell, ...]] = {
    "Service": (
        NAME, text("spec.type"), _cluster_ip, _external_ip, _service_ports, AGE, labels_at("spec.selector"),
    ),
    "Ingress.networking.k8s.io": (
        NAME, pointer("spec.ingressClassName", NONE), _hosts, _balancer, _ingress_ports, AGE,
    ),
    "IngressClass.networking.k8s.io": (_class_name, text("spec.controller"), _parameters, AGE),
    "NetworkPolicy.networking.k8s.io": (NAME, selector_at("spec.podSelector"), AGE),
    "Endpoints": (NAME, _endpoints, AGE),
    "EndpointSlice.discovery.k8s.io": (NAME, text("addressType"), _slice_ports, _slice_addresses, AGE),
    # Three cells under two columns: so the API server answers.
    "IPAddress.networking.k8s.io": (NAME, _parent, AGE),
    "ServiceCIDR.networking.k8s.io": (NAME, joined("spec.cidrs"), AGE),
}  # fmt: skip
