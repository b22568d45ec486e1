"""NodeDeclaredFeatures: Pods that need a feature of the kubelet."""

from edged.scheduling.core.cycle import OfflineHandle
from edged.scheduling.core.snapshot import Snapshot
from edged.scheduling.plugins.node_declared_features import NodeDeclaredFeatures
from tests.scheduling.makers import node, parsed_node, pod, pod_info
from tests.scheduling.plugins.volumes import feasible


def test_needed_features():
    capable = node("n")
    capable["status"]["declaredFeatures"] = ["UserNamespacesHostNetworkSupport"]
    incoming = pod("p", hostNetwork=True, hostUsers=False)
    assert feasible([capable, node("m")], incoming) == {"n"}
    plugin, old, new = NodeDeclaredFeatures({}, OfflineHandle(Snapshot())), parsed_node("m"), parsed_node("n")
    (by_node, by_pod) = (registration.hint for registration in plugin.events_to_register())
    assert by_node(pod_info(), None, new)
    assert not by_node(pod_info(), old, new)
    assert by_pod(pod_info("p"), pod_info("p"), pod_info("p", hostNetwork=True, hostUsers=False))
    assert not by_pod(pod_info("p"), pod_info("p"), pod_info("p", labels={"a": "b"}))
