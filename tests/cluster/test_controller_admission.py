"""What controllers admit, on edged's own API server and on the real one: asked, registered, exchanged and gone."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from edged.wasm import bindings
from tests.cluster.edged import OBJECTS, Edged, Server, create, get, remove_objects, wait_for

ROOT = Path(__file__).parents[2]
CRDS = ROOT / "config" / "crds" / "network"
SUBNETS_MODULE = ROOT / "modules" / "controllers" / "kos-subnets" / "kos-subnets.wasm"
MAPS = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
SUBNETS = {"apiGroups": ["network.edged.dev"], "apiVersions": ["v1alpha1"], "operations": ["*"], "resources": ["*"]}
ALLOW = [
    {"apiGroups": ["network.edged.dev"], "resources": ["subnets"], "verbs": ["list", "watch"]},
    {"apiGroups": ["network.edged.dev"], "resources": ["subnets/status"], "verbs": ["update"]},
    {"apiGroups": ["network.edged.dev"], "resources": ["iplocks"], "verbs": ["list"]},
]
_names = count(1)


@pytest.fixture
def server(api_server: Server) -> Server:
    """Without what another test registered."""
    remove_objects(api_server)
    return api_server


@pytest.fixture
def namespace(server: Server) -> str:
    name = f"admits-{next(_names)}-{os.getpid()}"
    server.kubectl("create", "namespace", name)
    return name


def wat(answer: str, policy: str = "Fail", *, body: str = "") -> str:
    """A module that admits the creation of ConfigMaps by that answer. `body`: what it does before."""
    admits = {"operations": ["CREATE"], "apiVersion": "v1", "kind": "ConfigMap", "failurePolicy": policy}
    manifest = json.dumps({"admits": [admits]})
    return f"""(module (memory (export "memory") 1)
      (data (i32.const 1024) {json.dumps(manifest)}) (data (i32.const 4096) {json.dumps(answer)})
      (func (export "edged_ctl_abi") (result i32) (i32.const 65536))
      (func (export "edged_ctl_setup") (param i32) (result i64) (i64.const {1024 << 32 | len(manifest)}))
      (func (export "edged_ctl_reconcile") (param i32) (result i64) (i64.const 0))
      (func (export "edged_ctl_admit") (param i32) (result i64) {body} (i64.const {4096 << 32 | len(answer)})))"""


def controller(name: str, module: Path, *rules: Mapping[str, Any], namespace: str = "", **keys: Any) -> dict[str, Any]:
    """A [[controller]] table that admits. With a namespace: what is in there."""
    entry: dict[str, Any] = {"rules": list(rules), **keys}
    if namespace:
        entry["namespace_selector"] = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    return {"name": name, "module": f"file://{module}", "leader_election": False, "allow": ALLOW, "admits": [entry]}


def written(folder: Path, text: str, name: str = "m.wasm") -> Path:
    path = folder / name
    path.write_bytes(bindings.wat2wasm(text))
    return path


def config_map(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}


def subnet(name: str, ipv4: str, vni: int) -> dict[str, Any]:
    return {"apiVersion": "network.edged.dev/v1alpha1", "kind": "Subnet", "metadata": {"name": name},
            "spec": {"ipv4": ipv4, "vni": vni}}  # fmt: skip


def said(server: Server, namespace: str, obj: Mapping[str, Any]) -> str:
    """What the API server says to a creation; "" where the object is there now."""
    done = create(server.kubectl, obj, "-n", namespace)
    return done.stderr if done.returncode else ""


def tried(server: Server, namespace: str, name: str) -> str:
    """The same of a ConfigMap, as a dry run."""
    done = create(server.kubectl, config_map(name), "-n", namespace, "--dry-run=server")
    return done.stderr if done.returncode else ""


def hooks(server: Server, plural: str = OBJECTS[0]) -> dict[str, dict[str, Any]]:
    """Webhooks by name."""
    found = get(server.kubectl, plural, "edged") or {}
    # Where other tests installed Kubewarden's definitions, those of its objects are beside them.
    return {hook["name"]: hook for hook in found.get("webhooks") or () if not hook["name"].endswith(".kb.io")}


def in_force(edged: Edged, name: str) -> Callable[[], bool]:
    return lambda: edged.status()["policies"].get(name, {}).get("enforcement") == "in_force"


def test_a_subnet_is_refused_in_the_words_of_its_controller(server: Server, namespace: str) -> None:
    server.kubectl("apply", "-f", str(CRDS))
    server.kubectl("wait", "--for=condition=Established", "crd/subnets.network.edged.dev")
    vni = 1000 + next(_names)
    table = controller("kos-subnets", SUBNETS_MODULE, SUBNETS, namespace=namespace)
    with Edged(kubeconfig=server.kubeconfig, controllers=[table]) as edged:
        wait_for(in_force(edged, "kos-subnets"), "the webhook")
        hook = hooks(server)["kos-subnets.policy.edged.dev"]
        declared = {"operations": ["CREATE", "UPDATE"], "resources": ["subnets"], "scope": "*"}
        assert hook["rules"] == [SUBNETS | declared]
        assert hook["failurePolicy"] == "Fail" and hook["clientConfig"]["url"].endswith("/validate/kos-subnets")
        left_out = next(each for each in hook["namespaceSelector"]["matchExpressions"] if each["operator"] == "NotIn")
        assert "kube-system" in left_out["values"]
        assert said(server, namespace, subnet("good", "10.1.0.0/16", vni)) == ""
        watched = lambda: edged.status()["controllers"][0]["watches"][0]["objects"] >= 1  # noqa: E731
        wait_for(watched, "the Subnet in the module's cache")
        refusal = said(server, namespace, subnet("rival", "10.1.2.0/24", vni))
        assert 'admission webhook "kos-subnets.policy.edged.dev" denied the request' in refusal and "good" in refusal
        assert said(server, namespace, subnet("beside", "10.2.0.0/16", vni)) == ""
        shown = edged.status()["policies"]["kos-subnets"]
        assert shown["rejected"] == 1 and shown["accepted"] >= 2 and len(shown["digest"]) == 64
        assert "policy=kos-subnets verdict=rejected" in edged.log
        edged.configure((), controllers=[controller("kos-other", SUBNETS_MODULE, SUBNETS, namespace=namespace)])
        assert edged.reload() == ""
        wait_for(lambda: list(hooks(server)) == ["kos-other.policy.edged.dev"], "the webhook goes with its controller")


def test_what_fails_is_refused_and_what_is_away_goes_by_the_failure_policy(
    server: Server, namespace: str, tmp_path: Path
) -> None:
    trap = written(tmp_path, wat("", body="(unreachable)"), "trap.wasm")
    loop = written(tmp_path, wat("", "Ignore", body="(loop (br 0))"), "loop.wasm")
    tables = [controller("traps", trap, MAPS, namespace=namespace)]
    with Edged(kubeconfig=server.kubeconfig, controllers=tables) as edged:
        wait_for(in_force(edged, "traps"), "the webhook")
        wait_for(lambda: "traps.policy.edged.dev" in tried(server, namespace, "a"), "a refusal")
        assert "unreachable" in tried(server, namespace, "a") and edged.is_ready()
        edged.kill()
        assert "failed calling webhook" in tried(server, namespace, "a")
        edged.start()
        edged.configure((), controllers=[controller("loops", loop, MAPS, namespace=namespace)])
        assert edged.reload() == ""
        wait_for(in_force(edged, "loops"), "the other webhook")
        wait_for(lambda: "loops.policy.edged.dev" in tried(server, namespace, "a"), "a refusal")
        edged.kill()
        wait_for(lambda: tried(server, namespace, "a") == "", "the API server goes on without")


def test_a_module_is_exchanged_and_its_patches_count_where_they_may(
    server: Server, namespace: str, tmp_path: Path
) -> None:
    patch = [{"op": "add", "path": "/data", "value": {"a": "b"}}]
    module = written(tmp_path, wat(json.dumps({"allowed": False, "status": {"message": "the first says no"}})))
    with Edged(kubeconfig=server.kubeconfig, controllers=[controller("m", module, MAPS, namespace=namespace)]) as edged:
        wait_for(in_force(edged, "m"), "the webhook")
        wait_for(lambda: "the first says no" in tried(server, namespace, "a"), "a refusal")
        module.write_bytes(bindings.wat2wasm(wat(json.dumps({"allowed": True, "patch": patch}))))
        assert edged.reload() == ""
        wait_for(lambda: "configured to not allow mutations" in tried(server, namespace, "a"), "the other module")
        table = controller("m", module, MAPS, namespace=namespace, allowed_to_mutate=True)
        edged.configure((), controllers=[table])
        assert edged.reload() == ""
        wait_for(lambda: list(hooks(server, OBJECTS[1])) == ["m.policy.edged.dev"], "a mutating webhook")
        wait_for(lambda: tried(server, namespace, "a") == "", "the API server's own delay")
        assert said(server, namespace, config_map("a")) == ""
        made = get(server.kubectl, "configmap", "a", "-n", namespace)
        assert made is not None and made["data"] == {"a": "b"} and not hooks(server)


def test_what_the_configuration_does_not_allow_is_not_registered(
    server: Server, namespace: str, tmp_path: Path
) -> None:
    module = written(tmp_path, wat('{"allowed": false}'))
    table = controller("m", module, MAPS, namespace=namespace, failure_policy="Ignore")
    with Edged(kubeconfig=server.kubeconfig, controllers=[table]) as edged:
        wait_for(lambda: edged.status()["controllers"][0]["error"], "the reason")
        assert "with failurePolicy Fail, which `admits` does not allow" in edged.status()["controllers"][0]["error"]
        assert not hooks(server) and tried(server, namespace, "a") == ""


def test_static_manifests_and_no_registration(server: Server, namespace: str, tmp_path: Path) -> None:
    module = written(tmp_path, wat('{"allowed": true}'))
    tables = [controller("m", module, MAPS, namespace=namespace)]
    with Edged(kubeconfig=server.kubeconfig, controllers=tables, register="static") as edged:
        manifests = lambda: "".join(p.read_text() for p in (edged.static_dir / "validating").glob("*"))  # noqa: E731
        wait_for(lambda: "m.policy.edged.dev" in manifests(), "the manifest")
    with Edged(kubeconfig=server.kubeconfig, controllers=tables, register="none") as edged:
        wait_for(lambda: edged.status()["policies"]["m"]["state"] == "loaded", "the module")
        answer = edged.review("m", {"metadata": {"name": "a"}})
        assert answer["allowed"] and not hooks(server)
