"""What a Service gets without a look at others: defaults, and what a change carries over or drops. Pure.

Objects are changed in place. Source: SetDefaults_Service, and kubernetes/pkg/registry/core/service (strategy.go and
storage/storage.go).
"""

from __future__ import annotations

from edged.kube.defaults.pod_spec import Object, object_at, objects_in, set_missing

WITH_NODE_PORTS = ("NodePort", "LoadBalancer")


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
    return kind in WITH_NODE_PORTS or (kind == "ClusterIP" and bool(spec.get("externalIPs")))


# --- updates


def carry_over(new: Object, old: Object) -> None:
    """What the client left out stays as it was allocated. Before anything is allocated."""
    spec, before = object_at(new, "spec"), object_at(old, "spec")
    if "ExternalName" not in (spec.get("type"), before.get("type")):
        for field in ("clusterIP", "clusterIPs"):
            if not spec.get(field) and before.get(field):
                spec[field] = before[field]
    if allocates_ports(spec) and allocates_ports(before):
        used = _numbers(spec) & _numbers(before)
        by_name = {port.get("name", ""): port.get("nodePort") for port in objects_in(before.get("ports"))}
        for port in objects_in(spec.get("ports")):
            known = by_name.get(port.get("name", ""))
            if not port.get("nodePort") and known and known not in used:
                port["nodePort"] = known
    if is_checked(spec) and is_checked(before) and before.get("healthCheckNodePort"):
        set_missing(spec, {"healthCheckNodePort": before["healthCheckNodePort"]})
    _join_addresses(spec, before)


def _join_addresses(spec: Object, before: Object) -> None:
    """Clients that know clusterIP alone change clusterIPs with it."""
    if spec.get("clusterIP") == before.get("clusterIP"):
        if before.get("clusterIPs") and not spec.get("clusterIPs"):
            spec["clusterIPs"] = before["clusterIPs"]
    elif (spec.get("clusterIPs") or []) == (before.get("clusterIPs") or []):
        spec.pop("clusterIPs", None)
        if spec.get("clusterIP"):
            spec["clusterIPs"] = [spec["clusterIP"]]


def drop_of_old_type(new: Object, old: Object) -> None:
    """A change of the type takes along what only the old type has, if the client left it as it was. After everything
    is allocated."""
    spec, before = object_at(new, "spec"), object_at(old, "spec")
    kind, was = spec.get("type"), before.get("type")
    if was != "ExternalName" and kind == "ExternalName":
        _drop_same(spec, before, ("clusterIP", "clusterIPs"))
        _drop_same(spec, before, ("ipFamilies",))
        _drop_same(spec, before, ("ipFamilyPolicy",))
    if was in WITH_NODE_PORTS and kind not in WITH_NODE_PORTS and _numbers(spec) <= _numbers(before):
        for port in objects_in(spec.get("ports")):
            port.pop("nodePort", None)
    if is_checked(before) and not is_checked(spec):
        _drop_same(spec, before, ("healthCheckNodePort",))
    if was == "LoadBalancer" and kind != "LoadBalancer":
        _drop_same(spec, before, ("allocateLoadBalancerNodePorts",))
        _drop_same(spec, before, ("loadBalancerClass",))
    if _reached_from_outside(before) and not _reached_from_outside(spec):
        _drop_same(spec, before, ("externalTrafficPolicy",))
    if kind != "LoadBalancer":
        object_at(new, "status")["loadBalancer"] = {}


def _drop_same(spec: Object, before: Object, fields: tuple[str, ...]) -> None:
    if all(spec.get(field) == before.get(field) for field in fields):
        for field in fields:
            spec.pop(field, None)


def is_checked(spec: Object) -> bool:
    """Whether a load balancer asks each node whether it has an endpoint."""
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def _numbers(spec: Object) -> set[object]:
    return {port["nodePort"] for port in objects_in(spec.get("ports")) if port.get("nodePort")}


def allocates_ports(spec: Object) -> bool:
    kind = spec.get("type")
    return kind == "NodePort" or (kind == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is not False)
