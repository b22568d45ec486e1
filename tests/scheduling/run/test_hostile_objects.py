"""Objects that Kubernetes would not have let in: each costs itself, with an error of ours, and nobody else.

Aggregated API servers, broken ones and newer versions send them. Every place of a valid object is broken in turn
(tests/hostile_values.py).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
import trio

from edged.errors import EdgedError
from edged.json_text import JsonError, dumps, loads
from edged.kube.values.names import NamespacedName
from edged.scheduling.core.cycle import evaluate
from edged.scheduling.core.preemption import parse_budget
from edged.scheduling.objects.nodes import NodeParser
from edged.scheduling.objects.other_objects import Objects
from edged.scheduling.objects.pods import PodParser
from edged.scheduling.run.object_feed import PRUNES
from tests.hostile_values import STRINGS, described, mutations
from tests.kube.values.test_shape_checks import whole_pod
from tests.scheduling.makers import node, nothing, pod
from tests.scheduling.plugins.volumes import HOST, claim, csi_node, made, storage_class, using, volume
from tests.scheduling.run.test_object_feed import Cluster, run

WHEN = "DuringSchedulingIgnoredDuringExecution"
LONG_LOG = 4000
"""Characters of a line about one object: its name may have hundreds, its field's path as well."""


def whole_node() -> dict[str, Any]:
    taints = [{"key": "k", "value": "v", "effect": "PreferNoSchedule"}]
    one = node("bad", labels={HOST: "bad", "topology.kubernetes.io/zone": "z"}, taints=taints, images={"i:1": 5})
    one["metadata"]["annotations"] = {"a": "b"}
    one["status"]["conditions"] = [{"type": "Ready", "status": "True", "reason": "r", "message": "m"}]
    one["status"]["declaredFeatures"] = ["f"]
    return one


def spread_pod() -> dict[str, Any]:
    """What `whole_pod` lacks: states of an assigned Pod, and a few more fields."""
    one = whole_pod()
    one["spec"] |= {
        "nodeName": "a", "overhead": {"cpu": "1m"}, "nodeSelector": {"disk": "ssd"},
        "schedulingGates": [], "resources": {"requests": {"cpu": "1"}},
        "initContainers": [{"name": "s", "restartPolicy": "Always", "resources": {"requests": {"cpu": "1"}}}],
    }  # fmt: skip
    one["spec"]["affinity"]["podAntiAffinity"] = {
        f"required{WHEN}": [{"topologyKey": "zone", "namespaceSelector": {"matchLabels": {"a": "b"}}}]
    }
    one["spec"]["affinity"]["nodeAffinity"][f"preferred{WHEN}"] = [
        {"weight": 5, "preference": {"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["5"]}]}}
    ]
    one["status"] = {
        "phase": "Running", "startTime": "2026-01-01T00:00:00Z", "conditions": [{"type": "PodResizePending"}],
        "containerStatuses": [{"name": "main", "resources": {"requests": {"cpu": "1"}}}],
        "allocatedResources": {"cpu": "1"}, "resources": {"requests": {"cpu": "1"}},
    }  # fmt: skip
    return one


def waiting_pod() -> dict[str, Any]:
    one = spread_pod()
    del one["spec"]["nodeName"]
    one["metadata"]["annotations"] = {"a": "b"}
    return one


def others() -> list[dict[str, Any]]:
    """One object of each kind beside Pods and Nodes."""
    spec = {"selector": {"matchLabels": {"app": "db"}, "matchExpressions": [{"key": "a", "operator": "Exists"}]}}
    controlled = claim(bound_to="v", annotations={"volume.kubernetes.io/selected-node": "a"})
    controlled["metadata"]["ownerReferences"] = [{"kind": "Pod", "name": "p", "uid": "u", "controller": True}]
    controlled["spec"]["selector"] = spec["selector"]
    moved = volume("v", where=["a"], labels={"topology.kubernetes.io/zone": "a__b"}, gcePersistentDisk={"pdName": "d"})
    moved["spec"]["claimRef"] = {"namespace": "default", "name": "data", "uid": "u"}
    topology = [{"matchLabelExpressions": [{"key": HOST, "values": ["a"]}]}]
    return [
        controlled, moved, volume("w", csi={"driver": "d", "volumeHandle": "h"}),
        storage_class(allowedTopologies=topology), csi_node("a", 5),
        made("CSIDriver", "d", spec={"storageCapacity": True}),
        made("CSIStorageCapacity", "c", namespace="default", storageClassName="local", capacity="1Gi",
             maximumVolumeSize="1Gi", nodeTopology=spec["selector"]),
        made("VolumeAttachment", "a", spec={"attacher": "d", "nodeName": "a", "source": {"persistentVolumeName": "v"}}),
        made("Namespace", "default", labels={"a": "b"}),
        made("Service", "s", namespace="default", spec={"selector": {"app": "db"}}),
        made("ReplicationController", "s", namespace="default", spec={"selector": {"app": "db"}}),
        made("ReplicaSet", "s", namespace="default", spec=spec),
        made("StatefulSet", "s", namespace="default", spec=spec),
    ]  # fmt: skip


def budget() -> dict[str, Any]:
    status = {"disruptionsAllowed": 1, "disruptedPods": {"p": "2026-01-01T00:00:00Z"}}
    return made("PodDisruptionBudget", "b", namespace="default", status=status, spec=others()[-1]["spec"])


def pruned_and_known(obj: dict[str, Any]) -> None:
    kind = obj["kind"]
    objects = Objects()
    PRUNES[kind](obj)
    objects.put(kind, obj)


def of_kind(kind: str, parse: Callable[[Any], object]) -> Callable[[Any], object]:
    """With the kind that the collection has, whatever the object says."""
    return lambda obj: parse({**obj, "kind": kind}) if isinstance(obj, dict) else parse({"kind": kind})


READERS: dict[str, tuple[Callable[[Any], object], Callable[[], dict[str, Any]]]] = {
    "Pod": (PodParser(nothing).parse, spread_pod),
    "waiting Pod": (PodParser(nothing).parse, waiting_pod),
    "Node": (NodeParser(nothing).parse, whole_node),
    "PodDisruptionBudget": (parse_budget, budget),
}


def broken(valid: dict[str, Any], seed: int = 1, each: int = 12) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Objects: what comes out of a list or a watch has metadata with a name, or an informer leaves it out."""
    for path, obj in mutations(valid, Random(seed), each=each):
        metadata = obj.get("metadata") if isinstance(obj, dict) else None
        if not isinstance(metadata, dict):
            continue
        if isinstance(metadata.get("name"), str) and isinstance(metadata.get("namespace"), str | None):
            yield path, obj


def storable(valid: dict[str, Any], seed: int = 1, each: int = 2) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Those that an informer can keep: it leaves out what is nested too deeply."""
    for path, obj in broken(valid, seed, each):
        try:
            yield path, loads(dumps(obj))
        except JsonError:
            continue


def only_our_errors(parse: Callable[[Any], object], valid: dict[str, Any]) -> int:
    refused = 0
    for path, obj in broken(valid):
        try:
            parse(obj)
        except EdgedError as error:
            refused += 1
            assert 0 < len(str(error)) < LONG_LOG, described(path, obj)
        except Exception as error:
            pytest.fail(f"{type(error).__name__}: {error} for {described(path, obj)}")
    return refused


@pytest.mark.parametrize("kind", READERS)
def test_a_parser_gives_a_value_or_an_error_of_ours(kind: str) -> None:
    parse, valid = READERS[kind]
    parse(valid())
    assert only_our_errors(parse, valid()) > 50


@pytest.mark.parametrize("obj", others(), ids=lambda obj: obj["kind"])
def test_a_parser_of_other_kinds_gives_a_value_or_an_error_of_ours(obj: dict[str, Any]) -> None:
    parse = of_kind(obj["kind"], pruned_and_known)
    parse(json.loads(json.dumps(obj)))
    assert only_our_errors(parse, obj) > 5


def test_what_was_parsed_can_be_decided_by() -> None:
    """A hostile Pod or Node that could be read breaks no cycle, neither its own nor that of others."""
    for _path, obj in storable(waiting_pod(), each=3):
        try:
            PodParser(nothing).parse(obj)
        except EdgedError:
            continue
        evaluate(None, [node("a", labels={"disk": "ssd", "a": "7"}), node("b")], [], obj, choose=lambda n: 0)
    incoming = waiting_pod()
    del incoming["spec"]["volumes"]
    for _path, obj in storable(whole_node(), each=3):
        try:
            NodeParser(nothing).parse(obj)
        except EdgedError:
            continue
        found = evaluate(None, [node("good"), obj], [], incoming, choose=lambda n: 0)
        assert found.pre_filter_status is None


# --- in the loop


def test_hostile_nodes_keep_no_pod_from_its_node() -> None:
    hostile = [obj for _, obj in storable(whole_node())]
    for number, obj in enumerate(hostile):
        obj["metadata"]["name"] = f"bad-{number}"
    cluster = Cluster([*hostile, node("good", labels={"disk": "ssd"})], [])

    async def story() -> None:
        for number in range(20):
            cluster.pods.put(pod(f"p{number}", nodeSelector={"disk": "ssd"}))
        await trio.sleep(5)
        assert cluster.writes.bound == {f"default/p{number}": "good" for number in range(20)}

    run(cluster, story)
    assert len(cluster.said("node cannot be read")) > 20
    assert not cluster.said("internal error")
    assert max(map(len, cluster.lines)) < LONG_LOG


def test_hostile_pods_keep_no_other_pod_from_its_node() -> None:
    hostile = [obj for valid in (spread_pod(), waiting_pod()) for _, obj in storable(valid)]
    for number, obj in enumerate(hostile):
        obj["metadata"]["name"] = f"bad-{number}"
    cluster = Cluster([node("good", labels={"disk": "ssd"}, cpu="1000")], [])

    async def story() -> None:
        for obj in hostile:
            cluster.pods.put(obj)
        for number in range(20):
            cluster.pods.put(pod(f"p{number}"))
        await trio.sleep(30)
        mine = {key: where for key, where in cluster.writes.bound.items() if key.startswith("default/p")}
        assert mine == {f"default/p{number}": "good" for number in range(20)}

    run(cluster, story)
    assert len(cluster.said("pod cannot be read")) > 50
    assert not cluster.said("internal error")


def test_hostile_objects_of_other_kinds_keep_no_pod_from_its_volume() -> None:
    hostile = []
    for valid in others():
        for _path, obj in storable(valid, each=1):
            name = f"bad-{len(hostile)}"
            hostile.append({**obj, "kind": valid["kind"], "metadata": {**obj["metadata"], "name": name}})
    good = [volume("good", where=["n"]), claim("mine", bound_to="good"), storage_class()]
    cluster = Cluster([node("n", labels={HOST: "n"})], [], *hostile, *good)

    async def story() -> None:
        cluster.pods.put(using("mine"))
        cluster.pods.put(pod("other"))
        await trio.sleep(5)
        assert cluster.writes.bound == {"default/p": "n", "default/other": "n"}

    run(cluster, story)
    assert len(cluster.said("object cannot be read")) > 50
    assert not cluster.said("internal error")


def test_a_node_that_becomes_unreadable_stays_as_it_was_and_can_come_back() -> None:
    cluster = Cluster([node("n")], [])

    async def story() -> None:
        cluster.nodes.put({"metadata": {"name": "n", "labels": {"a": 5}}})
        cluster.pods.put(pod("p"))
        await trio.sleep(1)
        assert cluster.writes.bound == {"default/p": "n"}
        cluster.nodes.put(node("n", labels={"a": "5"}))
        cluster.pods.put(pod("q", nodeSelector={"a": "5"}))
        await trio.sleep(1)
        assert cluster.writes.bound["default/q"] == "n"
        cluster.nodes.remove(NamespacedName("", "n"))

    run(cluster, story)
    (line,) = cluster.said("node cannot be read")
    assert line["error"] == "Node n: metadata.labels.a: must be a string, not an integer; put it in quotes"


def test_a_text_from_a_tenant_where_a_number_is_compared_is_no_number() -> None:
    """API servers take any text as the value of Gt and Lt."""
    for text in (*STRINGS, "0" * 100_000 + "5", "1" * 100_000):
        term = {"matchExpressions": [{"key": "a", "operator": "Gt", "values": [text]}]}
        terms = {f"required{WHEN}": {"nodeSelectorTerms": [term]}}
        found = evaluate(None, [node("n", labels={"a": "7"})], [], pod("p", affinity={"nodeAffinity": terms}))
        assert found.node_name == ("n" if text in ("-1", "0" * 100_000 + "5") else ""), text[:20]


# --- time


def seconds(action: Callable[[], object]) -> float:
    began = time.process_time()
    action()
    return time.process_time() - began


def required(*expressions: dict[str, Any]) -> dict[str, Any]:
    return {"nodeAffinity": {f"required{WHEN}": {"nodeSelectorTerms": [{"matchExpressions": list(expressions)}]}}}


def hostile_pod(kind: str, size: int) -> dict[str, Any]:
    """A Pod with `size` times the same of something, as much of it as an API server takes."""
    names = [f"v{number}" for number in range(size)]
    match kind:
        case "values":
            return pod("p", affinity=required({"key": HOST, "operator": "NotIn", "values": names}))
        case "tolerations":
            return pod("p", tolerations=[{"key": name, "operator": "Exists"} for name in names])
        case "node selector":
            return pod("p", nodeSelector=dict.fromkeys(names, ""))
        case "images":
            return pod("p", initContainers=[{"name": name, "image": name} for name in names])
        case "ports":
            ports = [{"hostPort": number % 60_000 + 1} for number in range(size)]
            return pod("p", ports=ports)
        case "resources":
            return pod("p", requests={f"example.com/{name}": "1" for name in names})
        case "domains":
            spread = {"maxSkew": 1, "topologyKey": HOST, "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {}}
            return pod("p", topologySpreadConstraints=[spread])
    raise AssertionError(kind)


KINDS = ("values", "tolerations", "node selector", "images", "ports", "resources", "domains")


@pytest.mark.parametrize("kind", KINDS)
def test_time_grows_no_faster_than_an_object(kind: str) -> None:
    """Four times as much may take eight times as long, not sixteen."""

    def cycle(size: int) -> float:
        taints = [{"key": "own", "effect": "PreferNoSchedule"}]
        count = size if kind == "domains" else 8
        nodes = [node(f"n{number}", labels={HOST: f"n{number}"}, taints=taints) for number in range(count)]
        mine = hostile_pod(kind, size)
        return min(seconds(lambda: evaluate(None, nodes, [], mine)) for _ in range(3))

    size = 500 if kind == "domains" else 2000
    assert cycle(4 * size) < 8 * cycle(size) + 0.05
