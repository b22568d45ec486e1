"""Dynamic registration against a live API server: kept right when somebody interferes, never a fight, never half a set.

The logic by itself is tested on virtual time (tests/admission/endpoint); here are the daemon, a
real client's edits and a real server's watch.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edged.wasm import binary, bindings
from edged.wasm.compile import METADATA_SECTION
from tests.cluster.edged import OBJECTS, Edged, Server, create, get, pod, policy, remove_objects, wait_for

PODS = [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}]
NAMESPACE = "registration"
NO_PRIVILEGED = policy("no-privileged", "pod-privileged", namespace=NAMESPACE)
DEFAULTS = policy("defaults", "resource-defaults", namespace=NAMESPACE, allowed_to_mutate=True,
                  settings={"requests": {"cpu": "50m"}})  # fmt: skip
VALIDATING, MUTATING = OBJECTS
CORRECTED_S = 15.0  # it looks every 10 s


@pytest.fixture
def server(api_server: Server) -> Iterator[Server]:
    remove_objects(api_server)
    api_server.kubectl("create", "namespace", NAMESPACE, check=False)
    yield api_server
    remove_objects(api_server)


@pytest.fixture
def edged(server: Server) -> Iterator[Edged]:
    policies = [NO_PRIVILEGED, DEFAULTS]
    with Edged(kubeconfig=server.kubeconfig, policies=policies, admission={"webhooks": "each"}) as edged:
        edged.wait_registered()
        yield edged


def registered(server: Server, plural: str = VALIDATING) -> list[str]:
    """Names of the policies in the webhook object, as kubectl shows it."""
    found = get(server.kubectl, plural, "edged") or {"webhooks": []}
    return [hook["name"].removesuffix(".policy.edged.dev") for hook in found.get("webhooks", ())]


def versions(server: Server) -> list[str]:
    found = [get(server.kubectl, plural, "edged") for plural in OBJECTS]
    return [obj["metadata"]["resourceVersion"] for obj in found if obj]


def privileged_denied(server: Server) -> bool:
    done = create(server.kubectl, pod("x", privileged=True), "-n", NAMESPACE, "--dry-run=server")
    return done.returncode != 0 and "denied the request" in done.stderr


def test_what_is_edited_or_deleted_is_put_right(server: Server, edged: Edged, tmp_path: Path) -> None:
    """`kubectl edit` itself, with an editor that swaps a rule's resource, and `kubectl delete`."""
    kubectl = server.kubectl
    before = get(kubectl, VALIDATING, "edged")
    assert before and registered(server, MUTATING) == ["defaults"]
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's/- pods$/- secrets/' \"$1\"\n")
    editor.chmod(0o755)
    kubectl("label", VALIDATING, "edged", "team=platform")
    kubectl("edit", VALIDATING, "edged", environment={"KUBE_EDITOR": str(editor)})
    edited = get(kubectl, VALIDATING, "edged")
    assert edited and edited["webhooks"][0]["rules"][0]["resources"] != before["webhooks"][0]["rules"][0]["resources"]
    kubectl("delete", MUTATING, "edged")

    def right() -> bool:
        now = get(kubectl, VALIDATING, "edged")
        return bool(now) and now["webhooks"] == before["webhooks"] and registered(server, MUTATING) == ["defaults"]

    wait_for(right, "both put right", seconds=CORRECTED_S)
    after = get(kubectl, VALIDATING, "edged")
    # Somebody else's labels are not ours to remove.
    assert after and after["metadata"]["labels"]["team"] == "platform"


def test_two_daemons_do_not_fight(server: Server, edged: Edged) -> None:
    first = [get(server.kubectl, plural, "edged") for plural in OBJECTS]
    other_policy = policy("other", "pod-privileged", namespace=NAMESPACE)
    with Edged(kubeconfig=server.kubeconfig, policies=[other_policy], node="edge-2") as second:
        refused = second.wait_phase("refused")
        assert "belongs to edge-1/" in refused["message"] and "edged webhook remove --force" in refused["message"]
        # What a person sees.
        assert "belongs to edge-1/" in " ".join(second.command("status").stdout.split())
        deadline = time.monotonic() + 12  # each has looked at least once more
        while time.monotonic() < deadline:
            assert [get(server.kubectl, plural, "edged") for plural in OBJECTS] == first
            time.sleep(1)
        assert edged.registration["phase"] == "registered"
        assert second.is_serving() and not second.is_ready(), "the API server was never told of it"
        assert second.review("other", pod("x", privileged=True))["allowed"] is False


@pytest.mark.parametrize("api_server", [pytest.param("real", marks=pytest.mark.kube)], indirect=True)
def test_one_identity_twice_ends_after_a_few_corrections(server: Server, edged: Edged) -> None:
    """Two daemons that take themselves for one another: they cannot tell, but they stop."""
    with Edged(kubeconfig=server.kubeconfig, policies=[policy("other", "pod-privileged", namespace=NAMESPACE)]) as twin:

        def contested() -> bool:
            return "contested" in (edged.registration["phase"], twin.registration["phase"])

        wait_for(contested, "contested", seconds=90, every_s=0.5)


SLICE: dict[str, Any] = {
    "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
    "metadata": {"name": "kubernetes-other", "namespace": "default",
                 "labels": {"kubernetes.io/service-name": "kubernetes"}},
    "endpoints": [{"addresses": ["192.0.2.77"], "conditions": {"ready": True}}],
    "ports": [{"name": "https", "port": 6443, "protocol": "TCP"}],
}  # fmt: skip


def test_a_loopback_url_is_refused_when_there_is_another_api_server(server: Server) -> None:
    """192.0.2.77 would dial its own loopback, where nobody answers."""
    assert create(server.kubectl, SLICE).returncode == 0
    try:
        with Edged(kubeconfig=server.kubeconfig, policies=[NO_PRIVILEGED]) as edged:
            refused = edged.wait_phase("refused")
            assert "is a loopback URL, and" in refused["message"] and "192.0.2.77" in refused["message"]
            assert [get(server.kubectl, plural, "edged") for plural in OBJECTS] == [None, None]
            server.kubectl("delete", "endpointslice", "kubernetes-other", "-n", "default")
            edged.wait_registered()
    finally:
        server.kubectl("delete", "endpointslice", "kubernetes-other", "-n", "default", "--ignore-not-found")


def test_the_emergency_exit_needs_no_daemon(server: Server, edged: Edged) -> None:
    wait_for(lambda: privileged_denied(server), "denial")
    edged.kill()

    def failing() -> bool:
        done = create(server.kubectl, pod("x"), "-n", NAMESPACE, "--dry-run=server")
        return "failed calling webhook" in done.stderr

    wait_for(failing, "failing closed")
    removed = edged.command("webhook", "remove")
    assert removed.stdout.count("deleted") == 2
    assert [get(server.kubectl, plural, "edged") for plural in OBJECTS] == [None, None]
    wait_for(lambda: create(server.kubectl, pod("x"), "-n", NAMESPACE, "--dry-run=server").returncode == 0, "way out")
    again = edged.command("webhook", "remove")
    assert "nothing is registered" in again.stderr


def test_the_emergency_exit_needs_no_configuration_either(server: Server, edged: Edged) -> None:
    edged.kill()
    edged.config.write_text("[admission\n")
    refused = edged.command("webhook", "remove", "--kubeconfig", str(server.kubeconfig), check=False)
    # Without a configuration it does not know who it is: only --force takes what another identity owns.
    assert refused.returncode == 1
    assert "belongs to edge-1/" in refused.stderr
    edged.command("webhook", "remove", "--force", "--kubeconfig", str(server.kubeconfig))
    assert [get(server.kubectl, plural, "edged") for plural in OBJECTS] == [None, None]


def test_reload_takes_a_set_whole_or_not_at_all(server: Server, edged: Edged) -> None:
    wait_for(lambda: privileged_denied(server), "denial")
    more = policy("more", "pod-privileged", namespace=NAMESPACE, message="more")
    edged.configure([NO_PRIVILEGED, more])
    assert edged.reload() == ""
    edged.wait_registered()
    assert (registered(server), registered(server, MUTATING)) == (["more", "no-privileged"], [])
    before = versions(server)

    # A module that does not load: nothing of the new set is taken, although the rest of it is fine.
    edged.configure([more, policy("absent", "absent", namespace=NAMESPACE, rules=PODS)])
    assert "policies do not load: absent: the module file is missing (" in edged.reload()
    assert set(edged.status()["policies"]) == {"more", "no-privileged"}
    assert "policies do not load: absent" in edged.command("status").stdout

    # No TOML at all.
    edged.config.write_text("[admission\n")
    assert "not valid TOML" in edged.reload()
    assert edged.review("no-privileged", pod("x", privileged=True))["allowed"] is False
    assert versions(server) == before

    edged.configure([NO_PRIVILEGED])
    assert edged.reload() == ""
    edged.wait_registered()
    assert registered(server) == ["no-privileged"]


def test_a_policy_is_unregistered_before_its_route_goes(server: Server, edged: Edged) -> None:
    """Nobody may meet a webhook that nobody answers: requests go on while the policy is taken away."""
    more = policy("more", "pod-privileged", namespace=NAMESPACE)
    edged.configure([NO_PRIVILEGED, more])
    assert edged.reload() == ""
    edged.wait_registered()
    wait_for(lambda: privileged_denied(server), "denial")
    edged.configure([])
    assert edged.reload() == ""
    # The API server may not have noticed; the route answers "allowed" until it surely has.
    assert edged.review("more", pod("x", privileged=True))["allowed"] is True
    seen: set[bool] = set()
    for _ in range(15):
        done = create(server.kubectl, pod("x", privileged=True), "-n", NAMESPACE, "--dry-run=server")
        assert "failed calling webhook" not in done.stderr, done.stderr
        seen.add(done.returncode == 0)
    assert seen == {True}
    edged.wait_registered()
    assert (registered(server), registered(server, MUTATING)) == ([], [])


TWO = {
    "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "two", "namespace": NAMESPACE},
    "spec": {"containers": [{"name": "main", "image": "a:1"}, {"name": "sidecar", "image": "b:1"}]},
}  # fmt: skip
CONSTANT = """(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 1024) "{quoted}")
  (func (export "_start")
    (i32.store (i32.const 8) (i32.const 1024))
    (i32.store (i32.const 12) (i32.const {length}))
    (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16)))))"""


def adding_a_sidecar(folder: Path) -> dict[str, Any]:
    """A policy that answers with that Pod, whatever it is asked. It is not registered by edged."""
    text = json.dumps({"valid": True, "accepted": True, "mutated_object": TWO})
    wasm = bindings.wat2wasm(CONSTANT.format(quoted=text.replace('"', '\\"'), length=len(text)))
    metadata = {"executionMode": "wasi", "rules": [], "mutating": True}
    path = folder / "sidecar.wasm"
    path.write_bytes(binary.append_custom_section(wasm, METADATA_SECTION, json.dumps(metadata).encode()))
    return {"name": "sidecar", "module": f"file://{path}", "allowed_to_mutate": True, "rules": []}


def register_later(server: Server, url: str) -> None:
    """The sidecar's webhook, as somebody else's: its object's name comes after edged's."""
    found = get(server.kubectl, MUTATING, "edged")
    assert found
    (defaults,) = found["webhooks"]
    hook = {**defaults, "name": "sidecar.example.org", "reinvocationPolicy": "Never"}
    hook["clientConfig"] = {**defaults["clientConfig"], "url": url}
    create(server.kubectl, {
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "z-sidecar"}, "webhooks": [hook],
    })  # fmt: skip


@pytest.mark.parametrize(("again", "expected"), [("Never", [None, None]), ("IfNeeded", ["50m", "50m"])])
def test_a_container_of_a_later_webhook_gets_its_defaults(
    server: Server, tmp_path: Path, again: str, expected: list[str | None]
) -> None:
    first = {**DEFAULTS, "reinvocation_policy": again}
    with Edged(kubeconfig=server.kubeconfig, policies=[first, adding_a_sidecar(tmp_path)]) as edged:
        wait_for(lambda: edged.registration.get("policies") == ["defaults"], "registration")
        register_later(server, f"https://127.0.0.1:{edged.port}/validate/sidecar")
        try:
            found = wait_for(lambda: with_sidecar(server), "a Pod with a sidecar")
            requests = [each["resources"].get("requests", {}).get("cpu") for each in found["spec"]["containers"]]
            assert requests == expected
        finally:
            server.kubectl("delete", MUTATING, "z-sidecar")


def with_sidecar(server: Server) -> Any:
    one = {**TWO, "spec": {"containers": TWO["spec"]["containers"][:1]}}  # type: ignore[index]
    made = json.loads(create(server.kubectl, one, "--dry-run=server", "-o", "json").stdout)
    return made if len(made["spec"]["containers"]) == 2 else None


def test_another_name_takes_over_without_a_gap(server: Server) -> None:
    """The former objects are there until the new ones are in force. A Pod that the policy denies never gets in."""
    with Edged(kubeconfig=server.kubeconfig, policies=[NO_PRIVILEGED]) as edged:
        edged.wait_registered()
        wait_for(lambda: privileged_denied(server), "a denial")
        edged.stop()
        edged.rename("zz-edged")
        edged.start()

        def is_gone() -> bool:
            assert not privileged_allowed(server)
            return get(server.kubectl, VALIDATING, "edged") is None

        wait_for(is_gone, "the former object gone")
        assert get(server.kubectl, VALIDATING, "zz-edged") and privileged_denied(server)
        server.kubectl("delete", VALIDATING, "zz-edged")


def privileged_allowed(server: Server) -> bool:
    return create(server.kubectl, pod("x", privileged=True), "-n", NAMESPACE, "--dry-run=server").returncode == 0
