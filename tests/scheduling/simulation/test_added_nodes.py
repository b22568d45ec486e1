"""Nodes that are added like another one."""

from __future__ import annotations

from edged.kube.values.names import NamespacedName
from edged.scheduling.simulation import changes
from edged.scheduling.simulation.added_nodes import FREE, add_nodes, own_labels
from edged.scheduling.simulation.cluster_state import ClusterState
from tests.scheduling.makers import node
from tests.scheduling.simulation.test_changes import busy, names
from tests.scheduling.simulation.test_simulation import picture

HOSTNAME = "kubernetes.io/hostname"


def test_they_are_ready_and_have_the_pods_of_daemon_sets() -> None:
    state = busy()
    changes.cordon(state, "a")
    assert add_nodes(state, 2, "a") == "2 nodes like a added: a-added-1, a-added-2"
    added = state.nodes[NamespacedName("", "a-added-2")]
    assert added["metadata"]["labels"] == {HOSTNAME: "a-added-2"}
    assert added["spec"] == {"taints": [{"key": "gpu", "effect": "NoSchedule"}]}  # ready, whatever the original is
    assert names(state, "a-added-1") == ["agent-a-a-added-1"]
    add_nodes(state, 1, "a")
    assert NamespacedName("", "a-added-3") in state.nodes


def with_storage() -> ClusterState:
    """Two nodes in a zone of their own each, with local disks of a CSI driver."""
    state = ClusterState()
    for name, zone, disk in (("a", "z1", "disk-of-a"), ("b", "z2", "0815")):
        labels = {HOSTNAME: name, "topology.kubernetes.io/zone": zone, "topology.disk.example/node": disk, "kind": name}
        state.add_document({**node(name, labels=labels), "kind": "Node"}, "f")
        drivers = [{"name": "disk.example", "nodeID": f"id-{name}", "topologyKeys": [
            "topology.disk.example/node", "topology.kubernetes.io/zone"]}]  # fmt: skip
        state.add_document({"kind": "CSINode", "metadata": {"name": name}, "spec": {"drivers": drivers}}, "f")
        for key, value in (("topology.disk.example/node", disk), ("topology.kubernetes.io/zone", zone)):
            state.add_document({
                "kind": "CSIStorageCapacity", "metadata": {"name": f"c-{value}", "namespace": "s"}, "capacity": "9Gi",
                "storageClassName": "local", "nodeTopology": {"matchLabels": {key: value}}}, "f")  # fmt: skip
    return state


def test_labels_that_only_one_node_has_get_values_of_their_own() -> None:
    state = with_storage()
    assert own_labels(state, state.nodes[NamespacedName("", "b")]).keys() == {
        HOSTNAME, "topology.disk.example/node", "kind",
    }  # fmt: skip
    said = add_nodes(state, 2, "b")
    assert said == (
        "2 nodes like b added: b-added-1, b-added-2; with a value of their own for kind, topology.disk.example/node"
    )
    labels = [state.nodes[NamespacedName("", f"b-added-{n}")]["metadata"]["labels"] for n in (1, 2)]
    assert [each["topology.disk.example/node"] for each in labels] == ["b-added-1", "b-added-2"]
    assert [each["topology.kubernetes.io/zone"] for each in labels] == ["z2", "z2"]
    add_nodes(state, 1, "a")
    assert state.nodes[NamespacedName("", "a-added-1")]["metadata"]["labels"]["topology.disk.example/node"] == (
        "disk-of-a-added-1"
    )


def test_a_label_that_some_nodes_share_is_nobodys_own() -> None:
    state = with_storage()
    for name in ("c", "d"):
        labels = {"topology.disk.example/node": "both"}
        state.add_document({**node(name, labels=labels), "kind": "Node"}, "f")
    assert own_labels(state, state.nodes[NamespacedName("", "b")]).keys() == {HOSTNAME, "kind"}


def test_what_tells_free_storage_apart_tells_nodes_apart_without_a_csi_node_too() -> None:
    state = with_storage()
    state.of("CSINode").clear()
    assert "topology.disk.example/node" in own_labels(state, state.nodes[NamespacedName("", "b")])


def test_storage_of_a_node_is_copied_with_it() -> None:
    state = with_storage()
    add_nodes(state, 1, "b")
    csi = state.of("CSINode")[NamespacedName("", "b-added-1")]
    assert csi["spec"]["drivers"][0]["nodeID"] == "id-b-added-1"
    assert state.of("CSINode")[NamespacedName("", "b")]["spec"]["drivers"][0]["nodeID"] == "id-b"
    capacities = state.of("CSIStorageCapacity")
    assert len(capacities) == 5  # that of the zone is for the copy too, as it is
    added = capacities[NamespacedName("s", "c-0815-b-added-1")]
    assert added["nodeTopology"] == {"matchLabels": {"topology.disk.example/node": "b-added-1"}}
    assert capacities[NamespacedName("s", "c-0815")]["nodeTopology"]["matchLabels"] == {
        "topology.disk.example/node": "0815"
    }


def test_capacity_that_is_selected_by_expressions_and_volumes_that_stay() -> None:
    state = with_storage()
    expression = {"key": HOSTNAME, "operator": "In", "values": ["a"]}
    state.add_document({"kind": "CSIStorageCapacity", "metadata": {"name": "x", "namespace": "s"}, "capacity": "1Gi",
                        "nodeTopology": {"matchExpressions": [expression]}}, "f")  # fmt: skip
    terms = [{"matchExpressions": [expression]}]
    state.add_document({"kind": "PersistentVolume", "metadata": {"name": "v"}, "spec": {
        "nodeAffinity": {"required": {"nodeSelectorTerms": terms}}}}, "f")  # fmt: skip
    add_nodes(state, 1, "a")
    added = state.of("CSIStorageCapacity")[NamespacedName("s", "x-a-added-1")]
    assert added["nodeTopology"]["matchExpressions"][0]["values"] == ["a-added-1"]
    assert state.notes.lines() == [
        f"Node a: {FREE}", "Node a: has volumes of its own; nodes like it are added without any",
    ]  # fmt: skip


def test_taints_of_a_state_are_not_copied() -> None:
    keys = ("gpu", "node.kubernetes.io/not-ready", "ToBeDeletedByClusterAutoscaler",
            "node.cloudprovider.kubernetes.io/uninitialized")  # fmt: skip
    state = picture(node("a", taints=[{"key": key, "effect": "NoSchedule"} for key in keys]))
    add_nodes(state, 1, "a")
    assert [taint["key"] for taint in state.nodes[NamespacedName("", "a-added-1")]["spec"]["taints"]] == ["gpu"]


def test_one_value_of_a_topology_key_may_be_a_zone() -> None:
    """Of the only node that has such a label nobody can tell, unless the value names the node."""
    state = ClusterState()
    labels = {HOSTNAME: "node-1", "disk.example/az": "z1", "disk.example/place": "id-node-1"}
    state.add_document({**node("node-1", labels=labels), "kind": "Node"}, "f")
    drivers = [{"name": "disk.example", "nodeID": "x", "topologyKeys": ["disk.example/az", "disk.example/place"]}]
    state.add_document({"kind": "CSINode", "metadata": {"name": "node-1"}, "spec": {"drivers": drivers}}, "f")
    own = own_labels(state, state.nodes[NamespacedName("", "node-1")])
    assert own == {HOSTNAME: "node-1", "disk.example/place": "id-node-1"}
