"""What a Service gets: defaults, addresses, IP families, node ports. Pure; objects are changed in place.

Nothing answers at these addresses. Source: SetDefaults_Service, and kubernetes/pkg/registry/core/service (strategy.go,
storage/alloc.go and storage/storage.go).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from edged.kube.defaults.pod_spec import Object, object_at, objects_in, set_missing

_WITH_NODE_PORTS = ("NodePort", "LoadBalancer")
_FIRST_PORT, _PORTS = 30000, 2768
_ADDRESSES = 1 << 20  # 10.96.0.0/12


def service(obj: Object) -> None:
    """Defaults that depend on the object alone."""
    spec: Object = obj.setdefault("spec", {})
    set_missing(spec, {"sessionAffinity": "None", "type": "ClusterIP"})
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP" and _timeout(spec) is None:
        spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": 10800}}
    for port in objects_in(spec.get("ports")):
        set_missing(port, {"protocol": "TCP"})
        if not port.get("targetPort"):
            port["targetPort"] = port.get("port", 0)
    if _reached_from_outside(spec) and not spec.get("externalTrafficPolicy"):
        spec["externalTrafficPolicy"] = "Cluster"
    if spec["type"] != "ExternalName":
        set_missing(spec, {"internalTrafficPolicy": "Cluster"})
    if spec["type"] == "LoadBalancer":
        set_missing(spec, {"allocateLoadBalancerNodePorts": True})
        for ingress in objects_in(object_at(object_at(obj, "status"), "loadBalancer").get("ingress")):
            if ingress.get("ip"):
                set_missing(ingress, {"ipMode": "VIP"})


def _timeout(spec: Object) -> object:
    return object_at(object_at(spec, "sessionAffinityConfig"), "clientIP").get("timeoutSeconds")


def _reached_from_outside(spec: Object) -> bool:
    kind = spec.get("type")
    return kind in _WITH_NODE_PORTS or (kind == "ClusterIP" and bool(spec.get("externalIPs")))


# --- allocation


def allocate(obj: Object, old: Object | None, others: Iterable[Object]) -> None:
    """Addresses, families and ports. `old`: the Service before an update. `others`: all Services that are stored."""
    spec, before = object_at(obj, "spec"), object_at(old or {}, "spec")
    if old is not None:
        _drop_what_its_type_has_not(spec, before, obj)
        _keep_allocated(spec, before)
    if spec.get("type") != "ExternalName":
        _families(spec, before)
        _cluster_ip(spec, str(object_at(obj, "metadata").get("uid") or ""), others)
    _node_ports(spec, others)


def _families(spec: Object, before: Object) -> None:
    alone = spec.get("clusterIP") == "None" and not spec.get("selector")
    policy = before.get("ipFamilyPolicy") or ("RequireDualStack" if alone else "SingleStack")
    set_missing(spec, {"ipFamilyPolicy": policy})
    if not spec.get("ipFamilies"):
        spec["ipFamilies"] = ["IPv6" if ":" in str(spec.get("clusterIP")) else "IPv4"]
    if alone and spec["ipFamilyPolicy"] != "SingleStack" and len(spec["ipFamilies"]) == 1:
        spec["ipFamilies"] = [*spec["ipFamilies"], "IPv4" if spec["ipFamilies"][0] == "IPv6" else "IPv6"]


def _cluster_ip(spec: Object, uid: str, others: Iterable[Object]) -> None:
    if not spec.get("clusterIP"):
        used = {object_at(other, "spec").get("clusterIP") for other in others}
        number = int(uid.replace("-", "")[:8] or "0", 16)
        while (address := _address(number)) in used:
            number += 1
        spec["clusterIP"] = address
    if not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]


def _address(number: int) -> str:
    number = 2 + number % (_ADDRESSES - 4)
    return f"10.{96 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def _node_ports(spec: Object, others: Iterable[Object]) -> None:
    kind = spec.get("type")
    wanted = kind == "NodePort" or (kind == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is not False)
    checked = kind == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"
    if not wanted and not checked:
        return
    used: set[Any] = set()
    for other in (*others, {"spec": spec}):
        used |= {port.get("nodePort") for port in objects_in(object_at(other, "spec").get("ports"))}
        used.add(object_at(other, "spec").get("healthCheckNodePort"))
    taken: dict[tuple[object, object], int] = {}  # one port of a node serves TCP and UDP
    for port in objects_in(spec.get("ports")) if wanted else ():
        place = (port.get("port"), port.get("protocol"))
        if not port.get("nodePort"):
            other_protocol = next((n for (p, proto), n in taken.items() if p == place[0] and proto != place[1]), None)
            port["nodePort"] = other_protocol or _free_port(used)
        used.add(port["nodePort"])
        taken[place] = port["nodePort"]
    if checked and not spec.get("healthCheckNodePort"):
        spec["healthCheckNodePort"] = _free_port(used)


def _free_port(used: set[Any]) -> int:
    """The lowest free one; the first of them again where all are taken."""
    return next((port for port in range(_FIRST_PORT, _FIRST_PORT + _PORTS) if port not in used), _FIRST_PORT)


# --- updates


def _drop_what_its_type_has_not(spec: Object, before: Object, obj: Object) -> None:
    """A change of the type takes along what only the old type has, if the client left it as it was."""
    kind, was = spec.get("type"), before.get("type")
    if was != "ExternalName" and kind == "ExternalName":
        _drop_same(spec, before, ("clusterIP", "clusterIPs"))
        _drop_same(spec, before, ("ipFamilies",))
        _drop_same(spec, before, ("ipFamilyPolicy",))
    if was in _WITH_NODE_PORTS and kind not in _WITH_NODE_PORTS and _numbers(spec) <= _numbers(before):
        for port in objects_in(spec.get("ports")):
            port.pop("nodePort", None)
    if _checked(before) and not _checked(spec):
        _drop_same(spec, before, ("healthCheckNodePort",))
    if was == "LoadBalancer" and kind != "LoadBalancer":
        _drop_same(spec, before, ("allocateLoadBalancerNodePorts",))
        _drop_same(spec, before, ("loadBalancerClass",))
    if _reached_from_outside(before) and not _reached_from_outside(spec):
        _drop_same(spec, before, ("externalTrafficPolicy",))
    if kind != "LoadBalancer":
        object_at(obj, "status")["loadBalancer"] = {}


def _drop_same(spec: Object, before: Object, fields: tuple[str, ...]) -> None:
    if all(spec.get(field) == before.get(field) for field in fields):
        for field in fields:
            spec.pop(field, None)


def _checked(spec: Object) -> bool:
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def _numbers(spec: Object) -> set[object]:
    return {port["nodePort"] for port in objects_in(spec.get("ports")) if port.get("nodePort")}


def _keep_allocated(spec: Object, before: Object) -> None:
    """What the client left out stays as it was allocated."""
    if "ExternalName" not in (spec.get("type"), before.get("type")):
        for field in ("clusterIP", "clusterIPs"):
            if not spec.get(field) and before.get(field):
                spec[field] = before[field]
    if spec.get("type") in _WITH_NODE_PORTS and before.get("type") in _WITH_NODE_PORTS:
        used = _numbers(spec) & _numbers(before)
        by_name = {port.get("name", ""): port.get("nodePort") for port in objects_in(before.get("ports"))}
        for port in objects_in(spec.get("ports")):
            known = by_name.get(port.get("name", ""))
            if not port.get("nodePort") and known and known not in used:
                port["nodePort"] = known
    if _checked(spec) and _checked(before) and before.get("healthCheckNodePort"):
        set_missing(spec, {"healthCheckNodePort": before["healthCheckNodePort"]})
