"""What is refused of volumes, claims, classes and the kinds of CSI, and what may not change of them."""

from __future__ import annotations

from typing import Any

from tests.cluster.beside.bodies import changed, tried
from tests.cluster.beside.steps import MERGE, Object, Story, http

IN = "/api/v1/namespaces/{ns}/persistentvolumeclaims"
VOLUMES = "/api/v1/persistentvolumes"
STORAGE = "/apis/storage.k8s.io/v1"
V1 = "storage.k8s.io/v1"
CLAIM: Object = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
VOLUME: Object = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/x"}}
BARE: Object = {key: value for key, value in VOLUME.items() if key != "hostPath"}
CLAIMS: tuple[Any, ...] = (
    {}, {"spec": {}}, {"spec": {**CLAIM, "accessModes": []}}, {"spec": {**CLAIM, "accessModes": ["X"]}},
    {"spec": {**CLAIM, "accessModes": ["ReadWriteOnce", "ReadWriteOncePod"]}}, {"spec": {**CLAIM, "resources": {}}},
    {"spec": {**CLAIM, "resources": {"requests": {"storage": "0"}}}},
    {"spec": {**CLAIM, "resources": {"requests": {"storage": "-1"}}}},
    {"spec": {**CLAIM, "resources": {"requests": {"storage": "x"}}}}, {"spec": {**CLAIM, "storageClassName": "A_"}},
    {"spec": {**CLAIM, "volumeMode": "X"}}, {"spec": {**CLAIM, "selector": {"matchLabels": {"a b": "c"}}}},
    {"spec": {**CLAIM, "dataSource": {}}}, {"spec": {**CLAIM, "dataSource": {"kind": "Pod", "name": "x"}}},
    {"spec": {**CLAIM, "dataSourceRef": {"apiGroup": "A_", "kind": "K", "name": "x"}}},
    {"spec": {**CLAIM, "dataSource": {"kind": "PersistentVolumeClaim", "name": "x"},
              "dataSourceRef": {"kind": "PersistentVolumeClaim", "name": "y"}}},
)
PVS: tuple[Any, ...] = (
    {}, {"spec": {}}, {"spec": BARE}, {"spec": {**VOLUME, "accessModes": []}}, {"spec": {**VOLUME,
    "accessModes": ["X"]}},
    {"spec": {**VOLUME, "capacity": {}}}, {"spec": {**VOLUME, "capacity": {"storage": "0"}}},
    {"spec": {**VOLUME, "capacity": {"cpu": "1"}}}, {"spec": {**VOLUME, "capacity": {"storage": "-1"}}},
    {"spec": {**VOLUME, "persistentVolumeReclaimPolicy": "X"}},
    {"spec": {**VOLUME, "persistentVolumeReclaimPolicy": "Recycle"}}, {"spec": {**VOLUME, "hostPath": {"path": ""}}},
    {"spec": {**VOLUME, "hostPath": {"path": "/", "type": "X"}}}, {"spec": {**VOLUME,
    "hostPath": {"path": "/a/../b"}}},
    {"spec": {**VOLUME, "nfs": {"server": "s", "path": "/"}}}, {"spec": {**BARE, "nfs": {}}},
    {"spec": {**BARE, "local": {"path": "/x"}}}, {"spec": {**BARE, "local": {"path": "/x"}, "nodeAffinity": {}}},
    {"spec": {**BARE, "local": {"path": "/x"}, "nodeAffinity": {"required": {}}}}, {"spec": {**BARE, "csi": {}}},
    {"spec": {**BARE, "csi": {"driver": "A_", "volumeHandle": "h", "nodePublishSecretRef": {}}}},
    {"spec": {**BARE, "iscsi": {}}}, {"spec": {**BARE, "fc": {}}}, {"spec": {**VOLUME, "storageClassName": "A_"}},
    {"spec": {**VOLUME, "volumeMode": "X"}}, {"spec": {**VOLUME, "volumeAttributesClassName": ""}},
    {"spec": {**BARE, "rbd": {}}}, {"spec": {**BARE, "glusterfs": {}}}, {"spec": {**BARE, "gcePersistentDisk": {}}},
)
CLASSES: tuple[Any, ...] = (
    {}, {"provisioner": ""}, {"provisioner": "a b"}, {"provisioner": "p", "reclaimPolicy": "X"},
    {"provisioner": "p", "reclaimPolicy": "Recycle"}, {"provisioner": "p", "volumeBindingMode": "X"},
    {"provisioner": "p", "parameters": {"": "x"}}, {"provisioner": "p", "parameters": {"a": "x" * 262144}},
    {"provisioner": "p", "allowedTopologies": [{"matchLabelExpressions": [{"key": "a b", "values": []}]}]},
    {"provisioner": "p", "allowedTopologies": [{"matchLabelExpressions": [{"key": "a", "values": ["b", "b"]}]}]},
)
ATTACHED: Object = {"attacher": "a.b", "nodeName": "n", "source": {"persistentVolumeName": "v"}}
ATTACHMENTS: tuple[Any, ...] = (
    {}, {"spec": {}}, {"spec": {**ATTACHED, "attacher": "A_"}}, {"spec": {**ATTACHED, "nodeName": "A_"}},
    {"spec": {**ATTACHED, "source": {}}}, {"spec": {**ATTACHED, "source": {"persistentVolumeName": ""}}},
    {"spec": {**ATTACHED, "attacher": "a" * 64}}, {"spec": {**ATTACHED, "source": {"inlineVolumeSpec": VOLUME}}},
)
DRIVERS: tuple[Any, ...] = (
    {}, {"spec": {"fsGroupPolicy": "X"}}, {"spec": {"volumeLifecycleModes": ["X"]}},
    {"spec": {"tokenRequests": [{"audience": "a"}, {"audience": "a", "expirationSeconds": 5}]}},
    {"spec": {"tokenRequests": [{"audience": "a", "expirationSeconds": 5}]}},
    {"spec": {"nodeAllocatableUpdatePeriodSeconds": 1}},
)


def made(api: str, kind: str, name: str, **more: object) -> Object:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name}, **more}


STORIES = (
    Story("kinds-claims", (
        *tried(IN, "v1", "PersistentVolumeClaim", *CLAIMS),
        http("POST", IN, made("v1", "PersistentVolumeClaim", "f", spec={**CLAIM, "storageClassName": "s"})),
        *changed(f"{IN}/f", {"spec": {"resources": {"requests": {"storage": "2Gi"}}}},
                 {"spec": {"accessModes": ["ReadWriteMany"]}}, {"spec": {"storageClassName": "t"}},
                 {"spec": {"volumeName": "v"}}, {"spec": {"volumeMode": "Block"}},
                 {"spec": {"resources": {"requests": {"storage": "1Mi"}}}}),
        http("PATCH", f"{IN}/f/status?dryRun=All", {"status": {"capacity": {"storage": "-1"}}}, MERGE),
    )),
    Story("kinds-volumes", (
        *tried(VOLUMES, "v1", "PersistentVolume", *PVS, name="{ns}-v"),
        http("POST", VOLUMES, made("v1", "PersistentVolume", "{ns}-v", spec=VOLUME)),
        *changed(VOLUMES + "/{ns}-v", {"spec": {"hostPath": {"path": "/y"}}}, {"spec": {"volumeMode": "Block"}},
                 {"spec": {"capacity": {"storage": "0"}}}, {"spec": {"persistentVolumeReclaimPolicy": "X"}}),
    )),
    Story("kinds-classes", (
        *tried(f"{STORAGE}/storageclasses", V1, "StorageClass", *CLASSES, name="{ns}-c"),
        http("POST", f"{STORAGE}/storageclasses", made(V1, "StorageClass", "{ns}-c", provisioner="p",
        parameters={"a": "b"})),
        *changed(STORAGE + "/storageclasses/{ns}-c", {"provisioner": "q"}, {"parameters": {"a": "c"}},
                 {"parameters": None}, {"reclaimPolicy": "Retain"}, {"volumeBindingMode": "WaitForFirstConsumer"},
                 {"allowVolumeExpansion": True}, {"provisioner": "q", "reclaimPolicy": "X"}),
        http("DELETE", STORAGE + "/storageclasses/{ns}-c"),
        *tried(f"{STORAGE}/volumeattributesclasses", V1, "VolumeAttributesClass", {}, {"driverName": "a b"},
               {"driverName": "d"}, {"driverName": "d", "parameters": {"": "x"}}, name="{ns}-a"),
        http("POST", f"{STORAGE}/volumeattributesclasses",
             made(V1, "VolumeAttributesClass", "{ns}-a", driverName="d", parameters={"a": "b"})),
        *changed(STORAGE + "/volumeattributesclasses/{ns}-a", {"driverName": "e"}, {"parameters": {"a": "c"}}),
    )),
    Story("kinds-csi", (
        *tried(f"{STORAGE}/volumeattachments", V1, "VolumeAttachment", *ATTACHMENTS, name="{ns}-a"),
        http("POST", f"{STORAGE}/volumeattachments", made(V1, "VolumeAttachment", "{ns}-a", spec=ATTACHED)),
        *changed(STORAGE + "/volumeattachments/{ns}-a", {"spec": {"nodeName": "m"}}),
        http("DELETE", STORAGE + "/volumeattachments/{ns}-a"),
        *tried(f"{STORAGE}/csidrivers", V1, "CSIDriver", *DRIVERS, name="{ns}-d"),
        http("POST", f"{STORAGE}/csidrivers", made(V1, "CSIDriver", "{ns}-d", spec={})),
        *changed(STORAGE + "/csidrivers/{ns}-d", {"spec": {"attachRequired": False}},
                 {"spec": {"volumeLifecycleModes": ["Ephemeral"]}}, {"spec": {"fsGroupPolicy": "X"}}),
        http("DELETE", STORAGE + "/csidrivers/{ns}-d"),
        *tried(f"{STORAGE}/csinodes", V1, "CSINode", {"spec": {"drivers": [{}]}}, {"spec": {"drivers": None}},
               {"spec": {"drivers": [{"name": "A_", "nodeID": "x", "topologyKeys": ["a b", "c", "c"]}]}},
               {"spec": {"drivers": [{"name": "a", "nodeID": "x"}, {"name": "a", "nodeID": "y" * 257}]}},
               name="{ns}-n"),
        *tried(STORAGE + "/namespaces/{ns}/csistoragecapacities", V1, "CSIStorageCapacity", {},
               {"storageClassName": "A_"}, {"storageClassName": "s", "capacity": "-1"}),
    )),
)  # fmt: skip
