"""An unmodified kubectl against the sandbox, where one has been built (tests/cluster/build.py)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import yaml

from tests.cluster import build
from tests.sandbox.harness import config_map, crd, pod, widget

pytestmark = pytest.mark.kube(programs=("kubectl",))

NODE = {
    "apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"},
    "status": {"capacity": {"cpu": "2", "memory": "1Gi"}, "conditions": [{"type": "Ready", "status": "True"}]},
}  # fmt: skip


class Kubectl:
    """Runs kubectl with a home of its own, so that its discovery cache is cold."""

    def __init__(self, program: Path, kubeconfig: Path, home: Path) -> None:
        self._program = str(program)
        self._environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "HOME": str(home)}

    def run(self, *words: str, given: object = None, **environment: str) -> subprocess.CompletedProcess[str]:
        text = given if isinstance(given, str) else orjson.dumps(given).decode() if given is not None else None
        return subprocess.run(
            [self._program, *words], input=text, capture_output=True, text=True, timeout=60,
            env={**self._environment, **environment},
        )  # fmt: skip

    def __call__(self, *words: str, given: object = None, **environment: str) -> str:
        done = self.run(*words, given=given, **environment)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    def fails(self, *words: str, given: object = None) -> str:
        done = self.run(*words, given=given)
        assert done.returncode != 0, (words, done.stdout)
        return done.stderr


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    folder = tmp_path_factory.mktemp("sandbox")
    program = build.programs(["kubectl"])["kubectl"]
    command = [sys.executable, "-m", "edged", "sandbox", "--tls", "--write-kubeconfig", str(folder / "kubeconfig")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None and process.stderr.readline().startswith("sandbox ready ")
        yield Kubectl(program, folder / "kubeconfig", folder)
        process.terminate()
        assert process.wait(20) == 0


def test_pods_from_apply_to_delete(kubectl: Kubectl):
    assert kubectl("apply", "-f", "-", given=pod("p1")) == "pod/p1 created\n"
    assert kubectl("apply", "-f", "-", given=pod("p1")) == "pod/p1 unchanged\n"
    assert kubectl("get", "pods").splitlines()[0].split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert kubectl("edit", "pod", "p1", EDITOR="sed -i s/nginx:1/nginx:9/") == "pod/p1 edited\n"
    assert kubectl("get", "pod", "p1", "-o", "jsonpath={.spec.containers[0].image}") == "nginx:9"
    assert "may not change fields other than" in kubectl.fails("patch", "pod", "p1", "-p", '{"spec":{"hostname":"x"}}')
    kubectl("label", "pod", "p1", "a=b")
    kubectl("annotate", "pod", "p1", "c=d")
    assert "QoS Class" in kubectl("describe", "pod", "p1")
    assert kubectl("wait", "pod/p1", "--for=jsonpath={.status.phase}=Pending", "--timeout=5s").endswith("met\n")
    assert "timed out" in kubectl.fails("wait", "pod/p1", "--for=condition=Ready", "--timeout=1s")
    assert kubectl("delete", "pod", "p1") == 'pod "p1" deleted from default namespace\n'
    assert kubectl.fails("get", "pod", "p1") == 'Error from server (NotFound): pods "p1" not found\n'


def test_protobuf_bodies(kubectl: Kubectl):
    for words in (
        "configmap z --from-literal=a=b", "secret generic s --from-literal=a=b", "ns tt", "sa me",
        "deployment d --image=nginx --replicas=2", "job j --image=x", "role r --verb=get --resource=pods",
        "quota q --hard=cpu=1", "priorityclass pc --value=5", "svc clusterip s --tcp=80",
        "pdb b --selector=a=b --min-available=1",
    ):  # fmt: skip
        assert kubectl("create", *words.split()).endswith(" created\n")
    assert kubectl("get", "secret", "s", "-o", "jsonpath={.data.a}") == "Yg=="
    assert kubectl("get", "deploy", "d", "-o", "jsonpath={.spec.replicas} {.spec.strategy.type}") == "2 RollingUpdate"
    assert kubectl("auth", "can-i", "create", "pods") == "yes\n"
    assert "sandbox-admin" in kubectl("auth", "whoami")
    assert kubectl("delete", "ns", "tt") == 'namespace "tt" deleted\n'
    kubectl("delete", "quota", "q")  # it would ask for the cpu of every later Pod
    assert "already exists" in kubectl.fails("create", "configmap", "z")


def test_nodes_and_drain(kubectl: Kubectl):
    kubectl("apply", "-f", "-", given=NODE)
    kubectl("apply", "-f", "-", given=pod("drained", nodeName="n1", terminationGracePeriodSeconds=0))
    kubectl("taint", "node", "n1", "k=v:NoSchedule")
    assert "SchedulingDisabled" not in kubectl("get", "nodes")
    assert "drained" in kubectl("describe", "node", "n1")
    assert "node/n1 drained" in kubectl("drain", "n1", "--force")
    assert "Ready,SchedulingDisabled" in kubectl("get", "nodes")
    kubectl("uncordon", "n1")
    assert "not found" in kubectl.fails("get", "pod", "drained")


def test_custom_resources(kubectl: Kubectl):
    rules = {"type": "object", "properties": {"size": {"type": "integer", "minimum": 1, "default": 2}}}
    column = {"name": "Size", "type": "integer", "jsonPath": ".spec.size"}
    scale = {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"}
    definition = crd(rules, additionalPrinterColumns=[column], subresources={"status": {}, "scale": scale})
    kubectl("apply", "-f", "-", given=definition)
    kubectl("wait", "crd/widgets.demo.example", "--for=condition=Established", "--timeout=5s")
    kubectl("apply", "-f", "-", given=widget("w", size=3))
    assert kubectl("get", "wd").split() == ["NAME", "SIZE", "w", "3"]
    kubectl("apply", "-f", "-", given=widget("w", size=4))
    kubectl("scale", "wd", "w", "--replicas=7")
    assert kubectl("get", "wd", "w", "-o", "jsonpath={.spec.size}") == "7"
    assert "greater than or equal to 1" in kubectl.fails("create", "-f", "-", given=widget("x", size=0))
    assert 'unknown field "spec.bogus"' in kubectl.fails("create", "-f", "-", given=widget("x", bogus=0))
    assert "size" in kubectl("explain", "wd.spec")
    assert "containerPort" in kubectl("explain", "pod.spec.containers.ports")
    kubectl("delete", "crd", "widgets.demo.example")
    assert "NotFound" in kubectl.fails("get", "wd")


def test_server_side_apply(kubectl: Kubectl):
    kubectl("apply", "--server-side", "-f", "-", given=config_map("ssa", k="1"))
    kubectl("apply", "--server-side", "--field-manager=other", "-f", "-", given=config_map("ssa", o="1"))
    text = kubectl.fails("apply", "--server-side", "--field-manager=other", "-f", "-", given=config_map("ssa", k="2"))
    assert 'conflict with "kubectl": .data.k' in text
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", given=config_map("ssa", k="3"))
    # From client-side to server-side apply kubectl migrates managedFields by itself.
    kubectl("apply", "-f", "-", given=config_map("moved", k="1"))
    kubectl("apply", "--server-side", "-f", "-", given=config_map("moved", k="2"))
    assert kubectl("get", "cm", "moved", "-o", "jsonpath={.data.k}") == "2"
    assert "dry run" in kubectl("apply", "--dry-run=server", "-f", "-", given=config_map("moved", k="9"))
    assert kubectl.run("diff", "-f", "-", given=config_map("moved", k="2")).returncode == 0
    assert kubectl.run("diff", "-f", "-", given=config_map("moved", k="4")).returncode == 1


def test_the_rest_of_a_day(kubectl: Kubectl):
    assert "default" in kubectl("describe", "ns", "default")
    kubectl("create", "-f", "-", given=config_map("r"))
    kubectl("replace", "-f", "-", given=config_map("r", a="b"))
    kubectl("replace", "--force", "-f", "-", given=config_map("r", a="c"))
    assert yaml.safe_load(kubectl("get", "cm", "r", "-o", "yaml"))["data"] == {"a": "c"}
    kubectl("delete", "cm", "--all")
    kubectl("get", "all", "-A")
    kubectl("events")
    kubectl("api-resources")
    assert "doesn't have a resource type" in kubectl.fails("get", "foozle")
    assert kubectl("get", "pods", "-w", "--request-timeout=1s") == ""
