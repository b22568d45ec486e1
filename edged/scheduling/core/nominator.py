"""Which Pods are nominated to which node (they wait there for room, after a preemption). Pure."""

from __future__ import annotations

from edged.scheduling.objects.pods import PodInfo


class Nominator:
    """One node per Pod at most."""

    def __init__(self) -> None:
        self._by_node: dict[str, dict[str, PodInfo]] = {}
        self._node_of: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self._node_of)

    def add(self, pod: PodInfo, node_name: str = "") -> None:
        """Nominate for `node_name`, or else for what the Pod's status says; without either, not at all."""
        self.remove(pod.uid)
        node_name = node_name or pod.nominated_node
        if node_name:
            self._node_of[pod.uid] = node_name
            self._by_node.setdefault(node_name, {})[pod.uid] = pod

    def update(self, old: PodInfo, pod: PodInfo) -> None:
        """The Pod changed. What is nominated here but not written to its status yet stays."""
        kept = "" if old.nominated_node or pod.nominated_node else self.node_of(old.uid)
        self.remove(old.uid)
        self.add(pod, kept)

    def remove(self, uid: str) -> None:
        node_name = self._node_of.pop(uid, None)
        if node_name is not None:
            pods = self._by_node[node_name]
            del pods[uid]
            if not pods:
                del self._by_node[node_name]

    def node_of(self, uid: str) -> str:
        """The nominated node, "" for none."""
        return self._node_of.get(uid, "")

    def on(self, node_name: str) -> list[PodInfo]:
        pods = self._by_node.get(node_name)
        return list(pods.values()) if pods else []

    def any_against(self, pod: PodInfo) -> bool:
        """Whether some node would have to be filtered twice for this Pod (cycle.py)."""
        return any(
            uid != pod.uid and other.spec.priority >= pod.spec.priority
            for pods in self._by_node.values()
            for uid, other in pods.items()
        )
