"""The rights that `edged rbac render` prints are enough for custom resources: the daemon runs with nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from edged.admission.resources.definitions import definitions
from tests.cluster.cluster import Cluster
from tests.cluster.edged import MODULES, Edged, wait_for
from tests.cluster.test_custom_resources import Setup, install, policy, resource, uninstall

QUOTA = f"file://{MODULES}/namespace-quota-hint/namespace-quota-hint.wasm"


@pytest.fixture
def cluster(kube_cluster: Cluster) -> Iterator[Cluster]:
    install(kube_cluster)
    yield kube_cluster
    uninstall(kube_cluster)
    for name in definitions():
        kube_cluster.kubectl("delete", "crd", f"{name.removesuffix('.yaml')}.policies.kubewarden.io", "--timeout=20s")


def identity(cluster: Cluster, folder: Path) -> Path:
    """A kubeconfig for the ServiceAccount that the roles are bound to. (No controller manager is here to fill the
    Secret that `edged rbac render --kubeconfig` reads.)"""
    token = cluster.kubectl("create", "token", "edged", "-n", "kube-system").stdout.strip()
    config = json.loads(cluster.kubectl("config", "view", "--raw", "-o", "json").stdout)
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return path


@pytest.mark.kube
def test_the_rendered_roles_are_enough(cluster: Cluster, tmp_path: Path) -> None:
    admission = {"module_dirs": [str(MODULES)], "audit_interval_s": 0}
    administrator = Edged(kubeconfig=cluster.kubeconfig, admission=admission)
    reads = ("--read", "v1/Namespace", "--read", "v1/Pod")
    roles = administrator.command("rbac", "render", *reads, "-o", "json").stdout
    cluster.kubectl("apply", "-f", "-", stdin=roles)
    administrator.command("webhook", "install")  # the daemon itself may not create webhook objects
    aware = [{"apiVersion": "v1", "kind": kind} for kind in ("Namespace", "Pod")]
    with Edged(kubeconfig=identity(cluster, tmp_path), admission=admission) as edged:
        setup = Setup(cluster, edged)
        wait_for(lambda: "vpolicyserver.kb.io" in setup.hooks(), "webhooks of the kinds")
        assert setup.apply(resource("PolicyServer", "default")).returncode == 0
        setup.namespace("cr-rights")
        served = policy("rights")
        quota = policy("quota", module=QUOTA, contextAwareResources=aware, settings={"mode": "deny"})
        setup.serve(served, quota)
        setup.wait_denied("cr-rights")
        setup.delete(served)
        setup.delete(quota)
        setup.delete(resource("PolicyServer", "default"))
        assert "orbidden" not in edged.log
    administrator.__exit__()
