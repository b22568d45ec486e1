"""/healthz, /livez and /readyz: here all is well always. Pure.

The checks are those of kube-apiserver; programs look for single ones. Source: apiserver/pkg/server/healthz.
"""

from __future__ import annotations

from collections.abc import Mapping

from edged.sandbox.protocol.request import Response

_HOOKS = (
    "start-apiserver-admission-initializer", "generic-apiserver-start-informers",
    "priority-and-fairness-config-consumer", "priority-and-fairness-filter", "storage-object-count-tracker-hook",
    "start-apiextensions-informers", "start-apiextensions-controllers", "crd-informer-synced",
    "start-system-namespaces-controller", "peer-endpoint-reconciler-controller",
    "start-cluster-authentication-info-controller", "start-kube-apiserver-identity-lease-controller",
    "start-kube-apiserver-identity-lease-garbage-collector", "storage-readiness",
    "start-legacy-token-tracking-controller", "start-service-ip-repair-controllers", "rbac/bootstrap-roles",
    "scheduling/bootstrap-system-priority-classes", "priority-and-fairness-config-producer", "bootstrap-controller",
    "start-kubernetes-service-cidr-controller", "start-kube-aggregator-informers",
    "apiservice-status-local-available-controller", "apiservice-status-remote-available-controller",
    "apiservice-registration-controller", "apiservice-discovery-controller", "kube-apiserver-autoregistration",
    "autoregister-completion", "apiservice-openapi-controller", "apiservice-openapiv3-controller",
)  # fmt: skip
HOOKS = tuple(name if name == "autoregister-completion" else f"poststarthook/{name}" for name in _HOOKS)
_LIVE = ("ping", "log", "loopback-serving-certificate", "etcd", *HOOKS)
CHECKS = {
    "healthz": _LIVE,
    "livez": _LIVE,
    "readyz": ("ping", "log", "etcd", "etcd-readiness", "informer-sync", *HOOKS, "shutdown"),
}
"""Each endpoint's checks, in the order in which it lists them."""
TEXT = "text/plain; charset=utf-8"
NO_SNIFF = ("X-Content-Type-Options", "nosniff")


def answer(path: str, query: Mapping[str, str]) -> Response | None:
    """None for a check that is not there. `verbose` lists the checks, `exclude` leaves one out."""
    endpoint, _, check = path[1:].partition("/")
    checks = CHECKS[endpoint]
    if check:
        return Response(200, b"ok", TEXT) if check in checks else None
    if path.endswith("/"):
        return None
    if "verbose" not in query:
        return Response(200, b"ok", TEXT, [NO_SNIFF])
    excluded = query.get("exclude")
    lines = [f"[+]{name} excluded: ok" if name == excluded else f"[+]{name} ok" for name in checks]
    if excluded and excluded not in checks:
        lines.append(f'warn: some health checks cannot be excluded: no matches for "{excluded}"')
    lines.append(f"{endpoint} check passed\n")
    return Response(200, "\n".join(lines).encode(), TEXT, [NO_SNIFF])
