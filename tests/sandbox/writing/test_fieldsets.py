"""Server-side apply: field sets, ownership, conflicts, removal of what is no longer applied."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from edged.sandbox.writing.fieldpaths import from_fields, to_fields
from tests.sandbox.harness import NS, Caller, config_map

CM = f"{NS}/configmaps/a"
DEPLOYMENT = "/apis/apps/v1/namespaces/default/deployments/d"


def scenario(body: Callable[[Caller], Awaitable[None]]) -> None:
    trio.run(body, Caller())


async def apply(call: Caller, path: str, obj, manager: str, code: int = 200, force: bool = False):
    query = f"?fieldManager={manager}&force={str(force).lower()}"
    kind = {"content_type": "application/apply-patch+yaml"}
    status, answer = await call("PATCH", path + query, obj, **kind)
    assert status == code, answer.get("message")
    return answer


def deployment(**fields):
    containers = [{"name": "c", "image": "x:1", "ports": [{"containerPort": 80}]}]
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": containers}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template, **fields}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}


def test_fields_survive_a_round_trip():
    fields = {"f:spec": {"f:containers": {'k:{"name":"c"}': {".": {}, "f:image": {}}}, "f:replicas": {}}}
    assert to_fields(from_fields(fields)) == fields


def test_apply_creates_merges_and_forgets():
    async def body(call: Caller) -> None:
        made = await apply(call, CM, config_map("a", k="1", z="9"), "m1", 201)
        [entry] = made["metadata"]["managedFields"]
        assert (entry["manager"], entry["operation"]) == ("m1", "Apply")
        assert entry["fieldsV1"] == {"f:data": {"f:k": {}, "f:z": {}}}
        again = await apply(call, CM, config_map("a", k="1", z="9"), "m1")
        assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
        less = await apply(call, CM, config_map("a", k="2"), "m1")
        assert less["data"] == {"k": "2"}

    scenario(body)


def test_conflicts_and_force():
    async def body(call: Caller) -> None:
        await apply(call, CM, config_map("a", k="1"), "m1", 201)
        status = await apply(call, CM, config_map("a", k="2"), "m2", 409)
        assert status["message"] == 'Apply failed with 1 conflict: conflict with "m1": .data.k'
        assert status["details"]["causes"] == [
            {"reason": "FieldManagerConflict", "message": 'conflict with "m1"', "field": ".data.k"}
        ]
        shared = await apply(call, CM, config_map("a", k="1", own="x"), "m2")
        assert len(shared["metadata"]["managedFields"]) == 2
        forced = await apply(call, CM, config_map("a", k="2"), "m2", force=True)
        [entry] = forced["metadata"]["managedFields"]
        assert entry["manager"] == "m2" and forced["data"] == {"k": "2"}

    scenario(body)


def test_updates_own_what_they_change():
    async def body(call: Caller) -> None:
        await apply(call, CM, config_map("a", k="1"), "m1", 201)
        await call.merge(f"{CM}?fieldManager=ed", {"data": {"k": "5"}})
        status = await apply(call, CM, config_map("a", k="1"), "m1", 409)
        assert status["message"] == 'Apply failed with 1 conflict: conflict with "ed" using v1: .data.k'

    scenario(body)


def test_lists_merge_by_their_keys():
    async def body(call: Caller) -> None:
        await apply(call, DEPLOYMENT, deployment(replicas=2), "m1", 201)
        sidecar = {"name": "side", "image": "y"}
        other = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}}
        other["spec"] = {"template": {"spec": {"containers": [sidecar]}}}
        both = await apply(call, DEPLOYMENT, other, "m2")
        assert [c["name"] for c in both["spec"]["template"]["spec"]["containers"]] == ["c", "side"]
        other["spec"] = {}
        back = await apply(call, DEPLOYMENT, other, "m2")
        assert [c["name"] for c in back["spec"]["template"]["spec"]["containers"]] == ["c"]
        assert back["spec"]["replicas"] == 2

    scenario(body)


def test_refused_bodies():
    async def body(call: Caller) -> None:
        kind = {"content_type": "application/apply-patch+yaml"}
        status = await call.refused(422, "PATCH", CM, config_map("a"), **kind)
        expected = 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
        assert status["message"] == expected
        owned = config_map("a")
        owned["metadata"]["managedFields"] = [{"manager": "x"}]
        status = await apply(call, CM, owned, "m", 400)
        assert status["message"] == "metadata.managedFields must be nil"

    scenario(body)
