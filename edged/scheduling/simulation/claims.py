"""Claims that controllers would have made: for ephemeral volumes of Pods, and for those of StatefulSets. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from edged.kube.defaults import cluster_objects
from edged.kube.defaults.pod_spec import object_at, objects_in
from edged.kube.values.names import NamespacedName, key_of
from edged.scheduling.objects.pod_volumes import claims
from edged.scheduling.simulation.cluster_state import ClusterState, check
from edged.scheduling.simulation.pod_objects import Object

NO_CLASS: Final = "has no volume, and its StorageClass is not in the input"
NO_CLASS_NAMED: Final = "has no volume and no class, and no StorageClass of the input is the default one"
CLASS_OF_NONE: Final = "has no volume and wants none of a class, and no volume of the input suits it"
UNBOUND: Final = "has no volume, and its class does not wait for a Pod: who makes volumes is not simulated"


def add_missing_claims(state: ClusterState) -> None:
    """Of ephemeral volumes of waiting Pods."""
    for pod in list(state.waiting_pods()):
        for volume in objects_in(object_at(pod, "spec").get("volumes")):
            template = object_at(volume, "ephemeral").get("volumeClaimTemplate")
            if not isinstance(template, dict):
                continue
            key = key_of(pod)
            name = NamespacedName(key.namespace, f"{key.name}-{volume.get('name')}")
            if name not in state.of("PersistentVolumeClaim"):
                put_claim(state, _ephemeral(template, name, pod), f"Pod {key}: volume {volume.get('name')}")


def drop_claims(state: ClusterState, pod: Object) -> None:
    """Those of ephemeral volumes go with their Pod: the one that is made in its place gets new ones."""
    for used in claims(pod["spec"]):
        if used.ephemeral:
            state.of("PersistentVolumeClaim").pop(used.key(key_of(pod)), None)


def _ephemeral(template: Object, key: NamespacedName, pod: Object) -> Object:
    # Without a uid a Pod is known by its key, see objects/pods.py.
    uid = pod["metadata"].get("uid") or str(key_of(pod))
    reference = {"apiVersion": "v1", "kind": "Pod", "name": pod["metadata"]["name"], "uid": uid, "controller": True}
    metadata = {k: v for k, v in object_at(template, "metadata").items() if k in ("labels", "annotations")}
    return {
        "metadata": {**metadata, "namespace": key.namespace, "name": key.name, "ownerReferences": [reference]},
        "spec": dict(object_at(template, "spec")),
    }


def claims_of_set(templates: object, pod: NamespacedName, labels: Mapping[str, object]) -> Iterator[tuple[str, Object]]:
    """(the volume's name, claim) for a Pod of a StatefulSet with these volumeClaimTemplates."""
    for template in objects_in(templates):
        metadata = object_at(template, "metadata")
        volume = metadata.get("name")
        kept = {k: v for k, v in metadata.items() if k in ("labels", "annotations")}
        kept["labels"] = {**object_at(metadata, "labels"), **labels}
        name = f"{volume}-{pod.name}"
        claim = {
            "metadata": {**kept, "namespace": pod.namespace, "name": name}, "spec": dict(object_at(template, "spec")),
        }  # fmt: skip
        yield str(volume), claim


def claims_like(state: ClusterState, pod: Object, other: Object) -> None:
    """A further Pod of a StatefulSet gets claims named after itself where those of the other are named after that one;
    they are made like those of the other."""
    old, new = key_of(other), key_of(pod)
    volumes = []
    for volume in objects_in(object_at(pod, "spec").get("volumes")):
        used = object_at(volume, "persistentVolumeClaim")
        if used.get("claimName") == f"{volume.get('name')}-{old.name}":
            key = NamespacedName(new.namespace, f"{volume.get('name')}-{new.name}")
            volume = {**volume, "persistentVolumeClaim": {**used, "claimName": key.name}}
            like = state.of("PersistentVolumeClaim").get(NamespacedName(old.namespace, used["claimName"]))
            if like is not None and key not in state.of("PersistentVolumeClaim"):
                put_claim(state, _unbound(like, key), f"claim {key}")
        volumes.append(volume)
    if volumes:
        pod["spec"] = {**pod["spec"], "volumes": volumes}


def _unbound(claim: Object, key: NamespacedName) -> Object:
    metadata = {"namespace": key.namespace, "name": key.name, "labels": object_at(claim["metadata"], "labels")}
    spec = {k: v for k, v in object_at(claim, "spec").items() if k != "volumeName"}
    return {"metadata": metadata, "spec": spec}


def put_claim(state: ClusterState, claim: Object, where: str) -> None:
    """A new claim without a volume. Raises ConfigError that names `where`."""
    check(claim, "PersistentVolumeClaim", where)
    cluster_objects.claim(claim)
    state.put("PersistentVolumeClaim", claim)


def note_unbound(state: ClusterState) -> None:
    """Says which claims of waiting Pods need a volume before their Pods can be placed."""
    for pod in state.waiting_pods():
        for used in claims(pod["spec"]):
            key = used.key(key_of(pod))
            claim = state.of("PersistentVolumeClaim").get(key)
            if claim is not None and not object_at(claim, "spec").get("volumeName"):
                _note_class(state, key, claim)


def _note_class(state: ClusterState, key: NamespacedName, claim: Object) -> None:
    name = cluster_objects.class_of(claim)
    storage_class = state.of("StorageClass").get(NamespacedName("", name))
    if not name:
        state.notes.add(CLASS_OF_NONE if cluster_objects.has_class(claim) else NO_CLASS_NAMED, f"claim {key}")
    elif storage_class is None:
        state.notes.add(NO_CLASS, f"claim {key}")
    elif storage_class.get("volumeBindingMode") == "Immediate":
        state.notes.add(UNBOUND, f"claim {key}")
