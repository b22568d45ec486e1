"""Which volumes a Pod's claims would get on a node: bound ones, ones that match, ones to provision. Pure.

    claims = sort_claims(objects, pod)              # once per Pod; raises BindingError
    plan, reasons = find_volumes(objects, claims, node.name, node.labels)
    made = assume(objects, plan, node.name)         # raises StaleError; `revert` takes it back
    settled(objects, made, node)                    # whether the API server's objects say it is done

Called by plugins/volume_binding.py, which makes the writes. Texts are kube-scheduler's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from edged.errors import EdgedError
from edged.kube.values.selectors import Labels
from edged.scheduling.objects.other_objects import Objects, StaleError
from edged.scheduling.objects.pods import PodInfo
from edged.scheduling.objects.storage_objects import Capacity, Claim, ClaimRef, CSINode, Volume

NODE_CONFLICT = "node(s) didn't match PersistentVolume's node affinity"
NO_VOLUMES = "node(s) didn't find available persistent volumes to bind"
NO_SPACE = "node(s) did not have enough free storage"
VOLUME_GONE = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"


class BindingError(EdgedError):
    """The claims and volumes do not allow a decision, or the binding failed."""


class Claims(NamedTuple):
    """A Pod's claims: bound ones, ones that wait for a node, ones that should have been bound by now."""

    bound: tuple[Claim, ...]
    waiting: tuple[Claim, ...]
    immediate: tuple[Claim, ...]


class Match(NamedTuple):
    """A volume that exists, for a claim."""

    claim: Claim
    volume: Volume


class Provision(NamedTuple):
    """A claim for which a volume will be provisioned. `capacity`: the storage capacity that it is taken from, where
    that is tracked."""

    claim: Claim
    capacity: Capacity | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What binding the Pod to a node would do."""

    matches: tuple[Match, ...] = ()
    provisions: tuple[Provision, ...] = ()


EMPTY = Plan()


def sort_claims(objects: Objects, pod: PodInfo) -> Claims:
    """Raises BindingError."""
    bound: list[Claim] = []
    waiting: list[Claim] = []
    immediate: list[Claim] = []
    for volume in pod.spec.claims:
        key = volume.key(pod.key)
        claim = objects.claim(key)
        if claim is None:
            raise BindingError(f'error getting PVC "{key}": persistentvolumeclaim "{key.name}" not found')
        if claim.fully_bound:
            bound.append(claim)
            continue
        kind = objects.storage_class(claim.storage_class) if claim.storage_class else None
        waits = kind is not None and kind.waits and not claim.volume_name
        (waiting if waits else immediate).append(claim)
    return Claims(tuple(bound), tuple(waiting), tuple(immediate))


def all_bound(objects: Objects, pod: PodInfo) -> bool:
    claims = (objects.claim(volume.key(pod.key)) for volume in pod.spec.claims)
    return all(claim is not None and claim.fully_bound for claim in claims)


# --- for one node


def find_volumes(objects: Objects, claims: Claims, node: str, labels: Labels) -> tuple[Plan, tuple[str, ...]]:
    """(what to do, why the node does not do). Raises BindingError."""
    problem = _bound_problem(objects, claims.bound, node, labels) if claims.bound else ""
    reasons = [problem] if problem else []
    if not claims.waiting:
        return EMPTY, tuple(reasons)
    if any(c.selected_node is not None and c.selected_node != node for c in claims.waiting):
        return EMPTY, _in_order([*reasons, NO_VOLUMES])
    matches, rest = _match_all(objects, [c for c in claims.waiting if c.selected_node is None], labels)
    to_provision = [c for c in claims.waiting if c.selected_node is not None] + rest
    provisions, problem = _provision_all(objects, to_provision, labels) if to_provision else ((), "")
    if problem:
        reasons.append(problem)
    return Plan(tuple(matches), provisions), _in_order(reasons)


def _in_order(reasons: Collection[str]) -> tuple[str, ...]:
    return tuple(reason for reason in (NODE_CONFLICT, NO_VOLUMES, NO_SPACE, VOLUME_GONE) if reason in reasons)


def _bound_problem(objects: Objects, claims: Iterable[Claim], node: str, labels: Labels) -> str:
    csi_node = objects.csi_node(node)
    for claim in claims:
        volume = objects.volume(claim.volume_name)
        if volume is None:
            return VOLUME_GONE
        if not volume.reaches(labels, csi_node):
            return NODE_CONFLICT
    return ""


def _match_all(objects: Objects, claims: Sequence[Claim], labels: Labels) -> tuple[list[Match], list[Claim]]:
    """(matches, claims without one); small claims choose first, each volume goes to one of them."""
    matches: list[Match] = []
    rest: list[Claim] = []
    taken: set[str] = set()
    for claim in sorted(claims, key=lambda claim: claim.size or 0):
        volume = match(claim, objects.volumes_of_class(claim.storage_class), labels, taken)
        if volume is None:
            rest.append(claim)
        else:
            taken.add(volume.name)
            matches.append(Match(claim, volume))
    return matches, rest


def match(claim: Claim, volumes: Iterable[Volume], labels: Labels, taken: Collection[str] = ()) -> Volume | None:
    """The volume whose claimRef names the claim, or None when the node cannot reach it. Without such a volume: the
    smallest one that fits."""
    best: Volume | None = None
    for volume in volumes:
        if volume.name in taken or not _could_serve(claim, volume):
            continue
        if volume.claim is not None:  # its claimRef names this claim
            return volume if _in_reach(volume, labels) else None
        if not _may_be_chosen(claim, volume) or not _in_reach(volume, labels):
            continue
        if best is None or volume.capacity < best.capacity:
            best = volume
    return best


def _in_reach(volume: Volume, labels: Labels) -> bool:
    return volume.affinity is None or volume.affinity.matches("", labels)


def _could_serve(claim: Claim, volume: Volume) -> bool:
    if volume.claim is not None and not volume.claim.is_to(claim):
        return False
    return (
        volume.capacity >= (claim.size or 0)
        and volume.volume_mode == claim.volume_mode
        and volume.attributes_class == claim.attributes_class
        and not volume.deleting
    )


def _may_be_chosen(claim: Claim, volume: Volume) -> bool:
    return (
        volume.available
        and (claim.selector is None or claim.selector.matches(volume.labels))
        and volume.storage_class == claim.storage_class
        and set(claim.modes) <= set(volume.modes)
    )


def _provision_all(objects: Objects, claims: Iterable[Claim], labels: Labels) -> tuple[tuple[Provision, ...], str]:
    """(provisions, why not). Raises BindingError."""
    provisions = []
    for claim in claims:
        if not claim.storage_class:
            raise BindingError(f'no class for claim "{claim.key}"')
        kind = objects.storage_class(claim.storage_class)
        if kind is None:
            raise BindingError(f'failed to find storage class "{claim.storage_class}"')
        if not kind.provisions or not kind.reaches(labels):
            return (), NO_VOLUMES
        driver = objects.csi_driver(kind.provisioner)
        capacity = None
        if claim.size is not None and driver is not None and driver.tracks_capacity:
            capacity = _room(objects, claim.storage_class, claim.size, labels)
            if capacity is None:
                return (), NO_SPACE
        provisions.append(Provision(claim, capacity))
    return tuple(provisions), ""


def _room(objects: Objects, storage_class: str, size: int, labels: Labels) -> Capacity | None:
    return next(
        (
            capacity
            for capacity in objects.capacities(storage_class)
            if capacity.limit is not None
            and capacity.limit >= size
            and capacity.nodes is not None
            and capacity.nodes.matches(labels)
        ),
        None,
    )


# --- once the node is chosen


def assume(objects: Objects, plan: Plan, node: str) -> Plan:
    """Assumes claims and volumes in `objects` as they will be after the binding; volumes that are so already stay.
    StaleError leaves nothing assumed."""
    made = Plan(
        tuple(Match(m.claim, _bound_to(m.volume, m.claim)) for m in plan.matches),
        tuple(Provision(replace(p.claim, selected_node=node), p.capacity) for p in plan.provisions),
    )
    try:
        for each in made.matches:
            objects.assume_volume(each.volume)
        for provision in made.provisions:
            objects.assume_claim(provision.claim)
    except StaleError:
        revert(objects, made)
        raise
    return made


def revert(objects: Objects, made: Plan) -> None:
    """Takes back what `assume` did."""
    for each in made.matches:
        objects.restore_volume(each.volume)
    for provision in made.provisions:
        objects.restore_claim(provision.claim)


def _bound_to(volume: Volume, claim: Claim) -> Volume:
    by_controller = volume.by_controller or volume.claim is None
    return replace(volume, claim=ClaimRef(claim.key, claim.uid), by_controller=by_controller)


def settled(objects: Objects, made: Plan, versions: dict[str, str], node: str, labels: Labels) -> bool:
    """The API server's objects say that all of the plan is done. `versions`: by volume name and claim key, what
    the writes gave. Raises BindingError when it will not come to that."""
    csi_node = objects.csi_node(node)
    return all(_is_bound(objects, m, versions, node, labels, csi_node) for m in made.matches) and all(
        _is_provisioned(objects, p.claim, versions, node, labels, csi_node) for p in made.provisions
    )


def _is_bound(
    objects: Objects, made: Match, versions: dict[str, str], node: str, labels: Labels, csi_node: CSINode | None
) -> bool:
    volume, claim = objects.real_volume(made.volume.name), objects.real_claim(made.claim.key)
    if volume is None:
        raise BindingError(f'failed to check binding: persistentvolumes "{made.volume.name}" not found')
    if claim is None:
        raise BindingError(f'failed to check binding: persistentvolumeclaims "{made.claim.key}" not found')
    if is_older(volume.version, versions.get(volume.name, "")):
        return False
    _check_reach(volume, node, labels, csi_node)
    if volume.claim is None or not volume.claim.uid:
        raise BindingError(f'ClaimRef got reset for pv "{volume.name}"')
    return claim.fully_bound


def _is_provisioned(
    objects: Objects, made: Claim, versions: dict[str, str], node: str, labels: Labels, csi_node: CSINode | None
) -> bool:
    claim = objects.real_claim(made.key)
    if claim is None:
        raise BindingError(f'failed to check provisioning pvc: persistentvolumeclaims "{made.key}" not found')
    if is_older(claim.version, versions.get(str(made.key), "")):
        return False
    if claim.selected_node != node:
        # The provisioner removes the selected node when it cannot make the volume there.
        raise BindingError(f'provisioning failed for PVC "{claim.key.name}"')
    if claim.volume_name:
        volume = objects.real_volume(claim.volume_name)
        if volume is None:
            return False
        _check_reach(volume, node, labels, csi_node)
    return claim.fully_bound


def _check_reach(volume: Volume, node: str, labels: Labels, csi_node: CSINode | None) -> None:
    if not volume.reaches(labels, csi_node):
        text = f'pv "{volume.name}" node affinity doesn\'t match node "{node}": no matching NodeSelectorTerms'
        raise BindingError(text)


def is_older(version: str, than: str) -> bool:
    """Whether the resourceVersion `version` of an object is older than `than`. They count up."""
    if not (version.isascii() and version.isdecimal() and than.isascii() and than.isdecimal()):
        return False
    first, second = version.lstrip("0"), than.lstrip("0")  # numbers of any length: nobody promised one
    return (len(first), first) < (len(second), second)
