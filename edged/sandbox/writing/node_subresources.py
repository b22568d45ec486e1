"""Subresources that lead to a node's kubelet or into a Pod: log, exec, attach, portforward, proxy.

No kubelet is behind the sandbox, so each ends with a refusal: that of kube-apiserver for a Pod or a Node in that state.
Pure. Source: kubernetes/pkg/registry/core (pod/rest, pod/strategy.go, service/proxy.go, node/rest).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from edged.kube.values.names import NamespacedName
from edged.sandbox.cluster import Cluster
from edged.sandbox.protocol.api_status import (
    ApiStatus,
    Cause,
    Named,
    bad_request,
    invalid,
    method_not_allowed,
    not_found,
)  # fmt: skip
from edged.sandbox.protocol.query_options import number
from edged.sandbox.protocol.request import Request, Response, Target
from edged.sandbox.reading.cells.values import dig

Object = dict[str, Any]
METHODS = {
    "log": ("GET",), "exec": ("GET", "POST"), "attach": ("GET", "POST"), "portforward": ("GET", "POST"),
    "proxy": ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"),
}  # fmt: skip
_NO_ADDRESS = "no preferred addresses found; known addresses: []"
_LOG_NUMBERS = {"tailLines": 0, "sinceSeconds": 1, "limitBytes": 1}
"""Options of log, and their least value."""
_POD = Named("", "Pod", "pods")


def answer(cluster: Cluster, target: Target, request: Request) -> Response:
    """Raises ApiStatus, but for the empty log of a Pod without a node."""
    if request.method not in METHODS[target.subresource]:
        raise method_not_allowed()
    match target.resource.plural, target.subresource:
        case "nodes", _:
            raise _unreachable(cluster, _name(target, "node"), target.resource.named)
        case "services", _:
            raise _no_endpoints(cluster, target)
        case _, "proxy":
            raise _pod_proxy(cluster, target)
        case _, "log":
            return _log(cluster, target, request.query)
    pod = _existing(cluster, target, target.name)
    if target.subresource != "portforward":
        _container(pod, request.query.get("container", ""))
    node = dig(pod, "spec.nodeName")
    if not node:
        raise bad_request(f"pod {target.name} does not have a host assigned")
    raise _unreachable(cluster, node, _POD)


def _existing(cluster: Cluster, target: Target, name: str) -> Object:
    obj = cluster.storage.get(target.resource.bucket, NamespacedName(target.namespace or "", name))
    if obj is None:
        raise not_found(target.resource.named, name)
    return obj


def _unreachable(cluster: Cluster, node: str, named: Named) -> ApiStatus:
    """Why a node's kubelet cannot be asked; `named` is what a missing node is called."""
    obj = cluster.storage.get("nodes", NamespacedName("", node))
    if obj is None:
        return not_found(named, node)
    addresses = dig(obj, "status.addresses") or []
    if not addresses:
        return ApiStatus(500, "", _NO_ADDRESS)
    host, port = addresses[0].get("address"), dig(obj, "status.daemonEndpoints.kubeletEndpoint.Port") or 10250
    return ApiStatus(500, "", f"error dialing backend: dial tcp {host}:{port}: connect: connection refused")


def _log(cluster: Cluster, target: Target, query: Mapping[str, str]) -> Response:
    causes = []
    for name, least in _LOG_NUMBERS.items():
        value = number(query, name)
        if value is not None and value < least:
            limit = "must be greater than or equal to 0" if least == 0 else "must be greater than 0"
            causes.append(Cause(name, f"Invalid value: {value}: {limit}"))
    if causes:
        raise invalid(Named("", "PodLogOptions", "pods"), target.name, causes)
    pod = _existing(cluster, target, target.name)
    _container(pod, query.get("container", ""))
    node = dig(pod, "spec.nodeName")
    if not node:
        return Response(204, b"", "")
    raise _unreachable(cluster, node, _POD)


def _container(pod: Object, name: str) -> None:
    """Raises 400 where a container has to be named, or is none of the Pod's."""
    spec, pod_name = pod["spec"], pod["metadata"]["name"]
    groups = [spec.get(field) or [] for field in ("containers", "initContainers", "ephemeralContainers")]
    names = [[each["name"] for each in group] for group in groups]
    if name:
        if not any(name in group for group in names):
            raise bad_request(f"container {name} is not valid for pod {pod_name}")
        return
    wanted = (pod["metadata"].get("annotations") or {}).get("kubectl.kubernetes.io/default-container")
    if len(names[0]) != 1 and not wanted:
        message = f"a container name must be specified for pod {pod_name}, choose one of: [{' '.join(names[0])}]"
        for other, what in zip(names[1:], ("init", "ephemeral"), strict=True):
            message += f" or one of the {what} containers: [{' '.join(other)}]" if other else ""
        raise bad_request(message)


_PROXIED = re.compile(r"(?:(https?):)?([^:]+)(?::([^:]*))?")


def _name(target: Target, what: str) -> str:
    """The name in NAME, NAME:PORT or SCHEME:NAME:PORT. Raises 400."""
    match = _PROXIED.fullmatch(target.name)
    if match is None:
        raise bad_request(f'invalid {what} request "{target.name}"')
    return match[2]


def _pod_proxy(cluster: Cluster, target: Target) -> ApiStatus:
    pod = _existing(cluster, target, _name(target, "pod"))
    if not dig(pod, "status.podIP"):
        return bad_request("address not allowed")
    return ApiStatus(503, "ServiceUnavailable", f"error trying to reach service: dial tcp {dig(pod, 'status.podIP')}")


def _no_endpoints(cluster: Cluster, target: Target) -> ApiStatus:
    name = _name(target, "service")
    service = cluster.storage.get("services", NamespacedName(target.namespace or "", name))
    port = (_PROXIED.fullmatch(target.name) or [None] * 4)[3] or ""
    why = f'no endpoints available for service "{name}"'
    if port.isdigit() and service is not None:
        ports = dig(service, "spec.ports") or []
        if not any(str(each.get("port")) == port for each in ports):
            why = f'no service port {port} found for service "{name}"'
    return ApiStatus(503, "ServiceUnavailable", why)
