"""Pods, workloads and namespaces under the labels of PodSecurity."""

from __future__ import annotations

import trio

from tests.sandbox.harness import NS, Caller, pod

PREFIX = "pod-security.kubernetes.io/"
NAMESPACE = "/api/v1/namespaces/default"


def warnings(response):
    return [value for name, value in response.headers if name == "Warning"]


async def label(call: Caller, **modes: str):
    patch = {"metadata": {"labels": {PREFIX + mode: level for mode, level in modes.items()}}}
    return await call.response("PATCH", NAMESPACE, patch, content_type="application/merge-patch+json")


def test_pods_are_refused_and_namespaces_told():
    async def body(call: Caller) -> None:
        for name in ("b", "a"):
            await call.ok("POST", f"{NS}/pods", pod(name, hostPID=True))
        told = warnings(await label(call, enforce="baseline"))
        assert told == [
            '299 - "existing pods in namespace \\"default\\" violate the new PodSecurity enforce level '
            '\\"baseline:latest\\""',
            '299 - "a (and 1 other pod): host namespaces"',
        ]
        status = await call.refused(403, "POST", f"{NS}/pods", pod("c", hostPID=True))
        assert status["message"] == (
            'pods "c" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostPID=true)'
        )

    trio.run(body, Caller())


def test_workloads_are_warned_of():
    async def body(call: Caller) -> None:
        await label(call, warn="baseline")
        template = {"metadata": {"labels": {"a": "b"}}, "spec": pod("", hostIPC=True)["spec"]}
        deployment = {
            "metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template},
        }  # fmt: skip
        made = await call.response("POST", "/apis/apps/v1/namespaces/default/deployments", deployment)
        assert made.status == 201
        assert warnings(made) == [
            '299 - "would violate PodSecurity \\"baseline:latest\\": host namespaces (hostIPC=true)"'
        ]

    trio.run(body, Caller())
