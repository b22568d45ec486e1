"""Pods that kube-apiserver refuses: each body is one mistake or a few, posted with dryRun."""

from __future__ import annotations

from typing import Any

from tests.cluster.beside.steps import Http, Story, http

Object = dict[str, Any]
PODS = "/api/v1/namespaces/{ns}/pods?dryRun=All"
LONG = "a" * 64
ACCOUNT = {"serviceAccountName": "x", "automountServiceAccountToken": False}
"""Who has an account gets none by admission, which one of the servers may not do."""


def pod(spec: Object | None = None, container: Object | None = None, **metadata: Any) -> Object:
    """A Pod `a` with one container; what is given comes over it."""
    one = {"name": "c", "image": "i", **(container or {})}
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", **metadata},
        "spec": {"containers": [one], **ACCOUNT, **(spec or {})},
    }  # fmt: skip


def posts(*bodies: Object) -> tuple[Http, ...]:
    return tuple(http("POST", PODS, body) for body in bodies)


def of_containers(*parts: Object) -> tuple[Http, ...]:
    return posts(*(pod(container=each) for each in parts))


def of_specs(*parts: Object) -> tuple[Http, ...]:
    return posts(*(pod(each) for each in parts))


def of_ports(*ports: Any) -> tuple[Http, ...]:
    return of_containers(*({"ports": each if isinstance(each, list) else [each]} for each in ports))


def of_volumes(*volumes: Any) -> tuple[Http, ...]:
    return of_specs(
        *({"volumes": each if isinstance(each, list) else [{"name": "v", **each}]} for each in volumes)
    )


def projecting(*sources: Object | list[Object]) -> tuple[Http, ...]:
    return of_volumes(*({"projected": {"sources": each if isinstance(each, list) else [each]}} for each in sources))


def of_mounts(*mounts: Object, volumes: Any = ({"name": "v", "emptyDir": {}},)) -> tuple[Http, ...]:
    return posts(*(pod({"volumes": list(volumes)}, each) for each in mounts))


def of_resources(*resources: Object) -> tuple[Http, ...]:
    return of_containers(*({"resources": each} for each in resources))


def mount(path: str = "/p", **more: Any) -> Object:
    return {"name": "v", "mountPath": path, **more}


STORIES = (
    Story("pods-names", posts(
        pod(name="A"), pod(name="a_b"), pod(name="a.b"), pod(name="a" * 254), pod(name=LONG),
       
        pod(labels={"a b": "c"}), pod(labels={"a": "b c"}), pod(labels={"a": LONG}), pod(labels={"/a": ""}),
        pod(labels={"x/y/z": ""}), pod(annotations={"a b": "x"}), pod(annotations={"a": "x" * 262145}),
        pod(finalizers=["a"]), pod(finalizers=["a b"]), pod(finalizers=["kubernetes"]),
        pod(ownerReferences=[{"apiVersion": "v1", "kind": "Node", "name": "n"}]),
        pod(ownerReferences=[{"apiVersion": "a/b/c", "kind": "", "name": "", "uid": "u"}]),
        pod(container={"name": ""}), pod(container={"name": LONG}), pod(container={"name": "a.b"}),
        pod(container={"name": "A_b"}), pod({"containers": []}), pod({"containers": None}),
        pod({"containers": [{"name": "c", "image": "i"}, {"name": "c", "image": "i"}]}),
        pod({"initContainers": [{"name": "c", "image": "i"}]}), pod(container={"image": ""}),
        pod(container={"image": " i "}), pod(container={"imagePullPolicy": "Sometimes"}),
        pod(container={"terminationMessagePolicy": "x"}), pod(container={"image": "i\n"}),
    )),
    Story("pods-ports", of_ports(
        {"containerPort": 0}, {"containerPort": 65536}, {"containerPort": -1},
        {"containerPort": 80, "hostPort": 70000},
        {"containerPort": 80, "protocol": "tcp"}, {"containerPort": 80, "protocol": "HTTP"},
        {"containerPort": 80, "name": "Http"}, {"containerPort": 80, "name": "a" * 16},
        {"containerPort": 80, "name": "80"}, {"containerPort": 80, "name": "a--b"},
        {"containerPort": 80, "name": "-a"},
        {"name": "x"}, {"hostPort": 80},
        [{"containerPort": 80, "name": "x"}, {"containerPort": 81, "name": "x"}],
        [{"containerPort": 80}, {"containerPort": 80}],
        [{"containerPort": 80, "hostPort": 80}, {"containerPort": 81, "hostPort": 80}],
        [{"containerPort": 80, "hostPort": 80, "hostIP": "1.2.3.4"}, {"containerPort": 80, "hostPort": 80}],
        [{"containerPort": 80, "hostIP": "1.2.3.4"}],
        [{"containerPort": 80, "protocol": "UDP"}, {"containerPort": 80, "protocol": "TCP"}],
    ) + posts(
        pod({"hostNetwork": True}, {"ports": [{"containerPort": 80, "hostPort": 81}]}),
        pod({"hostNetwork": True}, {"ports": [{"containerPort": 80}]}),
        pod({"initContainers": [{"name": "b", "image": "i", "ports": [{"containerPort": 1, "hostPort": 1}] * 2}]}),
        pod({"containers": [{"name": n, "image": "i", "ports": [{"containerPort": 1, "hostPort": 1}]} for n in "ab"]}),
        pod({"containers": [{"name": n, "image": "i", "ports": [{"containerPort": 1, "name": "x"}]} for n in "ab"]}),
    )),
    Story("pods-resources", of_resources(
        {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}, {"requests": {"cpu": "-1"}},
        {"limits": {"memory": "-1Gi"}},
        {"requests": {"foo": "1"}}, {"requests": {"foo": "1"}, "limits": {"foo": "1"}}, {"limits": {"pods": "1"}},
        {"limits": {"storage": "1"}}, {"limits": {"a/b/c": "1"}}, {"limits": {"A B": "1"}},
        {"limits": {"nvidia.com/gpu": "1"}}, {"requests": {"nvidia.com/gpu": "1"}},
        {"limits": {"nvidia.com/gpu": "0.5"}},
        {"limits": {"nvidia.com/gpu": "2"}, "requests": {"nvidia.com/gpu": "1"}},
        {"limits": {"nvidia.com/gpu": "1"}, "requests": {"nvidia.com/gpu": "2"}},
        {"limits": {"requests.nvidia.com/gpu": "1"}}, {"limits": {"x.kubernetes.io/y": "1"}},
        {"limits": {"kubernetes.io/y": "1"}}, {"limits": {"hugepages-2Mi": "2Mi"}},
        {"limits": {"hugepages-2Mi": "3Mi", "cpu": "1"}}, {"limits": {"hugepages-2Mi": "4Mi", "cpu": "1"}},
        {"requests": {"hugepages-2Mi": "4Mi", "cpu": "1"}}, {"limits": {"hugepages-x": "4Mi", "cpu": "1"}},
        {"requests": {"cpu": "1.5"}, "limits": {"cpu": "1500m"}}, {"requests": {"memory": "1.5"}},
        {"requests": {"memory": "100m"}}, {"limits": {"ephemeral-storage": "0.1"}}, {"limits": {"cpu": "0.0001"}},
        {"requests": {"memory": "2Gi"}, "limits": {"memory": "1024Mi"}}, {"requests": {"cpu": "x"}},
        {"requests": {"cpu": ""}}, {"requests": {"cpu": "1 "}}, {"requests": {"cpu": True}}, {"limits": {"cpu": 2}},
        {"requests": {"cpu": 3, "memory": "1"}, "limits": {"cpu": 2}}, {"limits": {"cpu": "1e3"}}, {"limits": []},
        {"claims": [{"name": "x"}]}, {"claims": [{"name": ""}]},
    ) + posts(
        pod({"resourceClaims": [{"name": "x", "resourceClaimName": "y"}]}, {"resources": {"claims": [{"name": "z"}]}}),
        pod({"resourceClaims": [{"name": "x", "resourceClaimName": "y"}]},
            {"resources": {"claims": [{"name": "x"}, {"name": "x"}]}}),
        pod({"resourceClaims": [{"name": "x", "resourceClaimName": "y"}]},
            {"resources": {"claims": [{"name": "x", "request": "r"}, {"name": "x"}]}}),
        pod({"resourceClaims": [{"name": "x", "resourceClaimName": "y"}]},
            {"resources": {"claims": [{"name": "x", "request": "R"}]}}),
        pod({"resourceClaims": [{"name": "x"}]}), pod({"resourceClaims": [{"name": "x", "resourceClaimName": "Y"}]}),
        pod({"resourceClaims": [{"name": "x", "resourceClaimName": "y", "resourceClaimTemplateName": "z"}]}),
        pod({"resourceClaims": [{"name": ""}]}), pod({"resourceClaims": [{"name": "X", "resourceClaimName": "y"}]}),
        pod({"resources": {"requests": {"cpu": "1"}}}, {"resources": {"requests": {"cpu": "2"}}}),
        pod({"resources": {"limits": {"cpu": "1"}}}, {"resources": {"limits": {"cpu": "2"}}}),
        pod({"resources": {"limits": {"foo": "1"}}}), pod({"resources": {"limits": {"ephemeral-storage": "1"}}}),
        pod({"resources": {"claims": [{"name": "x"}]}}),
        pod({"resources": {"limits": {"memory": "1Gi"}}}, {"resources": {"requests": {"memory": "1.5Gi"}}}),
        pod({"overhead": {"cpu": "-1"}}), pod({"overhead": {"foo": "1"}}),
    )),
    Story("pods-mounts", of_mounts(
        {"volumeMounts": [{"name": "x", "mountPath": "/p"}]}, {"volumeMounts": [{"name": "", "mountPath": ""}]},
        {"volumeMounts": [mount(), mount()]}, {"volumeMounts": [mount(""), mount("")]},
        {"volumeMounts": [mount("relative")]}, {"volumeMounts": [mount(subPath="/a")]},
        {"volumeMounts": [mount(subPath="../a")]}, {"volumeMounts": [mount(subPathExpr="/a", subPath="b")]},
        {"volumeMounts": [mount(mountPropagation="x")]}, {"volumeMounts": [mount(mountPropagation="Bidirectional")]},
        {"volumeMounts": [mount(recursiveReadOnly="Enabled")]}, {"volumeMounts": [mount(recursiveReadOnly="x")]},
        {"volumeMounts": [mount(recursiveReadOnly="Enabled", readOnly=True, mountPropagation="HostToContainer")]},
        {"volumeMounts": [mount("a:b")]}, {"volumeDevices": [{"name": "v", "devicePath": "/d"}]},
        {"volumeDevices": [{"name": "x", "devicePath": ""}]},
        {"volumeDevices": [{"name": "", "devicePath": "a/../b"}]},
    ) + of_mounts(
        {"volumeDevices": [{"name": "v", "devicePath": "/d"}], "volumeMounts": [mount("/d")]},
        {"volumeDevices": [{"name": "v", "devicePath": "/d"}, {"name": "v", "devicePath": "/d"}]},
        volumes=({"name": "v", "persistentVolumeClaim": {"claimName": "x"}},),
    )),
    Story("pods-volumes", of_volumes(
        {}, {"emptyDir": {}, "hostPath": {"path": "/"}}, {"hostPath": {"path": ""}},
        {"hostPath": {"path": "/a/../b"}},
        {"hostPath": {"path": "/a", "type": "x"}}, {"hostPath": {"path": "a"}}, {"gitRepo": {"repository": ""}},
        {"gitRepo": {"repository": "r", "directory": "/a"}}, {"emptyDir": {"sizeLimit": "-1"}},
        {"emptyDir": {"medium": "x"}}, {"gcePersistentDisk": {"pdName": "", "partition": 300}},
        {"awsElasticBlockStore": {"volumeID": "", "partition": -1}}, {"secret": {}},
        {"secret": {"secretName": "s", "defaultMode": 1000}}, {"secret": {"secretName": "s", "items": [{}]}},
        {"secret": {"secretName": "s", "items": [{"key": "k", "path": "/p", "mode": -1}]}},
        {"secret": {"secretName": "s", "items": [{"key": "k", "path": "../p"}, {"key": "k", "path": "..p"}]}},
        {"configMap": {}}, {"configMap": {"name": "m", "items": [{"key": "", "path": "a/../b"}]}},
        {"nfs": {"server": "", "path": ""}}, {"nfs": {"server": "s", "path": "p"}},
        {"iscsi": {"targetPortal": "", "iqn": ""}},
        {"iscsi": {"targetPortal": "p", "iqn": "x", "lun": 256}}, {"iscsi": {"targetPortal": "p", "iqn": "iqn.x"}},
        {"iscsi": {"targetPortal": "p" * 64, "iqn": "eui.x", "initiatorName": "naa.x"}},
        {"iscsi": {"targetPortal": "p", "iqn": "iqn.2001-04.com.example:x", "chapAuthSession": True}},
        {"glusterfs": {"endpoints": "", "path": ""}}, {"flocker": {}},
        {"flocker": {"datasetName": "a/b", "datasetUUID": "x"}},
        {"persistentVolumeClaim": {"claimName": ""}}, {"rbd": {"monitors": [], "image": ""}},
        {"cinder": {"volumeID": "", "secretRef": {}}}, {"cephfs": {"monitors": []}},
        {"quobyte": {"registry": "", "volume": ""}},
        {"quobyte": {"registry": "a", "volume": "v"}},
        {"quobyte": {"registry": "a:1", "volume": "v", "tenant": "t" * 65}},
        {"downwardAPI": {"items": [{"path": ""}]}}, {"downwardAPI": {"defaultMode": 512}},
        {"downwardAPI": {"items": [{"path": "a", "fieldRef": {"fieldPath": "spec.nodeName"}}]}},
        {"downwardAPI": {"items": [{"path": "a", "fieldRef": {"fieldPath": "metadata.labels['a b']"}}]}},
        {"downwardAPI": {"items": [{"path": "a", "fieldRef": {"fieldPath": "metadata.name['a']"}}]}},
        {"downwardAPI": {"items": [{"path": "a", "fieldRef": {"fieldPath": "x"}}]}},
        {"downwardAPI": {"items": [{"path": "a", "resourceFieldRef": {"resource": "limits.cpu"}}]}},
        {"downwardAPI": {"items": [{"path": "a", "resourceFieldRef": {"containerName": "c", "resource": "x"}}]}},
        {"fc": {}}, {"fc": {"targetWWNs": ["a"]}}, {"fc": {"targetWWNs": ["a"], "wwids": ["b"], "lun": 300}},
        {"flexVolume": {"driver": "", "options": {"kubernetes.io/a": "b"}}},
        {"azureFile": {"secretName": "", "shareName": ""}},
        {"vsphereVolume": {"volumePath": ""}}, {"photonPersistentDisk": {"pdID": ""}},
        {"portworxVolume": {"volumeID": ""}},
        {"azureDisk": {"diskName": "", "diskURI": "", "cachingMode": "x", "kind": "y"}},
        {"azureDisk": {"diskName": "d", "diskURI": "x", "kind": "Managed"}},
        {"storageos": {"volumeName": "A", "volumeNamespace": "B", "secretRef": {}}}, {"storageos": {}},
        {"scaleIO": {"gateway": "", "system": "", "secretRef": None}}, {"csi": {"driver": ""}},
        {"csi": {"driver": LONG}},
        {"csi": {"driver": "a_b", "nodePublishSecretRef": {"name": "X"}}},
        {"csi": {"driver": "d", "nodePublishSecretRef": {}}},
        {"ephemeral": {}}, {"ephemeral": {"volumeClaimTemplate": {"spec": {}}}},
        {"ephemeral": {"volumeClaimTemplate": {"metadata": {"name": "x", "labels": {"a b": "c"}},
                                               "spec": {"accessModes": ["x"]}}}},
        {"image": {}}, {"image": {"reference": "r", "pullPolicy": "x"}}, {"projected": {}},
        {"projected": {"sources": [{}]}},
        [{"emptyDir": {}}], [{"name": "A", "emptyDir": {}}], [{"name": LONG, "emptyDir": {}}],
        [{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}],
        [{"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1"}}}}}},
         {"name": "w", "persistentVolumeClaim": {"claimName": "a-v"}}],
    )),
    Story("pods-projected", projecting(
        [{"secret": {}, "configMap": {}}], [{"secret": {"name": "s", "items": [{"key": "k", "path": "p"}] * 2}}],
        [{"configMap": {"name": "s", "items": [{"key": "k"}]}}],
        [{"serviceAccountToken": {"path": "t", "expirationSeconds": 5}}], [{"serviceAccountToken": {"path": ""}}],
        [{"serviceAccountToken": {"path": "/t", "expirationSeconds": 1 << 33}}],
        [{"clusterTrustBundle": {"path": ""}}],
        [{"clusterTrustBundle": {"path": "p", "name": "a", "signerName": "b"}}],
        [{"clusterTrustBundle": {"path": "p", "name": "A:b:c"}}],
        [{"clusterTrustBundle": {"path": "p", "signerName": "a"}}],
        [{"clusterTrustBundle": {"path": "p", "signerName": "a.b/C"}}],
        [{"clusterTrustBundle": {"path": "p", "name": "a", "labelSelector": {"matchLabels": {"a": "b"}}}}],
        [{"podCertificate": {"signerName": "a.b/c", "keyType": "x"}}],
        [{"podCertificate": {"signerName": "a.b/c", "keyType": "ED25519", "keyPath": "k", "certificateChainPath": "k",
                             "maxExpirationSeconds": 1}}],
        [{"downwardAPI": {"items": [{"path": "a", "fieldRef": {"fieldPath": "metadata.name"}}] * 2}}],
    )),
)  # fmt: skip
