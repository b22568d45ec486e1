"""edged places Pods with volumes and waits for those who bind and provision them, on its own API server and the
real one.

No controller runs: the tests do the work of kube-controller-manager and of a provisioner, by kubectl.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from edged.scheduling.run.object_feed import RESOURCES
from tests.cluster.cluster import Cluster
from tests.cluster.scheduling import Daemon, Object, Scene, condition, node, pod, until
from tests.cluster.test_custom_resources_rights import identity

SCHEDULER = '[scheduler]\nnames = ["edged"]\n'
SELECTED = "volume.kubernetes.io/selected-node"
BOUND = "pv.kubernetes.io/bind-completed"


@pytest.fixture
def plain(scene: Scene) -> Iterator[Daemon]:
    with Daemon(scene.server.kubeconfig, SCHEDULER) as daemon:
        yield daemon


def storage_class(scene: Scene, provisioner: str = "kubernetes.io/no-provisioner", **more: Any) -> Object:
    """Named after the scene: classes, like volumes, belong to no namespace."""
    return {
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": scene.namespace},
        "provisioner": provisioner, "volumeBindingMode": "WaitForFirstConsumer", **more,
    }  # fmt: skip


def claim(scene: Scene, name: str, size: str = "1Gi") -> Object:
    spec = {
        "accessModes": ["ReadWriteOnce"], "storageClassName": scene.namespace,
        "resources": {"requests": {"storage": size}},
    }  # fmt: skip
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}


def volume(scene: Scene, name: str, where: str, size: str = "1Gi", **more: Any) -> Object:
    """A disk of one node."""
    there = {"key": "kubernetes.io/hostname", "operator": "In", "values": [where]}
    spec = {
        "accessModes": ["ReadWriteOnce"], "storageClassName": scene.namespace, "capacity": {"storage": size},
        "local": {"path": "/mnt/disk"}, **more,
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [there]}]}},
    }  # fmt: skip
    metadata = {"name": f"{scene.namespace}-{name}"}
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": metadata, "spec": spec}


def using(name: str, *claims: str) -> Object:
    volumes = [{"name": claim, "persistentVolumeClaim": {"claimName": claim}} for claim in claims]
    return pod(name, volumes=volumes)


def make_available(scene: Scene, name: str) -> None:
    patch(scene, "pv", f"{scene.namespace}-{name}", {"status": {"phase": "Available"}}, "--subresource=status")


def patch(scene: Scene, kind: str, name: str, body: Object, *more: str) -> None:
    text = orjson.dumps(body).decode()
    scene.kubectl("patch", kind, name, "-n", scene.namespace, "--type=merge", "-p", text, *more)


def get(scene: Scene, kind: str, name: str) -> Object:
    found: Object = orjson.loads(scene.kubectl("get", kind, name, "-n", scene.namespace, "-o", "json").stdout)
    return found


def bind(scene: Scene, name: str, to: str) -> None:
    """What the controller of volumes does once a claim and a volume belong together."""
    body = {"metadata": {"annotations": {BOUND: "yes"}}, "spec": {"volumeName": f"{scene.namespace}-{to}"}}
    patch(scene, "pvc", name, body)
    patch(scene, "pvc", name, {"status": {"phase": "Bound"}}, "--subresource=status")


def selected_node(scene: Scene, name: str) -> str:
    annotations = get(scene, "pvc", name)["metadata"].get("annotations") or {}
    return str(annotations.get(SELECTED, ""))


@pytest.mark.kube
def test_a_disk_of_a_node_decides_where_the_pod_goes(scene: Scene, plain: Daemon) -> None:
    scene.apply(storage_class(scene), *(node(f"node-{i}") for i in range(3)))
    scene.apply(volume(scene, "large", "node-0", "9Gi"), volume(scene, "fits", "node-1", "2Gi"))
    scene.apply(volume(scene, "small", "node-2", "500Mi"), claim(scene, "data"))
    for name in ("fits", "small"):
        make_available(scene, name)
    scene.apply(using("p", "data"))
    name = f"{scene.namespace}-fits"
    until(lambda: "claimRef" in get(scene, "pv", name)["spec"], lambda: condition(scene.pods()["p"]))
    found = get(scene, "pv", name)
    assert found["metadata"]["annotations"]["pv.kubernetes.io/bound-by-controller"] == "yes"
    assert found["spec"]["claimRef"]["uid"] == get(scene, "pvc", "data")["metadata"]["uid"]
    assert scene.pods()["p"]["spec"].get("nodeName") is None  # not before the claim is bound
    bind(scene, "data", "fits")
    assert scene.wait_bound("p") == {"p": "node-1"}


@pytest.mark.kube
def test_a_volume_is_provisioned_where_the_pod_goes(scene: Scene, plain: Daemon) -> None:
    only_here = {"matchLabelExpressions": [{"key": "kubernetes.io/hostname", "values": ["node-1"]}]}
    scene.apply(storage_class(scene, "disks.example", allowedTopologies=[only_here]))
    scene.apply(node("node-0"), node("node-1"), claim(scene, "data"), using("p", "data"))
    until(lambda: selected_node(scene, "data") == "node-1", lambda: condition(scene.pods()["p"]))
    # The provisioner gives up: the scheduler is to think again.
    patch(scene, "pvc", "data", {"metadata": {"annotations": {SELECTED: None}}})
    message = 'running PreBind plugin "VolumeBinding": binding volumes: provisioning failed for PVC "data"'
    until(lambda: any(message in e.get("note", "") for e in scene.events("p", "FailedScheduling")))
    until(lambda: selected_node(scene, "data") == "node-1", lambda: condition(scene.pods()["p"]))
    reference = {"kind": "PersistentVolumeClaim", "namespace": scene.namespace, "name": "data"}
    scene.apply(volume(scene, "made", "node-1", claimRef=reference))
    bind(scene, "data", "made")
    assert scene.wait_bound("p") == {"p": "node-1"}


@pytest.mark.kube
def test_pods_wait_for_claims_and_for_those_who_bind_them(scene: Scene, plain: Daemon) -> None:
    scene.apply(storage_class(scene, "disks.example", volumeBindingMode="Immediate"), node("node-0"))
    scene.apply(using("p", "data"), pod("free"))
    missing = '0/1 nodes are available: persistentvolumeclaim "data" not found.'
    scene.wait_rejected("p", missing)
    assert scene.wait_bound("free")["free"] == "node-0"  # nobody waits for another Pod's volumes
    scene.apply(claim(scene, "data"))
    scene.wait_rejected("p", "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.")
    reference = {"kind": "PersistentVolumeClaim", "namespace": scene.namespace, "name": "data"}
    scene.apply(volume(scene, "made", "node-0", claimRef=reference))
    bind(scene, "data", "made")
    assert scene.wait_bound("p")["p"] == "node-0"


@pytest.mark.kube
def test_binding_that_takes_too_long_is_given_up(scene: Scene, tmp_path: Path) -> None:
    file = tmp_path / "scheduler.yaml"
    args = {"name": "VolumeBinding", "args": {"bindTimeoutSeconds": 1}}
    document = {
        "apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration",
        "leaderElection": {"leaderElect": False}, "profiles": [{"schedulerName": "edged", "pluginConfig": [args]}],
    }  # fmt: skip
    file.write_bytes(orjson.dumps(document))
    scene.apply(storage_class(scene, "disks.example"), node("node-0"), claim(scene, "data"), using("p", "data"))
    with Daemon(scene.server.kubeconfig, f'[scheduler]\nconfig = "{file}"\n'):
        message = 'running PreBind plugin "VolumeBinding": binding volumes: context deadline exceeded'
        scene.wait_rejected("p", message, "SchedulerError")
        assert selected_node(scene, "data") == "node-0"


@pytest.mark.kube
def test_the_rendered_roles_are_enough_and_older_ones_for_pods_without_volumes(
    real_scene: Scene, kube_cluster: Cluster, tmp_path: Path
) -> None:
    scene = real_scene
    administrator = Daemon(kube_cluster.kubeconfig, SCHEDULER)
    roles = orjson.loads(administrator.command("rbac", "render", "-o", "json").stdout)
    administrator.__exit__()
    older = orjson.loads(orjson.dumps(roles))
    for role in older["items"]:
        if role["kind"] == "ClusterRole":
            role["rules"] = [rule for rule in role["rules"] if not concerns_objects(rule)]
    kube_cluster.kubectl("apply", "-f", "-", stdin=orjson.dumps(older).decode())
    scene.apply(storage_class(scene, "disks.example"), node("node-0"), claim(scene, "data"))
    scene.apply(using("stored", "data"), pod("plain"))
    with Daemon(identity(kube_cluster, tmp_path), SCHEDULER) as daemon:
        assert scene.wait_bound("plain")["plain"] == "node-0"
        until(lambda: "orbidden" in condition(scene.pods()["stored"]).get("message", ""))
        assert condition(scene.pods()["stored"])["reason"] == "SchedulerError"
        kube_cluster.kubectl("apply", "-f", "-", stdin=orjson.dumps(roles).decode())
        until(lambda: selected_node(scene, "data") == "node-0", lambda: daemon.log[-2000:], seconds=90)


def concerns_objects(rule: Object) -> bool:
    known = {resource.resource for resource in RESOURCES.values()}
    return not known.isdisjoint(rule["resources"])
