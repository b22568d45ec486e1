"""Match conditions that a module carries, on edged's own API server and the real one: a Pod that cannot matter makes no
call, one that matters is refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.edged import Edged, Server, create, get, pod, policy, remove_objects, wait_for

NAMESPACE = "module-conditions"
POLICIES = [
    policy("narrow", "pod-privileged", namespace=NAMESPACE, module_conditions=True),
    policy("wide", "pod-privileged", namespace=NAMESPACE, mode="monitor"),
]


@pytest.fixture(params=["sandbox", pytest.param("real", marks=pytest.mark.kube)])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    found: Server = request.getfixturevalue("sandbox_server" if request.param == "sandbox" else "kube_cluster")
    remove_objects(found)
    yield found
    remove_objects(found)


def test_a_pod_that_cannot_matter_makes_no_call(server: Server) -> None:
    create(server.kubectl, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    with Edged(kubeconfig=server.kubeconfig, policies=POLICIES) as edged:
        edged.wait_registered()
        # The API server watches its webhook objects: a moment passes until it has seen both policies.
        dry = ("-n", NAMESPACE, "--dry-run=server")
        wait_for(lambda: create(server.kubectl, pod("probe", privileged=True), *dry).returncode, "denial")
        wait_for(lambda: create(server.kubectl, pod("probe"), *dry).returncode == 0 and accepted(edged, "wide"), "call")
        before = accepted(edged, "wide")
        for number in range(3):
            done = create(server.kubectl, pod(f"plain-{number}"), *dry)
            assert done.returncode == 0, done.stderr
        assert accepted(edged, "wide") == before + 3 and accepted(edged, "narrow") == 0
        done = create(server.kubectl, pod("privileged", privileged=True), *dry)
        assert done.returncode == 1 and "is privileged, which is not allowed" in done.stderr
        (condition,) = edged.status()["policies"]["narrow"]["module_conditions"]
        assert condition["name"] == "privileged" and edged.status()["policies"]["wide"]["module_conditions"] == []
    live = get(server.kubectl, "validatingwebhookconfigurations", "edged")
    assert live is not None
    registered = [each for hook in live["webhooks"] for each in hook.get("matchConditions") or ()
                  if each["name"].startswith("module.edged.dev/")]  # fmt: skip
    assert registered == [{"name": "module.edged.dev/privileged", "expression": condition["expression"]}]


def accepted(edged: Edged, name: str) -> int:
    return int(edged.status()["policies"][name]["accepted"])
