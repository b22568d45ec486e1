"""Static registration: a real kube-apiserver that loads edged's files from disk before its first request.

No webhook object, no Service, no bootstrap deadlock; the API server shows a client certificate. Each test has a cluster
of its own, with an empty etcd and other command line files. Real API server only: nothing else reads such files.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.edged import EVERYTHING, OBJECTS, Edged, create, pod, policy, wait_for

pytestmark = pytest.mark.kube
REREAD_S = 100.0  # the API server reads the files about once a minute
# Reviews all that happens, the API server's own bootstrap included, and accepts what is no privileged Pod.
NO_PRIVILEGED = policy("no-privileged", "pod-privileged", rules=[EVERYTHING])
DEFAULTS = policy("defaults", "resource-defaults", allowed_to_mutate=True, settings={"requests": {"cpu": "50m"}})


class Pair:
    """edged with its files for an API server, and that API server, not started yet."""

    def __init__(self, policies: Sequence[Mapping[str, Any]], admission: Mapping[str, Any]) -> None:
        self.edged = Edged(kubeconfig=None, policies=policies, register="static", admission=admission)
        self.installed = self.edged.command("webhook", "install")
        self.cluster = Cluster(admission_config=self.edged.static_dir / "admission-configuration.json")
        self.kubectl = self.cluster.kubectl

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.cluster.stop()
        self.edged.__exit__()

    def create(self, name: str, *, privileged: bool = False, namespace: str = "default") -> str:
        """What kubectl says to a dry run: "" when it went through."""
        done = create(self.kubectl, pod(name, privileged=privileged), "-n", namespace, "--dry-run=server")
        return done.stderr if done.returncode else ""


def test_edged_first_api_server_second(kube_programs: dict[str, Path]) -> None:
    with Pair([NO_PRIVILEGED, DEFAULTS], {"include_system": True}) as pair:
        _check_start(pair)
        _check_client_certificates(pair)
        _check_reload(pair)
        _check_restarts(pair)


def _check_start(pair: Pair) -> None:
    edged, cluster = pair.edged, pair.cluster
    folder = edged.static_dir
    assert f"--admission-control-config-file={folder}/admission-configuration.json" in pair.installed.stderr
    assert "the daemon will register its policies" in pair.installed.stdout
    credentials = json.loads((folder / "webhook-kubeconfig.json").read_text())
    assert credentials["users"][0]["name"] == f"127.0.0.1:{edged.port}"

    edged.start()
    assert edged.wait_phase("registered")["policies"] == ["defaults", "no-privileged"]
    cluster.start()
    assert edged.status()["policies"]["no-privileged"]["accepted"] > 20, "the bootstrap went by it"
    assert not {policy["failed"] for policy in edged.status()["policies"].values()} - {0}

    denied = pair.create("x", privileged=True)
    assert 'admission webhook "no-privileged.policy.edged.dev" denied the request: Pod x: container "main"' in denied
    assert "is privileged" in pair.create("x", privileged=True, namespace="kube-system")
    done = create(pair.kubectl, pod("filled"), "-n", "default", "-o", "json")
    assert json.loads(done.stdout)["spec"]["containers"][0]["resources"]["requests"] == {"cpu": "50m"}
    for plural in OBJECTS:
        assert pair.kubectl("get", plural, "-o", "name").stdout == "", "no webhook object in the cluster"


def _check_client_certificates(pair: Pair) -> None:
    edged, made = pair.edged, pair.cluster.certificates
    tls = edged.state_dir / "tls"
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
        edged.review("no-privileged", pod("x"))
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
        foreign = edged.connect(certificate=(made.admin.certificate, made.admin.key))
        try:
            edged.review("no-privileged", pod("x"), connection=foreign)
        finally:
            foreign.close()
    own = edged.connect(certificate=(tls / "kube-apiserver.crt", tls / "kube-apiserver.key"))
    assert edged.review("no-privileged", pod("x", privileged=True), connection=own)["allowed"] is False
    own.close()


def _check_reload(pair: Pair) -> None:
    """Other words count at once; another policy when the API server has read the files again."""
    edged = pair.edged
    edged.configure([{**NO_PRIVILEGED, "message": "other words"}, DEFAULTS])
    assert edged.reload() == ""
    assert "other words" in pair.create("x", privileged=True)

    renamed = {**NO_PRIVILEGED, "name": "renamed"}
    edged.configure([renamed])
    assert edged.reload() == ""
    # Until then it still calls the old names, and must be answered.
    assert "failed calling webhook" not in pair.create("y", privileged=True)

    def picked_up() -> bool:
        said = pair.create("y", privileged=True)
        assert "failed calling webhook" not in said, said
        return "renamed.policy.edged.dev" in said

    wait_for(picked_up, "files read again", seconds=REREAD_S, every_s=1)
    assert edged.wait_phase("registered")["policies"] == ["renamed"]


def _check_restarts(pair: Pair) -> None:
    edged, cluster = pair.edged, pair.cluster
    edged.kill()
    assert "failed calling webhook" in pair.create("z"), "fails closed"
    edged.start()
    wait_for(lambda: not pair.create("z"), "edged is back")
    assert "is privileged" in pair.create("z", privileged=True)
    cluster.kill()
    cluster.start()
    assert "renamed.policy.edged.dev" in pair.create("z", privileged=True)
    assert edged.command("webhook", "remove").stdout.count("deleted") == 1
    assert not list(edged.static_dir.glob("*/*.json"))


def test_api_server_first_edged_second(kube_programs: dict[str, Path]) -> None:
    """As after a power cut: the API server has the files and nobody to ask. The system is left alone, users wait."""
    for_users = policy("no-privileged", "pod-privileged")
    with Pair([for_users], {}) as pair:
        # The files are there from an earlier life of edged.
        pair.edged.start()
        pair.edged.wait_phase("registered")
        pair.edged.kill()
        pair.cluster.start()
        assert "failed calling webhook" in pair.create("x")
        assert pair.create("x", privileged=True, namespace="kube-system") == ""
        pair.edged.start()
        wait_for(lambda: not pair.create("x"), "edged is back")
        assert "is privileged" in pair.create("x", privileged=True)
        assert pair.create("x", privileged=True, namespace="kube-system") == ""
