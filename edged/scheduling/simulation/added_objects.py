"""What-if: objects of files are added to a cluster's picture, and workloads make their Pods. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Final

from edged.errors import ConfigError
from edged.kube.values import shapes
from edged.kube.values.names import NamespacedName, key_of
from edged.kube.values.shape_checks import problem
from edged.scheduling.simulation import completion
from edged.scheduling.simulation.cluster_state import (
    KINDS,
    SCHEDULER_CONFIG,
    ClusterState,
    check,
    checked,
    is_of_its_group,
    is_of_kubernetes,
    name_of_kind,
)
from edged.scheduling.simulation.counterparts import note_missing_node
from edged.scheduling.simulation.notes import NOT_DONE
from edged.scheduling.simulation.pod_objects import Object, marked, node_of, pods
from edged.scheduling.simulation.workloads import MAKERS, pods_of

NOT_ADDED: Final = "not added, because a simulation does not look at it"
UNKNOWN: Final = "not added: edged does not know what it makes, which may be Pods"
NO_CONFIGURATION: Final = "not used: a configuration of the scheduler comes with --scheduler-config, or in the input"
BOUND: Final = "names its node itself: the scheduler is not asked"


def add_pods(state: ClusterState, documents: Iterable[tuple[object, str]]) -> str:
    """Pods, those that workloads make of their templates, and what they are placed by (claims, classes, Services ...).
    Takes (document, where), of all files together: a class may come in another one than its Pods. Raises ConfigError.
    """
    added, others, ignored = 0, Counter[str](), Counter[str]()
    foreign: set[str] = set()
    claims = len(state.of("PersistentVolumeClaim"))
    found = [each for document, where in documents for each in state.objects_in(document, where)]
    # What Pods are placed by comes first: the order of files and in them does not matter to controllers that try again.
    for obj, kind, where in found:
        if kind in KINDS and kind not in MAKERS and kind != "Pod" and is_of_its_group(obj, kind):
            state.put(kind, completion.completed(checked(obj, kind, where), kind))
            others[kind] += 1
            if kind == "Namespace" and state.namespaces:
                state.namespaces |= {obj["metadata"]["name"]}
            claims += kind == "PersistentVolumeClaim"
    for obj, kind, where in found:
        if (kind == "Pod" or kind in MAKERS) and is_of_its_group(obj, kind):
            for pod in _pods_of(obj, kind, state, where):
                _add(state, pod, where)
                added += 1
        elif kind == SCHEDULER_CONFIG and is_of_its_group(obj, kind):
            state.notes.add(NO_CONFIGURATION, where)
        elif kind not in KINDS or not is_of_its_group(obj, kind):
            name = name_of_kind(obj, kind)
            ignored[name] += 1
            if not is_of_kubernetes(obj):
                foreign.add(name)
    if not added and not others:
        told = ", ".join(f"no Pods are made of a {kind}" for kind in sorted(ignored)) or "no objects"
        raise ConfigError(f"nothing can be added: {told}; Pod or one of {', '.join(sorted(MAKERS))}")
    for kind, number in sorted(ignored.items()):
        state.notes.add(UNKNOWN if kind in foreign else NOT_ADDED, f"{number} {kind}")
        if kind in NOT_DONE:
            state.notes.add(NOT_DONE[kind])
    completion.complete_around_pods(state)
    return _said(added, others, len(state.of("PersistentVolumeClaim")) - claims)


def _pods_of(obj: Object, kind: str, state: ClusterState, where: str) -> Iterator[Object]:
    obj = _identified(obj, kind, state, where)
    if kind != "Pod":
        return pods_of(obj, kind, state, where)
    check(obj, "Pod", where)
    if node_of(obj):
        state.notes.add(BOUND, f"Pod {key_of(obj)}")
        note_missing_node(state, obj)
    return iter([obj])


def _identified(obj: Object, kind: str, state: ClusterState, where: str) -> Object:
    """With a namespace and a name of its own, and without what API servers say of an object that they have."""
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict) or not (metadata.get("name") or metadata.get("generateName")):
        if isinstance(metadata, dict) and metadata.get("name") is False:
            raise ConfigError(f"{where}: {kind}: metadata.name: must be a string, not a boolean; put it in quotes")
        raise ConfigError(f"{where}: {kind} without metadata.name")
    kept = {k: v for k, v in metadata.items() if k not in ("uid", "resourceVersion", "creationTimestamp")}
    kept["namespace"] = metadata.get("namespace") or "default"
    if not kept.get("name"):
        start = f"{kept['generateName']}"
        kept["name"] = next(name for n in count() if not _has_pod(state, kept["namespace"], name := f"{start}{n}"))
    if found := problem(kept, shapes.ObjectMeta):
        raise ConfigError(f"{where}: {kind}: metadata.{found}")
    return {**{k: v for k, v in obj.items() if k != "status"}, "metadata": kept}


def _has_pod(state: ClusterState, namespace: str, name: str) -> bool:
    """Also of a workload of that name."""
    return any(NamespacedName(namespace, each) in state.pods for each in (name, f"{name}-0"))


def _add(state: ClusterState, pod: Object, where: str) -> None:
    pod = marked(pod, "added")
    check(pod, "Pod", where)
    key = key_of(pod)
    if key in state.pods:
        raise ConfigError(f"{where}: there is a Pod {key} already")
    state.put("Pod", completion.completed_pod(pod, state))


def _said(added: int, others: Counter[str], claims: int) -> str:
    told = [pods(added), *(f"{number} {kind}" for kind, number in sorted(others.items()))]
    if claims:
        told.append(f"{claims} claim{'s' if claims != 1 else ''} of their volumes")
    return f"{', '.join(told)} added"
