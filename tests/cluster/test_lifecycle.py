"""The daemon through the bad days of a node: no API server, no kubeconfig, other credentials, crashes, restarts.

Admission answers all the time; each test posts reviews to the listener itself, as the API server would. The servers
here belong to one test each, because they are killed.
"""

from __future__ import annotations

import http.client
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from edged.cli.demo.stage import free_port
from tests.cluster.cluster import Cluster, Sandbox
from tests.cluster.edged import OBJECTS, Edged, Server, create, get, pod, policy, wait_for

QUOTA = policy(
    "quota",
    "namespace-quota-hint",
    settings={"mode": "deny"},
    context_aware=[{"apiVersion": "v1", "kind": "Namespace"}, {"apiVersion": "v1", "kind": "Pod"}],
    host_capabilities=["kubernetes/get_resource", "kubernetes/list_resources_by_namespace"],
    timeout_s=1.0,
)
SLOW = policy("slow", "endless", timeout_s=1.5)
POLICIES = [policy("no-privileged", "pod-privileged"), QUOTA]
REREAD_S = 15.0  # a kubeconfig is looked at every 5 s
RETRIED_S = 75.0  # registration backs off to a minute


@pytest.fixture(params=["sandbox", pytest.param("real", marks=pytest.mark.kube)])
def server(request: pytest.FixtureRequest, sandbox_server: Sandbox) -> Iterator[Server]:
    """One that may be killed."""
    made: Server
    if request.param == "sandbox":
        made = Sandbox(sys.executable, sandbox_server.kubectl.program, arguments=["--port", str(free_port())])
    else:
        made = Cluster()
    with made:
        yield made


class Load:
    """Threads that post reviews without pause, half of them on kept connections.

    A failure on a connection that was used before is tried again on a new one, as Go's client does; what fails there
    after the handshake is lost.
    """

    def __init__(self, edged: Edged, threads: int = 4) -> None:
        self.answers: Counter[str] = Counter()
        self.lost: list[str] = []
        self.wrong: list[object] = []
        self._edged = edged
        self._stopping = False
        self._threads = [threading.Thread(target=self._run, args=(n % 2 == 0,)) for n in range(threads)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stopping = True
        for thread in self._threads:
            thread.join()

    def more(self, count: int) -> None:
        """Waits for so many more answers."""
        goal = self.answers.total() + count
        wait_for(lambda: self.answers.total() >= goal, f"{count} more answers")

    def ask(self, name: str, connection: http.client.HTTPSConnection | None = None) -> bool:
        """One review; False when nobody listens any more."""
        used = connection is not None and connection.sock is not None
        own = connection or self._edged.connect()
        try:
            if own.sock is None:
                own.connect()
        except OSError:
            return False
        try:
            response = self._edged.review(name, pod("x", privileged=True), connection=own)
        except (OSError, http.client.HTTPException) as error:
            own.close()
            if used:
                return self.ask(name)
            self.lost.append(f"{name}: {error!r}")
            return True
        if response["allowed"]:
            self.wrong.append(response)
        self.answers[name] += 1
        if connection is None:
            own.close()
        return True

    def _run(self, keep: bool) -> None:
        connection = self._edged.connect() if keep else None
        while not self._stopping and self.ask("no-privileged", connection):
            pass
        if connection is not None:
            connection.close()


def verdicts(edged: Edged) -> tuple[bool, bool]:
    """What no-privileged says of a privileged Pod and of another."""
    answers = [edged.review("no-privileged", pod("x", privileged=flag))["allowed"] for flag in (True, False)]
    return answers[0], answers[1]


def registered(server: Server) -> bool:
    return (get(server.kubectl, OBJECTS[0], "edged") or {}).get("webhooks") is not None


def denied_by_edged(server: Server) -> bool:
    done = create(server.kubectl, pod("x", privileged=True), "-n", "default", "--dry-run=server")
    return "denied the request: [no-privileged] Pod x" in done.stderr


def test_the_api_server_comes_later_and_dies_and_comes_back(server: Server) -> None:
    server.kill()
    with Edged(kubeconfig=server.kubeconfig, policies=POLICIES) as edged:
        assert verdicts(edged) == (False, True)
        asked = edged.review("quota", pod("x"))
        assert (asked["allowed"], asked["status"]["code"]) == (False, 500), "it cannot look, so it does not allow"
        failing = edged.wait_phase("failing")
        assert failing["message"]
        server.start()
        edged.wait_registered(seconds=RETRIED_S)
        wait_for(lambda: denied_by_edged(server), "denial")
        wait_for(lambda: edged.review("quota", pod("x"))["allowed"], "a look at the cluster")

        with Load(edged) as load:
            server.kill()
            load.more(200)
            assert edged.is_ready()
            edged.wait_phase("failing")
            server.start()
            edged.wait_registered(seconds=RETRIED_S)
            wait_for(lambda: registered(server), "registered again", seconds=RETRIED_S)
            load.more(50)
        assert load.lost == [] and load.wrong == []
        # Its lists of Pods are watched again: a Pod that came after the crash counts.
        metadata = {"name": "later", "annotations": {"edged.dev/pod-limit": "1"}}
        create(server.kubectl, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        assert create(server.kubectl, pod("one"), "-n", "later").returncode == 0

        def counted() -> bool:
            return "later" in create(server.kubectl, pod("two"), "-n", "later", "--dry-run=server").stderr

        wait_for(counted, "denial by the quota", seconds=RETRIED_S)


def test_a_kubeconfig_appears_later(api_server: Server, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "later"
    with Edged(kubeconfig=kubeconfig, policies=POLICIES) as edged:
        assert verdicts(edged) == (False, True)
        nothing = {"server": "", "configured": False, "last_contact": "", "failure": "", "ages_s": {}}
        assert edged.status()["kubernetes"] == nothing
        assert edged.review("quota", pod("x"))["status"]["code"] == 500
        kubeconfig.write_text("{ not yet")
        edged.wait_phase("failing")
        kubeconfig.write_bytes(api_server.kubeconfig.read_bytes())
        edged.wait_registered(seconds=RETRIED_S)
        assert edged.status()["kubernetes"]["configured"] is True
        edged.stop()
        edged.command("webhook", "remove")


@pytest.mark.kube
def test_credentials_rotate(kube_programs: dict[str, Path], tmp_path: Path) -> None:
    """As k3s does it: new ones for everybody, the old ones refused, and the file rewritten some time later."""
    kubeconfig = tmp_path / "kubeconfig"
    with Cluster() as cluster:
        kubeconfig.write_bytes(cluster.kubeconfig.read_bytes())
        with Edged(kubeconfig=kubeconfig, policies=POLICIES) as edged:
            edged.wait_registered()
            (cluster.folder / "tokens.csv").write_text('new-token,other,other-uid,"system:masters"\n')
            cluster.token = "new-token"
            cluster.restart_apiserver()
            assert "Unauthorized" in edged.wait_phase("failing", seconds=REREAD_S)["message"]
            assert verdicts(edged) == (False, True)
            kubeconfig.write_text(kubeconfig.read_text().replace("test-admin-token", "new-token"))
            edged.wait_registered(seconds=RETRIED_S)
            wait_for(lambda: edged.review("quota", pod("x"))["allowed"], "a look at the cluster")
            # Another kind of credentials, while the old ones are still good.
            kubeconfig.write_bytes(cluster.certificate_kubeconfig.read_bytes())
            wait_for(lambda: edged.log.count('msg="kubeconfig read"') >= 3, "read again", seconds=REREAD_S)
            edged.wait_registered()


def test_sigterm_under_load_loses_no_answer() -> None:
    with Edged(kubeconfig=None, policies=[*POLICIES, SLOW], register="none") as edged, Load(edged) as load:
        load.more(200)
        slow = [threading.Thread(target=load.ask, args=("slow",)) for _ in range(4)]
        for thread in slow:
            thread.start()
        time.sleep(0.3)  # they are under way: each takes 1.5 s
        edged.signal(signal.SIGTERM)
        for thread in slow:
            thread.join()
        assert edged.process is not None
        wait_for(lambda: not edged.process.running, "its end")
        load.stop()
        assert "requests under way were cut off" not in edged.log
        assert (edged.process.exit_code, load.lost, load.wrong) == (0, [], []), edged.log[-3000:]
        assert load.answers["slow"] == 4


def test_kill_and_restart(server: Server) -> None:
    with Edged(kubeconfig=server.kubeconfig, policies=POLICIES) as edged:
        edged.wait_registered()
        before = [get(server.kubectl, plural, "edged") for plural in OBJECTS]
        for _ in range(3):
            edged.kill()
            assert edged.socket.exists(), "a stale socket"
            edged.start()
            edged.wait_registered()
        assert verdicts(edged) == (False, True)
        assert [get(server.kubectl, plural, "edged") for plural in OBJECTS] == before, "same CA, nothing rewritten"
        wait_for(lambda: denied_by_edged(server), "denial")
        edged.stop()
        assert [get(server.kubectl, plural, "edged") for plural in OBJECTS] == before, "an end unregisters nothing"
