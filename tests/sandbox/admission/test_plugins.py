"""Built-in admission through the API, without a network: what it adds, what it refuses, in the API server's words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from edged.sandbox.admission.plugins import PLUGINS
from tests.sandbox.harness import NS, Caller, pod

PODS = f"{NS}/pods"
CLAIMS = f"{NS}/persistentvolumeclaims"


def scenario(body: Callable[[Caller], Awaitable[None]]) -> None:
    trio.run(body, Caller())


def named(name: str, **fields: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, **fields}


def limit_range(**item: Any) -> dict[str, Any]:
    return named("limits", spec={"limits": [{"type": "Container", **item}]})


def test_the_order_is_that_of_the_api_server():
    names = [plugin.name for plugin in PLUGINS]
    assert names.index("NamespaceLifecycle") == 0
    assert names.index("LimitRanger") < names.index("PodSecurity") < names.index("Priority")


def test_a_new_object_has_its_name_only_after_admission():
    async def body(call: Caller) -> None:
        await call.merge("/api/v1/namespaces/default", {"metadata": {"labels": {
            "pod-security.kubernetes.io/enforce": "baseline"}}})
        wrong = {**pod("", hostPID=True), "metadata": {"generateName": "gen-"}}
        status = await call.refused(403, "POST", PODS, wrong)
        assert status["details"]["name"].startswith("gen-") and len(status["details"]["name"]) == 9
        wrong["spec"] = {**pod("")["spec"], "priorityClassName": "none"}
        status = await call.refused(403, "POST", PODS, wrong)
        assert status["message"] == 'pods "gen-" is forbidden: no PriorityClass with name none was found'

    scenario(body)


def test_limit_ranges():
    async def body(call: Caller) -> None:
        item = {"default": {"cpu": "1"}, "defaultRequest": {"cpu": "500m"}, "max": {"cpu": "2"}}
        await call.ok("POST", f"{NS}/limitranges", limit_range(**item))
        made = await call.ok("POST", PODS, pod("a"))
        assert made["spec"]["containers"][0]["resources"] == {"limits": {"cpu": "1"}, "requests": {"cpu": "500m"}}
        said = "LimitRanger plugin set: cpu request for container c; cpu limit for container c"
        assert made["metadata"]["annotations"] == {"kubernetes.io/limit-ranger": said}
        large = pod("b")
        large["spec"]["containers"][0]["resources"] = {"limits": {"cpu": "3"}}
        status = await call.refused(403, "POST", PODS, large)
        assert status["message"] == 'pods "b" is forbidden: maximum cpu usage per Container is 2, but limit is 3'

    scenario(body)


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"priority": 5}, "the integer value of priority (5) must not be provided in pod spec; priority admission "
         "controller computed 0 from the given PriorityClass name"),
        ({"preemptionPolicy": "Never"}, "the string value of PreemptionPolicy (Never) must not be provided in pod "
         "spec; priority admission controller computed PreemptLowerPriority from the given PriorityClass name"),
        ({"runtimeClassName": "none"}, 'pod rejected: RuntimeClass "none" not found'),
        ({"overhead": {"cpu": "1"}},
         "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"),
    ],
)  # fmt: skip
def test_refused_pods(spec, why):
    async def body(call: Caller) -> None:
        status = await call.refused(403, "POST", PODS, pod("a", **spec))
        assert status["message"] == f'pods "a" is forbidden: {why}'
        assert status["details"] == {"name": "a", "kind": "pods"}

    scenario(body)


def test_system_classes_are_there_and_one_default_is_enough():
    async def body(call: Caller) -> None:
        made = await call.ok("POST", PODS, pod("a", priorityClassName="system-node-critical"))
        assert made["spec"]["priority"] == 2_000_001_000
        classes = "/apis/scheduling.k8s.io/v1/priorityclasses"
        await call.ok("POST", classes, named("one", value=1, globalDefault=True))
        status = await call.refused(403, "POST", classes, named("two", value=2, globalDefault=True))
        assert status["message"].endswith("PriorityClass one is already marked as default. Only one default can exist")
        made = await call.ok("POST", PODS, pod("b"))
        assert (made["spec"]["priorityClassName"], made["spec"]["priority"]) == ("one", 1)

    scenario(body)


def test_runtime_classes_place_pods():
    async def body(call: Caller) -> None:
        given = named("r", handler="h", overhead={"podFixed": {"cpu": "100m"}}, scheduling={
            "nodeSelector": {"a": "b"}, "tolerations": [{"key": "k", "operator": "Exists"}]})  # fmt: skip
        await call.ok("POST", "/apis/node.k8s.io/v1/runtimeclasses", given)
        made = await call.ok("POST", PODS, pod("a", runtimeClassName="r"))
        assert made["spec"]["overhead"] == {"cpu": "100m"} and made["spec"]["nodeSelector"] == {"a": "b"}
        assert {"key": "k", "operator": "Exists"} in made["spec"]["tolerations"]
        status = await call.refused(403, "POST", PODS, pod("b", runtimeClassName="r", nodeSelector={"a": "c"}))
        said = "conflict: runtimeClass.scheduling.nodeSelector[a] = b; pod.spec.nodeSelector[a] = c"
        assert said in status["message"]

    scenario(body)


def test_new_nodes_are_not_ready():
    async def body(call: Caller) -> None:
        taints = [{"key": "own", "effect": "NoExecute"}]
        made = await call.ok("POST", "/api/v1/nodes", named("n", spec={"taints": taints}))
        assert made["spec"]["taints"] == [*taints, {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]
        ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
        await call.merge("/api/v1/nodes/n/status", ready)
        assert (await call.ok("GET", "/api/v1/nodes/n"))["spec"]["taints"] == taints

    scenario(body)


def test_an_ingress_gets_the_newest_default_class():
    async def body(call: Caller) -> None:
        marked = {"name": "c", "annotations": {"ingressclass.kubernetes.io/is-default-class": "true"}}
        classes = "/apis/networking.k8s.io/v1/ingressclasses"
        await call.ok("POST", classes, {"metadata": marked, "spec": {"controller": "a.b/c"}})
        backend = {"service": {"name": "s", "port": {"number": 80}}}
        made = await call.ok("POST", "/apis/networking.k8s.io/v1/namespaces/default/ingresses",
                             named("i", spec={"defaultBackend": backend}))  # fmt: skip
        assert made["spec"]["ingressClassName"] == "c"

    scenario(body)


def test_claims_grow_only_when_bound():
    async def body(call: Caller) -> None:
        size = {"resources": {"requests": {"storage": "1Gi"}}, "accessModes": ["ReadWriteOnce"]}
        made = await call.ok("POST", CLAIMS, named("p", spec=size))
        assert made["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
        grown = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
        kind = "application/merge-patch+json"
        status = await call.refused(422, "PATCH", f"{CLAIMS}/p", grown, content_type=kind)
        assert "spec is immutable after creation except resources.requests" in status["message"]
        await call.merge(f"{CLAIMS}/p/status", {"status": {"phase": "Bound"}})
        status = await call.refused(403, "PATCH", f"{CLAIMS}/p", grown, content_type=kind)
        assert "only dynamically provisioned pvc can be resized" in status["message"]

    scenario(body)
