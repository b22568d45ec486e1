"""Reads the input of `edged schedule simulate`: files, folders and stdin, or a live cluster, read only.

Fills a ClusterState (edged/scheduling/simulation/cluster_state.py), which knows the kinds. Called by the command alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Final

from edged.cli.documents import documents
from edged.errors import PeerError
from edged.kube.config import KubernetesConfig
from edged.kube.values.names import GroupVersionResource
from edged.scheduling.simulation.cluster_state import ClusterState

CHUNK: Final = 500
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
}
NEEDED: Final = ("Node", "Pod")


def read_state(names: Iterable[str]) -> ClusterState:
    """Everything that the files hold, in one state. Raises ConfigError: file, document, problem."""
    state = ClusterState()
    for document, where in documents(names):
        state.add_document(document, where)
    state.complete_pods()
    return state


async def read_live(kubernetes: KubernetesConfig) -> tuple[ClusterState, list[str]]:
    """The cluster as it is now, and what could not be read (rights, kinds that it does not know). Only lists are sent.
    Raises ConfigError, PeerError; Nodes and Pods must be readable."""
    from edged.admission.audit.audit_requests import Patience, Reader
    from edged.kube.kubeconfig import open_client

    state, problems = ClusterState(), []
    client = await open_client(kubernetes)
    reader = Reader(client, Patience(random.random, _give_up), CHUNK)
    try:
        for kind, resource in LIVE.items():
            try:
                await reader.each(resource, None, partial(_add, state, kind, str(resource)), lambda: None)
            except PeerError as error:
                if kind in NEEDED:
                    raise
                problems.append(f"{resource} not read: {error}")
    finally:
        await client.aclose()
    state.complete_pods()
    return state, problems


async def _give_up(reason: str) -> None:
    """No second try, because a person waits."""
    if reason:
        raise PeerError(reason)


async def _add(state: ClusterState, kind: str, where: str, item: Mapping[str, object]) -> None:
    state.add_document({**item, "kind": kind}, where)
