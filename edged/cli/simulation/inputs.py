"""What `edged schedule simulate` starts from: files, folders and stdin, or a live cluster, read only.

Fills a ClusterState (edged/scheduling/cluster_state.py), which knows the kinds. Called by the command alone.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson

from edged.errors import ConfigError, PeerError
from edged.names import GroupVersionResource
from edged.scheduling.cluster_state import ClusterState

SUFFIXES: Final = (".yaml", ".yml", ".json")
MOST_BYTES: Final = 512 << 20
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


def documents(names: Iterable[str]) -> Iterator[tuple[Any, str]]:
    """(document, where it is) of files, folders (their .yaml, .yml and .json, in order of name) and "-"."""
    for name in names:
        if name == "-":
            yield from _parsed(sys.stdin.buffer.read(MOST_BYTES + 1), "stdin")
        elif Path(name).is_dir():
            found = sorted(path for path in Path(name).iterdir() if path.suffix in SUFFIXES and path.is_file())
            if not found:
                raise ConfigError(f"{name}: no file in this folder ends in {', '.join(SUFFIXES)}")
            for path in found:
                yield from _read(path)
        else:
            yield from _read(Path(name))


def _read(path: Path) -> Iterator[tuple[Any, str]]:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    yield from _parsed(content, str(path))


def _parsed(content: bytes, where: str) -> Iterator[tuple[Any, str]]:
    if len(content) > MOST_BYTES:
        raise ConfigError(f"{where}: more than {MOST_BYTES >> 20} MiB")
    if content.lstrip()[:1] in (b"{", b"["):
        try:
            yield orjson.loads(content), where
            return
        except orjson.JSONDecodeError:
            pass  # YAML's flow style looks alike, and several JSON documents are YAML
    import yaml  # type: ignore[import-untyped]

    try:
        for number, document in enumerate(yaml.load_all(content, Loader=_loader(yaml)), 1):
            yield document, f"{where}: document {number}"
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{where}: no YAML: {' '.join(str(error).split())}") from error


def _loader(yaml: Any) -> Any:
    """Times stay text, as in JSON."""

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        yaml_implicit_resolvers = {  # noqa: RUF012  # PyYAML's own way of being told
            first: [rule for rule in rules if rule[0] != "tag:yaml.org,2002:timestamp"]
            for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

    return Loader


async def read_live(kubeconfig: str, context: str) -> tuple[ClusterState, list[str]]:
    """The cluster as it is now, and what could not be read (rights, kinds that it does not know). Only lists are sent.
    Raises ConfigError, PeerError; Nodes and Pods must be readable."""
    from edged.apiserver.kubeconfig import open_client
    from edged.config import KubernetesConfig
    from edged.loops.audit_requests import Patience, Reader

    state, problems = ClusterState(), []
    client = await open_client(KubernetesConfig(kubeconfig=kubeconfig, context=context))
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
    """A person waits: no second try."""
    if reason:
        raise PeerError(reason)


async def _add(state: ClusterState, kind: str, where: str, item: dict[str, Any]) -> None:
    state.add_document({**item, "kind": kind}, where)
