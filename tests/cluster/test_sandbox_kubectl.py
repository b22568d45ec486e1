"""An unmodified kubectl against edged's own API server, and, with the same expectations, the real one."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from itertools import count
from typing import Any

import orjson
import pytest

from tests.cluster.cluster import KubectlError, Sandbox
from tests.cluster.scheduling import Object, Scene, Server, node, pod, until

_numbers = count(1)


class Namespace:
    """kubectl in a namespace of its own."""

    def __init__(self, server: Server) -> None:
        self.kubectl = server.kubectl
        self.name = f"kubectl-{next(_numbers)}"
        self.kubectl("create", "namespace", self.name)

    def __call__(self, *arguments: str, **options: Any) -> str:
        return self.run(*arguments, **options).stdout

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return self.kubectl(*arguments, "-n", self.name, **options)

    def send(self, command: str, *objects: Object, arguments: tuple[str, ...] = ()) -> str:
        """`kubectl COMMAND -f -` with these objects."""
        text = "\n".join(orjson.dumps(entry).decode() for entry in objects)
        return self(command, "-f", "-", *arguments, stdin=text)

    def json(self, *arguments: str) -> Object:
        found: Object = orjson.loads(self(*arguments, "-o", "json"))
        return found


@pytest.fixture
def space(api_server: Server) -> Namespace:
    return Namespace(api_server)


def config_map(name: str, **data: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_create_helpers(space: Namespace) -> None:
    space("create", "configmap", "settings", "--from-literal=colour=blue")
    space("create", "secret", "generic", "password", "--from-literal=word=sesame")
    space("create", "serviceaccount", "robot")
    space("create", "deployment", "web", "--image=registry.example/web:1", "--replicas=2")
    space("create", "role", "reader", "--verb=get", "--resource=pods")
    space("create", "rolebinding", "readers", "--role=reader", f"--serviceaccount={space.name}:robot")
    assert space("get", "configmap", "settings", "-o", "jsonpath={.data.colour}") == "blue"
    assert space.json("get", "secret", "password")["data"] == {"word": "c2VzYW1l"}
    assert space.json("get", "secret", "password")["type"] == "Opaque"
    found = space("get", "sa,role,rolebinding", "-o", "name").split()
    # With controllers, as in the sandbox, each namespace has one by itself.
    assert [name for name in found if name != "serviceaccount/default"] == [
        "serviceaccount/robot",
        "role.rbac.authorization.k8s.io/reader",
        "rolebinding.rbac.authorization.k8s.io/readers",
    ]
    web = space.json("get", "deployment", "web")["spec"]
    assert (web["replicas"], web["strategy"]["type"], web["revisionHistoryLimit"]) == (2, "RollingUpdate", 10)
    with pytest.raises(KubectlError, match='configmaps "settings" already exists'):
        space("create", "configmap", "settings")


def test_get_as_tables(space: Namespace) -> None:
    space.send("create", pod("web", labels={"app": "web"}), config_map("settings", a="1", b="2"))
    rows = [re.split(r"\s{2,}", line.strip()) for line in space("get", "pods").splitlines()]
    assert rows[0] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert rows[1][:4] == ["web", "0/1", "Pending", "0"]
    assert space("get", "configmap", "settings", "--no-headers").split()[:2] == ["settings", "2"]
    wide = space("get", "pods", "-o", "wide").splitlines()[0].split()
    assert wide[:7] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE"]
    assert "app=web" in space("get", "pods", "--show-labels")
    assert space("get", "pods", "-l", "app=web", "-o", "name") == "pod/web\n"
    assert space("get", "pods", "-l", "app!=web", "-o", "name") == ""
    assert space("get", "pods", "--field-selector=spec.nodeName=", "-o", "name") == "pod/web\n"
    assert "No resources found" in space.run("get", "deployments").stderr
    assert f"{space.name}" in space("get", "pods,configmaps", "-A")


def test_describe(space: Namespace) -> None:
    space.send("create", pod("web", labels={"app": "web"}, cpu="100m"), config_map("settings", a="1"))
    said = space("describe", "pod", "web")
    assert re.search(r"^Name: +web$", said, re.M)
    assert re.search(r"^Labels: +app=web$", said, re.M)
    assert re.search(r"^Events: +<none>$", said, re.M)
    assert re.search(r"cpu: +100m", said)
    assert "a:\n----\n1" in space("describe", "configmap", "settings")


def test_apply_and_apply_again(space: Namespace) -> None:
    assert space.send("apply", config_map("c", a="1", b="2")) == "configmap/c created\n"
    assert space.send("apply", config_map("c", a="1", b="2")) == "configmap/c unchanged\n"
    space("annotate", "configmap", "c", "note=kept")
    assert space.send("apply", config_map("c", a="3")) == "configmap/c configured\n"
    found = space.json("get", "configmap", "c")
    assert found["data"] == {"a": "3"}, "b is gone, since it was applied before and is not now"
    assert found["metadata"]["annotations"]["note"] == "kept"
    changed = space.run("diff", "-f", "-", stdin=orjson.dumps(config_map("c", a="4")).decode(), check=False)
    assert changed.returncode == 1
    assert '-  a: "3"' in changed.stdout
    assert '+  a: "4"' in changed.stdout


def test_apply_a_list(space: Namespace) -> None:
    both = {"apiVersion": "v1", "kind": "List", "items": [config_map("x", a="1"), config_map("y", a="1")]}
    assert space.send("apply", both) == "configmap/x created\nconfigmap/y created\n"
    shown = space("get", "configmap", "x", "y", "-o", "yaml")
    assert space("apply", "-f", "-", stdin=shown) == "configmap/x configured\nconfigmap/y configured\n"
    assert space("delete", "-f", "-", stdin=shown).count("deleted") == 2


def test_server_side_apply(space: Namespace) -> None:
    def apply(manager: str, *more: str, **data: str) -> str:
        line = ("--server-side", f"--field-manager={manager}", *more)
        return space.send("apply", config_map("c", **data), arguments=line)

    assert apply("one", a="1", b="1") == "configmap/c serverside-applied\n"
    assert apply("two", c="2") == "configmap/c serverside-applied\n"
    with pytest.raises(KubectlError, match=r'conflict with "one": \.data\.a'):
        apply("two", a="2", c="2")
    apply("two", "--force-conflicts", a="2", c="2")
    apply("one", b="1")
    apply("two", c="2")
    found = space.json("get", "configmap", "c", "--show-managed-fields")
    assert found["data"] == {"b": "1", "c": "2"}
    managers = {entry["manager"]: entry["operation"] for entry in found["metadata"]["managedFields"]}
    assert managers == {"one": "Apply", "two": "Apply"}


def test_edit(space: Namespace) -> None:
    space.send("create", config_map("c", colour="blue"))
    editor = {"KUBE_EDITOR": "sed -i s/blue/green/"}
    assert space("edit", "configmap", "c", environment=editor) == "configmap/c edited\n"
    assert space("get", "configmap", "c", "-o", "jsonpath={.data.colour}") == "green"


def test_labels_annotations_patches(space: Namespace) -> None:
    space.send("create", pod("p", labels={"app": "a"}))
    space("label", "pod", "p", "tier=front", "app-")
    space("annotate", "pod", "p", "example.com/note=hello there")
    with pytest.raises(KubectlError, match="--overwrite is false"):
        space("label", "pod", "p", "tier=back")
    space(
        "patch",
        "pod",
        "p",
        "--type=json",
        "-p",
        '[{"op": "add", "path": "/metadata/labels/x", "value": "1"}]',
    )
    space("patch", "pod", "p", "--type=merge", "-p", '{"metadata": {"labels": {"y": "2"}}}')
    image = '{"spec": {"containers": [{"name": "main", "image": "registry.example/app:2"}]}}'
    space("patch", "pod", "p", "-p", image)
    found = space.json("get", "pod", "p")
    assert found["metadata"]["labels"] == {"tier": "front", "x": "1", "y": "2"}
    assert found["metadata"]["annotations"] == {"example.com/note": "hello there"}
    assert [c["image"] for c in found["spec"]["containers"]] == ["registry.example/app:2"]
    with pytest.raises(KubectlError, match=r"Forbidden: pod updates may not change fields other than"):
        space("patch", "pod", "p", "--type=merge", "-p", '{"spec": {"hostNetwork": true}}')


def test_dry_run_and_validation(space: Namespace) -> None:
    text = orjson.dumps(pod("p")).decode()
    assert space("create", "--dry-run=server", "-f", "-", stdin=text) == "pod/p created (server dry run)\n"
    assert space("get", "pods", "-o", "name") == ""
    bad = pod("p", restartPolcy="Never")
    with pytest.raises(KubectlError, match=r'strict decoding error: unknown field "spec\.restartPolcy"'):
        space.send("create", bad)
    with pytest.raises(KubectlError, match=r'The Pod "p" is invalid: spec\.restartPolicy: Unsupported value'):
        space.send("create", pod("p", restartPolicy="Sometimes"))


def test_watch_and_events(space: Namespace) -> None:
    space.send("create", config_map("c", a="1"))
    line = [
        str(space.kubectl.program),
        "get",
        "configmap",
        "c",
        "-n",
        space.name,
        "-w",
        "-o",
        "jsonpath={.data.a};",
    ]
    with subprocess.Popen(line, stdout=subprocess.PIPE, env=space.kubectl._environment) as watching:
        assert watching.stdout is not None
        assert watching.stdout.read(2) == b"1;"
        space("patch", "configmap", "c", "--type=merge", "-p", '{"data": {"a": "2"}}')
        assert watching.stdout.read(2) == b"2;"
        watching.terminate()
    space.send("create", pod("p"))
    uid = space("get", "pod", "p", "-o", "jsonpath={.metadata.uid}")
    regarding = {"apiVersion": "v1", "kind": "Pod", "name": "p", "namespace": space.name, "uid": uid}
    event = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "p.1"},
        "regarding": regarding,
        "type": "Warning",
        "reason": "Tired",
        "action": "Resting",
        "note": "it sat down",
        "reportingController": "example.com/chair",
        "reportingInstance": "chair-1",
        "eventTime": "2030-01-01T00:00:00.000000Z",
    }
    space.send("create", event)
    assert re.search(r"Warning +Tired +Pod/p +it sat down", space("events", "--for", "pod/p"))
    assert re.search(r"Warning +Tired +.*it sat down", space("describe", "pod", "p"))


def test_wait_and_delete(space: Namespace) -> None:
    space.send("create", pod("p"), pod("q"), config_map("c"))
    with pytest.raises(KubectlError, match="timed out waiting for the condition on pods/p"):
        space("wait", "--for=condition=Ready", "pod/p", "--timeout=1s")
    said = space("wait", "--for=jsonpath={.status.phase}=Pending", "pod/p", "--timeout=10s")
    assert said == "pod/p condition met\n"
    assert 'pod "p" deleted' in space("delete", "pod", "p", "--wait")
    space("delete", "pod", "--all")
    assert space("get", "pods", "-o", "name") == ""
    with pytest.raises(KubectlError, match='configmaps "nobody" not found'):
        space("delete", "configmap", "nobody")
    assert space("delete", "configmap", "nobody", "--ignore-not-found") == ""


CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "lamps.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"kind": "Lamp", "plural": "lamps", "singular": "lamp", "shortNames": ["lp"]},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "additionalPrinterColumns": [{"name": "Watts", "type": "integer", "jsonPath": ".spec.watts"}],
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "required": ["watts"],
                                "properties": {
                                    "watts": {"type": "integer", "minimum": 1, "description": "How bright."},
                                    "colour": {"type": "string", "default": "white"},
                                },
                            },
                            "status": {"type": "object", "properties": {"lit": {"type": "boolean"}}},
                        },
                    }
                },
            }
        ],
    },
}


@pytest.fixture
def lamps(space: Namespace) -> Iterator[Namespace]:
    space.send("create", CRD)
    space("wait", "--for=condition=Established", "crd/lamps.example.com", "--timeout=20s")
    yield space
    space("delete", "crd", "lamps.example.com", "--wait=false")


def test_custom_resources(lamps: Namespace) -> None:
    def lamp(name: str, **spec: object) -> Object:
        return {"apiVersion": "example.com/v1", "kind": "Lamp", "metadata": {"name": name}, "spec": spec}

    until(lambda: lamps.run("get", "lamps", check=False).returncode == 0)
    assert lamps.send("apply", lamp("desk", watts=7)) == "lamp.example.com/desk created\n"
    assert lamps.json("get", "lp", "desk")["spec"] == {"watts": 7, "colour": "white"}
    assert lamps("get", "lamps").splitlines()[0].split() == ["NAME", "WATTS"]
    assert lamps("get", "lamps", "--no-headers").split() == ["desk", "7"]
    with pytest.raises(KubectlError, match=r"spec\.watts: Invalid value: 0: spec\.watts in body should be"):
        lamps.send("create", lamp("dark", watts=0))
    lamps("patch", "lamp", "desk", "--subresource=status", "--type=merge", "-p", '{"status": {"lit": true}}')
    assert lamps("wait", "--for=jsonpath={.status.lit}=true", "lamp/desk", "--timeout=10s")
    assert lamps.send("apply", lamp("desk", watts=9)) == "lamp.example.com/desk configured\n"
    assert lamps.json("get", "lamp", "desk")["status"] == {"lit": True}
    assert "How bright." in lamps("explain", "lamps.spec.watts")


def test_nodes(scene: Scene) -> None:
    kubectl = scene.kubectl
    scene.apply(node("n1"), pod("p", nodeName="n1"))
    rows = kubectl("get", "nodes").stdout.splitlines()
    assert rows[0].split() == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]
    assert rows[1].split()[:3] == ["n1", "Ready", "<none>"]
    kubectl("cordon", "n1")
    assert "Ready,SchedulingDisabled" in kubectl("get", "nodes").stdout
    kubectl("taint", "node", "n1", "gpu=yes:NoSchedule")
    assert "gpu=yes:NoSchedule" in kubectl("describe", "node", "n1").stdout
    kubectl("taint", "node", "n1", "gpu-")
    with pytest.raises(KubectlError, match="declare no controller"):
        kubectl("drain", "n1", "--timeout=20s")
    evicted = kubectl("drain", "n1", "--force", "--grace-period=0", "--timeout=20s").stdout
    assert "node/n1 drained" in evicted
    assert scene.pods() == {}
    kubectl("uncordon", "n1")
    assert "SchedulingDisabled" not in kubectl("get", "nodes").stdout


def test_questions(space: Namespace) -> None:
    assert space("auth", "can-i", "create", "pods").strip() == "yes"
    assert "Username" in space("auth", "whoami")
    assert "pods" in space("api-resources", "--namespaced=true", "-o", "name").split()
    assert "events.k8s.io/v1" in space("api-versions").split()
    assert "Server Version: v1." in space("version")
    assert "restartPolicy" in space("explain", "pod.spec")
    assert space("get", "--raw", "/readyz") == "ok"


def test_a_namespace_of_the_sandbox_goes_with_all_in_it(sandbox_server: Sandbox) -> None:
    """kube-apiserver leaves that to a controller."""
    space = Namespace(sandbox_server)
    space.send("create", config_map("c"), pod("p"))
    sandbox_server.kubectl("delete", "namespace", space.name, "--timeout=20s")
    assert space.run("get", "configmap", "c", check=False).returncode == 1
