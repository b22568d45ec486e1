"""Match conditions that a module carries, on edged's own API server and the real one: a Pod that cannot matter makes no
call, one that matters is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from edged.wasm import binary
from edged.wasm.compile import METADATA_SECTION
from tests.cluster.edged import MODULES, Edged, Server, create, get, pod, policy, remove_objects, wait_for

NAMESPACE = "module-conditions"
COSTS = "module-conditions-costs"
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


@pytest.mark.kube
def test_a_condition_that_costs_too_much_takes_no_request_from_another_policy(
    kube_cluster: Server, tmp_path: Path
) -> None:
    """Under failurePolicy Ignore, where the API server lets pass what it cannot evaluate."""
    remove_objects(kube_cluster)
    env = "object.spec.containers[0].env"
    pairs = f"has({env}) && {env}.exists(a, {env}.exists(b, a.value == '1' && b.value == '2'))"
    costly = policy("costly", "pod-privileged", namespace=COSTS, module_conditions=True, failure_policy="Ignore")
    costly["module"] = f"file://{with_condition(tmp_path, pairs)}"
    other = policy("narrow", "pod-privileged", namespace=COSTS, module_conditions=True, failure_policy="Ignore")
    create(kube_cluster.kubectl, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": COSTS}})
    huge = pod("huge", privileged=True)
    huge["spec"]["containers"][0]["env"] = [{"name": f"N{n}", "value": "x"} for n in range(1000)]
    with Edged(kubeconfig=kube_cluster.kubeconfig, policies=[costly, other]) as edged:
        edged.wait_registered()
        dry = ("-n", COSTS, "--dry-run=server")
        wait_for(lambda: create(kube_cluster.kubectl, pod("probe", privileged=True), *dry).returncode, "denial")
        done = create(kube_cluster.kubectl, huge, *dry)
        assert done.returncode == 1 and "is privileged, which is not allowed" in done.stderr
    remove_objects(kube_cluster)


def with_condition(folder: Path, expression: str) -> Path:
    """pod-privileged, asked only where that holds."""
    source = MODULES / "pod-privileged"
    metadata = json.loads((source / "metadata.json").read_text())
    metadata["annotations"] = {"io.edged.match-conditions": json.dumps([{"name": "c", "expression": expression}])}
    path = folder / "changed.wasm"
    module = (source / "pod-privileged.wasm").read_bytes()
    path.write_bytes(binary.replace_custom_section(module, METADATA_SECTION, json.dumps(metadata).encode()))
    return path


def accepted(edged: Edged, name: str) -> int:
    return int(edged.status()["policies"][name]["accepted"])
