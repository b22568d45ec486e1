"""A whole daemon whose API server says what none should: every kind that edged watches, broken at every place.

A sandbox is the API server, and a proxy in front of it puts in hundreds of hostile objects, lines and answers, all in
one life of the process. Nothing of it may end the process, be an internal error, or keep a good object from its effect.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio

from edged import config as configuration
from edged.admission.resources.definitions import definitions
from edged.daemon import daemon as daemon_file
from edged.daemon.daemon import Daemon
from edged.errors import PeerError
from edged.json_text import JsonError, TooDeep, loads
from edged.kube.client import ApiError
from edged.kube.config import KubernetesConfig
from edged.kube.kubeconfig import open_client
from edged.sandbox.server import serve
from tests.daemon.hostile_proxy import Proxy
from tests.daemon.test_boundaries import PATIENCE_S, PRIVILEGED, RESOURCES, ROOT, World, refused, registered, until
from tests.hostile_values import changed, hostile_bytes, nested, one, text_of, texts

UNIQUE = ROOT / "modules/admission/unique-ingress-host/unique-ingress-host.wasm"
POLICIES = f"/apis/{RESOURCES}"
STORAGE = "/apis/storage.k8s.io/v1"


OF_EACH_KIND = 60
"""So many hostile objects in each attack."""


def metadata(**more: Any) -> dict[str, Any]:
    """Of a hostile object, with everything that edged may look at."""
    return {
        "name": "hostile",
        "namespace": "default",
        "uid": "00000000-0000-0000-0000-000000000001",
        "resourceVersion": "7",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "deletionTimestamp": None,
        "labels": {"app": "a"},
        "annotations": {"a": "b"},
        "ownerReferences": [
            {"kind": "ReplicaSet", "name": "rs", "uid": "u", "controller": True, "apiVersion": "apps/v1"}
        ],
        "finalizers": ["a/b"],
        **more,
    }


SELECTOR = {"matchLabels": {"app": "a"}, "matchExpressions": [{"key": "k", "operator": "In", "values": ["v"]}]}
TERM = {"labelSelector": SELECTOR, "topologyKey": "zone", "namespaces": ["default"], "namespaceSelector": SELECTOR}
NODE_TERM = {
    "matchExpressions": [{"key": "k", "operator": "Gt", "values": ["1"]}],
    "matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}],
}
RULE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"], "scope": "*"}
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": metadata(),
    "spec": {
        "schedulerName": "edged",
        "nodeName": "",
        "priority": 5,
        "preemptionPolicy": "Never",
        "containers": [
            {
                "name": "c",
                "image": "i",
                "resources": {"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"cpu": "1"}},
                "ports": [{"containerPort": 80, "hostPort": 80, "protocol": "TCP", "hostIP": "0.0.0.0"}],
            }
        ],
        "initContainers": [
            {"name": "i", "image": "i", "restartPolicy": "Always", "resources": {"requests": {"cpu": "1"}}}
        ],
        "overhead": {"cpu": "10m"},
        "nodeSelector": {"zone": "a"},
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [NODE_TERM]},
                "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": NODE_TERM}],
            },
            "podAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [TERM],
                "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": TERM}],
            },
            "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [TERM]},
        },
        "tolerations": [
            {"key": "k", "operator": "Exists", "value": "", "effect": "NoSchedule", "tolerationSeconds": 5}
        ],
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": SELECTOR,
             "minDomains": 1, "matchLabelKeys": ["app"], "nodeAffinityPolicy": "Honor"}
        ],
        "schedulingGates": [{"name": "a"}],
        "volumes": [
            {"name": "v", "persistentVolumeClaim": {"claimName": "claim"}},
            {"name": "e", "ephemeral": {"volumeClaimTemplate": {"spec": {"storageClassName": "fast"}}}},
            {"name": "i", "csi": {"driver": "d"}},
        ],
        "resourceClaims": [{"name": "r", "resourceClaimName": "r"}],
    },
    "status": {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "r"}],
               "nominatedNodeName": "n", "startTime": "2026-01-01T00:00:00Z"},
}  # fmt: skip
CLAIM_SPEC = {
    "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "fast",
    "volumeName": "", "selector": SELECTOR, "volumeMode": "Filesystem",
}  # fmt: skip
TOPOLOGY = {"nodeSelectorTerms": [NODE_TERM]}


def of_kind(kind: str, api_version: str = "v1", **fields: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata(), **fields}


def policy(kind: str, **fields: Any) -> dict[str, Any]:
    spec = {
        "policyServer": "default", "module": f"file://{PRIVILEGED}", "rules": [RULE], "mutating": False,
        "settings": {"a": {"b": [1]}}, "mode": "protect", "matchPolicy": "Equivalent", "failurePolicy": "Fail",
        "timeoutSeconds": 5, "backgroundAudit": True, "message": "m", "timeoutEvalSeconds": 2,
        "matchConditions": [{"name": "c", "expression": "true"}], "namespaceSelector": SELECTOR,
        "objectSelector": SELECTOR,
        "contextAwareResources": [{"apiVersion": "v1", "kind": "Namespace"}],
    }  # fmt: skip
    status = {"policyStatus": "active", "conditions": [{"type": "PolicyActive", "status": "True"}]}
    return of_kind(kind, RESOURCES, spec={**spec, **fields}, status=status)


GROUP = {"expression": "a()", "policies": {"a": {"module": f"file://{PRIVILEGED}", "settings": {}}}}
VALID: dict[str, dict[str, Any]] = {
    "/api/v1/pods": POD,
    "/api/v1/nodes": of_kind(
        "Node",
        spec={"unschedulable": False, "taints": [{"key": "k", "value": "v", "effect": "NoSchedule"}]},
        status={
            "allocatable": {"cpu": "4", "memory": "4Gi", "pods": "110", "gpu/x": "1"}, "capacity": {"cpu": "4"},
            "images": [{"names": ["i"], "sizeBytes": 5}], "conditions": [{"type": "Ready", "status": "True"}],
            "volumesAttached": [{"name": "v"}], "volumesInUse": ["v"], "declaredFeatures": ["A"],
            "features": {"supplementalGroupsPolicy": True},
        },
    ),
    "/apis/policy/v1/poddisruptionbudgets": of_kind(
        "PodDisruptionBudget", "policy/v1", spec={"selector": SELECTOR, "maxUnavailable": "50%"},
        status={"disruptionsAllowed": 1, "disruptedPods": {"p": "2026-01-01T00:00:00Z"}},
    ),
    "/api/v1/persistentvolumeclaims": of_kind(
        "PersistentVolumeClaim", spec=CLAIM_SPEC, status={"phase": "Bound", "capacity": {"storage": "1Gi"}}
    ),
    "/api/v1/persistentvolumes": of_kind(
        "PersistentVolume",
        spec={
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "fast",
            "claimRef": {"name": "claim", "namespace": "default", "uid": "u"}, "nodeAffinity": {"required": TOPOLOGY},
            "csi": {"driver": "d", "volumeHandle": "h"}, "volumeMode": "Filesystem",
        },
        status={"phase": "Bound"},
    ),
    f"{STORAGE}/storageclasses": of_kind(
        "StorageClass", "storage.k8s.io/v1", provisioner="d", volumeBindingMode="WaitForFirstConsumer", parameters={},
        allowedTopologies=[{"matchLabelExpressions": [{"key": "zone", "values": ["a"]}]}], reclaimPolicy="Delete",
    ),
    f"{STORAGE}/csinodes": of_kind(
        "CSINode", "storage.k8s.io/v1",
        spec={"drivers": [{"name": "d", "nodeID": "n", "topologyKeys": ["zone"], "allocatable": {"count": 5}}]},
    ),
    f"{STORAGE}/csidrivers": of_kind("CSIDriver", "storage.k8s.io/v1", spec={"storageCapacity": True}),
    f"{STORAGE}/csistoragecapacities": of_kind(
        "CSIStorageCapacity", "storage.k8s.io/v1", nodeTopology=SELECTOR, storageClassName="fast", capacity="1Gi",
        maximumVolumeSize="1Gi",
    ),
    f"{STORAGE}/volumeattachments": of_kind(
        "VolumeAttachment", "storage.k8s.io/v1",
        spec={"attacher": "d", "nodeName": "n", "source": {"persistentVolumeName": "v"}},
    ),
    "/api/v1/namespaces": of_kind("Namespace", spec={"finalizers": ["k"]}, status={"phase": "Active"}),
    "/api/v1/services": of_kind("Service", spec={"selector": {"app": "a"}}),
    "/api/v1/replicationcontrollers": of_kind("ReplicationController", spec={"selector": {"app": "a"}}),
    "/apis/apps/v1/replicasets": of_kind("ReplicaSet", "apps/v1", spec={"selector": SELECTOR}),
    "/apis/apps/v1/statefulsets": of_kind("StatefulSet", "apps/v1", spec={"selector": SELECTOR}),
    "/apis/networking.k8s.io/v1/ingresses": of_kind(
        "Ingress", "networking.k8s.io/v1", spec={"rules": [{"host": "h.example", "http": {"paths": []}}]}
    ),
    f"{POLICIES}/policyservers": of_kind("PolicyServer", RESOURCES, spec={"image": "i", "env": [{"name": "a"}]}),
    f"{POLICIES}/clusteradmissionpolicies": policy("ClusterAdmissionPolicy"),
    f"{POLICIES}/admissionpolicies": policy("AdmissionPolicy"),
    f"{POLICIES}/clusteradmissionpolicygroups": policy("ClusterAdmissionPolicyGroup", **GROUP),
    f"{POLICIES}/admissionpolicygroups": policy("AdmissionPolicyGroup", **GROUP),
}  # fmt: skip
"""By the path of the collection."""


def objects(valid: dict[str, Any], rng: Random) -> Iterator[bytes]:
    """Texts of broken objects of this kind, nearly all with a name of their own."""
    for number, (_, text) in enumerate(texts(valid, rng, each=1)):
        yield text.replace(b'"hostile"', b'"hostile-%d"' % number)
    for levels in (250, 251, 252, 253, 254, 1000, 1023, 1025, 5000):
        deep = changed(valid, ("metadata", "annotations"), lambda _, levels=levels: nested(levels, "mapping"))
        yield text_of(deep).replace(b'"hostile"', b'"deep-%d"' % levels)
        if "spec" in valid:
            yield text_of({**valid, "spec": {**valid["spec"], "settings": nested(levels)}})


def is_json(text: bytes) -> bool:
    """Or would be, were it not so deep: lines of other things end a watch, and have a turn of their own."""
    try:
        loads(text)
    except TooDeep:
        return True
    except JsonError:
        return False
    return True


def some_objects(valid: dict[str, Any], rng: Random) -> list[bytes]:
    found = list(filter(is_json, objects(valid, rng)))
    return rng.sample(found, min(len(found), OF_EACH_KIND))


def events(valid: dict[str, Any], rng: Random) -> Iterator[bytes]:
    """The same as lines of a watch."""
    for text in some_objects(valid, rng):
        yield b'{"type":"%s","object":%s}' % (rng.choice([b"ADDED", b"MODIFIED", b"MODIFIED", b"DELETED"]), text)


STREAM = {"type": "BOOKMARK", "object": {"kind": "Pod", "metadata": {"resourceVersion": "5"}}}
ERROR = {
    "type": "ERROR",
    "object": {"kind": "Status", "code": 500, "reason": "x", "message": "m", "details": {"retryAfterSeconds": 0}},
}
EXPIRED = b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}'


def stream_lines(rng: Random) -> Iterator[bytes]:
    """Lines that are no events, bookmarks and errors that are none."""
    yield from (text for _, text in hostile_bytes())
    for line in (STREAM, ERROR):
        yield from (text for _, text in texts(line, rng, each=2))


CONFIGURED = f"""
[[admission.policy]]
name = "unique-host"
module = "file://{UNIQUE}"
context_aware = [
    {{ apiVersion = "networking.k8s.io/v1", kind = "Ingress" }}, {{ apiVersion = "v1", kind = "Namespace" }}
]
[[admission.policy.rules]]
apiGroups = ["networking.k8s.io"]
apiVersions = ["v1"]
resources = ["ingresses"]
operations = ["CREATE"]
[scheduler]
leader_election = true
"""


class HostileWorld(World):
    """A daemon, an API server, and the proxy between them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        path = folder / "edged.toml"
        text = path.read_text().replace("[scheduler]\n", CONFIGURED)
        self.turn = 0
        path.write_text(text.replace("module_dirs = [", f'module_dirs = ["{UNIQUE.parent}", '))

    @asynccontextmanager
    async def attacked(self) -> AsyncIterator[Proxy]:
        stop = trio.Event()
        async with trio.open_nursery() as nursery:
            sandbox = await nursery.start(serve)
            sandbox.write_kubeconfig(self.folder / "kubeconfig")
            proxy = Proxy(int(sandbox.url.rpartition(":")[2]))
            await nursery.start(proxy.run)
            self.client = await open_client(KubernetesConfig(kubeconfig=str(self.folder / "kubeconfig")))
            for definition in definitions().values():
                await self.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
            server = {"apiVersion": RESOURCES, "kind": "PolicyServer", "metadata": {"name": "default"}, "spec": {}}
            await until(lambda: self.post(f"{POLICIES}/policyservers", server))
            text = (self.folder / "kubeconfig").read_text()
            (self.folder / "kubeconfig").write_text(text.replace(sandbox.url, f"http://127.0.0.1:{proxy.port}"))
            path = str(self.folder / "edged.toml")
            daemon = Daemon(configuration.load(path), path, self.log)
            await nursery.start(daemon.run, lambda: nullcontext(stop.wait))
            yield proxy
            stop.set()
            await self.client.aclose()
            nursery.cancel_scope.deadline = trio.current_time() + 5

    def internal_errors(self) -> list[str]:
        return [
            f"{event['unit']} {event['name'][:120]}: {event['error'][:300]}\n{event['traceback'][-900:]}"
            for event in self.events
            if event["msg"] == "internal error"
        ]


    async def warm_up(self) -> None:
        """Let edged watch whatever a Pod can make it watch: these wait for a volume that nobody makes."""
        await self.post(f"{STORAGE}/storageclasses", {
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "slow"},
            "provisioner": "d", "volumeBindingMode": "WaitForFirstConsumer",
        })  # fmt: skip
        await self.post(f"{STORAGE}/csidrivers", {
            "apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": "d"},
            "spec": {"storageCapacity": True},
        })  # fmt: skip
        for kind, version in (("ReplicationController", "v1"), ("ReplicaSet", "apps/v1"), ("StatefulSet", "apps/v1")):
            name = f"of-a-{kind.lower()}"
            owner = await self.owner(kind, version)
            await self.claim(name, storageClassName="slow")
            await self.posted_pod(name, "first", claim=name, owners=[owner])

    async def owner(self, kind: str, version: str) -> dict[str, Any]:
        """A reference to one that exists: whose owner does not, is collected."""
        labels = {"app": "owned"}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        selector = labels if kind == "ReplicationController" else {"matchLabels": labels}
        root = "/api/v1" if version == "v1" else f"/apis/{version}"
        made = await self.post(f"{root}/namespaces/default/{kind.lower()}s", {
            "apiVersion": version, "kind": kind, "metadata": {"name": "a-owner"},
            "spec": {"replicas": 0, "selector": selector, "template": template},
        })  # fmt: skip
        return {"apiVersion": version, "kind": kind, "name": "a-owner", "uid": made["metadata"]["uid"],
                "controller": True}  # fmt: skip

    async def claim(self, name: str, **spec: Any) -> None:
        full = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **spec}
        annotations = {"pv.kubernetes.io/bind-completed": "yes"} if "volumeName" in spec else {}
        await self.post("/api/v1/namespaces/default/persistentvolumeclaims", {
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "annotations": annotations},
            "spec": full, "status": {"phase": "Bound" if "volumeName" in spec else "Pending"},
        })  # fmt: skip

    async def volume(self, name: str, claim: str) -> None:
        spec = {
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "",
            "claimRef": {"name": claim, "namespace": "default"}, "csi": {"driver": "d", "volumeHandle": name},
        }  # fmt: skip
        await self.post("/api/v1/persistentvolumes", {
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec,
            "status": {"phase": "Bound"},
        })  # fmt: skip

    async def good_node(self, name: str) -> None:
        allocatable = {"cpu": "4", "memory": "4Gi", "pods": "110"}
        await self.post("/api/v1/nodes", {
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"good": name}},
            "status": {
                "allocatable": allocatable, "capacity": allocatable,
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        })  # fmt: skip

    async def posted_pod(self, name: str, node: str, claim: str, owners: Sequence[dict[str, Any]] = ()) -> None:
        spec = {
            "schedulerName": "edged",
            "nodeSelector": {"good": node},
            "containers": [{"name": "c", "image": "i"}],
            "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}],
        }
        metadata = {"name": name, "labels": {"app": "a"}, "ownerReferences": list(owners)}
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
        await self.post("/api/v1/namespaces/default/pods", body)

    async def ingress(self, name: str, host: str) -> None:
        spec = {"rules": [{"host": host}], "defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}}
        body = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name}, "spec": spec}
        await self.post("/apis/networking.k8s.io/v1/namespaces/default/ingresses", body)

    async def watches_everything(self, proxy: Proxy) -> None:
        with trio.move_on_after(PATIENCE_S):
            while VALID.keys() - proxy.watched():
                await trio.sleep(0.1)
        assert VALID.keys() <= proxy.watched(), "edged does not watch these kinds"


async def all_goes_well(world: HostileWorld, name: str) -> None:
    """A good Pod with a volume is bound, a bad one denied, a policy that needs context answers, a new one is served."""
    await world.good_node(name)
    await world.claim(name, volumeName=name, storageClassName="")
    await world.volume(name, name)
    await until(lambda: refused(world, f"bad-{name}"))
    await world.posted_pod(name, name, claim=name)
    await until(lambda: is_denied(world, name))
    await world.policy(name)
    await until(lambda: world.placed(name))
    await until(lambda: world.is_active(name))


async def is_denied(world: HostileWorld, name: str) -> bool:
    """Whether the policy knows of the first Ingress when the second one asks for its host."""
    try:
        await world.ingress(f"{name}-{world.turn}", f"{name}.example")
    except ApiError as error:
        return "is taken by Ingress" in error.message
    finally:
        world.turn += 1
    return False


async def objects_in_watches(world: HostileWorld, proxy: Proxy, rng: Random) -> None:
    await world.watches_everything(proxy)
    for path, valid in VALID.items():
        await proxy.pester(path, events(valid, rng))


async def objects_in_lists(world: HostileWorld, proxy: Proxy, rng: Random) -> None:
    """All collections are read again in pages, which hold hostile objects."""
    proxy.refuse_streams = set(VALID)
    proxy.extra = {path: some_objects(valid, rng) for path, valid in VALID.items()}
    for path in VALID:
        await proxy.pester(path, [EXPIRED])
    await trio.sleep(1.0)
    await world.watches_everything(proxy)
    proxy.extra.clear()


async def lines_in_watches(world: HostileWorld, proxy: Proxy, rng: Random) -> None:
    """What is no event ends a watch, which is opened again: a few for each kind."""
    lines = list(stream_lines(rng))
    for path in VALID:
        await proxy.pester(path, rng.sample(lines, 5))
    await trio.sleep(1.0)
    await world.watches_everything(proxy)


async def answers(world: HostileWorld, proxy: Proxy, rng: Random) -> None:
    """To whatever edged asks one at a time: leases, writes of status, bindings, events, webhooks, definitions."""
    whole = [text for _, text in hostile_bytes()]

    def spoilt(body: bytes) -> bytes:
        if rng.random() < 0.2 or not is_json(body):
            return rng.choice(whole)
        return text_of(one(loads(body), rng))

    for method in ("GET", "PUT", "PATCH", "POST"):
        proxy.spoil(method, spoilt, 30)
    with trio.move_on_after(10):
        with contextlib.suppress(PeerError):
            await world.asked("audit")
        await all_goes_well(world, "meanwhile")
    proxy.unspoil()
    await until(lambda: world.asked("audit"))
    assert proxy.spoiled > 10


@pytest.mark.timeout(300)
def test_whatever_an_api_server_says_all_good_objects_have_their_effect(tmp_path: Path) -> None:
    world, rng = HostileWorld(tmp_path), Random(1)

    async def main() -> None:
        async with world.attacked() as proxy:
            await until(lambda: registered(world))
            await world.good_node("first")
            await world.warm_up()
            await all_goes_well(world, "before")
            for attack in (objects_in_watches, objects_in_lists, lines_in_watches, answers):
                await attack(world, proxy, rng)
                await all_goes_well(world, attack.__name__.replace("_", "-"))
                assert world.internal_errors() == [], attack.__name__
                if attack is objects_in_watches:
                    report = await world.asked("status")
                    told = [each["text"] for each in report["protection"]["problems"] if each["subject"] == "objects"]
                    assert any("pods.v1 cannot be read" in text and "hostile-" in text for text in told)
                    assert len(told) >= len(VALID) - 2, "nobody is told of the objects that cannot be read"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(daemon_file, "settle_memory", lambda: None)  # a frozen heap would outlive this test
        trio.run(main)
