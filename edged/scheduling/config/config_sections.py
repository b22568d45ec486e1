"""The sections of a KubeSchedulerConfiguration beside its profiles: leaderElection and extenders. Pure.

Defaults and rules are kube-scheduler's; errors name the path. profile_config.py reads the rest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from edged.errors import ConfigError, shown
from edged.kube.control.leases import LeaseTimes
from edged.kube.values.name_checks import qualified_name_problem
from edged.scheduling.config.config_shapes import list_of
from edged.scheduling.config.document_shapes import EXTENDER, LEADER_ELECTION
from edged.scheduling.objects.resource_amounts import is_extended

DEFAULT_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class LeaderElectionSettings:
    """The Lease that leaders hold, and its times."""

    namespace: str = "kube-system"
    name: str = "kube-scheduler"
    times: LeaseTimes = field(default_factory=LeaseTimes)


@dataclass(frozen=True, slots=True)
class ExtenderTls:
    """`tlsConfig`. Files are paths, data is PEM."""

    insecure: bool = False
    server_name: str = ""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    ca_data: bytes = b""
    cert_data: bytes = b""
    key_data: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtenderConfig:
    """One of `extenders`. Verbs are "" where it does not take part. `ignored`: the managed resources that
    NodeResourcesFit leaves to it. `path`: where it stands, for errors."""

    path: str
    url: str
    filter_verb: str = ""
    prioritize_verb: str = ""
    preempt_verb: str = ""
    bind_verb: str = ""
    weight: int = 0
    tls: ExtenderTls | None = None
    timeout_s: float = DEFAULT_TIMEOUT_S
    node_cache_capable: bool = False
    managed: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    ignorable: bool = False


def parse_leader_election(value: object) -> LeaderElectionSettings | None:
    """`leaderElection`; None: switched off. Absent means on, as in kube-scheduler. Raises ConfigError."""
    path = "leaderElection"
    given = LEADER_ELECTION(value, path)
    if not given.get("leaderElect", True):
        return None
    default = LeaseTimes()
    times = LeaseTimes(
        given.get("leaseDuration") or default.lease_s,
        given.get("renewDeadline") or default.renew_s,
        given.get("retryPeriod") or default.retry_s,
    )
    _check_times(times, path)
    if (given.get("resourceLock") or "leases") != "leases":
        raise ConfigError(f'{path}.resourceLock: must be "leases", not {shown(given["resourceLock"])}')
    namespace, name = given.get("resourceNamespace") or "kube-system", given.get("resourceName") or "kube-scheduler"
    return LeaderElectionSettings(namespace, name, times)


def _check_times(times: LeaseTimes, path: str) -> None:
    for key, value in (
        ("leaseDuration", times.lease_s), ("renewDeadline", times.renew_s), ("retryPeriod", times.retry_s),
    ):  # fmt: skip
        if value <= 0:
            raise ConfigError(f"{path}.{key}: must be greater than zero")
    if times.lease_s <= times.renew_s:
        raise ConfigError(f"{path}.leaseDuration: must be greater than renewDeadline")
    if times.renew_s <= times.retry_s * 1.2:
        raise ConfigError(f"{path}.renewDeadline: must be greater than 1.2 times retryPeriod")


def parse_extenders(value: object) -> tuple[ExtenderConfig, ...]:
    """`extenders`, in the order to ask them: ignorable ones last. Raises ConfigError."""
    entries = [_extender(entry, f"extenders[{i}]") for i, entry in enumerate(list_of(EXTENDER)(value, "extenders"))]
    binders = [entry for entry in entries if entry.bind_verb]
    if len(binders) > 1:
        raise ConfigError(f"{binders[1].path}.bindVerb: only one extender can bind, and {binders[0].path} does")
    seen: set[str] = set()
    for entry in entries:
        for j, name in enumerate(entry.managed):
            if name in seen:
                where = f"{entry.path}.managedResources[{j}].name"
                raise ConfigError(f"{where}: {shown(name)} is managed by an extender before")
            seen.add(name)
    return tuple(sorted(entries, key=lambda entry: entry.ignorable))


def _extender(given: dict[str, Any], path: str) -> ExtenderConfig:
    weight = given.get("weight", 0)
    if given.get("prioritizeVerb") and weight <= 0:
        raise ConfigError(f"{path}.weight: must be positive, since there is a prioritizeVerb")
    managed = _managed(given.get("managedResources", ()), f"{path}.managedResources")
    return ExtenderConfig(
        path=path,
        url=given.get("urlPrefix", "").rstrip("/"),
        filter_verb=given.get("filterVerb", ""),
        prioritize_verb=given.get("prioritizeVerb", ""),
        preempt_verb=given.get("preemptVerb", ""),
        bind_verb=given.get("bindVerb", ""),
        weight=weight,
        tls=_tls(
            given.get("tlsConfig"), f"{path}.tlsConfig", given.get("enableHTTPS", False), given.get("urlPrefix", "")
        ),
        timeout_s=_timeout_s(given.get("httpTimeout", 0.0)),
        node_cache_capable=given.get("nodeCacheCapable", False),
        managed=tuple(managed),
        ignored=tuple(name for name, ignored in managed.items() if ignored),
        ignorable=given.get("ignorable", False),
    )


def _timeout_s(given: float) -> float:
    """Go's client takes a negative time for none."""
    return DEFAULT_TIMEOUT_S if given == 0 else math.inf if given < 0 else given


def is_http(url: str) -> bool:
    """Whether requests to the URL can be sent. kube-scheduler starts with any, and then every request fails."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _managed(entries: Sequence[Mapping[str, Any]], path: str) -> dict[str, bool]:
    """Resource -> ignoredByScheduler."""
    resources: dict[str, bool] = {}
    for i, entry in enumerate(entries):
        here, name = f"{path}[{i}]", entry.get("name", "")
        if qualified_name_problem(name) or qualified_name_problem(f"requests.{name}") or not is_extended(name):
            raise ConfigError(f"{here}.name: must be an extended resource such as example.com/gpu, not {shown(name)}")
        if name in resources:
            raise ConfigError(f"{here}.name: {shown(name)} is there twice")
        resources[name] = entry.get("ignoredByScheduler", False)
    return resources


def _tls(given: dict[str, Any] | None, path: str, https: bool, url: str) -> ExtenderTls | None:
    """None for plain HTTP. Without a CA, `enableHTTPS` checks nothing, as kube-scheduler does."""
    if given is None and url.partition(":")[0].lower() != "https":
        return None
    given = given or {}
    insecure, has_ca = given.get("insecure", False), bool(given.get("caFile") or given.get("caData"))
    if insecure and has_ca:
        raise ConfigError(f"{path}.insecure: cannot be set together with a CA")
    return ExtenderTls(
        insecure or (https and not has_ca),
        given.get("serverName", ""),
        given.get("caFile", ""),
        given.get("certFile", ""),
        given.get("keyFile", ""),
        given.get("caData", b""),
        given.get("certData", b""),
        given.get("keyData", b""),
    )
