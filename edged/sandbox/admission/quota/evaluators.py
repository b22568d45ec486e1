"""What an object of each kind counts for in a quota. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from edged.kube.defaults.cluster_objects import class_of
from edged.kube.defaults.pod_spec import object_at, objects_in
from edged.kube.values.container_amounts import sum_of_containers
from edged.kube.values.quantity import NANO
from edged.sandbox.admission.quota import scopes
from edged.sandbox.admission.quota.amounts import Amount, Amounts, count, only, plus, read
from edged.sandbox.cluster import Object

Usage = Callable[[Object, float], Amounts]
"""(object, seconds since the epoch) -> what it uses."""


@dataclass(frozen=True, slots=True)
class Evaluator:
    """`names`, `suffixes` and `prefixes` say which resources of a quota the kind counts for. `updates`: it may use more
    after an update, too. `in_scope`: (scope selector, object)."""

    names: tuple[str, ...]
    usage: Usage
    prefixes: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    also: Callable[[str], bool] = lambda _name: False
    operations: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"": ("CREATE",)})
    in_scope: Callable[[Object, Object], bool] = scopes.never
    constraint: Callable[[Iterable[str], Object], str] = lambda _names, _obj: ""

    def matching(self, names: Iterable[str]) -> list[str]:
        return [
            name for name in names
            if name in self.names or name.startswith(self.prefixes) or name.endswith(self.suffixes) or self.also(name)
        ]  # fmt: skip


def evaluator(bucket: str) -> Evaluator:
    """That of the objects in a bucket ("deployments.apps"): most are only counted."""
    if bucket in _SPECIAL:
        return _SPECIAL[bucket]
    names = (f"count/{bucket}", *((bucket,) if bucket in _LEGACY else ()))
    return Evaluator(names, lambda _obj, _now: dict.fromkeys(names, count(1)))


_LEGACY: Final = ("configmaps", "resourcequotas", "replicationcontrollers", "secrets")
"""Counted also without `count/`."""
IGNORED: Final = ("events", "bindings", "componentstatuses")

# --- Pods

_COMPUTE: Final = ("cpu", "memory", "ephemeral-storage")
_REQUIRED: Final = tuple(f"{part}{name}" for part in ("", "requests.", "limits.") for name in _COMPUTE[:2])
_HUGE: Final = "hugepages-"
_ENDED: Final = ("Failed", "Succeeded")


def _pod(pod: Object, now: float) -> Amounts:
    used: Amounts = {"count/pods": count(1)}
    if object_at(pod, "status").get("phase") in _ENDED or _is_stuck(pod, now):
        return used
    spec = object_at(pod, "spec")
    return plus(used, _compute(_of_pod(spec, "requests"), _of_pod(spec, "limits")))


def _is_stuck(pod: Object, now: float) -> bool:
    """It should have been gone twice its grace period ago."""
    until, grace = pod["metadata"].get("deletionTimestamp"), pod["metadata"].get("deletionGracePeriodSeconds")
    return bool(until) and grace is not None and now > datetime.fromisoformat(until).timestamp() + grace


def _compute(requests: Amounts, limits: Amounts) -> Amounts:
    used: Amounts = {"pods": count(1)}
    for name, amount in requests.items():
        if name in _COMPUTE or name.startswith(_HUGE):
            used |= {name: amount, f"requests.{name}": amount}
        elif is_extended(name):
            used[f"requests.{name}"] = amount
    return used | {f"limits.{name}": amount for name, amount in limits.items() if name in _COMPUTE}


def is_extended(name: str) -> bool:
    """Whether a device plugin or a driver gives it."""
    return "/" in name and "kubernetes.io/" not in name and not name.startswith("requests.")


def _is_quota_of_extended(name: str) -> bool:
    return name.startswith("requests.") and is_extended(name.removeprefix("requests."))


def _of_pod(spec: Object, part: str) -> Amounts:
    forms: dict[str, str] = {}

    def amounts(container: Object) -> dict[str, int]:
        given = read(object_at(object_at(container, "resources"), part))
        for name, amount in given.items():
            forms.setdefault(name, amount.form)
        return {name: amount.nanos for name, amount in given.items()}

    total = sum_of_containers(spec, amounts)  # type: ignore[arg-type]
    used = {name: Amount(nanos, forms[name]) for name, nanos in total.items()}
    whole = read(object_at(object_at(spec, "resources"), part))
    used |= {name: amount for name, amount in whole.items() if name in _COMPUTE[:2] or name.startswith(_HUGE)}
    overhead = read(object_at(spec, "overhead"))
    return plus(used, overhead if part == "requests" else only(overhead, [name for name in used if used[name].nanos]))


def _missing(required: Iterable[str], pod: Object) -> str:
    """Where cpu or memory is limited each container has to say what it needs."""
    spec = object_at(pod, "spec")
    whole = object_at(spec, "resources")
    if object_at(whole, "requests") or object_at(whole, "limits"):
        return ""
    lacking: dict[str, set[str]] = {}
    for part in ("containers", "initContainers"):
        for container in objects_in(spec.get(part)):
            resources = object_at(container, "resources")
            given = _compute(read(object_at(resources, "requests")), read(object_at(resources, "limits")))
            for name in required:
                if name in _REQUIRED and name not in given:
                    lacking.setdefault(name, set()).add(str(container.get("name") or ""))
    said = [f"{name} for: {','.join(sorted(names))}" for name, names in sorted(lacking.items())]
    return f"must specify {'; '.join(said)}" if said else ""


# --- Services and claims


def _service(service: Object, _now: float) -> Amounts:
    spec = object_at(service, "spec")
    ports = list(objects_in(spec.get("ports")))
    kind, node_ports = spec.get("type"), 0
    if kind == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is False:
        node_ports = sum(bool(port.get("nodePort")) for port in ports)
    elif kind in ("NodePort", "LoadBalancer"):
        node_ports = len(ports)
    return {
        "count/services": count(1), "services": count(1), "services.nodeports": count(node_ports),
        "services.loadbalancers": count(int(kind == "LoadBalancer")),
    }  # fmt: skip


_CLAIMS: Final = ("persistentvolumeclaims", "requests.storage")
_CLASS: Final = ".storageclass.storage.k8s.io/"


def _claim(claim: Object, _now: float) -> Amounts:
    used: Amounts = {"persistentvolumeclaims": count(1), "count/persistentvolumeclaims": count(1)}
    requests = read(object_at(object_at(object_at(claim, "spec"), "resources"), "requests"))
    allocated = read(object_at(object_at(claim, "status"), "allocatedResources"))
    size = max((each["storage"] for each in (requests, allocated) if "storage" in each), default=None)
    if size is not None and "storage" in requests:
        used["requests.storage"] = Amount(-(-size.nanos // NANO) * NANO, size.form)
    if name := class_of(claim):
        used |= {f"{name}{_CLASS}{each}": used[each] for each in _CLAIMS if each in used}
    return used


_SPECIAL: Final = {
    "pods": Evaluator(
        ("count/pods", "pods", *(f"{part}{name}" for part in ("", "requests.", "limits.") for name in _COMPUTE)), _pod,
        prefixes=(_HUGE, f"requests.{_HUGE}"), also=_is_quota_of_extended,
        operations={"": ("CREATE", "UPDATE"), "resize": ("UPDATE",)}, in_scope=scopes.of_pod, constraint=_missing,
    ),
    "services": Evaluator(
        ("count/services", "services", "services.nodeports", "services.loadbalancers"), _service,
        operations={"": ("CREATE", "UPDATE")},
    ),
    "persistentvolumeclaims": Evaluator(
        ("count/persistentvolumeclaims", *_CLAIMS), _claim, suffixes=tuple(_CLASS + each for each in _CLAIMS),
        operations={"": ("CREATE", "UPDATE"), "status": ("UPDATE",)}, in_scope=scopes.of_claim,
    ),
}  # fmt: skip
