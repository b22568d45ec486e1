"""What other tests lean on: the real cluster, and where it can do the same, edged's own API server."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import orjson
import pytest

from tests.cluster.api import Api, ApiFailure
from tests.cluster.build import VERSION
from tests.cluster.cluster import Cluster, KubectlError, KubeScheduler, Sandbox

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p"},
    "spec": {"containers": [{"name": "c", "image": "registry.example/c:1"}]},
}
NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "smoke"},
    "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}},
}


def test_objects_are_created_and_a_pod_is_bound(api_server: Cluster | Sandbox) -> None:
    kubectl = api_server.kubectl
    kubectl("create", "namespace", "smoke")
    kubectl("create", "configmap", "settings", "--from-literal=colour=blue", "-n", "smoke")
    shown = kubectl("get", "configmap", "settings", "-n", "smoke", "-o", "jsonpath={.data.colour}").stdout
    assert shown == "blue"
    kubectl("create", "-f", "-", stdin=orjson.dumps(NODE).decode())
    kubectl("create", "-n", "smoke", "-f", "-", stdin=orjson.dumps(POD).decode())
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "p", "namespace": "smoke"},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "smoke"},
    }
    path = "/api/v1/namespaces/smoke/pods/p/binding"
    kubectl("create", "--raw", path, "-f", "-", stdin=orjson.dumps(binding).decode())
    assert kubectl("get", "pod", "p", "-n", "smoke", "-o", "jsonpath={.spec.nodeName}").stdout == "smoke"
    kubectl("delete", "node", "smoke")
    kubectl("delete", "pod", "p", "-n", "smoke", "--grace-period=0", "--force")


def test_failing_kubectl_says_which_command_and_why(api_server: Cluster | Sandbox) -> None:
    with pytest.raises(KubectlError, match="get configmap nowhere: exit 1\nError from server \\(NotFound\\)"):
        api_server.kubectl("get", "configmap", "nowhere")
    assert api_server.kubectl("get", "configmap", "nowhere", check=False).returncode == 1


@pytest.mark.kube
def test_version_is_the_pinned_one(kube_cluster: Cluster) -> None:
    with closing(kube_cluster.api()) as api:
        assert api.get("/version")["gitVersion"] == f"v{VERSION}"


@pytest.mark.kube
def test_administrator_may_authenticate_by_certificate(kube_cluster: Cluster) -> None:
    file = str(kube_cluster.certificate_kubeconfig)
    who = kube_cluster.kubectl("--kubeconfig", file, "auth", "whoami", "-o", "json").stdout
    assert "system:masters" in orjson.loads(who)["status"]["userInfo"]["groups"]


@pytest.mark.kube
def test_without_credentials_rbac_refuses(kube_cluster: Cluster) -> None:
    stranger = Api(kube_cluster.url, None, str(kube_cluster.certificates.authority))
    with pytest.raises(ApiFailure, match="403: "):
        stranger.get("/api/v1/secrets")
    stranger.close()


@pytest.mark.kube
def test_data_outlives_a_killed_control_plane() -> None:
    with Cluster() as cluster:
        cluster.kubectl("create", "configmap", "kept")
        cluster.restart_apiserver(arguments=["--max-requests-inflight=100"])
        assert cluster.kubectl("get", "configmap", "kept", "-o", "name").stdout == "configmap/kept\n"
        cluster.kill()
        assert "etcd" in cluster.logs
        with closing(cluster.api()) as api, pytest.raises(OSError):
            api.get("/readyz")
        cluster.start()
        assert cluster.kubectl("get", "configmap", "kept", "-o", "name").stdout == "configmap/kept\n"


@pytest.mark.kube
def test_scheduler_places_a_pod_and_logs_the_scores(kube_cluster: Cluster) -> None:
    api = kube_cluster.api()
    api.create("/api/v1/namespaces", {"metadata": {"name": "scheduled"}})
    for name in ("scheduled-1", "scheduled-2"):
        api.create("/api/v1/nodes", NODE | {"metadata": {"name": name}, "spec": {"taints": []}})
    spec = POD["spec"] | {"tolerations": [{"operator": "Exists"}]}  # type: ignore[operator]
    with KubeScheduler(kube_cluster) as scheduler:
        api.create("/api/v1/namespaces/scheduled/pods", POD | {"spec": spec})
        kube_cluster.kubectl(
            "wait", "pod/p", "-n", "scheduled", "--for=condition=PodScheduled", "--timeout=30s"
        )
        assert "Plugin scored node for pod" in scheduler.log.read_text()
    api.delete("/api/v1/namespaces/scheduled/pods/p", grace_period_s=0)
    for name in ("scheduled-1", "scheduled-2"):
        api.delete(f"/api/v1/nodes/{name}")
    api.close()


STARTS_AND_IS_KILLED = """
import os, signal, sys
from tests.cluster.build import VERSION
from tests.cluster.cluster import Cluster
cluster = Cluster().start()
print(*(process.pid for process in cluster._processes.values()), cluster.folder, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.kube
def test_nothing_outlives_a_test_process_that_is_killed(kube_programs: dict[str, Path]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STARTS_AND_IS_KILLED], capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    *pids, folder = done.stdout.split()
    assert len(pids) == 2
    for pid in pids:
        _wait_for_end(int(pid))
    shutil.rmtree(folder)


def _wait_for_end(pid: int) -> None:
    """Returns when the process is gone, which after SIGKILL still takes the kernel a moment."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ended, _, _ = select.select([handle], [], [], 10.0)
        assert ended, f"process {pid} is still there"
    finally:
        os.close(handle)
