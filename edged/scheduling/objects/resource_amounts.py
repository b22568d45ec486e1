"""What a Pod asks of a node: resource requests as the scheduler counts them. Pure functions on the Pod's
dict.

Amounts are summed exactly in nano-units and rounded up once, at the end: cpu to milli-units, all else to
units. Called by pods.py once per distinct Pod spec. Source: upstream's resource helpers as of 1.37.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from edged.kube.values.container_amounts import Amounts, add, raise_to, sum_of_containers
from edged.kube.values.quantity import NANO, nano, to_milli, to_units

if TYPE_CHECKING:
    from edged.kube.values.shapes import Container, ContainerStatus, PodSpec, PodStatus

    RequestOf = Callable[[Container], "Amounts"]

Resources = dict[str, int]  # resource name -> milli-units for cpu, units for all else

# What scoring assumes for a container that does not say.
ASSUMED: Final[Amounts] = {"cpu": NANO // 10, "memory": 200 * 1024 * 1024 * NANO}
_NATIVE: Final = frozenset({"cpu", "memory", "ephemeral-storage"})


def is_extended(name: str) -> bool:
    """Extended resources (`example.com/device`): the only ones a profile may ignore."""
    return "/" in name and "kubernetes.io/" not in name and not name.startswith("requests.")


def is_scalar(name: str) -> bool:
    """Resources counted besides cpu, memory and ephemeral-storage: extended, huge pages, `kubernetes.io/`
    ones."""
    return (
        is_extended(name)
        or name.startswith(("hugepages-", "attachable-volumes-"))
        or ("kubernetes.io/" in name and "/" in name)
    )


def _counted_at_pod_level(name: str) -> bool:
    return name in ("cpu", "memory") or name.startswith("hugepages-")


def amounts(quantities: Mapping[str, object] | None) -> Amounts:
    """A resource list as nano-units. Raises QuantityError."""
    return {name: nano(text) for name, text in quantities.items()} if quantities else {}


def rounded(exact: Amounts) -> Resources:
    """Whole numbers of the resources that nodes are compared by; names the scheduler does not know are
    dropped."""
    return {
        name: to_milli(value) if name == "cpu" else to_units(value)
        for name, value in exact.items()
        if name in _NATIVE or is_scalar(name)
    }


def allocatable(quantities: Mapping[str, object] | None) -> Resources:
    """`status.allocatable` of a node in whole numbers, "pods" included. Raises QuantityError."""
    exact = amounts(quantities)
    result = rounded(exact)
    if "pods" in exact:
        result["pods"] = to_units(exact["pods"])
    return result


def _spec_request(container: Container) -> Amounts:
    return amounts((container.get("resources") or {}).get("requests"))


def _with_assumed(request_of: RequestOf, assumed: Amounts) -> RequestOf:
    return lambda container: {**assumed, **request_of(container)} if assumed else request_of(container)


def _resize_infeasible(status: PodStatus) -> bool:
    """The first condition of the type decides, though there should be one only."""
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodResizePending":
            return bool(condition.get("reason") == "Infeasible")
    return False


def status_of_resources(status: PodStatus) -> list[object] | None:
    """The part of a status that requests depend on, for comparison. None for most Pods: nothing in their status
    matters."""
    resources, allocated = status.get("resources"), status.get("allocatedResources")
    infeasible = _resize_infeasible(status)
    containers = [
        [name, entry.get("allocatedResources"), (entry.get("resources") or {}).get("requests")]
        for name, entry in _resized_statuses(status).items()
    ]
    if not containers and not infeasible and resources is None and not allocated:
        return None
    return [containers, infeasible, resources, allocated]


def _resized_statuses(status: PodStatus) -> dict[str, ContainerStatus]:
    """Container statuses by name, of those that tell resources."""
    return {
        entry["name"]: entry
        for entries in (status.get("containerStatuses"), status.get("initContainerStatuses"))
        for entry in entries or ()
        if entry.get("allocatedResources") or (entry.get("resources") or {}).get("requests")
    }


def _container_sums(spec: PodSpec, status: PodStatus | None, assumed: Amounts) -> Amounts:
    """The sum from the spec alone, or for assigned Pods the largest of spec, actuated and allocated sums."""
    if not status or status_of_resources(status) is None:
        return sum_of_containers(spec, _with_assumed(_spec_request, assumed))
    infeasible = _resize_infeasible(status)
    total: Amounts = {}
    for sums in _status_sums(spec, status, assumed, infeasible):
        raise_to(total, sums)
    if not infeasible:
        raise_to(total, sum_of_containers(spec, _with_assumed(_spec_request, assumed)))
    return total


def _status_sums(
    spec: PodSpec, status: PodStatus, assumed: Amounts, infeasible: bool
) -> tuple[Amounts, Amounts]:
    """What the node set aside for the containers, and what they run with: the Pod's own totals if the status
    has both."""
    running = (status.get("resources") or {}).get("requests")
    if status.get("allocatedResources") and running:
        return amounts(status["allocatedResources"]), amounts(running)
    statuses = _resized_statuses(status)

    def allocated(container: Container) -> Amounts:
        told = statuses.get(container.get("name", ""))
        given = told.get("allocatedResources") if told else None
        if given:
            return amounts(given)
        return {} if infeasible else _spec_request(container)

    def actuated(container: Container) -> Amounts:
        told = statuses.get(container.get("name", ""))
        given = (told.get("resources") or {}).get("requests") if told else None
        return amounts(given) if given else allocated(container)

    return (
        sum_of_containers(spec, _with_assumed(allocated, assumed)),
        sum_of_containers(spec, _with_assumed(actuated, assumed)),
    )


def _pod_level(spec: PodSpec, status: PodStatus | None = None) -> Amounts:
    """Requests of the Pod as a whole, which replace the containers'; with a status that tells resources, the
    largest of what is asked for, run with and set aside."""
    given = _supported((spec.get("resources") or {}).get("requests"))
    resources = status.get("resources") if status else None
    if not given or status is None or resources is None:
        return given
    total = {} if _resize_infeasible(status) else given
    raise_to(total, _supported(resources.get("requests")))
    raise_to(total, _supported(status.get("allocatedResources")))
    return total


def _supported(quantities: Mapping[str, object] | None) -> Amounts:
    return {name: value for name, value in amounts(quantities).items() if _counted_at_pod_level(name)}


def _finish(total: Amounts, pod_level: Amounts, spec: PodSpec) -> Amounts:
    total.update(pod_level)
    add(total, amounts(spec.get("overhead")))
    return total


def requests(spec: PodSpec, status: PodStatus | None = None) -> Resources:
    """The Pod's request per resource. `status` only for Pods that have a node. Raises QuantityError."""
    return rounded(_finish(_container_sums(spec, status, {}), _pod_level(spec, status), spec))


def scored_requests(spec: PodSpec) -> Resources:
    """What NodeResourcesFit scores for an incoming Pod: missing requests are assumed, requests of the Pod as a whole
    are ignored.

    Ignoring them looks like an oversight of kube-scheduler, but the choice of node depends on it.
    """
    return rounded(_finish(_container_sums(spec, None, ASSUMED), {}, spec))


def assumed_requests(spec: PodSpec, status: PodStatus | None = None) -> tuple[int, int]:
    """(cpu milli-units, memory bytes) that an assigned Pod adds to its node's non-zero sums."""
    pod_level = _pod_level(spec, status)
    assumed = ASSUMED
    if _pod_level(spec):
        named = _finish(_container_sums(spec, status, {}), pod_level, spec)
        assumed = {name: value for name, value in ASSUMED.items() if name not in named}
    total = _finish(_container_sums(spec, status, assumed), pod_level, spec)
    return to_milli(total.get("cpu", 0)), to_units(total.get("memory", 0))
