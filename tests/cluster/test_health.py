"""`/readyz`, `edged status --check` and systemd's READY on the real API server: rights that are missing, then there; an
API server that goes away and comes back; a policy that does not load; a custom resource."""

from __future__ import annotations

import http.client
import json
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edged.admission.resources.definitions import definitions
from tests.cluster.cluster import Cluster
from tests.cluster.edged import MODULES, Edged, create, pod, policy, wait_for
from tests.cluster.test_custom_resources import install, resource, uninstall
from tests.cluster.test_custom_resources import policy as policy_object
from tests.cluster.test_custom_resources_rights import identity

PRIVILEGED = policy("no-privileged", "pod-privileged")
ABSENT = policy("absent", "absent", rules=[])
GONE = {key: value for key, value in policy("gone", "absent").items() if key != "rules"}
RETRIED_S = 75.0  # registration backs off to a minute

pytestmark = pytest.mark.kube


@pytest.fixture
def cluster(kube_programs: dict[str, Path]) -> Iterator[Cluster]:
    """One that may be killed."""
    with Cluster() as made:
        yield made


def probe(edged: Edged) -> tuple[int, str]:
    with closing(http.client.HTTPConnection("127.0.0.1", edged.health_port, timeout=5)) as connection:
        connection.request("GET", "/readyz?verbose")
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def check(edged: Edged) -> subprocess.CompletedProcess[str]:
    return edged.command("status", "--check", check=False)


def wait_sentence(edged: Edged, words: str, *, seconds: float = 30.0) -> None:
    wait_for(lambda: words in check(edged).stdout, words, seconds=seconds, every_s=0.3)


def test_ready_once_the_api_server_was_told_and_warnings_afterwards(cluster: Cluster, tmp_path: Path) -> None:
    administrator = Edged(kubeconfig=cluster.kubeconfig, policies=[PRIVILEGED])
    roles = administrator.command("rbac", "render", "-o", "json").stdout
    cluster.kubectl("apply", "-f", "-", stdin=roles)
    cluster.kubectl("delete", "clusterrolebinding", "edged")
    with Edged(kubeconfig=identity(cluster, tmp_path), policies=[PRIVILEGED]) as edged:
        edged.wait_phase("failing")
        status, body = probe(edged)
        assert status == 503 and "[-]registration failed: the API server has not been told of the policies yet" in body
        assert "forbidden" in body.lower()
        done = check(edged)
        assert done.returncode == 1 and done.stdout.startswith("0 of 1 policy known to be in force; ")
        assert "registration: " in done.stdout and "Next: " in done.stdout

        cluster.kubectl("apply", "-f", "-", stdin=roles)
        administrator.command("webhook", "install")  # the daemon itself may not create webhook objects
        wait_for(edged.is_ready, "ready", seconds=RETRIED_S)
        done = check(edged)
        assert (done.returncode, done.stdout) == (0, "1 of 1 policy in force.\n")
        refused = create(cluster.kubectl, pod("x", privileged=True), "-n", "default", "--dry-run=server")
        assert "denied the request" in refused.stderr, "the sentence is true"

        cluster.kill()
        wait_sentence(edged, "1 of 1 policy in force; the API server does not answer: ")
        wait_for(lambda: "[!]registration warning: what is registered cannot be verified" in probe(edged)[1], "warning")
        status, body = probe(edged)
        assert status == 200 and "[!]api-server warning: the API server does not answer: " in body
        assert check(edged).returncode == 1
        cluster.start()
        wait_for(lambda: check(edged).returncode == 0, "all in force again", seconds=RETRIED_S, every_s=0.5)


def test_what_is_not_in_force_is_named(cluster: Cluster) -> None:
    install(cluster)
    admission = {"module_dirs": [str(MODULES)], "audit_interval_s": 0}
    with Edged(kubeconfig=cluster.kubeconfig, policies=[PRIVILEGED, ABSENT, GONE], admission=admission) as edged:
        wait_for(edged.is_ready, "ready", seconds=RETRIED_S)
        wait_sentence(edged, "1 of 3 policies in force; ")
        said = check(edged).stdout
        assert "gone: not enforced: the module file is missing (" in said and "absent: denies every request" in said
        edged.configure([PRIVILEGED])
        assert edged.reload() == ""
        wait_for(lambda: check(edged).returncode == 0, "all in force", every_s=0.3)

        edged.configure([PRIVILEGED, GONE])
        assert "gone" in edged.reload()
        done = check(edged)
        assert done.returncode == 1 and done.stdout.startswith("1 of 1 policy in force; the last reload was refused, ")
        assert edged.is_ready()
        edged.configure([PRIVILEGED])
        assert edged.reload() == ""

        cluster.kubectl("apply", "-f", "-", stdin=json.dumps(policy_object("late")))
        wait_sentence(edged, "`clusterwide-late`: not enforced, its PolicyServer does not exist, or is being deleted")
        cluster.kubectl("apply", "-f", "-", stdin=json.dumps(resource("PolicyServer", "default")))
        wait_sentence(edged, "2 of 2 policies in force.", seconds=RETRIED_S)
        assert check(edged).returncode == 0
    uninstall(cluster)
    for name in definitions():
        cluster.kubectl("delete", "crd", f"{name.removesuffix('.yaml')}.policies.kubewarden.io", "--wait=false")
