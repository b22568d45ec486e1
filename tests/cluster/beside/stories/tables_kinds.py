"""Tables of volumes, nodes, events, amounts, roles, certificates, policies and devices."""

from __future__ import annotations

from typing import Any

from tests.cluster.beside.steps import MERGE, TABLE, Step, Story, http, kubectl
from tests.cluster.beside.stories.tables import CORE, LATER, OLD, RBAC, SELECTOR, STORAGE, condition, made, shown

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
CERTIFICATES = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
DEVICES = "/apis/resource.k8s.io/v1"
# Made by openssl for CN=jane.
CERTIFICATE_REQUEST = (
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlISU1IRUNBUUF3RHpFTk1Bc0dBMVVFQXd3RWFtRnVaVEJaTUJN"
    "R0J5cUdTTTQ5QWdFR0NDcUdTTTQ5QXdFSApBMElBQlB6b25HR0grUFZXcTZVOG5BSWhvYyt5S0l0d0x5elk3RFBLYWlsZlZSak5t"
    "VC9vdTViZ3EvNkdXNFVaCnFmVWZra085bTA2WmpHd2FPenhqTUl3RDcrS2dBREFLQmdncWhrak9QUVFEQWdOSEFEQkVBaUJZbURl"
    "MTUyenIKR0FqemdsbDR4ZVBHSmdianNkazY5RVlma0V6dzVDRE1vd0lnY3NGdnBhMHozYU1iY2ErSC9JcmZNVFpjT1p6dwpRU21I"
    "cGtyN2VOV2ZXNEk9Ci0tLS0tRU5EIENFUlRJRklDQVRFIFJFUVVFU1QtLS0tLQo="
)


def at_end(*paths: str) -> list[Step]:
    """Of what is in no namespace."""
    return [shown("DELETE", path) for path in paths]


CLAIM: dict[str, Any] = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
VOLUMES = (
    *made("/api/v1/persistentvolumes", "{ns}-a", {"phase": "Available"}, spec={
        "capacity": {"storage": "1024Mi"}, "accessModes": ["ReadWriteMany", "ReadWriteOnce", "ReadOnlyMany"],
        "hostPath": {"path": "/a"}, "claimRef": {"namespace": "x", "name": "y"}, "storageClassName": "slow",
    }),
    *made("/api/v1/persistentvolumes", "{ns}-b", {"phase": "Failed", "reason": "Broken", "message": "no"}, spec={
        "capacity": {"storage": "5G"}, "accessModes": ["ReadWriteOncePod"], "persistentVolumeReclaimPolicy": "Delete",
        "csi": {"driver": "d.example.com", "volumeHandle": "h"}, "volumeMode": "Block",
        "volumeAttributesClassName": "gold",
    }, metadata={"annotations": {"volume.beta.kubernetes.io/storage-class": "old"}}),
    *made(f"{CORE}/persistentvolumeclaims", "free", spec={**CLAIM, "storageClassName": ""}),
    *made(f"{CORE}/persistentvolumeclaims", "bound", {
        "phase": "Bound", "accessModes": ["ReadWriteOnce", "ReadWriteMany"], "capacity": {"storage": "2048Mi"},
    }, spec={**CLAIM, "volumeName": "pv", "storageClassName": "fast", "volumeMode": "Block"}),
    shown("GET", f"{CORE}/persistentvolumeclaims"),
    *made(f"{STORAGE}/storageclasses", "{ns}-a", provisioner="example.com/p", metadata={"labels": {"story": "{ns}"}}),
    *made(f"{STORAGE}/storageclasses", "{ns}-b", provisioner="example.com/p", reclaimPolicy="Retain",
          volumeBindingMode="WaitForFirstConsumer", allowVolumeExpansion=True,
          metadata={"labels": {"story": "{ns}"}}),
    shown("GET", f"{STORAGE}/storageclasses?labelSelector=story={{ns}}"),
    *made(f"{STORAGE}/volumeattributesclasses", "{ns}-a", driverName="d.example.com", parameters={"a": "b"}),
    *made(f"{STORAGE}/volumeattachments", "{ns}-a", {"attached": True}, spec={
        "attacher": "d.example.com", "nodeName": "n", "source": {"persistentVolumeName": "{ns}-a"},
    }),
    *made(f"{STORAGE}/csidrivers", "{ns}.a", spec={}),
    *made(f"{STORAGE}/csidrivers", "{ns}.b", spec={
        "attachRequired": False, "podInfoOnMount": True, "storageCapacity": True, "requiresRepublish": True,
        "volumeLifecycleModes": ["Persistent", "Ephemeral"], "tokenRequests": [{"audience": "a"}, {"audience": "b"}],
    }),
    *made(f"{STORAGE}/csinodes", "{ns}-a", spec={"drivers": [
        {"name": "d.example.com", "nodeID": "n", "topologyKeys": []},
    ]}),
    *made(f"{STORAGE}/namespaces/{{ns}}/csistoragecapacities", "c", storageClassName="slow", capacity="5Gi"),
    shown("GET", f"{STORAGE}/namespaces/{{ns}}/csistoragecapacities"),
    shown("PATCH", "/api/v1/persistentvolumes/{ns}-a", {"metadata": {"finalizers": ["example.com/f"]}}, MERGE),
    shown("DELETE", "/api/v1/persistentvolumes/{ns}-a"),
    shown("PATCH", "/api/v1/persistentvolumes/{ns}-a", {"metadata": {"finalizers": None}}, MERGE),
    shown("PATCH", "/api/v1/persistentvolumes/{ns}-b", {"metadata": {"finalizers": None}}, MERGE),
    kubectl("get", "pvc", "-o", "wide"),
    *at_end(
        "/api/v1/persistentvolumes/{ns}-b", f"{STORAGE}/storageclasses/{{ns}}-a", f"{STORAGE}/storageclasses/{{ns}}-b",
        f"{STORAGE}/volumeattributesclasses/{{ns}}-a", f"{STORAGE}/volumeattachments/{{ns}}-a",
        f"{STORAGE}/csidrivers/{{ns}}.a", f"{STORAGE}/csidrivers/{{ns}}.b", f"{STORAGE}/csinodes/{{ns}}-a",
    ),
)  # fmt: skip

EVENTS, NEW_EVENTS = f"{CORE}/events", "/apis/events.k8s.io/v1/namespaces/{ns}/events"
REGARDING = {"kind": "Pod", "name": "p", "namespace": "{ns}"}
NEW: dict[str, Any] = {
    "eventTime": "2020-01-01T00:00:00.000000Z", "reportingController": "example.com/c", "reportingInstance": "c-1",
    "action": "Do", "reason": "Done", "type": "Normal", "regarding": REGARDING,
}  # fmt: skip
BASICS = (
    *made("/api/v1/nodes", "{ns}-a", {
        "conditions": [condition("MemoryPressure", "False"), condition("Ready", reason="KubeletReady")],
        "addresses": [
            {"type": "Hostname", "address": "h"}, {"type": "InternalIP", "address": "1.1.1.1"},
            {"type": "ExternalIP", "address": "2.2.2.2"}, {"type": "InternalIP", "address": "1.1.1.2"},
        ],
        "nodeInfo": {
            "architecture": "arm64", "bootID": "b", "containerRuntimeVersion": "containerd://2.0",
            "kernelVersion": "6.1", "kubeProxyVersion": "", "kubeletVersion": "v1.37.2", "machineID": "m",
            "operatingSystem": "linux", "osImage": "Debian 12", "systemUUID": "s",
        },
    }, metadata={"labels": {
        "node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/control-plane": "", "kubernetes.io/role": "old",
    }}),
    *made("/api/v1/nodes", "{ns}-b", {"conditions": [condition("Ready", "Unknown")]}, spec={"unschedulable": True}),
    *made("/api/v1/nodes", "{ns}-c"),
    *made(f"{CORE}/configmaps", "c", data={"a": "1", "b": "2"}, binaryData={"c": "AA=="}),
    *made(f"{CORE}/configmaps", "empty"),
    *made(f"{CORE}/secrets", "s", stringData={"a": "1"}, data={"b": "AA=="}),
    *made(f"{CORE}/serviceaccounts", "robot"),
    *made(f"{CORE}/limitranges", "l", spec={"limits": []}),
    shown("GET", f"{CORE}/limitranges"),
    *made(f"{CORE}/resourcequotas", "q", {
        "hard": {"pods": "4", "limits.cpu": "2000m", "requests.memory": "1024Mi", "cpu": "1"},
        "used": {"pods": "1", "limits.cpu": "500m"},
    }, spec={"hard": {"pods": "4"}}),
    *made("/apis/coordination.k8s.io/v1/namespaces/{ns}/leases", "held", spec={"holderIdentity": "me"}),
    *made("/apis/coordination.k8s.io/v1/namespaces/{ns}/leases", "free"),
    *made("/apis/scheduling.k8s.io/v1/priorityclasses", "{ns}-a", value=100, preemptionPolicy="Never"),
    *made("/apis/node.k8s.io/v1/runtimeclasses", "{ns}-a", handler="runc"),
    *made(EVENTS, "old", involvedObject={**REGARDING, "fieldPath": "spec.containers{web}"}, reason="Started",
          message=" two\nlines \n", type="Warning", count=7, firstTimestamp=OLD, lastTimestamp=LATER,
          source={"component": "kubelet", "host": "node-a"}),
    *made(EVENTS, "bare", involvedObject={"kind": "Node", "namespace": "{ns}"}),
    *made(EVENTS, "once", involvedObject=REGARDING, source={"component": "kubelet"}, lastTimestamp=LATER),
    *made(NEW_EVENTS, "new", **NEW, note="hello"),
    *made(NEW_EVENTS, "series", **NEW, series={"count": 5, "lastObservedTime": "2021-01-01T00:00:00.000000Z"}),
    shown("GET", EVENTS),
    shown("GET", NEW_EVENTS),
    shown("GET", f"{NEW_EVENTS}/old", include="Object"),
    kubectl("get", "events", "-o", "wide"),
    kubectl("get", "events.events.k8s.io"),
    kubectl("get", "node", "{ns}-a", "{ns}-b", "-o", "wide"),
    kubectl("get", "cm,secret,sa,quota,lease", "-o", "wide"),
    *at_end(
        *(f"/api/v1/nodes/{{ns}}-{name}" for name in "abc"), "/apis/scheduling.k8s.io/v1/priorityclasses/{ns}-a",
        "/apis/node.k8s.io/v1/runtimeclasses/{ns}-a",
    ),
)  # fmt: skip

ROLES = f"{RBAC}/namespaces/{{ns}}"
SUBJECTS = [
    {"kind": "User", "name": "jane", "apiGroup": "rbac.authorization.k8s.io"},
    {"kind": "User", "name": "joe", "apiGroup": "rbac.authorization.k8s.io"},
    {"kind": "Group", "name": "devs", "apiGroup": "rbac.authorization.k8s.io"},
    {"kind": "ServiceAccount", "name": "robot", "namespace": "x"},
]  # fmt: skip
ROLE_REF = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
POLICY = {"validations": [{"expression": "true"}, {"expression": "1 == 1"}], "matchConstraints": {"resourceRules": [
    {"apiGroups": ["example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["none"]},
]}}  # fmt: skip
POLICIES, BINDINGS = f"{ADMISSION}/validatingadmissionpolicies", f"{ADMISSION}/validatingadmissionpolicybindings"


def binding(letter: str, **ref: Any) -> list[Step]:
    spec = {"policyName": "p", "validationActions": ["Audit"]}
    more = {"paramRef": {**ref, "parameterNotFoundAction": "Allow"}} if ref else {}
    return made(BINDINGS, f"{{ns}}-{letter}", spec={**spec, **more})


ACCESS = (
    *made(f"{ROLES}/roles", "r", rules=[{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]),
    shown("GET", f"{ROLES}/roles"),
    *made(f"{ROLES}/rolebindings", "all", subjects=SUBJECTS, roleRef=ROLE_REF),
    *made(f"{ROLES}/rolebindings", "nobody", roleRef=ROLE_REF),
    *made(f"{RBAC}/clusterrolebindings", "{ns}-a", subjects=SUBJECTS, roleRef=ROLE_REF),
    *made(f"{RBAC}/clusterroles", "{ns}-a", rules=[]),
    kubectl("get", "role,rolebinding", "-o", "wide"),
    *made(CERTIFICATES, "{ns}-a", spec={
        "request": CERTIFICATE_REQUEST, "signerName": "example.com/s", "usages": ["client auth"],
        "expirationSeconds": 86400,
    }),
    shown("PATCH", f"{CERTIFICATES}/{{ns}}-a/approval", {"status": {"conditions": [
        {"type": "Approved", "status": "True", "reason": "r"},
    ]}}, MERGE),
    http("GET", f"{CERTIFICATES}/{{ns}}-a/approval", headers={"Accept": f"{TABLE},application/json"}),
    shown("GET", f"{CERTIFICATES}/{{ns}}-a"),
    *made(CERTIFICATES, "{ns}-b", spec={
        "request": CERTIFICATE_REQUEST, "signerName": "example.com/s", "usages": ["client auth"],
    }),
    shown("PATCH", f"{CERTIFICATES}/{{ns}}-b/approval", {"status": {"conditions": [
        {"type": "Denied", "status": "True", "reason": "r"},
    ]}}, MERGE),
    *made(f"{ADMISSION}/validatingwebhookconfigurations", "{ns}-a", webhooks=[]),
    *made(f"{ADMISSION}/mutatingwebhookconfigurations", "{ns}-a", webhooks=[]),
    *made(POLICIES, "{ns}-a", spec=POLICY),
    *made(POLICIES, "{ns}-b", spec={**POLICY, "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}}),
    *binding("a"),
    *binding("b", name="c"),
    *binding("c", name="c", namespace="x"),
    *binding("d", selector=SELECTOR),
    *binding("e", selector={}),
    *at_end(
        f"{RBAC}/clusterrolebindings/{{ns}}-a", f"{RBAC}/clusterroles/{{ns}}-a", f"{CERTIFICATES}/{{ns}}-a",
        f"{CERTIFICATES}/{{ns}}-b", f"{ADMISSION}/validatingwebhookconfigurations/{{ns}}-a",
        f"{ADMISSION}/mutatingwebhookconfigurations/{{ns}}-a", f"{POLICIES}/{{ns}}-a", f"{POLICIES}/{{ns}}-b",
        *(f"{BINDINGS}/{{ns}}-{name}" for name in "abcde"),
    ),
)  # fmt: skip

REQUESTS = {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "c"}}]}}
DEVICE = {"driver": "d.example.com", "pool": "p", "device": "x", "request": "r"}
OTHERS = (
    *made(f"{DEVICES}/deviceclasses", "{ns}-a", spec={}),
    *made(f"{DEVICES}/namespaces/{{ns}}/resourceclaimtemplates", "t", spec={"spec": REQUESTS}),
    *made(f"{DEVICES}/namespaces/{{ns}}/resourceclaims", "free", spec=REQUESTS),
    *made(f"{DEVICES}/namespaces/{{ns}}/resourceclaims", "taken", {
        "allocation": {"devices": {"results": [DEVICE]}},
    }, spec=REQUESTS),
    shown("PATCH", f"{DEVICES}/namespaces/{{ns}}/resourceclaims/taken/status", {"status": {"reservedFor": [
        {"resource": "pods", "name": "p", "uid": "u"},
    ]}}, MERGE),
    *made(f"{DEVICES}/resourceslices", "{ns}-a", spec={
        "driver": "d.example.com", "nodeName": "n", "pool": {"name": "p", "generation": 1, "resourceSliceCount": 1},
    }),
    *made("/apis/networking.k8s.io/v1/servicecidrs", "{ns}-a", spec={"cidrs": ["10.99.0.0/24"]}),
    *made("/apis/networking.k8s.io/v1/ipaddresses", "10.0.0.231", spec={"parentRef": {
        "group": "example.com", "resource": "Things", "namespace": "x", "name": "y",
    }}),
    shown("DELETE", "/apis/networking.k8s.io/v1/ipaddresses/10.0.0.231"),
    *at_end(
        f"{DEVICES}/deviceclasses/{{ns}}-a", f"{DEVICES}/resourceslices/{{ns}}-a",
        "/apis/networking.k8s.io/v1/servicecidrs/{ns}-a",
    ),
)  # fmt: skip

CLASSES, DEFAULT = f"{STORAGE}/storageclasses", "is-default-class"
INGRESS_CLASSES = "/apis/networking.k8s.io/v1/ingressclasses"


def default(path: str, name: str, key: str, value: str = "true", **content: Any) -> list[Step]:
    return made(path, f"{{ns}}-{name}", metadata={
        "annotations": {f"{key}/{DEFAULT}": value}, "labels": {"story": "{ns}"},
    }, **content)  # fmt: skip


DEFAULTS = (
    *default(CLASSES, "b", "storageclass.kubernetes.io", provisioner="example.com/p"),
    *default(CLASSES, "a", "storageclass.beta.kubernetes.io", provisioner="example.com/p"),
    *default(CLASSES, "c", "storageclass.kubernetes.io", "false", provisioner="example.com/p"),
    shown("GET", f"{CLASSES}?labelSelector=story={{ns}}"),
    shown("GET", f"{CLASSES}/{{ns}}-a"),
    kubectl("get", "sc", "-l", "story={ns}"),
    *default(INGRESS_CLASSES, "a", "ingressclass.kubernetes.io", spec={"controller": "example.com/c"}),
    *default(INGRESS_CLASSES, "b", "ingressclass.kubernetes.io", "false", spec={"controller": "example.com/c"}),
    shown("GET", f"{INGRESS_CLASSES}?labelSelector=story={{ns}}"),
    kubectl("get", "ingressclass", "-l", "story={ns}"),
    *at_end(
        *(f"{CLASSES}/{{ns}}-{name}" for name in "abc"), *(f"{INGRESS_CLASSES}/{{ns}}-{name}" for name in "ab"),
    ),
)  # fmt: skip

STORIES = (
    Story("tables-defaults", DEFAULTS),
    Story("tables-volumes", VOLUMES),
    Story("tables-basics", BASICS),
    Story("tables-access", ACCESS),
    Story("tables-others", OTHERS),
)
