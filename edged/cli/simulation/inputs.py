"""Reads the input of `edged schedule simulate`: files, folders and stdin, or a live cluster, read only.

Fills a ClusterState (edged/scheduling/simulation/cluster_state.py), which knows the kinds. Called by the command alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from edged.cli.documents import documents
from edged.cli.output import size
from edged.cli.progress import Progress
from edged.errors import PeerError
from edged.kube.config import KubernetesConfig
from edged.kube.values.names import GroupVersionResource
from edged.scheduling.simulation.cluster_state import ClusterState
from edged.scheduling.simulation.completion import complete
from edged.scheduling.simulation.notes import NOT_DONE

CHUNK: Final = 500
LARGE_YAML: Final = 1 << 20
LARGE_JSON: Final = 16 << 20
"""Bytes that may take about a second."""
LIVE: Final = {
    "Node": GroupVersionResource("", "v1", "nodes"),
    "Pod": GroupVersionResource("", "v1", "pods"),
    "Namespace": GroupVersionResource("", "v1", "namespaces"),
    "PersistentVolume": GroupVersionResource("", "v1", "persistentvolumes"),
    "PersistentVolumeClaim": GroupVersionResource("", "v1", "persistentvolumeclaims"),
    "Service": GroupVersionResource("", "v1", "services"),
    "ReplicationController": GroupVersionResource("", "v1", "replicationcontrollers"),
    "ReplicaSet": GroupVersionResource("apps", "v1", "replicasets"),
    "StatefulSet": GroupVersionResource("apps", "v1", "statefulsets"),
    "StorageClass": GroupVersionResource("storage.k8s.io", "v1", "storageclasses"),
    "CSINode": GroupVersionResource("storage.k8s.io", "v1", "csinodes"),
    "CSIDriver": GroupVersionResource("storage.k8s.io", "v1", "csidrivers"),
    "CSIStorageCapacity": GroupVersionResource("storage.k8s.io", "v1", "csistoragecapacities"),
    "VolumeAttachment": GroupVersionResource("storage.k8s.io", "v1", "volumeattachments"),
    "PodDisruptionBudget": GroupVersionResource("policy", "v1", "poddisruptionbudgets"),
    "PriorityClass": GroupVersionResource("scheduling.k8s.io", "v1", "priorityclasses"),
    "RuntimeClass": GroupVersionResource("node.k8s.io", "v1", "runtimeclasses"),
    "LimitRange": GroupVersionResource("", "v1", "limitranges"),
}
NEEDED: Final = ("Node", "Pod")


def read_state(names: Iterable[str], say: Progress) -> ClusterState:
    """Everything that the files hold, in one state. Raises ConfigError: file, document, problem."""
    state = ClusterState()
    for name in names:
        _announce(Path(name), say)
        for document, where in documents([name], state.notes.add):
            say(f"reading {where}")
            state.add_document(document, where)
    complete(state)
    return state


def added_documents(names: Iterable[str], state: ClusterState) -> Iterator[tuple[object, str]]:
    """The documents of files whose objects are to be added."""
    return documents(names, state.notes.add)


def told_of_ignored(state: ClusterState) -> list[str]:
    """What the objects mean that were not looked at."""
    if not state.ignored:
        return []
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(state.ignored.items()))
    found = [f"ignored: {told}"]
    found += [text for kind, text in NOT_DONE.items() if kind in state.ignored]
    return found


def _announce(path: Path, say: Progress) -> None:
    """A large file takes its time, and nothing can be told while it is parsed."""
    try:
        bytes_ = path.stat().st_size
    except OSError:
        return
    if path.is_file() and bytes_ >= (LARGE_JSON if path.suffix == ".json" else LARGE_YAML):
        say.now(f"reading {path}, {size(bytes_)}")


async def read_live(kubernetes: KubernetesConfig, say: Progress) -> tuple[ClusterState, list[str]]:
    """The cluster as it is now, and what could not be read (rights, kinds that it does not know). Only lists are sent.
    Raises ConfigError, PeerError; Nodes and Pods must be readable."""
    from edged.admission.audit.audit_requests import Patience, Reader
    from edged.kube.kubeconfig import open_client

    state, problems = ClusterState(), []
    client = await open_client(kubernetes)
    reader = Reader(client, Patience(random.random, _give_up), CHUNK)
    try:
        for kind, resource in LIVE.items():
            say(f"reading {resource.resource}")
            try:
                await reader.each(resource, None, partial(_add, state, kind, str(resource), say), lambda: None)
            except PeerError as error:
                if kind in NEEDED:
                    raise
                problems.append(f"{resource} not read: {error}")
    finally:
        await client.aclose()
    complete(state)
    return state, problems


async def _give_up(reason: str) -> None:
    """No second try, because a person waits."""
    if reason:
        raise PeerError(reason)


async def _add(state: ClusterState, kind: str, where: str, say: Progress, text: memoryview) -> None:
    from edged.admission.audit.audit_requests import read_object

    item, problem = read_object(text)
    if problem:
        raise PeerError(f"{where}: an object cannot be read: {problem}")
    state.add_document({**item, "kind": kind}, where)
    say(f"reading {where}: {len(state.of(kind))}")
