"""MutatingAdmissionPolicies by the API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from tests.sandbox.harness import NS, Caller, config_map, pod

API = "/apis/admissionregistration.k8s.io/v1"
GROUP = "admissionregistration.k8s.io/v1"
RULE = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps", "pods"]}


async def made(call: Caller, name: str, *mutations: tuple[str, str], **spec: Any) -> None:
    fields = {"ApplyConfiguration": "applyConfiguration", "JSONPatch": "jsonPatch"}
    await call.ok("POST", f"{API}/mutatingadmissionpolicies", {
        "apiVersion": GROUP, "kind": "MutatingAdmissionPolicy", "metadata": {"name": name},
        "spec": {"matchConstraints": {"resourceRules": [RULE]}, "reinvocationPolicy": "Never", **spec, "mutations": [
            {"patchType": kind, fields[kind]: {"expression": text}} for kind, text in mutations]},
    })  # fmt: skip
    await call.ok("POST", f"{API}/mutatingadmissionpolicybindings", {
        "apiVersion": GROUP, "kind": "MutatingAdmissionPolicyBinding", "metadata": {"name": name},
        "spec": {"policyName": name},
    })  # fmt: skip


def scenario(body: Callable[[Caller], Awaitable[None]]) -> None:
    async def main() -> None:
        await body(Caller())

    trio.run(main)


def test_an_apply_configuration_is_merged() -> None:
    async def body(call: Caller) -> None:
        text = "Object{metadata: Object.metadata{labels: {'a': 'b'}}, data: {'x': object.data.k + '!'}}"
        await made(call, "p", ("ApplyConfiguration", text))
        stored = await call.ok("POST", f"{NS}/configmaps", config_map("a", k="v"))
        assert stored["data"] == {"k": "v", "x": "v!"} and stored["metadata"]["labels"] == {"a": "b"}

    scenario(body)


def test_lists_with_keys_are_merged_by_them() -> None:
    async def body(call: Caller) -> None:
        text = ("Object{spec: Object.spec{containers: object.spec.containers.map(c, Object.spec.containers{"
                "name: c.name, env: [Object.spec.containers.env{name: 'A', value: 'B'}]})}}")  # fmt: skip
        await made(call, "p", ("ApplyConfiguration", text))
        stored = await call.ok("POST", f"{NS}/pods", pod("a"))
        [container] = stored["spec"]["containers"]
        assert container["env"] == [{"name": "A", "value": "B"}] and container["image"]

    scenario(body)


def test_a_json_patch_is_applied_and_a_failed_test_changes_nothing() -> None:
    async def body(call: Caller) -> None:
        add = "[JSONPatch{op: 'add', path: '/data/' + jsonpatch.escapeKey('a/b'), value: 'c'}]"
        test = ("[JSONPatch{op: 'add', path: '/data/x', value: 'y'}, "
                "JSONPatch{op: 'test', path: '/data/k', value: 'no'}]")  # fmt: skip
        await made(call, "p", ("JSONPatch", add.replace("a/b", "a.b")), ("JSONPatch", test))
        stored = await call.ok("POST", f"{NS}/configmaps", config_map("a", k="v"))
        assert stored["data"] == {"k": "v", "a.b": "c"}

    scenario(body)


def test_policies_are_asked_again_where_they_want_it() -> None:
    async def body(call: Caller) -> None:
        count = "Object{data: {'count': string(object.data.size())}}"
        await made(call, "a", ("ApplyConfiguration", count), reinvocationPolicy="IfNeeded")
        await made(call, "b", ("ApplyConfiguration", "Object{data: {'b': 'b'}}"))
        stored = await call.ok("POST", f"{NS}/configmaps", config_map("x", k="v"))
        assert stored["data"] == {"k": "v", "b": "b", "count": "3"}

    scenario(body)


@pytest.mark.parametrize(("kind", "text", "said"), [
    ("ApplyConfiguration", "Object{data: {'a': object.data.absent}}",
     "expression 'Object{data: {'a': object.data.absent}}' resulted in error: no such key: absent"),
    ("ApplyConfiguration", "Object{spec: Object.spec{a: 1}}",
     "error applying patch: failed to convert patch object to typed object: .spec: field not declared in schema"),
    ("ApplyConfiguration", "Object{data: Object.wrong{a: 'b'}}",
     'type mismatch: unexpected type name "Object.wrong", expected "Object.data", which matches field name path from '
     "root Object type"),
])  # fmt: skip
def test_a_mutation_that_fails_denies(kind: str, text: str, said: str) -> None:
    async def body(call: Caller) -> None:
        await made(call, "p", (kind, text))
        answer = await call.refused(403, "POST", f"{NS}/configmaps", config_map("a", k="v"))
        assert answer["message"] == f"policy 'p' with binding 'p' denied request: {said}"
        assert answer["reason"] == "Invalid"

    scenario(body)


def test_a_failure_may_be_ignored() -> None:
    async def body(call: Caller) -> None:
        await made(call, "p", ("ApplyConfiguration", "Object{data: object.absent}"), failurePolicy="Ignore")
        await call.ok("POST", f"{NS}/configmaps", config_map("a", k="v"))

    scenario(body)
