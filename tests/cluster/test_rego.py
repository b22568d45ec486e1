"""Rego policies end to end: kubectl -> API server -> the edged daemon -> a module made by OPA, and the words back.

The same assertions on edged's own API server and on the real one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.edged import Edged, Server, create, pod, policy, remove_objects, wait_for

INGRESS = [{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress"}]
LABELS = {"labels": [{"key": "owner", "allowedRegex": "^[a-z]+$"}]}
POLICIES = [
    policy("labels", "required-labels", namespace="r-labels", settings=LABELS),
    policy("labels-watching", "required-labels", namespace="r-monitor", settings=LABELS, mode="monitor"),
    policy("labels-told", "required-labels", namespace="r-message", settings=LABELS, message="ask the platform team"),
    policy("registries", "image-registries", namespace="r-images", settings={"registries": ["a"]}),
    policy("hosts", "unique-ingress-host", namespace="r-hosts", context_aware=INGRESS),
    policy("blind", "unique-ingress-host", namespace="r-blind"),
]
NAMESPACES = ("r-labels", "r-monitor", "r-message", "r-images", "r-hosts", "r-blind")


@pytest.fixture(scope="module", params=["sandbox", pytest.param("real", marks=pytest.mark.kube)])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    found: Server = request.getfixturevalue("sandbox_server" if request.param == "sandbox" else "kube_cluster")
    remove_objects(found)
    for name in NAMESPACES:
        create(found.kubectl, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    with Edged(kubeconfig=found.kubeconfig, policies=POLICIES) as edged:
        edged.wait_registered()
        wait_for(lambda: "denied" in made(found, "r-labels", pod("probe"), "--dry-run=server"), "a denial")
        wait_for(lambda: "denied" in made(found, "r-images", labelled("probe", "x:1"), "--dry-run=server"), "a denial")
        yield found
    remove_objects(found)


def made(server: Server, namespace: str, obj: dict[str, Any], *arguments: str) -> str:
    """What kubectl says of creating the object."""
    done = create(server.kubectl, obj, "-n", namespace, *arguments)
    return done.stdout + done.stderr


def labelled(name: str, image: str = "a:1", **labels: str) -> dict[str, Any]:
    found = json.loads(json.dumps(pod(name)))
    found["metadata"]["labels"] = labels
    found["spec"]["containers"][0]["image"] = image
    return found


def ingress(name: str, host: str) -> dict[str, Any]:
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name},
        "spec": {"rules": [{"host": host, "http": {"paths": paths}}]},
    }


def test_violations_deny_in_the_policys_words(server: Server) -> None:
    assert "[labels]" in made(server, "r-labels", pod("bare"))
    assert "these labels are missing: owner" in made(server, "r-labels", pod("bare"))
    assert 'label owner is "Jane", which does not match ^[a-z]+$' in made(
        server, "r-labels", labelled("p", owner="Jane")
    )
    assert "created" in made(server, "r-labels", labelled("fine", owner="jane"))


def test_monitor_mode_and_message(server: Server) -> None:
    assert "created" in made(server, "r-monitor", pod("bare"))
    assert "ask the platform team" in made(server, "r-message", pod("bare"))


def test_warnings_reach_the_user(server: Server) -> None:
    said = made(server, "r-images", labelled("moving", "a:latest"))
    assert "Warning: a:latest: the tag may move" in said
    assert "created" in said
    assert "images of registries that are not allowed: b:1" in made(server, "r-images", labelled("foreign", "b:1"))


def test_policy_sees_the_objects_of_the_cluster(server: Server) -> None:
    assert "created" in made(server, "r-labels", ingress("first", "shop.example.com"))

    def said() -> str:
        return made(server, "r-hosts", ingress("second", "SHOP.example.com".lower()), "--dry-run=server")

    wait_for(lambda: "host shop.example.com is taken by Ingress r-labels/first" in said(), "what the watch says")
    assert "created" in made(server, "r-hosts", ingress("other", "other.example.com"))
    server.kubectl("delete", "ingress", "first", "-n", "r-labels")
    wait_for(lambda: "created" in said(), "what the watch says of a deletion")


def test_policy_without_grants_sees_nothing(server: Server) -> None:
    assert "created" in made(server, "r-labels", ingress("seen", "seen.example.com"))
    assert "created" in made(server, "r-blind", ingress("blind", "seen.example.com"))
