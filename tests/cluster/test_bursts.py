"""Bursts: kube-apiserver asks all policies of an object at once, a connection each. Every review gets its verdict.

A client in Go (go/webhookload) has client-go's transport and asks for more than an API server on the same two cores
could; the real kube-apiserver shows that it is content.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import build
from tests.cluster.api import Api, ApiFailure
from tests.cluster.certificates import write_certificates
from tests.cluster.cluster import Cluster
from tests.cluster.edged import Edged, create, pod, policy, remove_objects, review_of, wait_for

POLICIES = [policy(f"p{number}", "pod-privileged") for number in range(50)]
CONFIGMAPS = [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["*"]}]
NAMESPACE = "bursts"
TIMED_OUT = "verdict 500: Policy execution interrupted because it exceeded the allowed execution time"


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Path:
    go = build.go_program()
    assert go is not None
    program = tmp_path_factory.mktemp("webhookload") / "webhookload"
    command = [go, "build", "-trimpath", "-mod=readonly", "-o", str(program), "./webhookload"]
    environment = os.environ | {"CGO_ENABLED": "0", "GOWORK": "off"}
    built = subprocess.run(command, cwd=build.MODULE, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return program


def ask(load: Path, edged: Edged, objects: int, policies: int, timeout_s: int, *more: str) -> dict[str, Any]:
    """What became of so many reviews at once."""
    body = edged.folder / "review.json"
    body.write_bytes(review_of(pod("x", privileged=True)))
    authority = edged.state_dir / "tls" / "ca-bundle.crt"
    command = [
        str(load), "-address", f"127.0.0.1:{edged.port}", "-ca", str(authority), "-body", str(body),
        "-objects", str(objects), "-policies", str(policies), "-timeout", f"{timeout_s}s", *more,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def refusals(edged: Edged) -> list[str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{edged.health_port}/metrics", timeout=10) as answer:
        return re.findall(r"^edged_refusals_total\{.*", answer.read().decode(), re.MULTILINE)


def resident_mib(edged: Edged) -> int:
    assert edged.process is not None
    return int(Path(f"/proc/{edged.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


def test_bursts_within_the_default_timeout(load: Path) -> None:
    with Edged(kubeconfig=None, policies=POLICIES, register="none") as edged:
        for objects, policies in ((1, 1), (180, 1), (20, 10)):
            found = ask(load, edged, objects, policies, 3)
            assert found["outcomes"] == {"denied": objects * policies}, found
        assert ask(load, edged, 20, 10, 3, "-resume")["resumed"] == 0
        assert refusals(edged) == []


def test_bursts_where_client_certificates_are_required(load: Path, tmp_path: Path) -> None:
    """Connections that are not through their handshake share a few places; the API server gets through all the same."""
    made = write_certificates(tmp_path)
    own = ("-cert", str(made.admin.certificate), "-key", str(made.admin.key))
    admission = {"client_auth": "require", "tls": {"client_ca": str(made.authority)}}
    with Edged(kubeconfig=None, policies=POLICIES, register="none", admission=admission) as edged, ExitStack() as open_:
        for _ in range(1000):
            stranger = open_.enter_context(socket.create_connection(("127.0.0.1", edged.port)))
            stranger.send(b"\x16\x03\x01\x02\x00\x01")  # the beginning of a ClientHello, and no more
        found = ask(load, edged, 20, 10, 10, *own)
        assert found["outcomes"] == {"denied": 200}, found


def test_every_connection_of_thousands_gets_a_verdict(load: Path) -> None:
    """On a machine that is busy with something else a few policies run out of time, and say so themselves."""
    outcomes = _many_connections(load, 60)
    assert set(outcomes) <= {"denied", TIMED_OUT} and sum(outcomes.values()) == 3000, outcomes
    assert outcomes["denied"] > 2700


def _many_connections(load: Path, objects: int) -> dict[str, int]:
    admission = {"webhook_timeout_s": 30}
    with Edged(kubeconfig=None, policies=POLICIES, register="none", admission=admission) as edged:
        peak = [0]
        done = threading.Event()

        def watch() -> None:
            while not done.wait(0.02):
                peak[0] = max(peak[0], resident_mib(edged))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            found = ask(load, edged, objects, 50, 30)
        finally:
            done.set()
            watcher.join()
        assert refusals(edged) == []
        assert peak[0] < 300, "MiB of RSS"
        outcomes: dict[str, int] = found["outcomes"]
        return outcomes


def test_an_endless_policy_answers_for_itself_before_the_api_server_gives_up(load: Path) -> None:
    """Reviews that never get a turn, too: 32 of a policy run at once, each for its whole timeout."""
    admission = {"webhook_timeout_s": 3}
    endless = policy("endless", "endless", timeout_s=2.0)
    with Edged(kubeconfig=None, policies=[endless], register="none", admission=admission) as edged:
        found = ask(load, edged, 100, 1, 3, "-policy", "endless")
        assert found["outcomes"] == {TIMED_OUT: 100}, found
        assert found["max"] >= 2, "it had its time"


# --- the real API server
@pytest.fixture
def cluster(kube_cluster: Cluster) -> Iterator[Cluster]:
    remove_objects(kube_cluster)
    kube_cluster.kubectl("create", "namespace", NAMESPACE, check=False)
    yield kube_cluster
    remove_objects(kube_cluster)


def at_once(cluster: Cluster, bodies: list[tuple[str, str, dict[str, Any]]]) -> list[str]:
    """What the API server says to requests that come in the same moment; "" for one that succeeds."""
    ready = threading.Barrier(len(bodies))
    said = [""] * len(bodies)

    def one(index: int) -> None:
        method, path, body = bodies[index]
        api: Api = cluster.api()
        api.get("/readyz")
        ready.wait(60)
        try:
            api.request(method, path, body)
        except ApiFailure as failure:
            said[index] = str(failure)
        api.close()

    threads = [threading.Thread(target=one, args=(index,)) for index in range(len(bodies))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads)
    return said


def is_denied(cluster: Cluster) -> bool:
    probe = pod("probe", privileged=True)
    return "is privileged" in create(cluster.kubectl, probe, "-n", NAMESPACE, "--dry-run=server").stderr


def test_the_api_server_gets_a_verdict_for_each_pod_of_a_burst(cluster: Cluster) -> None:
    path = f"/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All"
    for objects, policies in ((180, 1), (20, 10)):
        configured = [policy(f"p{number}", "pod-privileged", namespace=NAMESPACE) for number in range(policies)]
        with Edged(kubeconfig=cluster.kubeconfig, policies=configured) as edged:
            edged.wait_registered()
            wait_for(lambda: is_denied(cluster), "the API server knows the webhooks")
            said = at_once(
                cluster, [("POST", path, pod(f"b{n}", privileged=n % 2 == 0)) for n in range(objects)]
            )
            wrong = [text for n, text in enumerate(said) if ("denied the request" in text) != (n % 2 == 0)]
            assert not wrong, wrong[:3]
            assert refusals(edged) == []


def test_a_configmap_full_of_markup_can_be_changed_under_twenty_policies(cluster: Cluster) -> None:
    """Its review holds it twice, and most characters take six bytes: 6 MB for each policy, 126 MB in all."""
    path = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
    configured = [
        policy(f"p{number}", "pod-privileged", namespace=NAMESPACE, rules=CONFIGMAPS) for number in range(20)
    ]
    table = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "table"}, "data": {"t": "<tr>" * 230_000}}
    with Edged(kubeconfig=cluster.kubeconfig, policies=configured, admission={"webhook_timeout_s": 30}) as edged:
        edged.wait_registered()
        api = cluster.api()
        made = api.create(path, table)
        made["metadata"]["labels"] = {"changed": "yes"}
        assert at_once(cluster, [("PUT", f"{path}/table", made)]) == [""]
        assert refusals(edged) == []
        assert resident_mib(edged) < 300
        api.delete(f"{path}/table")
        api.close()
