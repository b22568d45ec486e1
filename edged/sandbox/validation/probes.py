"""Probes and lifecycle handlers of containers. Pure.

Facts from kubernetes' pkg/apis/core/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import each_invalid, forbidden, invalid, not_negative, not_supported, required
from edged.sandbox.validation.formats import header_name, port_name, port_number

PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_COUNTS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
_PROBE_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
_LIFECYCLE_HANDLERS = ("exec", "httpGet", "tcpSocket", "sleep")
_SCHEMES = ("HTTP", "HTTPS")


def probes(container: Object, grace: int | None, field: str) -> Iterator[Cause]:
    """All probes of a container; `grace` is the Pod's terminationGracePeriodSeconds."""
    for name in PROBES:
        if container.get(name) is not None:
            yield from _probe(name, container[name], grace, f"{field}.{name}")


def lifecycle(given: Object | None, grace: int | None, field: str) -> Iterator[Cause]:
    for hook in ("postStart", "preStop"):
        if given and given.get(hook) is not None:
            yield from _handler(given[hook], _LIFECYCLE_HANDLERS, grace, f"{field}.{hook}")


def port_or_name(port: object, field: str) -> Iterator[Cause]:
    """A port's number, or the name that a container gives it."""
    if isinstance(port, str):
        yield from each_invalid(field, port, port_name(port))
    else:
        number = port if isinstance(port, int) else 0
        yield from each_invalid(field, number, port_number(number))


def _probe(name: str, probe: Object, grace: int | None, field: str) -> Iterator[Cause]:
    yield from _handler(probe, _PROBE_HANDLERS, grace, field)
    for count in _COUNTS:
        yield from not_negative(f"{field}.{count}", probe.get(count))
    own_grace = probe.get("terminationGracePeriodSeconds")
    if own_grace is not None and own_grace <= 0:
        yield invalid(f"{field}.terminationGracePeriodSeconds", own_grace, "must be greater than 0")
    if name == "readinessProbe":
        if own_grace is not None:
            why = "must not be set for readinessProbes"
            yield invalid(f"{field}.terminationGracePeriodSeconds", own_grace, why)
    elif probe.get("successThreshold") != 1:
        yield invalid(f"{field}.successThreshold", probe.get("successThreshold") or 0, "must be 1")


def _handler(given: Object, kinds: tuple[str, ...], grace: int | None, field: str) -> Iterator[Cause]:
    """Exactly one handler; only the first of several is looked into."""
    named = [kind for kind in kinds if given.get(kind) is not None]
    if not named:
        yield required(field, "must specify a handler type")
        return
    yield from _action(named[0], given[named[0]], grace, f"{field}.{named[0]}")
    for kind in named[1:]:
        yield forbidden(f"{field}.{kind}", "may not specify more than 1 handler type")


def _action(kind: str, given: Object, grace: int | None, field: str) -> Iterator[Cause]:
    match kind:
        case "exec":
            if not given.get("command"):
                yield required(f"{field}.command")
        case "httpGet":
            yield from _http(given, field)
        case "tcpSocket" | "grpc":
            yield from port_or_name(given.get("port"), f"{field}.port")
        case "sleep":
            seconds = given.get("seconds") or 0
            if grace is not None and not 0 <= seconds <= grace:
                why = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
                yield invalid(field, seconds, why)


def _http(given: Object, field: str) -> Iterator[Cause]:
    if not given.get("path"):
        yield required(f"{field}.path")
    yield from port_or_name(given.get("port"), f"{field}.port")
    scheme = given.get("scheme") or ""
    if scheme not in _SCHEMES:
        yield not_supported(f"{field}.scheme", scheme, _SCHEMES)
    for header in given.get("httpHeaders") or ():
        name = header.get("name") or ""
        yield from each_invalid(f"{field}.httpHeaders", name, header_name(name))
