"""The sections of a KubeSchedulerConfiguration beside its profiles: leaderElection and extenders. Pure.

Defaults and rules are kube-scheduler's; errors name the path. profile_config.py reads the rest.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from edged.errors import ConfigError, shown
from edged.kube.control.leases import LeaseTimes
from edged.scheduling.config.config_shapes import (
    a_list,
    an_object,
    boolean,
    duration_s,
    kind_of,
    only_known,
    text,
    whole_number,
)
from edged.scheduling.objects.resource_amounts import is_extended

_ELECTION: Final = frozenset(
    {
        "leaderElect", "leaseDuration", "renewDeadline", "retryPeriod", "resourceLock", "resourceName",
        "resourceNamespace",
    }
)  # fmt: skip
_EXTENDER: Final = frozenset(
    {
        "urlPrefix", "filterVerb", "prioritizeVerb", "preemptVerb", "bindVerb", "weight", "enableHTTPS",
        "tlsConfig", "httpTimeout", "nodeCacheCapable", "managedResources", "ignorable",
    }
)  # fmt: skip
_TLS_FILES: Final = ("caFile", "certFile", "keyFile")
_TLS_DATA: Final = ("caData", "certData", "keyData")
_INT64: Final = (1 << 63) - 1
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
    given = an_object(value if value is not None else {}, path)
    only_known(given, _ELECTION, path)
    if not boolean(given.get("leaderElect"), f"{path}.leaderElect", True):
        return None
    default = LeaseTimes()
    times = LeaseTimes(
        duration_s(given.get("leaseDuration"), f"{path}.leaseDuration", default.lease_s),
        duration_s(given.get("renewDeadline"), f"{path}.renewDeadline", default.renew_s),
        duration_s(given.get("retryPeriod"), f"{path}.retryPeriod", default.retry_s),
    )
    _check_times(times, path)
    if (text(given.get("resourceLock"), f"{path}.resourceLock") or "leases") != "leases":
        raise ConfigError(f'{path}.resourceLock: must be "leases", not {shown(given["resourceLock"])}')
    namespace = text(given.get("resourceNamespace"), f"{path}.resourceNamespace") or "kube-system"
    name = text(given.get("resourceName"), f"{path}.resourceName") or "kube-scheduler"
    return LeaderElectionSettings(namespace, name, times)


def _check_times(times: LeaseTimes, path: str) -> None:
    for key, value in (
        ("leaseDuration", times.lease_s), ("renewDeadline", times.renew_s), ("retryPeriod", times.retry_s),
    ):  # fmt: skip
        if value <= 0:
            raise ConfigError(f"{path}.{key}: must be greater than zero")
    if times.lease_s < 1:
        raise ConfigError(f"{path}.leaseDuration: must be at least 1s, which is what a Lease can say")
    if times.lease_s <= times.renew_s:
        raise ConfigError(f"{path}.leaseDuration: must be greater than renewDeadline")
    if times.renew_s <= times.retry_s * 1.2:
        raise ConfigError(f"{path}.renewDeadline: must be greater than 1.2 times retryPeriod")


def parse_extenders(value: object) -> tuple[ExtenderConfig, ...]:
    """`extenders`, in the order to ask them: ignorable ones last. Raises ConfigError."""
    entries = [_extender(entry, f"extenders[{i}]") for i, entry in enumerate(a_list(value, "extenders"))]
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


def _extender(value: object, path: str) -> ExtenderConfig:
    given = an_object(value, path)
    only_known(given, _EXTENDER, path)
    url = text(given.get("urlPrefix"), f"{path}.urlPrefix")
    if not _is_http(url):
        raise ConfigError(f"{path}.urlPrefix: must be an http or https URL, not {kind_of(given.get('urlPrefix'))}")
    verbs = {key: text(given.get(key), f"{path}.{key}") for key in _EXTENDER if key.endswith("Verb")}
    weight = whole_number(given.get("weight"), f"{path}.weight", 0, -_INT64, _INT64)
    if verbs["prioritizeVerb"] and weight <= 0:
        raise ConfigError(f"{path}.weight: must be positive, since there is a prioritizeVerb")
    managed = _managed(given.get("managedResources"), f"{path}.managedResources")
    https = boolean(given.get("enableHTTPS"), f"{path}.enableHTTPS", False)
    return ExtenderConfig(
        path=path,
        url=url.rstrip("/"),
        filter_verb=verbs["filterVerb"],
        prioritize_verb=verbs["prioritizeVerb"],
        preempt_verb=verbs["preemptVerb"],
        bind_verb=verbs["bindVerb"],
        weight=weight,
        tls=_tls(given.get("tlsConfig"), f"{path}.tlsConfig", https, url),
        timeout_s=duration_s(given.get("httpTimeout"), f"{path}.httpTimeout", 0.0) or DEFAULT_TIMEOUT_S,
        node_cache_capable=boolean(given.get("nodeCacheCapable"), f"{path}.nodeCacheCapable", False),
        managed=tuple(managed),
        ignored=tuple(name for name, ignored in managed.items() if ignored),
        ignorable=boolean(given.get("ignorable"), f"{path}.ignorable", False),
    )


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _managed(value: object, path: str) -> dict[str, bool]:
    """Resource -> ignoredByScheduler."""
    resources: dict[str, bool] = {}
    for i, entry in enumerate(a_list(value, path)):
        here = f"{path}[{i}]"
        given = an_object(entry, here)
        only_known(given, frozenset({"name", "ignoredByScheduler"}), here)
        name = text(given.get("name"), f"{here}.name")
        if not is_extended(name):
            raise ConfigError(f"{here}.name: must be an extended resource such as example.com/gpu, not {shown(name)}")
        if name in resources:
            raise ConfigError(f"{here}.name: {shown(name)} is there twice")
        resources[name] = boolean(given.get("ignoredByScheduler"), f"{here}.ignoredByScheduler", False)
    return resources


def _tls(value: object, path: str, https: bool, url: str) -> ExtenderTls | None:
    """None for plain HTTP. Without a CA, `enableHTTPS` checks nothing, as kube-scheduler does."""
    if value is None and urlsplit(url).scheme == "http":
        return None
    given = an_object(value if value is not None else {}, path)
    only_known(given, frozenset({"insecure", "serverName", *_TLS_FILES, *_TLS_DATA}), path)
    files = {key: text(given.get(key), f"{path}.{key}") for key in _TLS_FILES}
    data = {key: _decoded(given.get(key), f"{path}.{key}") for key in _TLS_DATA}
    insecure = boolean(given.get("insecure"), f"{path}.insecure", False)
    has_ca = bool(files["caFile"] or data["caData"])
    if insecure and has_ca:
        raise ConfigError(f"{path}.insecure: cannot be set together with a CA")
    if bool(files["certFile"] or data["certData"]) != bool(files["keyFile"] or data["keyData"]):
        raise ConfigError(f"{path}: a client certificate and its key come together")
    if https and not has_ca:
        insecure = True
    return ExtenderTls(
        insecure,
        text(given.get("serverName"), f"{path}.serverName"),
        files["caFile"],
        files["certFile"],
        files["keyFile"],
        data["caData"],
        data["certData"],
        data["keyData"],
    )


def _decoded(value: object, path: str) -> bytes:
    try:
        return base64.b64decode(text(value, path), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ConfigError(f"{path}: must be base64") from error
