"""What is filled into Pods, against API servers: the same specs come out of both, and of simulations."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from typing import Any

import pytest

from edged.kube.values.quantity import nano
from edged.scheduling.simulation.cluster_state import ClusterState
from edged.scheduling.simulation.completion import complete
from tests.cluster.api import Api, ApiFailure
from tests.cluster.cluster import Cluster, Sandbox
from tests.kube.defaults.pods import CLASSES, HEAVY, LIMITS, SPECS, Object, pod
from tests.kube.defaults.test_limit_checks import REFUSED

CLUSTER_WIDE = {
    "PriorityClass": "/apis/scheduling.k8s.io/v1/priorityclasses",
    "RuntimeClass": "/apis/node.k8s.io/v1/runtimeclasses",
}  # fmt: skip
NAMESPACES = ("pod-defaults", "pod-defaults-limited")


@pytest.fixture(scope="module", params=["sandbox", pytest.param("kube", marks=pytest.mark.kube)])
def api(request: pytest.FixtureRequest) -> Iterator[Api]:
    server: Sandbox | Cluster
    server = request.getfixturevalue("sandbox_server" if request.param == "sandbox" else "kube_cluster")
    api = server.api() if isinstance(server, Cluster) else Api(server.url)
    for obj in (HEAVY, *CLASSES):
        api.create(CLUSTER_WIDE[obj["kind"]], obj)
    for name in NAMESPACES:
        api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    api.create(f"/api/v1/namespaces/{NAMESPACES[1]}/limitranges", LIMITS)
    yield api
    for obj in (HEAVY, *CLASSES):
        api.delete(f"{CLUSTER_WIDE[obj['kind']]}/{obj['metadata']['name']}")
    for name in NAMESPACES:
        api.delete(f"/api/v1/namespaces/{name}")
    api.close()


def answered(api: Api, wanted: Object) -> Object:
    """The Pod as the API server would store it, once its caches know the classes."""
    deadline = time.monotonic() + 60
    while True:
        try:
            found = api.create(f"/api/v1/namespaces/{wanted['metadata']['namespace']}/pods?dryRun=All", wanted)
        except ApiFailure as failure:
            if "no PriorityClass" not in str(failure) or time.monotonic() > deadline:
                raise
        else:
            if found["spec"]["priorityClassName"]:
                spec: Object = found["spec"]
                return spec
        time.sleep(0.1)


def simulated(wanted: Object) -> Object:
    state = ClusterState()
    limits = {**LIMITS, "metadata": {**LIMITS["metadata"], "namespace": NAMESPACES[1]}}
    for obj in (HEAVY, *CLASSES, limits, wanted):
        state.add_document(obj, "f")
    complete(state)
    (completed,) = state.pods.values()
    assert not any("refuse" in line for line in state.notes.lines())
    spec: Object = completed["spec"]
    return spec


def comparable(value: Any, path: tuple[str, ...] = ()) -> Any:
    """Without what depends on no placement, amounts as numbers."""
    if isinstance(value, dict):
        dropped = {"serviceAccount", "serviceAccountName"} if not path else set()
        dropped |= {"limits"} if path == ("resources",) else set()
        return {k: comparable(v, (*path, k)) for k, v in value.items() if k not in dropped and v not in ({}, [])}
    if isinstance(value, list):
        return [comparable(item, (*path, "[]")) for item in value]
    return nano(value) if {"requests", "limits", "overhead"} & set(path) else value


@pytest.mark.parametrize("namespace", NAMESPACES)
@pytest.mark.parametrize("name", SPECS)
def test_a_pod_gets_what_the_api_server_gives_it(api: Api, name: str, namespace: str) -> None:
    wanted = pod("p", copy.deepcopy(SPECS[name]), namespace)
    assert comparable(simulated(wanted)) == comparable(answered(api, wanted))


def test_of_an_answer_nothing_is_changed(api: Api) -> None:
    """So pictures of clusters stay as they are, whatever limits and classes came later."""
    for name, spec in SPECS.items():
        wanted = pod("p", copy.deepcopy(spec), NAMESPACES[0])
        told = {**wanted, "metadata": {**wanted["metadata"], "uid": "u"}, "spec": answered(api, wanted)}
        assert simulated(told) == told["spec"], name


@pytest.mark.kube
@pytest.mark.parametrize("name", REFUSED)
def test_what_limit_ranges_forbid_is_said_as_the_api_server_says_it(kube_cluster: Cluster, name: str) -> None:
    (limits,), spec, said = REFUSED[name]
    api, space = kube_cluster.api(), f"limits-{name.replace(' ', '-').lower()}"
    api.create("/api/v1/namespaces", {"metadata": {"name": space}})
    api.create(f"/api/v1/namespaces/{space}/limitranges", {"metadata": {"name": "l"}, **limits})
    wanted = pod("p", copy.deepcopy(spec), space)
    if not said:
        assert api.create(f"/api/v1/namespaces/{space}/pods?dryRun=All", wanted)
    else:
        with pytest.raises(ApiFailure) as refused:
            api.create(f"/api/v1/namespaces/{space}/pods?dryRun=All", wanted)
        assert str(refused.value) == f'403: pods "p" is forbidden: {said}'
    api.close()
