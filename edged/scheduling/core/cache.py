"""What is known about nodes and assigned Pods, assumed placements included. Pure; upstream's scheduler cache.

Informer events and the scheduler's own assumptions change it; `update_snapshot` hands it to a cycle. A Pod is
assumed from the moment a node is chosen until the API server's copy confirms it, or binding fails and it is
forgotten; there is no expiry. Pods of a node whose Node object is missing stay in an imaginary entry.
"""

from __future__ import annotations

from collections.abc import Mapping

from edged.errors import EdgedError
from edged.scheduling.core.snapshot import Snapshot
from edged.scheduling.objects.nodes import ImageState, Node, NodeInfo
from edged.scheduling.objects.pods import PodInfo


class CacheError(EdgedError):
    """The cache was asked for something that contradicts what it holds."""


class NodeOrder:
    """Node names by zone, listed round-robin over the zones in order of first appearance."""

    def __init__(self) -> None:
        self._zones: dict[str, dict[str, None]] = {}

    def add(self, zone: str, name: str) -> None:
        self._zones.setdefault(zone, {})[name] = None

    def remove(self, zone: str, name: str) -> None:
        names = self._zones[zone]
        del names[name]
        if not names:
            del self._zones[zone]

    def names(self) -> list[str]:
        zones = [list(names) for names in self._zones.values()]
        longest = max(map(len, zones), default=0)
        return [names[i] for i in range(longest) for names in zones if i < len(names)]


class Cache:
    """Live NodeInfos by name, Pods by uid. `generation` rises with every change of a NodeInfo."""

    def __init__(self) -> None:
        self.nodes: dict[str, NodeInfo] = {}
        self.pods: dict[str, PodInfo] = {}  # assigned and assumed
        self.assumed: set[str] = set()
        self.generation = 0
        self._order = NodeOrder()
        self._images: dict[str, ImageState] = {}
        self._dirty: set[str] = set()
        self._new_layout = True

    # --- nodes

    def set_node(self, node: Node) -> Node | None:
        """A Node object was added or changed. Returns the node as it was before."""
        info = self._info(node.name)
        old = info.node
        if old is not None and old.fingerprint == node.fingerprint:
            return old
        if old is None or old.zone != node.zone:
            if old is not None:
                self._order.remove(old.zone, old.name)
            self._order.add(node.zone, node.name)
            self._new_layout = True
        if old is None or old.images != node.images:
            self._drop_images(old)
            info.image_states = self._add_images(node)
            self._new_layout = True
        info.set_node(node)
        self._touch(info)
        return old

    def remove_node(self, name: str) -> Node | None:
        """The Node object is gone; Pods that are still there keep an imaginary entry."""
        info = self.nodes.get(name)
        if info is None or info.node is None:
            return None
        old = info.node
        self._order.remove(old.zone, name)
        self._drop_images(old)
        info.image_states = {}
        info.set_node(None)
        self._new_layout = True
        self._touch(info)
        self._drop_if_empty(info)
        return old

    def node_of(self, name: str) -> Node | None:
        """The Node object as it is now; None where there is none."""
        info = self.nodes.get(name)
        return info.node if info is not None else None

    def labels_of(self, name: str) -> Mapping[str, str] | None:
        """Of the Node object as it is now; None where there is none."""
        info = self.nodes.get(name)
        return info.node.labels if info is not None and info.node is not None else None

    def _add_images(self, node: Node) -> Mapping[str, ImageState]:
        states = {}
        for name, size in node.images.items():
            state = self._images.get(name)
            if state is None:
                state = self._images[name] = ImageState(size)
            state.nodes += 1
            states[name] = state
        return states

    def _drop_images(self, node: Node | None) -> None:
        for name in node.images if node else ():
            state = self._images[name]
            state.nodes -= 1
            if state.nodes == 0:
                del self._images[name]

    # --- Pods

    def assume(self, pod: PodInfo, node_name: str) -> PodInfo:
        """The Pod counts as running on the node from now on. CacheError when it is known already."""
        if pod.uid in self.pods:
            raise CacheError(f"Pod {pod.key} is in the cache already, so it cannot be assumed")
        assumed = pod.on(node_name)
        self._place(assumed)
        self.assumed.add(pod.uid)
        return assumed

    def forget(self, pod: PodInfo) -> None:
        """Take an assumption back. Nothing happens when the Pod has been confirmed, or is gone."""
        assumed = self.pods.get(pod.uid)
        if assumed is None or pod.uid not in self.assumed:
            return
        if assumed.node_name != pod.node_name:
            raise CacheError(f"Pod {pod.key} was assumed on {assumed.node_name}, not on {pod.node_name}")
        self._displace(assumed)

    def set_pod(self, pod: PodInfo) -> PodInfo | None:
        """An assigned Pod was added or changed, or the API server confirmed an assumed one. Returns the Pod as it was
        before."""
        old = self.pods.get(pod.uid)
        self.assumed.discard(pod.uid)
        if old is not None:
            if old.node_name == pod.node_name and old.spec is pod.spec and old.labels is pod.labels:
                self._exchange(old, pod)
                return old
            self._displace(old)
        self._place(pod)
        return old

    def remove_pod(self, uid: str) -> PodInfo | None:
        old = self.pods.get(uid)
        if old is not None:
            self._displace(old)
        return old

    def is_assumed(self, uid: str) -> bool:
        return uid in self.assumed

    def _exchange(self, old: PodInfo, pod: PodInfo) -> None:
        """No sum and no verdict depends on what changed, so the node keeps its generation. The exceptions are the start
        of the termination and the start time."""
        info = self.nodes[pod.node_name]
        self.pods[pod.uid] = info.pods[pod.uid] = pod
        for some in (info.affinity_pods, info.anti_affinity_pods, info.volume_pods):
            if pod.uid in some:
                some[pod.uid] = pod
        if old.terminating != pod.terminating or old.start_time != pod.start_time:
            self._touch(info)

    def _place(self, pod: PodInfo) -> None:
        info = self._info(pod.node_name)
        info.add_pod(pod)
        self.pods[pod.uid] = pod
        self._touch(info)

    def _displace(self, pod: PodInfo) -> None:
        info = self.nodes[pod.node_name]
        info.remove_pod(pod.uid)
        del self.pods[pod.uid]
        self.assumed.discard(pod.uid)
        self._touch(info)
        self._drop_if_empty(info)

    # --- snapshot

    def update_snapshot(self, snapshot: Snapshot) -> None:
        """Bring the cache's one snapshot up to date; copies only NodeInfos that changed since the last
        call."""
        if self._new_layout:
            self._rebuild(snapshot)
            self._new_layout = False
        else:
            for name in self._dirty:
                if name in snapshot:
                    snapshot.replace(self.nodes[name].clone())
            snapshot.trim(max(4096, 2 * len(snapshot.nodes)))
        self._dirty.clear()

    def _rebuild(self, snapshot: Snapshot) -> None:
        nodes = []
        for name in self._order.names():
            info, copy = self.nodes[name], snapshot.get(name)
            nodes.append(copy if copy is not None and copy.generation == info.generation else info.clone())
        snapshot.replace_all(nodes)

    # --- bookkeeping

    def _info(self, name: str) -> NodeInfo:
        info = self.nodes.get(name)
        if info is None:
            info = self.nodes[name] = NodeInfo(name)
        return info

    def _touch(self, info: NodeInfo) -> None:
        self.generation += 1
        info.generation = self.generation
        self._dirty.add(info.name)

    def _drop_if_empty(self, info: NodeInfo) -> None:
        if info.node is None and not info.pods:
            del self.nodes[info.name]
