"""`edged init` and `edged uninstall` on the real API server, where RBAC is on.

What init writes is enough for the daemon, and what uninstall leaves is a cluster that works.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from edged.cli.demo.stage import free_port
from edged.cli.installation.install import InitOptions, Place, install
from edged.cli.installation.removal import Installed, UninstallOptions, uninstall
from edged.cli.installation.steps import Report
from tests.cli.installation.place import FakeMachine, files_below, place
from tests.cluster.cluster import Cluster
from tests.cluster.edged import OBJECTS, PROGRAM, create, pod, remove_objects, wait_for
from tests.cluster.process import Process
from tests.cluster.tokens import TokenController

KINDS = ("serviceaccounts", "secrets", "clusterroles", "clusterrolebindings", "roles", "rolebindings", *OBJECTS)


class Node(FakeMachine):
    """`systemctl disable --now edged` ends the daemon that a test started."""

    daemon: Process | None = None

    def systemctl(self, *arguments: str) -> str:
        if arguments[0] == "disable" and self.daemon is not None:
            self.daemon.terminate()
        return super().systemctl(*arguments)


@pytest.fixture
def node(kube_cluster: Cluster, tmp_path: Path) -> Iterator[Place]:
    made = place(tmp_path)
    yield replace(made, machine=Node(tmp_path), program=replace(made.program, script=PROGRAM))
    remove_objects(kube_cluster)


def init(node: Place, cluster: Cluster) -> dict[str, str]:
    report = Report()
    trio.run(install, InitOptions(admin_kubeconfig=str(cluster.kubeconfig)), node, report)
    assert report.failed is None, report.failed
    return {line.what: line.state for line in report.done}


def versions(cluster: Cluster) -> dict[str, str]:
    """resourceVersion of everything that init may write."""
    listed = json.loads(cluster.kubectl("get", ",".join(KINDS), "-A", "-o", "json").stdout)["items"]
    return {f"{obj['kind']}/{obj['metadata']['name']}": obj["metadata"]["resourceVersion"] for obj in listed}


def ours(cluster: Cluster) -> list[str]:
    return [name for name in versions(cluster) if "edged" in name]


def start(node: Place, folder: Path) -> Process:
    """As the unit would, and with its configuration alone."""
    unit = node.layout.unit.read_text()
    (line,) = [line for line in unit.splitlines() if line.startswith("ExecStart=")]
    environment = {"HOME": str(folder), "KUBECONFIG": "", "NOTIFY_SOCKET": ""}
    return Process(shlex.split(line.removeprefix("ExecStart=")), folder / "edged.log", environment)


@pytest.mark.kube
def test_from_nothing_to_a_denied_pod_and_back(kube_cluster: Cluster, node: Place, tmp_path: Path) -> None:
    kubectl, config = kube_cluster.kubectl, node.layout.config
    others = ours(kube_cluster)  # of tests that ran before
    with TokenController(kube_cluster):
        assert set(init(node, kube_cluster).values()) == {"created", "done"}
    # The way to change something: edit the file, run init again.
    text = config.read_text().replace("[admission]", f'[admission]\nlisten = "127.0.0.1:{free_port()}"')
    config.write_text(f'{text}\n[observability]\nlisten = "127.0.0.1:{free_port()}"\n')
    assert init(node, kube_cluster)[f"file {config}"] == "kept"

    machine: Any = node.machine
    machine.daemon = start(node, tmp_path)
    try:
        privileged, plain = pod("init-1", privileged=True), pod("init-2")

        def denied() -> bool:
            answer = create(kubectl, privileged, "--dry-run=server").stderr
            return "[no-privileged]" in answer and "is privileged" in answer

        wait_for(denied, "a privileged Pod is denied", seconds=60)
        assert create(kubectl, plain).returncode == 0

        files, objects = files_below(tmp_path / "etc"), versions(kube_cluster)
        assert set(init(node, kube_cluster).values()) == {"unchanged", "kept"}
        assert files_below(tmp_path / "etc") == files and versions(kube_cluster) == objects

        log = (tmp_path / "edged.log").read_text()
        assert "orbidden" not in log
        own = ("--kubeconfig", str(node.layout.kubeconfig))
        for verb, what in (("create", OBJECTS[0]), ("get", "secrets"), ("update", f"{OBJECTS[0]}/other")):
            assert kubectl("auth", "can-i", verb, what, *own, check=False).stdout.strip() == "no", (verb, what)

        report = Report()
        options = UninstallOptions(admin_kubeconfig=str(kube_cluster.kubeconfig), purge=True)
        trio.run(uninstall, options, Installed(machine, node.layout, PROGRAM), report)
        assert report.failed is None and not machine.daemon.running
    finally:
        machine.daemon.kill()
    assert ours(kube_cluster) == others
    assert create(kubectl, privileged).returncode == 0
    for name in ("init-1", "init-2"):
        kubectl("delete", "pod", name, "--grace-period=0", "--force")
    assert not node.layout.config.exists() and not node.layout.state.exists() and not node.layout.unit.exists()
    assert "userdel edged" in machine.calls


@pytest.mark.kube
def test_who_is_no_administrator_is_refused_before_anything_happens(
    kube_cluster: Cluster, node: Place, tmp_path: Path
) -> None:
    from edged.errors import ConfigError

    kubectl = kube_cluster.kubectl
    kubectl("create", "serviceaccount", "nobody", "-n", "default")
    token = kubectl("create", "token", "nobody", "-n", "default").stdout.strip()
    config = json.loads(kubectl("config", "view", "--raw", "-o", "json").stdout)
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    path = tmp_path / "nobody"
    path.write_text(json.dumps(config))
    before = files_below(tmp_path)
    with pytest.raises(ConfigError, match=r"nobody .* may not create serviceaccounts.*--admin-kubeconfig"):
        trio.run(install, InitOptions(admin_kubeconfig=str(path)), node, Report())
    config["users"][0]["user"]["token"] = "wrong"
    path.write_text(json.dumps(config))
    with pytest.raises(ConfigError, match="has no rights at"):
        trio.run(install, InitOptions(admin_kubeconfig=str(path)), node, Report())
    assert set(files_below(tmp_path)) == set(before)
    kubectl("delete", "serviceaccount", "nobody", "-n", "default")
