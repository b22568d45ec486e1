"""What the controller of volumes would have done with claims and volumes that people wrote by hand. Pure.

Volumes are there for claims; a claim that names its volume is bound to it, and one that does not wait for a Pod is
bound to the smallest volume that suits it. Nothing is provisioned.
"""

from __future__ import annotations

from dataclasses import replace

from edged.kube.values.names import NamespacedName
from edged.scheduling.core.volume_binder import match
from edged.scheduling.objects.storage_objects import BOUND, Claim, Volume, parse_claim, parse_volume
from edged.scheduling.simulation.cluster_state import ClusterState
from edged.scheduling.simulation.pod_objects import Object, was_seen


def make_available(state: ClusterState) -> None:
    """Volumes without a phase."""
    for obj in list(state.of("PersistentVolume").values()):
        status = obj.get("status") or {}
        if not was_seen(obj) and not status.get("phase"):
            state.put("PersistentVolume", {**obj, "status": {**status, "phase": "Available"}})


def bind_claims(state: ClusterState) -> None:
    for obj in list(state.of("PersistentVolumeClaim").values()):
        claim = parse_claim(obj)
        if was_seen(obj) or claim.fully_bound or claim.deleting:
            continue
        volume = _named(state, claim) if claim.volume_name else _chosen(state, claim)
        if volume is not None:
            _bind(state, obj, volume)


def _named(state: ClusterState, claim: Claim) -> Volume | None:
    obj = state.of("PersistentVolume").get(NamespacedName("", claim.volume_name))
    volume = parse_volume(obj) if obj is not None else None
    return volume if volume is not None and (volume.claim is None or volume.claim.is_to(claim)) else None


def _chosen(state: ClusterState, claim: Claim) -> Volume | None:
    """Where the volume can be reached does not count: nobody knows yet which Pod will use it."""
    storage_class = state.of("StorageClass").get(NamespacedName("", claim.storage_class)) or {}
    if storage_class.get("volumeBindingMode") == "WaitForFirstConsumer":
        return None
    volumes = (parse_volume(obj) for obj in state.of("PersistentVolume").values())
    return match(claim, (replace(volume, affinity=None) for volume in volumes), {})


def _bind(state: ClusterState, claim: Object, volume: Volume) -> None:
    metadata = claim["metadata"]
    annotations = {**(metadata.get("annotations") or {}), BOUND: "yes"}
    spec, status = {**claim["spec"], "volumeName": volume.name}, {**(claim.get("status") or {}), "phase": "Bound"}
    bound = {**claim, "metadata": {**metadata, "annotations": annotations}, "spec": spec, "status": status}
    state.put("PersistentVolumeClaim", bound)
    obj = state.of("PersistentVolume")[NamespacedName("", volume.name)]
    reference = {"namespace": metadata["namespace"], "name": metadata["name"]}
    spec = {**obj["spec"], "claimRef": {**(obj["spec"].get("claimRef") or {}), **reference}}
    state.put("PersistentVolume", {**obj, "spec": spec, "status": {**(obj.get("status") or {}), "phase": "Bound"}})
