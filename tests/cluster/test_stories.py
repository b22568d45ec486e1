"""What locks users of other webhook servers out of their clusters, played through on a real API server.

Each story is one that was reported of others: a cold start with policies that fail closed, the webhook server gone and
back, a policy aimed at the webhook server itself, and certificates that change while requests are under way.
"""

from __future__ import annotations

import base64
import http.client
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from edged.tls import certificates
from tests.cluster.api import Api, ApiFailure
from tests.cluster.cluster import Cluster
from tests.cluster.edged import EVERYTHING, OBJECTS, Edged, create, get, pod, policy, review_of, wait_for

pytestmark = pytest.mark.kube
PODS = "/api/v1/namespaces/default/pods"
NO_PRIVILEGED = policy("no-privileged", "pod-privileged", rules=[EVERYTHING])
LEASE = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "a"}, "spec": {}}
NODE = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "a"}}


@pytest.fixture
def cluster(kube_programs: dict[str, Path]) -> Iterator[Cluster]:
    with Cluster() as cluster:
        yield cluster


def attempt(cluster: Cluster, name: str, *, privileged: bool = False) -> str:
    """What kubectl says to a Pod, as a dry run: "" when it went through."""
    done = create(cluster.kubectl, pod(name, privileged=privileged), "-n", "default", "--dry-run=server")
    return done.stderr if done.returncode else ""


def test_a_cluster_starts_while_edged_is_down_and_is_guarded_when_it_is_back(cluster: Cluster) -> None:
    """Fail closed on everything, then the whole node loses power, and the API server is first."""
    kubectl = cluster.kubectl
    with Edged(kubeconfig=cluster.kubeconfig, policies=[NO_PRIVILEGED]) as edged:
        edged.wait_registered()
        wait_for(lambda: "denied" in attempt(cluster, "x", privileged=True), "denial")
        edged.kill()
        cluster.restart_apiserver()
        # The API server's own start, the node's heart beat and joining do not need edged.
        assert kubectl("get", "--raw", "/readyz").stdout == "ok"
        for obj, namespace in ((LEASE, "kube-node-lease"), (LEASE, "default"), (NODE, "default")):
            done = create(kubectl, obj, "-n", namespace)
            assert done.returncode == 0, done.stderr
        assert kubectl("label", "node", "a", "x=y").returncode == 0
        assert create(kubectl, pod("agent"), "-n", "kube-system", "--dry-run=server").returncode == 0
        # Users' objects do, and the message names who is missing.
        assert ".webhooks.edged.dev" in attempt(cluster, "harmless")
        edged.start()
        wait_for(lambda: attempt(cluster, "harmless") == "", "edged to be back", seconds=60)
        assert "denied" in attempt(cluster, "x", privileged=True)


def test_the_emergency_exit_opens_a_cluster_whose_edged_is_dead(cluster: Cluster) -> None:
    with Edged(kubeconfig=cluster.kubeconfig, policies=[NO_PRIVILEGED]) as edged:
        edged.wait_registered()
        wait_for(lambda: "denied" in attempt(cluster, "x", privileged=True), "denial")
        edged.kill()
        assert attempt(cluster, "harmless") != ""
        edged.command("webhook", "remove")
        wait_for(lambda: attempt(cluster, "harmless") == "", "way out")
        assert all(get(cluster.kubectl, plural, "edged") is None for plural in OBJECTS)


def test_a_policy_aimed_at_edged_itself_does_not_lock_it_in(cluster: Cluster) -> None:
    """It refuses every object there is, so also webhook objects, were it asked: edged goes on correcting its own."""
    absent = policy("absent", "absent", rules=[EVERYTHING])
    with Edged(kubeconfig=cluster.kubeconfig, policies=[absent]) as edged:
        edged.wait_registered()
        wait_for(lambda: attempt(cluster, "x") != "", "denial")
        cluster.kubectl("delete", OBJECTS[0], "edged")
        wait_for(lambda: get(cluster.kubectl, OBJECTS[0], "edged"), "its own object again")
        edged.configure([NO_PRIVILEGED])
        assert edged.reload() == ""
        edged.wait_registered()
        wait_for(lambda: attempt(cluster, "x") == "", "the new policy")


def prepare_rotation(edged: Edged, seconds: float) -> list[str]:
    """State as a daemon leaves it whose CA is about to hand over to its successor: in so many seconds."""
    listen = f"127.0.0.1:{edged.port}"
    names = certificates.serving_names(f"https://{listen}", listen)
    now = time.time()
    certificates.ensure(edged.state_dir, names, now - certificates.CA_LIFE_S * 2 / 3)
    certificates.ensure(edged.state_dir, names, now - certificates.OVERLAP_S + seconds)
    return names


class Callers(threading.Thread):
    """Asks all the time: through the API server, and as a new connection of the API server would, checking against
    the `caBundle` that the API server has at that moment."""

    def __init__(self, cluster: Cluster, edged: Edged) -> None:
        super().__init__(daemon=True)
        self.failed: list[str] = []
        self.issuers: list[str] = []
        self.asked = 0
        self._cluster, self._edged = cluster, edged
        self._end = threading.Event()

    def run(self) -> None:
        with closing(self._cluster.api()) as api:
            while not self._end.is_set():
                try:
                    api.request("POST", f"{PODS}?dryRun=All", pod("harmless"))
                    self._connect(api)
                    self.asked += 1
                except (ApiFailure, OSError, http.client.HTTPException, AssertionError) as error:
                    self.failed.append(f"{type(error).__name__}: {error}")

    def _connect(self, api: Api) -> None:
        found = api.request("GET", f"/apis/admissionregistration.k8s.io/v1/{OBJECTS[0]}/edged")
        bundle = base64.b64decode(found["webhooks"][0]["clientConfig"]["caBundle"]).decode()
        context = ssl.create_default_context(cadata=bundle)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # as Go's verifier, which the API server has
        with closing(
            http.client.HTTPSConnection("127.0.0.1", self._edged.port, timeout=10, context=context)
        ) as connection:
            connection.connect()
            issuer = dict(pair[0] for pair in connection.sock.getpeercert()["issuer"])["commonName"]
            if issuer not in self.issuers:
                self.issuers.append(issuer)
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/validate/no-privileged", review_of(pod("harmless")), headers)
            with connection.getresponse() as answer:
                assert answer.status == 200

    def stop(self) -> None:
        self._end.set()
        self.join()


def test_the_ca_changes_under_load_and_no_request_fails(cluster: Cluster) -> None:
    policies = [policy("no-privileged", "pod-privileged")]
    edged = Edged(kubeconfig=cluster.kubeconfig, policies=policies)
    prepare_rotation(edged, seconds=25)
    with edged:
        edged.wait_registered()
        wait_for(lambda: "denied" in attempt(cluster, "x", privileged=True), "denial")
        callers = Callers(cluster, edged)
        callers.start()
        wait_for(lambda: len(callers.issuers) == 2, "the successor's signature", seconds=90)
        asked = callers.asked
        wait_for(lambda: callers.asked > asked + 20, "more requests")
        callers.stop()
        assert callers.failed == []
        assert edged.log.count('msg="certificate replaced"') == 1


def test_a_given_certificate_changes_under_load_and_a_bad_one_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    """The second certificate is of another CA; between the two, garbage."""
    made = [certificates.ensure(tmp_path / str(age), ["127.0.0.1"], time.time() - age) for age in (60, 0)]
    cert, key = tmp_path / "tls.crt", tmp_path / "tls.key"

    def put(material: certificates.Material) -> None:
        cert.write_bytes(material.cert.read_bytes())
        key.write_bytes(material.key.read_bytes())

    put(made[0])
    tls = {"cert": str(cert), "key": str(key)}
    policies = [policy("no-privileged", "pod-privileged")]
    with Edged(kubeconfig=cluster.kubeconfig, policies=policies, admission={"tls": tls}) as edged:
        edged.wait_registered()
        wait_for(lambda: "denied" in attempt(cluster, "x", privileged=True), "denial")
        callers = Callers(cluster, edged)
        callers.start()
        cert.write_text("garbage")
        wait_for(lambda: edged.status()["certificate_error"], "complaint")
        put(made[1])
        wait_for(lambda: len(callers.issuers) == 2, "the other CA's signature", seconds=60)
        callers.stop()
        assert callers.failed == [] and callers.asked > 20
        with suppress(OSError):
            assert edged.status()["certificate_error"] == ""
