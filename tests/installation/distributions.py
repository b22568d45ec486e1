"""The places where distributions of Kubernetes keep what people find there: kubeconfigs, kubectl, static Pods.

The servers are the real etcd and kube-apiserver of tests/cluster, with RBAC, in the machine's own network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import orjson
import yaml

from tests.cluster.build import programs
from tests.cluster.cluster import NO_SERVICE_ACCOUNTS, Cluster
from tests.cluster.controllers import Controller
from tests.cluster.tokens import TokenController
from tests.installation.machine import ADDRESS, Machine

PORT = 6443
NODE = {
    "apiVersion": "v1", "kind": "Node", "metadata": {"name": "board", "labels": {"kubernetes.io/hostname": "board"}},
}  # fmt: skip
RESOURCES = {"cpu": "4", "memory": "4Gi", "pods": "110"}
NODE_STATUS = {
    "allocatable": RESOURCES, "capacity": RESOURCES, "conditions": [{"type": "Ready", "status": "True"}],
}  # fmt: skip
K3S = """#!/bin/sh
# k3s is kubectl too, under that name or as its subcommand, with the administrator's kubeconfig unless told otherwise.
[ "${0##*/}" = kubectl ] || { [ "$1" = kubectl ] || exit 64; shift; }
KUBECONFIG=${KUBECONFIG:-/etc/rancher/k3s/k3s.yaml} exec /var/lib/rancher/k3s/kubectl "$@"
"""


class Kubelet(Controller):
    """The one thing that people wait for here: Pods of the node that are to be deleted end. None ever runs."""

    def look(self, api: Any) -> None:
        for pod in api.get("/api/v1/pods?fieldSelector=spec.nodeName%3Dboard")["items"]:
            metadata = pod["metadata"]
            if "deletionTimestamp" in metadata:
                api.delete(f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}", 0)


@contextmanager
def running(machine: Machine, distribution: Callable[[Machine, Cluster], None]) -> Iterator[Cluster]:
    """A cluster of one node, installed as that distribution does it, in the machine's network."""
    with ExitStack() as stack:
        with machine.network():
            cluster = stack.enter_context(_cluster())
            stack.enter_context(TokenController(cluster))
            stack.enter_context(Kubelet(cluster))
            api = cluster.api()
            api.create("/api/v1/nodes", NODE)
            api.request("PATCH", "/api/v1/nodes/board/status", {"status": NODE_STATUS}, "application/merge-patch+json")
            api.close()
        distribution(machine, cluster)
        yield cluster


def _cluster() -> Cluster:
    off = [*NO_SERVICE_ACCOUNTS, "TaintNodesByCondition"]
    return Cluster(port=PORT, arguments=["--bind-address=0.0.0.0"], disable_admission=off)


def k3s(machine: Machine, cluster: Cluster) -> None:
    machine.write("etc/rancher/k3s/k3s.yaml", _kubeconfig(cluster, "127.0.0.1", "default", "default"), 0o600)
    machine.write("var/lib/rancher/k3s/kubectl", programs(("kubectl",))["kubectl"].read_bytes(), 0o755)
    for name in ("k3s", "kubectl"):
        machine.write(f"usr/local/bin/{name}", K3S, 0o755)


def kubeadm(machine: Machine, cluster: Cluster) -> None:
    """With the copy for root's kubectl that `kubeadm init` tells people to make."""
    kubeconfig = _kubeconfig(cluster, ADDRESS, "kubernetes", "kubernetes-admin")
    machine.write("etc/kubernetes/admin.conf", kubeconfig, 0o600)
    machine.write("root/.kube/config", kubeconfig, 0o600)
    pod = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "kube-apiserver", "namespace": "kube-system"},
        "spec": {"containers": [{"name": "kube-apiserver", "command": ["kube-apiserver", f"--secure-port={PORT}"]}]},
    }  # fmt: skip
    machine.write("etc/kubernetes/manifests/kube-apiserver.yaml", yaml.safe_dump(pod), 0o600)
    machine.write("usr/bin/kubectl", programs(("kubectl",))["kubectl"].read_bytes(), 0o755)


def _kubeconfig(cluster: Cluster, host: str, name: str, user: str) -> str:
    """The administrator's, with a client certificate, under the names that the distribution gives."""
    content: dict[str, Any] = orjson.loads(cluster.certificate_kubeconfig.read_bytes())
    content["clusters"][0]["cluster"]["server"] = f"https://{host}:{PORT}"
    context = name if user == name else f"{user}@{name}"
    content["clusters"][0]["name"], content["users"][0]["name"] = name, user
    content["contexts"] = [{"name": context, "context": {"cluster": name, "user": user}}]
    content["current-context"] = context
    return str(yaml.safe_dump(content))
