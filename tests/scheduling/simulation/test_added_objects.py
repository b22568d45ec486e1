"""Objects of files that are added to a picture."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest

from edged.errors import ConfigError
from edged.kube.values.names import NamespacedName
from edged.scheduling.simulation.added_objects import NOT_ADDED, UNKNOWN, add_pods
from edged.scheduling.simulation.completion import complete
from edged.scheduling.simulation.counterparts import NO_NODE
from edged.scheduling.simulation.notes import NOT_DONE
from tests.kube.values.test_shape_checks import places, put
from tests.scheduling.makers import pod
from tests.scheduling.simulation.test_changes import busy
from tests.scheduling.simulation.test_simulation import simulate

TEMPLATE = {"metadata": {"labels": {"app": "api"}}, "spec": {"priorityClassName": "high", "containers": [
    {"name": "c", "resources": {"limits": {"cpu": "2"}, "requests": {"memory": "1Gi"}}}]}}  # fmt: skip
DEPLOYMENT = {"kind": "Deployment", "metadata": {"name": "api"}, "spec": {
    "replicas": 2, "selector": {"matchLabels": {"app": "api"}}, "template": TEMPLATE}}  # fmt: skip


def test_pods_and_what_makes_some() -> None:
    state = busy()
    state.add_document({"kind": "PriorityClass", "metadata": {"name": "high"}, "value": 77}, "x")
    assert add_pods(state, [(DEPLOYMENT, "api.yaml")]) == "2 Pods added"
    made = state.pods[NamespacedName("default", "api-1")]
    assert made["spec"]["priority"] == 77
    assert made["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "2", "memory": "1Gi"}
    with pytest.raises(ConfigError, match="there is a Pod default/api-0 already"):
        add_pods(state, [(DEPLOYMENT, "api.yaml")])


def test_what_comes_in_one_file_is_added_together_in_any_order() -> None:
    state = busy()
    other = {"kind": "PriorityClass", "metadata": {"name": "high"}, "value": 7}
    items = [DEPLOYMENT, {"kind": "ConfigMap", "metadata": {"name": "c"}}, other, {"a": 1}]
    assert add_pods(state, [(items, "f")]) == "2 Pods, 1 PriorityClass added"
    assert state.pods[NamespacedName("default", "api-0")]["spec"]["priority"] == 7
    assert state.notes.lines() == [
        "f: [3]: skipped, because it has no kind", f"1 ConfigMap: {NOT_ADDED}",
    ]  # fmt: skip


def test_what_the_api_server_would_have_done_with_it_is_said_of_what_is_not_added() -> None:
    state = busy()
    kinds = [*NOT_DONE]
    add_pods(state, [([DEPLOYMENT, *({"kind": kind, "metadata": {"name": "q"}} for kind in kinds)], "f")])
    lines = state.notes.lines()
    assert [line for line in lines if line in NOT_DONE.values()] == [NOT_DONE[kind] for kind in sorted(kinds)]


def test_what_the_api_server_would_refuse_is_said_and_gives_no_room() -> None:
    state = busy()
    debt = {**pod("debt", requests={"cpu": "-30"}), "kind": "Pod"}
    other = {**DEPLOYMENT, "spec": {**DEPLOYMENT["spec"], "selector": {"matchLabels": {"app": "x"}}}}
    add_pods(state, [([debt, other], "f")])
    refused = "the API server would refuse it, it is simulated all the same: spec."
    assert [line.partition(refused) for line in state.notes.lines() if refused in line] == [
        ("Pod default/debt: ", refused,
         "containers[0].resources.requests[cpu]: -30 must be greater than or equal to 0"),
        ("Deployment default/api: ", refused, "template.metadata.labels: the selector does not match them"),
    ]  # fmt: skip
    made = state.pods[NamespacedName("default", "debt")]
    assert made["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "0"}


def test_an_exported_pod_starts_anew_and_one_with_a_node_is_named() -> None:
    state = busy()
    done = {**pod("x"), "kind": "Pod", "status": {"phase": "Succeeded"}}
    there = {**pod("y", node="b"), "kind": "Pod"}
    generated = {"kind": "Pod", "metadata": {"generateName": "run-"}, "spec": {"containers": [{"name": "c"}]}}
    assert add_pods(state, [(done, "f"), (there, "f"), (generated, "f"), (generated, "f")]) == "4 Pods added"
    assert "default/x" in [f"default/{p['metadata']['name']}" for p in state.waiting_pods()]
    assert [key.name for key in state.pods if key.name.startswith("run-")] == ["run-0", "run-1"]
    assert "Pod default/y: names its node itself: the scheduler is not asked" in state.notes.lines()
    assert not any(NO_NODE in line for line in state.notes.lines())
    add_pods(state, [({**pod("z", node="ghost"), "kind": "Pod"}, "f")])
    assert f"Pod default/z on ghost: {NO_NODE}" in state.notes.lines()


@pytest.mark.parametrize(("version", "note"), [
    ("v1", NOT_ADDED), ("rbac.authorization.k8s.io/v1", NOT_ADDED), ("autoscaling/v2", NOT_ADDED),
    ("argoproj.io/v1alpha1", UNKNOWN), ("jobset.x-k8s.io/v1alpha2", UNKNOWN),
])  # fmt: skip
def test_a_kind_of_others_may_make_pods(version: str, note: str) -> None:
    state = busy()
    items = [{"apiVersion": version, "kind": "Rollout", "metadata": {"name": "r"}}, {**pod("x"), "kind": "Pod"}]
    add_pods(state, [(items, "f")])
    assert f"1 Rollout: {note}" in state.notes.lines()


def test_a_namespace_that_is_not_there_is_named_where_the_input_tells_of_namespaces() -> None:
    state = busy()
    state.add_document({"kind": "Namespace", "metadata": {"name": "shop"}}, "f")
    leaving = {"name": "old", "deletionTimestamp": "2026-01-01T00:00:00Z"}
    state.add_document({"kind": "Namespace", "metadata": leaving}, "f")
    complete(state)
    for name in ("shop", "kube-system", "new", "old"):
        add_pods(state, [({**pod(f"of-{name}", namespace=name), "kind": "Pod"}, "f")])
    refused = "the API server would refuse it, it is simulated all the same"
    assert [line for line in state.notes.lines() if refused in line] == [
        f'Pod new/of-new: {refused}: namespaces "new" not found',
        f"Pod old/of-old: {refused}: unable to create new content in namespace old because it is being terminated",
    ]


def of_kind(kind: str, spec: object) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": "x"}, "spec": spec}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (of_kind("Pod", 3), "f: Pod default/x: spec: must be an object"),
        (of_kind("Job", {"template": "t"}), "f: Job x: spec.template: must be"),
        ({**pod("x", requests={"cpu": "lots"}), "kind": "Pod"},
         "f: Pod default/x: spec.containers[0].resources.requests.cpu: 'lots' is not a"),
        (of_kind("DaemonSet", {"template": {"spec": {"tolerations": [3]}}}), "spec.tolerations[0]: must be an object"),
        (of_kind("Deployment", {"replicas": "2", "template": {}}), "f: Deployment x: '2' Pods: not a number up to"),
        (of_kind("StatefulSet", {"template": {}, "ordinals": {"start": -1}}), "spec.ordinals.start: -1"),
        (of_kind("StatefulSet", {"template": {}, "volumeClaimTemplates": [{"metadata": {"name": "d"}, "spec": {
            "resources": {"requests": {"storage": "x"}}}}]}), "spec.resources.requests.storage: 'x' is not a"),
        (of_kind("Deployment", {"template": {}, "selector": {"matchLabels": 7}}), "spec.selector.matchLabels: must be"),
        ({"kind": "Pod", "metadata": {"name": False}}, "f: Pod: metadata.name: must be a string, not a boolean; put"),
        ({"kind": "Pod", "metadata": {"labels": {}}}, "f: Pod without metadata.name"),
        ({"kind": "Job", "metadata": {"name": "j", "namespace": 3}}, "f: Job: metadata.namespace: must be a string"),
        (of_kind("Ingress", {}), "no Pods are made of a Ingress; Pod or one of CronJob, DaemonSet"),
        ("text", "nothing can be added: no objects"),
    ],
)  # fmt: skip
def test_what_cannot_be_added(document: Any, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        add_pods(busy(), [(document, "f")])
    assert said in str(caught.value)


EVERY_KIND: list[dict[str, Any]] = [
    {"kind": "Deployment", "metadata": {"name": "d"}, "spec": {"replicas": 2, "selector": {"matchLabels": {"a": "b"}},
     "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"hostNetwork": True, "containers": [
         {"name": "c", "ports": [{"containerPort": 80}], "resources": {"limits": {"cpu": "1"}}}]}}}},
    {"kind": "StatefulSet", "metadata": {"name": "s", "namespace": "x"}, "spec": {
        "ordinals": {"start": 1}, "selector": {"matchLabels": {"a": "b"}}, "template": {"spec": {
            "containers": [{"name": "c"}], "volumes": [{"name": "v", "emptyDir": {}}]}}, "volumeClaimTemplates": [
            {"metadata": {"name": "v", "labels": {"a": "b"}}, "spec": {"storageClassName": "sc"}}]}},
    {"kind": "DaemonSet", "metadata": {"name": "e"}, "spec": {"template": {"spec": {
        "containers": [{"name": "c"}], "tolerations": [{"operator": "Exists"}], "affinity": {"nodeAffinity": {}}}}}},
    {"kind": "Job", "metadata": {"generateName": "j-"}, "spec": {"completions": 3, "parallelism": 2, "template": {
        "metadata": {"annotations": {"a": "b"}}, "spec": {"containers": [{"name": "c"}], "runtimeClassName": "rc"}},
        "completionMode": "Indexed", "suspend": False}},
    {"kind": "CronJob", "metadata": {"name": "k"}, "spec": {"jobTemplate": {"spec": {"parallelism": 1, "template": {
        "spec": {"containers": [{"name": "c"}], "priorityClassName": "pc"}}}}}},
    {"kind": "PodTemplate", "metadata": {"name": "t"}, "template": {"spec": {"containers": [{"name": "c"}]}}},
    {"kind": "Pod", "metadata": {"name": "p"}, "spec": {"resources": {"limits": {"memory": "1Gi"}}, "containers": [
        {"name": "c", "resources": {"requests": {"cpu": "1"}}}], "volumes": [
        {"name": "e", "ephemeral": {"volumeClaimTemplate": {"metadata": {"labels": {"a": "b"}}, "spec": {}}}}]}},
    {"kind": "RuntimeClass", "metadata": {"name": "rc"}, "overhead": {"podFixed": {"cpu": "1"}}},
    {"kind": "LimitRange", "metadata": {"name": "lr"}, "spec": {"limits": [
        {"type": "Container", "default": {"cpu": "1"}, "maxLimitRequestRatio": {"cpu": "2"}}]}},
    {"kind": "PersistentVolume", "metadata": {"name": "v"}, "spec": {"capacity": {"storage": "1Gi"}, "claimRef": {
        "namespace": "x", "name": "v-s-1"}}},
]  # fmt: skip


def test_whatever_is_added_is_refused_by_name_or_simulated() -> None:
    chance, refused = random.Random(7), 0
    odd = (None, 7, -1.5, True, "", "text", [], ["text"], [None], {}, {"a": 1}, {"a": {"b": []}}, 10**18)
    spots = [(n, place) for n, obj in enumerate(EVERY_KIND) for place in places(obj) if place]
    for _ in range(1200):
        number, place = chance.choice(spots)
        objects = copy.deepcopy(EVERY_KIND)
        put(objects[number], place, chance.choice(odd))
        state = busy()
        try:
            add_pods(state, [(objects, "f")])
        except ConfigError as error:
            assert str(error).startswith("f: ")
            refused += 1
            continue
        simulate(state)
    assert 400 < refused < 1100
