"""Static registration: a real kube-apiserver that loads edged's files from disk before its first request.

No webhook object, no Service, no bootstrap deadlock; the API server shows a client certificate. Each test has a cluster
of its own, with an empty etcd and other command line files. Real API server only: nothing else reads such files.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import pytest

from edged.admission.rules.webhooks import FOLDERS, admission_configuration
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
    edged.wait_registered()
    cluster.start()
    assert edged.status()["policies"]["no-privileged"]["accepted"] > 20, "the bootstrap went by it"
    assert not {policy["failed"] for policy in edged.status()["policies"].values()} - {0}

    denied = pair.create("x", privileged=True)
    assert '.webhooks.edged.dev" denied the request: [no-privileged] Pod x: container "main"' in denied
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
        return "[renamed]" in said

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
    assert "[renamed]" in pair.create("z", privileged=True)
    edged.stop()  # it would write them again
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


# --- what edged says of it
SECOND = policy("second", "pod-privileged")


class Known:
    """edged with a kubeconfig, so that it can ask which manifests the API server goes by."""

    def __init__(self, cluster: Cluster, folder: Path, *, kubeconfig: Path | None = None, server: str = "") -> None:
        admission = {"static_dir": str(folder), "audit_interval_s": 0, "policy_server": "", "webhooks": "each"}
        admission |= {"static_api_server": server} if server else {}
        self.edged = Edged(
            kubeconfig=kubeconfig or cluster.kubeconfig,
            policies=[policy("first", "pod-privileged")],
            register="static",
            admission=admission,
        )
        self.kubectl = cluster.kubectl

    def __enter__(self) -> Self:
        self.edged.command("webhook", "install")
        return self

    def __exit__(self, *_: object) -> None:
        self.edged.__exit__()

    def wait_waiting(self, names: set[str], text: str = "", *, seconds: float = 45.0) -> str:
        """Until these wait, for that reason; the message."""

        def reached() -> bool:
            found = self.edged.registration
            return found["phase"] == "registered" and found["waiting"].keys() == names and text in found["message"]

        try:
            wait_for(reached, f"{names} waiting: {text}", seconds=seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.edged.registration}\n{self.edged.log[-3000:]}") from error
        return str(self.edged.registration["message"])

    def readyz(self) -> str:
        with closing(http.client.HTTPConnection("127.0.0.1", self.edged.health_port, timeout=5)) as connection:
            connection.request("GET", "/readyz?verbose")
            return connection.getresponse().read().decode()

    def denial(self) -> str:
        done = create(self.kubectl, pod("x", privileged=True), "-n", "default", "--dry-run=server")
        return done.stderr if done.returncode else ""


def test_a_policy_is_in_force_when_the_api_server_says_so(kube_programs: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "static"
    cluster = Cluster(admission_config=folder / "admission-configuration.json")
    with Known(cluster, folder) as known:
        try:
            _check_before_and_after_the_first_read(known, cluster)
            _check_what_the_api_server_refuses(known, folder)
            _check_an_api_server_that_is_restarted(known, cluster, folder)
        finally:
            cluster.stop()


def _check_before_and_after_the_first_read(known: Known, cluster: Cluster) -> None:
    edged = known.edged
    edged.start()
    message = known.wait_waiting({"first"}, "Connection refused")
    assert edged.registration["policies"] == ["first"], "it is written"
    status = edged.command("status", "--check", check=False)
    assert status.returncode and "0 of 1 policy known to be in force" in status.stdout
    assert f"not known to ask 1 policy: {message}" in known.readyz()
    cluster.start()
    known.wait_waiting(set())
    assert edged.command("status", "--check").stdout.startswith("1 of 1 policy in force")
    assert "first.policy.edged.dev" in known.denial()

    edged.configure([policy("first", "pod-privileged"), SECOND])
    assert edged.reload() == ""
    known.wait_waiting(set())
    assert edged.registration["policies"] == ["first", "second"]
    edged.configure([SECOND])
    assert edged.reload() == ""
    known.wait_waiting(set())
    assert "second.policy.edged.dev" in known.denial()


def _check_what_the_api_server_refuses(known: Known, folder: Path) -> None:
    """Another file in the folder is none that an API server takes: it goes on with what it had."""
    edged = known.edged
    other = folder / "validating" / "other.json"
    other.write_text("{")
    edged.configure([{**SECOND, "name": "third"}, SECOND])
    assert edged.reload() == ""
    known.wait_waiting({"third"}, "refused")
    assert edged.registration["policies"] == ["second", "third"]
    assert "1 of 2 policies known to be in force" in edged.command("status", check=False).stdout
    assert "refused" in known.readyz() and "would not start" in edged.log
    edged.configure([{**SECOND, "name": "third"}])
    assert edged.reload() == ""
    known.wait_waiting({"third"}, "refused")
    assert "failed calling webhook" not in known.denial(), "what the API server still calls is answered"
    other.unlink()
    known.wait_waiting(set())
    assert "third.policy.edged.dev" in known.denial()


def _check_an_api_server_that_is_restarted(known: Known, cluster: Cluster, folder: Path) -> None:
    known.edged.stop()
    known.edged.start()
    known.wait_waiting(set())
    cluster.stop_apiserver()
    cluster.start_apiserver()
    known.edged.configure([SECOND])
    assert known.edged.reload() == ""
    known.wait_waiting(set())
    assert "second.policy.edged.dev" in known.denial()


def test_of_two_api_servers_the_one_that_reads_the_folder_counts(
    kube_programs: dict[str, Path], tmp_path: Path
) -> None:
    """They share an etcd. The kubeconfig names the other one, which reads no manifests at first."""
    folder = tmp_path / "static"
    configuration = folder / "admission-configuration.json"
    for name in FOLDERS.values():
        (folder / name).mkdir(parents=True)
    configuration.write_text(json.dumps(admission_configuration("", str(folder))))
    with Cluster(admission_config=configuration) as reading:
        other = Cluster(arguments=[f"--etcd-servers=http://127.0.0.1:{reading._etcd_port}"])
        other.certificates = reading.certificates
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(reading.kubeconfig.read_text().replace(reading.url, other.url))
        try:
            other.start_apiserver()
            with Known(reading, folder, kubeconfig=kubeconfig) as known:
                known.edged.start()
                known.wait_waiting({"first"}, f"{other.url} reads no manifests")
                assert "first.policy.edged.dev" in known.denial(), "the one that reads them goes by them all the same"
                other._admission_config = configuration
                other.restart_apiserver()
                known.wait_waiting(set())
            other.restart_apiserver(arguments=[*other._arguments, "--admission-control-config-file="])
            with Known(reading, folder, kubeconfig=kubeconfig, server=reading.url) as known:
                known.edged.start()
                known.wait_waiting(set())
        finally:
            other.stop()


def test_without_the_right_to_ask_policies_are_written_and_wait(kube_programs: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "static"
    cluster = Cluster(admission_config=folder / "admission-configuration.json")
    config = tmp_path / "kubeconfig"
    with Known(cluster, folder, kubeconfig=config) as known:
        try:
            cluster.start()
            roles = known.edged.command("rbac", "render", "-o", "json").stdout
            cluster.kubectl("create", "serviceaccount", "edged", "-n", "kube-system")
            token = cluster.kubectl("create", "token", "edged", "-n", "kube-system").stdout.strip()
            found = json.loads(cluster.kubectl("config", "view", "--raw", "-o", "json").stdout)
            found["users"] = [{"name": found["users"][0]["name"], "user": {"token": token}}]
            config.write_text(json.dumps(found))
            known.edged.start()
            known.wait_waiting({"first"}, "; run `edged rbac render` and apply the output")
            assert "first.policy.edged.dev" in known.denial()
            cluster.kubectl("apply", "-f", "-", stdin=roles)
            known.wait_waiting(set())
        finally:
            cluster.stop()
