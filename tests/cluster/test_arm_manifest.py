"""What arm-build/README.md tells to do on a board, as far as it concerns the API server: it accepts the manifest, and
the daemon registers with the rendered rights and those for its first start, and goes on without the latter."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import yaml

from tests.cluster.cluster import Cluster
from tests.cluster.edged import PROGRAM, Edged, policy, remove_objects

MANIFEST = Path(__file__).parents[2] / "arm-build" / "edged.yaml"
FIRST_START = "edged-first-start"


def test_a_first_start_with_the_right_to_create_and_none_without_it(kube_cluster: Cluster, tmp_path: Path) -> None:
    kubectl = kube_cluster.kubectl
    remove_objects(kube_cluster)
    kubectl("apply", "--dry-run=server", "-f", str(MANIFEST))
    configuration = tmp_path / "edged.toml"
    config_map = next(iter(yaml.safe_load_all(MANIFEST.read_text())))
    configuration.write_text(config_map["data"]["edged.toml"])
    render = [str(PROGRAM), "rbac", "render", "--config", str(configuration)]
    roles = subprocess.run(render, capture_output=True, text=True, check=True).stdout
    resources = "--resource=validatingwebhookconfigurations,mutatingwebhookconfigurations"
    try:
        kubectl("apply", "-f", "-", stdin=roles)
        kubeconfig = account(kube_cluster, tmp_path / "kubeconfig")
        with Edged(kubeconfig=kubeconfig, policies=[policy("no-privileged", "pod-privileged")]) as edged:
            assert "create" in edged.wait_phase("failing")["message"]
            kubectl("create", "clusterrole", FIRST_START, "--verb=create", resources)
            account_name = "--serviceaccount=kube-system:edged"
            kubectl("create", "clusterrolebinding", FIRST_START, f"--clusterrole={FIRST_START}", account_name)
            edged.stop()
            edged.start()
            edged.wait_registered(seconds=60)
            kubectl("delete", f"clusterrolebinding/{FIRST_START}", f"clusterrole/{FIRST_START}")
            edged.stop()
            edged.start()
            edged.wait_registered(seconds=60)
    finally:
        kubectl("delete", "clusterrolebinding,clusterrole", FIRST_START, "--ignore-not-found")
        kubectl("delete", "-f", "-", "--ignore-not-found", stdin=roles)
        remove_objects(kube_cluster)


def account(cluster: Cluster, path: Path) -> Path:
    """A kubeconfig of the Pod's ServiceAccount."""
    content = json.loads(cluster.kubeconfig.read_text())
    token = cluster.kubectl("-n", "kube-system", "create", "token", "edged").stdout.strip()
    content["users"][0]["user"] = {"token": token}
    path.write_text(json.dumps(content))
    return path
