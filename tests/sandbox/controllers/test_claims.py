"""Claims that Pods bring with them, through the API."""

from __future__ import annotations

import trio

from tests.sandbox.harness import NS, Caller, pod

PODS, CLAIMS = f"{NS}/pods", f"{NS}/persistentvolumeclaims"
RESOURCE = "/apis/resource.k8s.io/v1/namespaces/default"


def test_an_ephemeral_volume_has_a_claim_for_as_long_as_its_pod():
    async def body(call: Caller) -> None:
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        template = {"metadata": {"labels": {"a": "b"}}, "spec": spec}
        made = await call.ok("POST", PODS, pod("p", volumes=[{"name": "v", "ephemeral": {
            "volumeClaimTemplate": template}}]))  # fmt: skip
        claim = await call.ok("GET", f"{CLAIMS}/p-v")
        assert claim["metadata"]["labels"] == {"a": "b"} and claim["status"] == {"phase": "Pending"}
        assert claim["metadata"]["ownerReferences"][0]["uid"] == made["metadata"]["uid"]
        assert claim["metadata"]["finalizers"] == ["kubernetes.io/pvc-protection"]
        await call.ok("DELETE", f"{PODS}/p")
        await call.refused(404, "GET", f"{CLAIMS}/p-v")

    trio.run(body, Caller())


def test_a_resource_claim_comes_once_its_template_is_there():
    async def body(call: Caller) -> None:
        wanted = {"name": "gpu", "resourceClaimTemplateName": "t"}
        await call.ok("POST", PODS, pod("p", resourceClaims=[wanted]))
        assert (await call.ok("GET", f"{RESOURCE}/resourceclaims"))["items"] == []
        requests = {"requests": [{"name": "r", "exactly": {"deviceClassName": "d"}}]}
        await call.ok("POST", f"{RESOURCE}/resourceclaimtemplates", {
            "metadata": {"name": "t"}, "spec": {"spec": {"devices": requests}}})  # fmt: skip
        [claim] = (await call.ok("GET", f"{RESOURCE}/resourceclaims"))["items"]
        name = claim["metadata"]["name"]
        assert name.startswith("p-gpu-")
        assert claim["metadata"]["annotations"] == {"resource.kubernetes.io/pod-claim-name": "gpu"}
        status = (await call.ok("GET", f"{PODS}/p"))["status"]
        assert status["resourceClaimStatuses"] == [{"name": "gpu", "resourceClaimName": name}]

    trio.run(body, Caller())


def test_a_quota_holds_for_claims_of_pods_too():
    async def body(call: Caller) -> None:
        hard = {"persistentvolumeclaims": "0"}
        await call.ok("POST", f"{NS}/resourcequotas", {"metadata": {"name": "q"}, "spec": {"hard": hard}})
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        volume = {"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": spec}}}
        await call.ok("POST", PODS, pod("p", volumes=[volume]))
        await call.refused(404, "GET", f"{CLAIMS}/p-v")

    trio.run(body, Caller())
