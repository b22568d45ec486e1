"""The status of a Pod, as its subresource changes it. Pure.

Facts from kubernetes' pkg/apis/core/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.addresses import ip_warnings, is_ipv6, legacy_ip
from edged.sandbox.validation.causes import duplicate, each_invalid, forbidden, invalid, part, unchanged
from edged.sandbox.validation.formats import dns_subdomain, qualified_name
from edged.sandbox.validation.internal_values import invalid_value
from edged.sandbox.validation.pod_updates import annotations_too

_SYSTEM_CONDITIONS = ("PodScheduled", "Ready", "Initialized")
_NOT_NEGATIVE = "must be a non-negative integer"
_STATUS_LISTS = (
    ("containerStatuses", "containers"), ("initContainerStatuses", "initContainers"),
    ("ephemeralContainerStatuses", ""),
)  # fmt: skip


def changed_status(old: Object, new: Object) -> Iterator[Cause]:
    before, after = part(old, "status"), part(new, "status")
    yield from annotations_too(old, new)
    yield from _conditions(after.get("conditions") or [])
    yield from _nominated(old, before, after)
    observed = after.get("observedGeneration") or 0
    if observed < 0:
        yield invalid("status.observedGeneration", observed, _NOT_NEGATIVE)
    yield from unchanged("status.qosClass", before.get("qosClass"), after.get("qosClass") or "")
    for statuses, containers in _STATUS_LISTS:
        yield from _transitions(before, after, part(old, "spec"), statuses, containers)
    yield from _claims(new, after)
    yield from _pod_ips(before, after)
    yield from _host_ips(before, after)


def status_warnings(new: Object) -> Iterator[str]:
    status = part(new, "status")
    for name in ("podIPs", "hostIPs"):
        for index, each in enumerate(status.get(name) or ()):
            yield from ip_warnings(f"status.{name}[{index}].ip", each.get("ip") or "")


def _conditions(given: list[Object]) -> Iterator[Cause]:
    for index, condition in enumerate(given):
        observed, kind = condition.get("observedGeneration") or 0, condition.get("type") or ""
        if observed < 0:
            yield invalid(f"status.conditions[{index}].observedGeneration", observed, _NOT_NEGATIVE)
        if kind not in _SYSTEM_CONDITIONS:
            yield from each_invalid(f"status.conditions[{index}].Type", kind, qualified_name(kind))


def _nominated(old: Object, before: Object, after: Object) -> Iterator[Cause]:
    name, field = after.get("nominatedNodeName") or "", "status.nominatedNodeName"
    if not name or name == (before.get("nominatedNodeName") or ""):
        return
    yield from each_invalid(field, name, dns_subdomain(name))
    if part(old, "spec").get("nodeName"):
        yield forbidden(field, "may not be set on pods that are already bound to a node")


def _transitions(before: Object, after: Object, spec: Object, statuses: str, containers: str) -> Iterator[Cause]:
    """A container that ended runs again only where it is restarted."""
    now = {each.get("name") or "": each for each in after.get(statuses) or ()}
    known = {each.get("name") or "": each for each in spec.get(containers) or ()}
    for index, status in enumerate(before.get(statuses) or ()):
        name, ended = status.get("name") or "", part(status, "state").get("terminated")
        if ended is None or name not in now or part(now[name], "state").get("terminated") is not None:
            continue
        code = ended.get("exitCode") or 0
        if not containers or name not in known or not _restarts(known[name], spec, code):
            why = "may not be transitioned to non-terminated state"
            yield forbidden(f"status.{statuses}[{index}].state", why)


def _restarts(container: Object, spec: Object, code: int) -> bool:
    """Whether a container is started again after it ended with `code`: by its rules, its policy, or the Pod's."""
    for rule in container.get("restartPolicyRules") or ():
        codes = part(rule, "exitCodes")
        inside = code in (codes.get("values") or ())
        if inside == (codes.get("operator") == "In"):
            return True
    policy = container.get("restartPolicy") or spec.get("restartPolicy")
    return policy == "Always" or (policy == "OnFailure" and code != 0)


def _claims(new: Object, after: Object) -> Iterator[Cause]:
    known = {each.get("name") or "" for each in part(new, "spec").get("resourceClaims") or ()}
    seen: set[str] = set()
    for index, status in enumerate(after.get("resourceClaimStatuses") or ()):
        name, field = status.get("name") or "", f"status.resourceClaimStatuses[{index}]"
        if name not in known:
            yield invalid(f"{field}.name", name, "must match the name of an entry in `spec.resourceClaims`")
        if name in seen:
            yield duplicate(f"{field}.name", name)
        seen.add(name)
        claim = status.get("resourceClaimName")
        if claim is not None:
            yield from each_invalid(f"{field}.resourceClaimName", claim, dns_subdomain(claim))


def _pod_ips(before: Object, after: Object) -> Iterator[Cause]:
    field, values = "status.podIPs", _ips(after, "podIPs")
    yield from _addresses(field, values, _ips(before, "podIPs"))
    yield from _families(field, "[]core.PodIP", after.get("podIPs") or [], values)
    one = after.get("podIP") or ""
    if bool(one) != bool(values):
        why = "podIP and podIPs must either both be set or both be unset"
        yield invalid_value(field, "[]core.PodIP", after.get("podIPs"), why)
    elif values and one != values[0]:
        yield invalid(f"{field}[0].ip", values[0], "must be equal to `podIP`")


def _host_ips(before: Object, after: Object) -> Iterator[Cause]:
    field, values = "status.hostIPs", _ips(after, "hostIPs")
    if values and values[0] != (after.get("hostIP") or ""):
        yield invalid(f"{field}[0].ip", values[0], "must be equal to `hostIP`")
    yield from _addresses(field, values, _ips(before, "hostIPs"))
    yield from _families(field, "[]core.HostIP", after.get("hostIPs") or [], values)


def _ips(status: Object, name: str) -> list[str]:
    return [each.get("ip") or "" for each in status.get(name) or ()]


def _addresses(field: str, values: list[str], known: list[str]) -> Iterator[Cause]:
    for index, value in enumerate(values):
        yield from legacy_ip(f"{field}[{index}]", value, known)


def _families(field: str, go_type: str, given: list[Object], values: list[str]) -> Iterator[Cause]:
    if len(values) > 1 and (len(values) > 2 or is_ipv6(values[0]) == is_ipv6(values[1])):
        yield invalid_value(field, go_type, given, "may specify no more than one IP for each IP family")
