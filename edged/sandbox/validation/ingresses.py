"""Ingresses and IngressClasses. Pure.

Facts from kubernetes' pkg/apis/networking/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.addresses import legacy_ip, parsed
from edged.sandbox.validation.causes import (
    each_invalid,
    forbidden,
    invalid,
    not_supported,
    part,
    required,
    too_long,
    unchanged,
)
from edged.sandbox.validation.formats import (
    dns_label,
    dns_subdomain,
    path_segment,
    port_name,
    port_number,
    size,
    wildcard_subdomain,
)
from edged.sandbox.validation.jobs import domain_path
from edged.sandbox.validation.services import host_name

CLASS_ANNOTATION = "kubernetes.io/ingress.class"
_SEQUENCES, _ENDINGS = ("//", "/./", "/../", "%2f", "%2F"), ("/..", "/.")
_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_LONGEST_CONTROLLER = 250


def ingress(obj: Object, old: Object | None) -> Iterator[Cause]:
    spec = part(obj, "spec")
    rules, backend = spec.get("rules") or [], spec.get("defaultBackend")
    if not rules and backend is None:
        yield invalid("spec", spec.get("rules"), "either `defaultBackend` or `rules` must be specified")
    if backend is not None:
        yield from _backend(backend, "spec.defaultBackend")
    for index, rule in enumerate(rules):
        yield from _rule(rule, f"spec.rules[{index}]")
    for index, each in enumerate(spec.get("tls") or ()):
        for number, host in enumerate(each.get("hosts") or ()):
            yield from each_invalid(f"spec.tls[{index}].hosts[{number}]", host, _host_format(host))
        secret = each.get("secretName") or ""
        if secret:
            yield from each_invalid(f"spec.tls[{index}].secretName", secret, dns_subdomain(secret))
    name = spec.get("ingressClassName")
    if name is not None:
        yield from each_invalid("spec.ingressClassName", name, dns_subdomain(name))
    stated = part(obj, "metadata", "annotations").get(CLASS_ANNOTATION)
    if old is None and stated is not None and name is not None and stated != name:
        why = "must match `ingressClassName` when both are specified"
        yield invalid(f"annotations.{CLASS_ANNOTATION}", stated, why)


def ingress_status(obj: Object, old: Object | None) -> Iterator[Cause]:
    before = [each.get("ip") or "" for each in part(old or {}, "status", "loadBalancer").get("ingress") or ()]
    for index, each in enumerate(part(obj, "status", "loadBalancer").get("ingress") or ()):
        field = f"status.loadBalancer.ingress[{index}]"
        if each.get("ip"):
            yield from legacy_ip(f"{field}.ip", each["ip"], before)
        yield from host_name(each.get("hostname") or "", f"{field}.hostname")


def ingress_warnings(obj: Object, old: Object | None) -> Iterator[str]:
    if old is None and CLASS_ANNOTATION in part(obj, "metadata", "annotations"):
        yield f'annotation "{CLASS_ANNOTATION}" is deprecated, please use \'spec.ingressClassName\' instead'


def ingress_class(obj: Object, old: Object | None) -> Iterator[Cause]:
    spec = part(obj, "spec")
    controller, parameters = spec.get("controller") or "", spec.get("parameters")
    if old is not None:
        yield from unchanged("spec.controller", part(old, "spec").get("controller"), controller)
    if size(controller) > _LONGEST_CONTROLLER:
        yield too_long("spec.controller", _LONGEST_CONTROLLER)
    yield from domain_path("spec.controller", controller)
    if parameters is not None:
        yield from _parameters(parameters, "spec.parameters")


def _parameters(given: Object, field: str) -> Iterator[Cause]:
    if given.get("apiGroup") is not None:
        yield from each_invalid(f"{field}.apiGroup", given["apiGroup"], dns_subdomain(given["apiGroup"]))
    for name in ("kind", "name"):
        if given.get(name):
            yield from each_invalid(f"{field}.{name}", given[name], path_segment(given[name]))
    scope, namespace = given.get("scope") or "Cluster", given.get("namespace")
    if scope not in ("Cluster", "Namespace"):
        yield not_supported(f"{field}.scope", scope, ("Cluster", "Namespace"))
    elif scope == "Namespace":
        if namespace is None:
            yield required(f"{field}.namespace", "`parameters.scope` is set to 'Namespace'")
        else:
            yield from each_invalid(f"{field}.namespace", namespace, dns_label(namespace))
    elif namespace is not None:
        yield forbidden(f"{field}.namespace", "`parameters.scope` is set to 'Cluster'")
    for name in ("kind", "name"):
        if not given.get(name):
            yield required(f"{field}.{name}")


def _host_format(host: str) -> list[str]:
    return wildcard_subdomain(host) if "*" in host else dns_subdomain(host)


def _rule(rule: Object, field: str) -> Iterator[Cause]:
    host, http = rule.get("host") or "", rule.get("http")
    if host:
        if parsed(host) is not None:
            yield invalid(f"{field}.host", host, "must be a DNS name, not an IP address")
        yield from each_invalid(f"{field}.host", host, _host_format(host))
    if http is None:
        return
    if not http.get("paths"):
        yield required(f"{field}.http.paths")
    for index, path in enumerate(http.get("paths") or ()):
        yield from _path(path, f"{field}.http.paths[{index}]")


def _path(given: Object, field: str) -> Iterator[Cause]:
    kind, path = given.get("pathType"), given.get("path") or ""
    if kind is None:
        yield required(f"{field}.pathType", "pathType must be specified")
        return
    if kind not in _TYPES:
        yield not_supported(f"{field}.pathType", kind, _TYPES)
    elif kind == "ImplementationSpecific":
        if path and not path.startswith("/"):
            yield invalid(f"{field}.path", path, "must be an absolute path")
    else:
        if not path.startswith("/"):
            yield invalid(f"{field}.path", path, "must be an absolute path")
        for text in _SEQUENCES:
            if text in path:
                yield invalid(f"{field}.path", path, f"must not contain '{text}'")
        for text in _ENDINGS:
            if path.endswith(text):
                yield invalid(f"{field}.path", path, f"cannot end with '{text}'")
    yield from _backend(given.get("backend") or {}, f"{field}.backend")


def _backend(backend: Object, field: str) -> Iterator[Cause]:
    service, resource = backend.get("service"), backend.get("resource")
    if service is not None and resource is not None:
        yield invalid(field, "", "cannot set both resource and service backends")
    elif resource is not None:
        yield from _typed_reference(resource, f"{field}.resource")
    elif service is None:
        yield invalid(field, "", "resource or service backend is required")
    else:
        yield from _service_backend(service, field)


def _service_backend(service: Object, field: str) -> Iterator[Cause]:
    name = service.get("name") or ""
    if not name:
        yield required(f"{field}.service.name")
    else:
        yield from each_invalid(f"{field}.service.name", name, dns_label(name))
    port = service.get("port") or {}
    named, number = port.get("name") or "", port.get("number") or 0
    if named and number:
        yield invalid(field, "", "cannot set both port name & port number")
    elif named:
        yield from each_invalid(f"{field}.service.port.name", named, port_name(named))
    elif number:
        yield from each_invalid(f"{field}.service.port.number", number, port_number(number))
    else:
        yield required(field, "port name or number is required")


def _typed_reference(given: Object, field: str) -> Iterator[Cause]:
    if given.get("apiGroup") is not None:
        yield from each_invalid(f"{field}.apiGroup", given["apiGroup"], dns_subdomain(given["apiGroup"]))
    for name in ("kind", "name"):
        if given.get(name):
            yield from each_invalid(f"{field}.{name}", given[name], path_segment(given[name]))
        else:
            yield required(f"{field}.{name}")
