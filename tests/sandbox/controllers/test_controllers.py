"""Namespaces that end, claims in use, ServiceAccounts: through the API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from tests.sandbox.harness import NS, Caller, config_map, pod

SPACES = "/api/v1/namespaces"


def scenario(body: Callable[[Caller], Awaitable[None]]) -> None:
    trio.run(body, Caller())


def test_a_namespace_says_what_holds_it():
    async def body(call: Caller) -> None:
        await call.ok("POST", SPACES, {"metadata": {"name": "n"}})
        held = {**config_map("a"), "metadata": {"name": "a", "finalizers": ["a.b/c"]}}
        await call.ok("POST", f"{SPACES}/n/configmaps", held)
        await call.ok("POST", f"{SPACES}/n/configmaps", config_map("b"))
        assert (await call.ok("DELETE", f"{SPACES}/n"))["status"] == {"phase": "Terminating"}
        told = {each["type"]: each for each in (await call.ok("GET", f"{SPACES}/n"))["status"]["conditions"]}
        assert told["NamespaceContentRemaining"]["message"] == (
            "Some resources are remaining: configmaps. has 1 resource instances"
        )
        assert told["NamespaceFinalizersRemaining"]["message"].endswith("a.b/c in 1 resource instances")
        assert told["NamespaceDeletionContentFailure"]["status"] == "False"
        await call.refused(403, "POST", f"{SPACES}/n/configmaps", config_map("c"))
        await call.merge(f"{SPACES}/n/configmaps/a", {"metadata": {"finalizers": None}})
        await call.refused(404, "GET", f"{SPACES}/n")

    scenario(body)


def test_a_namespace_waits_for_pods_first():
    async def body(call: Caller) -> None:
        await call.ok("POST", SPACES, {"metadata": {"name": "n"}})
        await call.ok("POST", f"{SPACES}/n/pods", pod("p", nodeName="x"))
        await call.ok("POST", f"{SPACES}/n/configmaps", config_map("a"))
        await call.ok("DELETE", f"{SPACES}/n")
        assert (await call.ok("GET", f"{SPACES}/n/pods/p"))["metadata"]["deletionTimestamp"]
        await call.ok("GET", f"{SPACES}/n/configmaps/a")
        await call.ok("DELETE", f"{SPACES}/n/pods/p?gracePeriodSeconds=0")
        await call.refused(404, "GET", f"{SPACES}/n")

    scenario(body)


def test_a_claim_in_use_stays():
    async def body(call: Caller) -> None:
        claims = f"{NS}/persistentvolumeclaims"
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        await call.ok("POST", claims, {"metadata": {"name": "c"}, "spec": spec})
        volume = {"name": "v", "persistentVolumeClaim": {"claimName": "c"}}
        await call.ok("POST", f"{NS}/pods", pod("p", nodeName="x", volumes=[volume]))
        await call.ok("DELETE", f"{claims}/c")
        await call.ok("GET", f"{claims}/c")
        await call.ok("DELETE", f"{NS}/pods/p?gracePeriodSeconds=0")
        await call.refused(404, "GET", f"{claims}/c")

    scenario(body)


def test_every_namespace_has_a_default_account():
    async def body(call: Caller) -> None:
        await call.ok("GET", f"{NS}/serviceaccounts/default")
        await call.ok("POST", SPACES, {"metadata": {"name": "n"}})
        before = await call.ok("GET", f"{SPACES}/n/serviceaccounts/default")
        await call.ok("DELETE", f"{SPACES}/n/serviceaccounts/default")
        again = await call.ok("GET", f"{SPACES}/n/serviceaccounts/default")
        assert again["metadata"]["uid"] != before["metadata"]["uid"]

    scenario(body)
