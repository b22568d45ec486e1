"""VolumeBinding: a Pod's claims are bound, or can be where the Pod goes; it waits until they are.

Filter finds volumes for each node (volume_binder.py), Reserve assumes those of the chosen node, PreBind writes
them and waits for the controllers that bind and provision. A Pod without claims is left alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from edged.errors import EdgedError, shown
from edged.kube.values.names import NamespacedName
from edged.scheduling.core.cluster_events import Action, ClusterEvent, EventRegistration
from edged.scheduling.core.framework import NODE, POD, UNKNOWN, ArgumentError, CycleState, Handle, Plugin
from edged.scheduling.core.plugin_status import Code, Status
from edged.scheduling.core.volume_binder import (
    BindingError,
    Claims,
    Match,
    Plan,
    Provision,
    all_bound,
    assume,
    find_volumes,
    revert,
    settled,
    sort_claims,
)
from edged.scheduling.objects.nodes import NodeInfo
from edged.scheduling.objects.other_objects import CLAIM, NOTHING, VOLUME, VOLUME_KINDS, StaleError
from edged.scheduling.objects.pod_volumes import PodClaim
from edged.scheduling.objects.pods import PodInfo
from edged.scheduling.objects.storage_objects import (
    BOUND_BY_CONTROLLER,
    SELECTED_NODE,
    Capacity,
    CSIDriver,
    CSINode,
    StorageClass,
)
from edged.scheduling.plugins.node_volume_limits import not_owner, uses_claim
from edged.scheduling.plugins.resource_scoring import piecewise_linear

_NAME = "VolumeBinding"
_SKIP = Status(Code.SKIP, (), _NAME)
_UNBOUND = Status(Code.UNRESOLVABLE, ("pod has unbound immediate PersistentVolumeClaims",), _NAME)
BIND_TIMEOUT_S: Final = 600
DEFAULT_SHAPE: Final = ({"utilization": 0, "score": 10}, {"utilization": 100, "score": 0})


class Volumes:
    """What a cycle knows of a Pod's volumes. `made`: what Reserve assumed, None when there was nothing to do."""

    __slots__ = ("claims", "made", "plans")

    def __init__(self, claims: Claims) -> None:
        self.claims = claims
        self.plans: dict[str, Plan] = {}
        self.made: Plan | None = None


class VolumeBinding(Plugin):
    """Args: bindTimeoutSeconds (600), shape."""

    name = _NAME
    points = frozenset({"pre_filter", "filter", "pre_score", "score", "reserve", "pre_bind"})
    awaits_at = frozenset({"pre_bind"})
    depends_on = frozenset({POD, NODE, UNKNOWN})

    def __init__(self, args: Mapping[str, object], handle: Handle) -> None:
        for key in args:
            if key not in ("bindTimeoutSeconds", "shape"):
                raise ArgumentError(key, "unknown field")
        timeout = args.get("bindTimeoutSeconds")
        timeout = BIND_TIMEOUT_S if timeout is None else timeout
        if not isinstance(timeout, int) or isinstance(timeout, bool) or timeout < 0:
            raise ArgumentError("bindTimeoutSeconds", f"must be a number of seconds, not negative: {shown(timeout)}")
        self._timeout_s = float(timeout)
        self._shape = [(x, y * 10) for x, y in parse_shape(args.get("shape") or DEFAULT_SHAPE)]
        self._handle = handle
        self._objects = handle.objects

    def events_to_register(self) -> Iterable[EventRegistration]:
        changed = Action.ADD | Action.UPDATE
        return (
            EventRegistration(ClusterEvent("storage.k8s.io/StorageClass", changed), _other_topologies),
            EventRegistration(ClusterEvent("PersistentVolumeClaim", changed), uses_claim),
            # A volume that was meant for the claim may go, and another one come in its place.
            EventRegistration(ClusterEvent("PersistentVolume", changed | Action.DELETE)),
            EventRegistration(ClusterEvent("Node", Action.ADD | Action.UPDATE_NODE_LABEL)),
            EventRegistration(ClusterEvent("storage.k8s.io/CSINode", changed), _migrated_otherwise),
            EventRegistration(
                ClusterEvent("storage.k8s.io/CSIDriver", Action.UPDATE | Action.DELETE), _stopped_tracking
            ),
            EventRegistration(ClusterEvent("storage.k8s.io/CSIStorageCapacity", changed), _has_more_room),
        )

    def skips(self, pod: PodInfo) -> bool:
        return not pod.spec.claims

    def needs(self, pod: PodInfo) -> frozenset[str]:
        return VOLUME_KINDS if pod.spec.claims else NOTHING

    # --- choosing

    def pre_filter(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        if not pod.spec.claims:
            return _SKIP
        for volume in pod.spec.claims:
            problem = self._problem(pod, volume)
            if problem:
                return Status(Code.UNRESOLVABLE, (problem,), _NAME)
        claims = sort_claims(self._objects, pod)
        if claims.immediate:
            return _UNBOUND
        state.data[_NAME] = Volumes(claims)
        return None

    def _problem(self, pod: PodInfo, volume: PodClaim) -> str:
        """Why a claim cannot be used; "" when it can."""
        key = volume.key(pod.key)
        claim = self._objects.real_claim(key)
        if claim is None:
            if volume.ephemeral:
                return f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{key.name}"'
            return f'persistentvolumeclaim "{key.name}" not found'
        if claim.lost:
            return f'persistentvolumeclaim "{key.name}" bound to non-existent persistentvolume "{claim.volume_name}"'
        if claim.deleting:
            return f'persistentvolumeclaim "{key.name}" is being deleted'
        return not_owner(claim, pod) if volume.ephemeral and claim.owner != pod.uid else ""

    def filter(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> Status | None:
        volumes: Volumes = state.data[_NAME]
        try:
            plan, reasons = find_volumes(self._objects, volumes.claims, node.name, node.labels)
        except BindingError as error:
            return Status(Code.ERROR, (str(error),), _NAME)
        if reasons:
            return Status(Code.UNRESOLVABLE, reasons, _NAME)
        volumes.plans[node.name] = plan
        return None

    def pre_score(self, state: CycleState, pod: PodInfo, nodes: Sequence[NodeInfo]) -> Status | None:
        return None if _NAME in state.data else _SKIP

    def score(self, state: CycleState, pod: PodInfo, node: NodeInfo) -> int:
        """How well the requested sizes fill the volumes, or the room for new ones; per class, then the mean."""
        plan = state.data[_NAME].plans.get(node.name)
        if plan is None:
            return 0
        classes = _of_matches(plan.matches) if plan.matches else _of_provisions(plan.provisions)
        if not classes:
            return 0
        total = sum(self._fill(requested, capacity) for requested, capacity in classes.values())
        return math.floor(total / len(classes) + 0.5)

    def _fill(self, requested: int, capacity: int) -> int:
        full = not capacity or requested > capacity
        return piecewise_linear(self._shape, 100 if full else requested * 100 // capacity)

    # --- binding

    def reserve(self, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
        volumes: Volumes | None = state.data.get(_NAME)
        plan = volumes.plans.get(node_name) if volumes is not None else None
        if volumes is None or plan is None or all_bound(self._objects, pod):
            return None
        try:
            volumes.made = assume(self._objects, plan, node_name)
        except StaleError as error:
            return Status(Code.ERROR, (str(error),), _NAME)
        return None

    def unreserve(self, state: CycleState, pod: PodInfo, node_name: str) -> None:
        volumes: Volumes | None = state.data.get(_NAME)
        if volumes is not None and volumes.made is not None:
            revert(self._objects, volumes.made)

    def pre_binds(self, state: CycleState, pod: PodInfo, node_name: str) -> bool:
        volumes: Volumes | None = state.data.get(_NAME)
        return volumes is not None and volumes.made is not None

    async def pre_bind(self, state: CycleState, pod: PodInfo, node_name: str) -> Status | None:
        made: Plan = state.data[_NAME].made
        versions: dict[str, str] = {}
        try:
            for each in made.matches:
                versions[each.volume.name] = await self._bind(each)
            for provision in made.provisions:
                versions[str(provision.claim.key)] = await self._select_node(provision, node_name)
        except EdgedError as error:
            return Status(Code.ERROR, (str(error),), _NAME)
        return await self._wait(pod, made, versions, node_name)

    async def _wait(self, pod: PodInfo, made: Plan, versions: dict[str, str], node_name: str) -> Status | None:
        def done() -> bool:
            labels = self._handle.node_labels(node_name)
            if labels is None:
                raise BindingError(f'failed to get node "{node_name}": node "{node_name}" not found')
            return settled(self._objects, made, versions, node_name, labels)

        try:
            if await self._handle.settle(pod, done, self._timeout_s):
                return None
            problem = "context deadline exceeded"
        except EdgedError as error:
            problem = str(error)
        return Status(Code.ERROR, (f"binding volumes: {problem}",), _NAME)

    async def _bind(self, made: Match) -> str:
        """The volume's version after it was told its claim. Raises PeerError."""
        volume, claim = made.volume, made.claim
        metadata: dict[str, Any] = {"resourceVersion": volume.version}
        if volume.by_controller:
            metadata["annotations"] = {BOUND_BY_CONTROLLER: "yes"}
        reference = {
            "kind": CLAIM, "apiVersion": "v1", "name": claim.key.name, "namespace": claim.key.namespace,
            "uid": claim.uid, "resourceVersion": claim.version,
        }  # fmt: skip
        body: dict[str, object] = {"metadata": metadata, "spec": {"claimRef": reference}}
        return _version(await self._handle.patch(VOLUME, NamespacedName("", volume.name), body))

    async def _select_node(self, made: Provision, node_name: str) -> str:
        """The claim's version after it was told the node. Raises PeerError."""
        metadata = {"resourceVersion": made.claim.version, "annotations": {SELECTED_NODE: node_name}}
        return _version(await self._handle.patch(CLAIM, made.claim.key, {"metadata": metadata}))


def parse_shape(shape: object) -> list[tuple[int, int]]:
    """(utilization 0..100, score 0..10) in rising order. Raises ArgumentError."""
    if not isinstance(shape, list | tuple):
        raise ArgumentError("shape", "must be a list")
    points: list[tuple[int, int]] = []
    for i, point in enumerate(shape):
        if not isinstance(point, dict):
            raise ArgumentError(f"shape[{i}]", "must be an object")
        x, y = point.get("utilization", 0), point.get("score", 0)
        for key, value, most in (("utilization", x, 100), ("score", y, 10)):
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
                raise ArgumentError(f"shape[{i}].{key}", f"must be 0..{most}, not {shown(value)}")
        if points and x <= points[-1][0]:
            raise ArgumentError(f"shape[{i}].utilization", "values must be sorted in increasing order")
        points.append((x, y))
    return points


def _version(obj: dict[str, Any]) -> str:
    return str(obj["metadata"].get("resourceVersion") or "")


def _of_matches(matches: Iterable[Match]) -> dict[str, tuple[int, int]]:
    """Class -> (requested, capacity)."""
    by_class: dict[str, tuple[int, int]] = {}
    for claim, volume in matches:
        requested, capacity = by_class.get(volume.storage_class, (0, 0))
        by_class[volume.storage_class] = (requested + (claim.size or 0), capacity + volume.capacity)
    return by_class


def _of_provisions(provisions: Iterable[Provision]) -> dict[str, tuple[int, int]]:
    """As above; claims of one class share its room on the node."""
    by_class: dict[str, tuple[int, int]] = {}
    for claim, capacity in provisions:
        if capacity is not None:
            requested, _ = by_class.get(claim.storage_class, (0, 0))
            by_class[claim.storage_class] = (requested + (claim.size or 0), capacity.capacity)
    return by_class


# --- hints


def _other_topologies(pod: PodInfo, old: StorageClass | None, new: StorageClass | None) -> bool:
    return old is None or new is None or old.topologies != new.topologies


def _migrated_otherwise(pod: PodInfo, old: CSINode | None, new: CSINode | None) -> bool:
    return old is None or new is None or old.migrated != new.migrated


def _stopped_tracking(pod: PodInfo, old: CSIDriver | None, new: CSIDriver | None) -> bool:
    """kube-scheduler wants an inline volume of the driver here, which never needed capacity; edged takes any claim."""
    return old is None or (old.tracks_capacity and (new is None or not new.tracks_capacity))


def _has_more_room(pod: PodInfo, old: Capacity | None, new: Capacity | None) -> bool:
    if old is None or new is None:
        return True
    return new.limit is not None and (old.limit is None or new.limit > old.limit)
