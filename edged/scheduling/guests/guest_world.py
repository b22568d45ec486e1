"""The cluster as scheduler guests see it: nodes of the snapshot and Pods as protobuf. Pure.

Sits between the scheduler's Handle and the host functions of `scheduling/guests/imports.py` (it is their `World`).
Encoded nodes are kept per Node object of the snapshot, which stays the same when only a heartbeat came. One
per plugin.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edged.scheduling.core.framework import Handle
from edged.scheduling.core.snapshot import Snapshot
from edged.scheduling.guests.object_encoding import NodeEncodings, NodeSource, PodEncodings
from edged.scheduling.objects.nodes import NodeInfo
from edged.scheduling.objects.pods import PodInfo


class GuestWorld:
    """`abi.scheduler.World` over a Handle. Raises `EncodeError` for Pods that no API server would send."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._nodes = NodeEncodings()
        self._pods = PodEncodings()

    @property
    def snapshot(self) -> Snapshot:
        return self._handle.snapshot

    def node(self, name: str) -> bytes:
        info = self._handle.snapshot.get(name)
        if info is None:
            return b""
        self._nodes.keep(self._handle.snapshot.names)
        return self._nodes.node(_source(info))

    def is_encoded(self, info: NodeInfo) -> bool:
        """Whether `node` would only look it up."""
        return self._nodes.known(_source(info))

    def node_list(self) -> bytes:
        return self._nodes.node_list([_source(info) for info in self._handle.snapshot.nodes])

    def encode_nodes(self) -> Iterator[None]:
        """Encodes what `node_list` will need, one node per step: so that no guest waits long for a first
        list."""
        self._nodes.keep(self._handle.snapshot.names)
        for info in self._handle.snapshot.nodes:
            source = _source(info)
            if not self._nodes.known(source):
                self._nodes.node(source)
                yield

    def image_states(self, name: str) -> Mapping[str, tuple[int, int]] | None:
        info = self._handle.snapshot.get(name)
        if info is None:
            return None
        return {image: (state.size, state.nodes) for image, state in info.image_states.items()}

    def waiting_pod(self, uid: str) -> bytes | None:
        waiting = self._handle.waiting_pod(uid)
        return None if waiting is None else self.pod(waiting.pod)

    def pod(self, pod: PodInfo) -> bytes:
        """The Pod as last seen, with the node that the scheduler has chosen for it by now."""
        obj = pod.object()
        spec = obj.get("spec") or {}
        if pod.node_name and spec.get("nodeName") != pod.node_name:
            obj = {**obj, "spec": {**spec, "nodeName": pod.node_name}}
        return self._pods.pod(obj)


def _source(info: NodeInfo) -> NodeSource:
    return info.name, info.node, info.object
