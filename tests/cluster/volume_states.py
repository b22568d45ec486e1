"""Random volumes, claims, classes and CSI objects for the states of states.py, and Pods that use them. Pure.

Names carry the seed wherever objects of an earlier state could be mistaken for these: kube-scheduler hears of
each kind through a watch of its own, so those may live on for a moment.
"""

from __future__ import annotations

from random import Random
from typing import Any

Object = dict[str, Any]

HOME = "home"
ZONE, HOST = "topology.kubernetes.io/zone", "kubernetes.io/hostname"
SIZES = ("1Gi", "2Gi", "2000M", "5Gi")
MODES = (
    ["ReadWriteOnce"],
    ["ReadWriteOnce"],
    ["ReadWriteMany"],
    ["ReadWriteOncePod"],
    ["ReadWriteOnce", "ReadOnlyMany"],
)
BOUND = {"pv.kubernetes.io/bind-completed": "yes"}


class Volumes:
    """Makes the objects of one state; `made` are those to create, in order."""

    def __init__(self, random: Random, seed: int, nodes: list[str]) -> None:
        self.random = random
        self.nodes = nodes
        self.seed = seed
        self.driver = f"d{seed}.csi.example"
        self.classes = {"static": f"static-{seed}", "csi": f"csi-{seed}", "now": f"now-{seed}"}
        self.made: list[Object] = []
        self.claims: list[str] = []
        self._volumes: list[str] = []

    def make(self) -> None:
        self._classes()
        self._drivers()
        for number in range(self.random.randint(2, 6)):
            self._volume(f"pv-{self.seed}-{number}")
        for number in range(self.random.randint(1, 5)):
            self._claim(f"claim-{self.seed}-{number}")
        self._attachments()

    def _classes(self) -> None:
        csi: Object = {"provisioner": self.driver, "volumeBindingMode": "WaitForFirstConsumer"}
        if self.random.random() < 0.4:
            term = {"key": self.random.choice((ZONE, "disk")), "values": self._some(("a", "b", "ssd"))}
            csi["allowedTopologies"] = [{"matchLabelExpressions": [term]}]
        static = {"provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer"}
        now = {"provisioner": self.driver, "volumeBindingMode": "Immediate"}
        for name, body in (("static", static), ("csi", csi), ("now", now)):
            self._add("storage.k8s.io/v1", "StorageClass", self.classes[name], body)

    def _drivers(self) -> None:
        random = self.random
        if random.random() < 0.8:
            spec: Object = {"storageCapacity": random.random() < 0.6}
            if random.random() < 0.3:
                spec["preventPodSchedulingIfMissing"] = True
            self._add("storage.k8s.io/v1", "CSIDriver", self.driver, {"spec": spec})
        for node in self.nodes:
            if random.random() < 0.7:
                drivers: list[Object] = [{"name": self.driver, "nodeID": node}]
                if random.random() < 0.7:
                    drivers[0]["allocatable"] = {"count": random.randint(1, 3)}
                spec = {"drivers": drivers if random.random() < 0.8 else []}
                self._add("storage.k8s.io/v1", "CSINode", node, {"spec": spec})
        for number in range(random.randint(0, 3)):
            body: Object = {"storageClassName": self.classes["csi"], "capacity": random.choice(SIZES)}
            # At most one alternative per node: kube-scheduler takes any of several, in no order.
            body["nodeTopology"] = {"matchLabels": {ZONE: "abc"[number]}}
            if random.random() < 0.3:
                body["maximumVolumeSize"] = random.choice(SIZES[:2])
            self._add("storage.k8s.io/v1", "CSIStorageCapacity", f"room-{self.seed}-{number}", body, HOME)

    def _volume(self, name: str) -> Object:
        random = self.random
        spec: Object = {
            # Of different sizes: of equal ones kube-scheduler takes any.
            "capacity": {"storage": f"{len(self._volumes) + random.randint(1, 2)}{random.choice(('Gi', '000M'))}"},
            "accessModes": random.choice(MODES),
            "storageClassName": self.classes[random.choice(("static", "static", "csi"))],
            "volumeMode": "Block" if random.random() < 0.1 else "Filesystem",
            "persistentVolumeReclaimPolicy": "Retain",
        }
        labels = {"tier": random.choice(("fast", "slow"))}
        if random.random() < 0.3:
            labels[ZONE] = random.choice(("a", "b", "a__b", "c"))
        if random.random() < 0.6:
            spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": [self._term()]}}
        spec |= self._source(name, "nodeAffinity" in spec)
        self._volumes.append(name)
        volume = self._add("v1", "PersistentVolume", name, {"spec": spec})
        volume["metadata"]["labels"] = labels
        volume["status"] = {"phase": "Available" if random.random() < 0.9 else "Released"}
        return volume

    def _source(self, name: str, pinned: bool) -> Object:
        if pinned and self.random.random() < 0.4:
            return {"local": {"path": f"/mnt/{name}"}}
        if self.random.random() < 0.6:
            return {"csi": {"driver": self.driver, "volumeHandle": name}}
        return {"hostPath": {"path": f"/srv/{name}"}}

    def _term(self) -> Object:
        if self.random.random() < 0.5:
            return {"matchExpressions": [{"key": HOST, "operator": "In", "values": self._some(tuple(self.nodes))}]}
        return {"matchExpressions": [{"key": ZONE, "operator": "In", "values": self._some(("a", "b", "c"))}]}

    def _claim(self, name: str) -> None:
        random = self.random
        kind = random.choice(("static", "static", "csi", "csi", "csi", "now"))
        spec: Object = {
            "accessModes": random.choice(MODES),
            "resources": {"requests": {"storage": random.choice(SIZES)}},
            "storageClassName": self.classes[kind],
            "volumeMode": "Block" if random.random() < 0.05 else "Filesystem",
        }
        if kind == "static" and random.random() < 0.2:
            spec["selector"] = {"matchLabels": {"tier": "fast"}}
        claim = self._add("v1", "PersistentVolumeClaim", name, {"spec": spec}, HOME)
        match random.random():
            case fate if fate < 0.4:
                self._bind(claim, self._volume(f"pv-of-{name}"))
            case fate if fate < 0.45:
                claim["metadata"]["annotations"] = BOUND
                spec["volumeName"] = f"gone-{self.seed}"
            case fate if fate < 0.48:
                claim["status"] = {"phase": "Lost"}
                spec["volumeName"] = f"gone-{self.seed}"
            case fate if fate < 0.53:
                claim["metadata"]["annotations"] = {"volume.kubernetes.io/selected-node": random.choice(self.nodes)}
            case fate if fate < 0.58 and self._volumes:
                self._prebind(name)
        self.claims.append(name)

    def _bind(self, claim: Object, volume: Object) -> None:
        name = claim["metadata"]["name"]
        claim["metadata"]["annotations"] = BOUND
        claim["spec"]["volumeName"] = volume["metadata"]["name"]
        claim["status"] = {"phase": "Bound"}
        volume["spec"]["claimRef"] = {"kind": "PersistentVolumeClaim", "namespace": HOME, "name": name}
        volume["status"] = {"phase": "Bound"}
        if self.random.random() < 0.3:
            # Else the volume's node affinity seldom leaves anything to its labels.
            volume["spec"].pop("nodeAffinity", None)
            volume["metadata"]["labels"][ZONE] = self.random.choice(("a", "b", "a__b", "c"))
            if "local" in volume["spec"]:
                volume["spec"]["hostPath"] = volume["spec"].pop("local")

    def _prebind(self, claim: str) -> None:
        """The administrator meant a volume for the claim."""
        name = self.random.choice(self._volumes)
        volume = next(o for o in self.made if o["kind"] == "PersistentVolume" and o["metadata"]["name"] == name)
        volume["spec"].setdefault("claimRef", {"kind": "PersistentVolumeClaim", "namespace": HOME, "name": claim})

    def _attachments(self) -> None:
        for number, volume in enumerate(self._volumes):
            if self.random.random() < 0.2:
                spec = {
                    "attacher": self.driver, "nodeName": self.random.choice(self.nodes),
                    "source": {"persistentVolumeName": volume},
                }  # fmt: skip
                self._add("storage.k8s.io/v1", "VolumeAttachment", f"va-{self.seed}-{number}", {"spec": spec})

    def _some(self, values: tuple[str, ...]) -> list[str]:
        return sorted(self.random.sample(values, self.random.randint(1, len(values))))

    def _add(self, version: str, kind: str, name: str, body: Object, namespace: str = "") -> Object:
        metadata: Object = {"name": name} | ({"namespace": namespace} if namespace else {})
        obj = {"apiVersion": version, "kind": kind, "metadata": metadata, **body}
        self.made.append(obj)
        return obj

    # --- Pods

    def give(self, pod: Object, *, assigned: bool) -> None:
        """Volumes for a Pod."""
        random = self.random
        volumes: list[Object] = []
        if pod["metadata"]["namespace"] == HOME:
            wanted = random.choice((0, 1, 1)) if assigned else random.choice((0, 1, 1, 1, 2, 3))
            for name in random.sample(self.claims, min(wanted, len(self.claims))):
                volumes.append({"persistentVolumeClaim": {"claimName": name}})
        if not assigned and random.random() < 0.04:
            volumes.append({"persistentVolumeClaim": {"claimName": f"missing-{self.seed}"}})
        if not assigned and random.random() < 0.03:
            volumes.append({"ephemeral": {"volumeClaimTemplate": {"spec": _template(self.classes["csi"])}}})
        if random.random() < 0.3:
            volumes.append(_disk(random))
        pod["spec"]["volumes"] = [{"name": f"v{i}", **volume} for i, volume in enumerate(volumes)]


def _template(storage_class: str) -> Object:
    resources = {"requests": {"storage": "1Gi"}}
    return {"accessModes": ["ReadWriteOnce"], "resources": resources, "storageClassName": storage_class}


def _disk(random: Random) -> Object:
    read_only = random.random() < 0.5
    disks = (
        {"gcePersistentDisk": {"pdName": "disk", "readOnly": read_only}},
        {"awsElasticBlockStore": {"volumeID": "vol-1", "readOnly": read_only}},
        {"iscsi": {"targetPortal": "10.0.0.1:3260", "iqn": "iqn.2026-01.example:a", "lun": 0, "readOnly": read_only}},
        {"rbd": {"monitors": random.choice((["m1", "m2"], ["m2", "m3"], ["m4"])), "image": "i", "readOnly": read_only}},
    )
    return random.choice(disks)


def workloads(random: Random, incoming: Object) -> list[Object]:
    """Services and workloads, some of which select the Pod; it may belong to one of the latter."""
    labels = incoming["metadata"]["labels"]
    made: list[Object] = []
    for number in range(random.randint(0, 2)):
        selector = random.choice((labels, labels, {"app": "nobody"}, {}))
        spec: Object = {"ports": [{"port": 80}]} | ({"selector": selector} if selector else {})
        made.append(_namespaced("v1", "Service", f"service-{number}", spec))
    if random.random() < 0.5:
        kind = random.choice(("ReplicaSet", "StatefulSet", "ReplicationController"))
        version = "v1" if kind == "ReplicationController" else "apps/v1"
        made.append(_namespaced(version, kind, "workload", _workload(kind, labels)))
        owner = {"apiVersion": version, "kind": kind, "name": "workload", "uid": "11111111-1111-1111-1111-111111111111"}
        incoming["metadata"]["ownerReferences"] = [{**owner, "controller": True}]
    return made


def _workload(kind: str, labels: dict[str, str]) -> Object:
    container = {"name": "c", "image": "i"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    selector: Object = labels if kind == "ReplicationController" else {"matchLabels": labels}
    spec = {"selector": selector, "template": template, "replicas": 0}
    return spec | ({"serviceName": "s"} if kind == "StatefulSet" else {})


def _namespaced(version: str, kind: str, name: str, spec: Object) -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": HOME}, "spec": spec}
