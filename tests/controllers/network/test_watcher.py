"""`watcher.py` hears everything that happens on an API server, in order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edged.sandbox.threaded import ThreadedSandbox
from tests.controllers.network.watcher import ROOT, Watcher

CRDS = Path(__file__).resolve().parents[3] / "config" / "crds" / "network"


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[ThreadedSandbox]:
    """With the faults that the test asks for."""
    with ThreadedSandbox(faults=getattr(request, "param", ())) as sandbox:
        sandbox.load(*sorted(CRDS.glob("*.yaml")), {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}})
        create(sandbox, "subnets", "Subnet", "s", {"ipv4": "10.0.0.0/24", "vni": 7})
        show(sandbox, "s", {"validated": True}, "subnets")
        yield sandbox


def create(server: ThreadedSandbox, resource: str, kind: str, name: str, spec: object, owner: object = None) -> str:
    metadata: dict[str, object] = {"name": name}
    if owner:
        metadata["ownerReferences"] = [owner]
    body = {"apiVersion": "network.edged.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}
    status, answer = server.request("POST", f"{ROOT}/namespaces/a/{resource}", body)
    assert status == 201, answer
    return str(answer["metadata"]["uid"])


def show(server: ThreadedSandbox, name: str, status: object, resource: str = "networkattachments") -> None:
    path = f"{ROOT}/namespaces/a/{resource}/{name}/status"
    code, answer = server.request("PATCH", path, {"status": status}, content_type="application/merge-patch+json")
    assert code == 200, answer


def attach(server: ThreadedSandbox, name: str, address: str) -> None:
    uid = create(server, "networkattachments", "NetworkAttachment", name, {"node": "n", "subnet": "s"})
    owner = {"apiVersion": "network.edged.dev/v1alpha1", "kind": "NetworkAttachment", "name": name, "uid": uid}
    lock = create(
        server, "iplocks", "IPLock", f"v1-7-{address.replace('.', '-')}", {"vni": 7, "ipv4": address}, owner
    )
    show(server, name, {"ipv4": address, "addressVNI": 7, "lockUID": lock})


def test_it_judges_what_was_there_and_what_came(server) -> None:
    attach(server, "one", "10.0.0.2")
    with Watcher(server.url) as watcher:
        attach(server, "two", "10.0.0.3")
        judge = watcher.judged()
        assert judge.verdict.revisions == 3 + 3
        assert (judge.verdict.faults, judge.verdict.locks, judge.verdict.shown) == ([], 2, 2)
        server.request("DELETE", f"{ROOT}/namespaces/a/networkattachments/two")
        assert watcher.judged().verdict.shown == 1


def test_a_fault_that_lasted_a_single_revision_is_found(server) -> None:
    with Watcher(server.url) as watcher:
        attach(server, "one", "10.0.0.2")
        create(server, "networkattachments", "NetworkAttachment", "two", {"node": "n", "subnet": "s"})
        show(server, "two", {"ipv4": "10.0.0.2", "addressVNI": 7, "lockUID": "x"})
        show(server, "two", None)
        judge = watcher.judged()
    assert any("both show 10.0.0.2" in fault for fault in judge.verdict.faults)


@pytest.mark.parametrize(
    "server", [["watch *.network.edged.dev drop events=1 times=3", "watch * end events=2"]], indirect=True
)
def test_watches_that_end_and_are_cut_lose_nothing(server) -> None:
    with Watcher(server.url) as watcher:
        for number in range(2, 9):
            attach(server, f"a{number}", f"10.0.0.{number}")
        judge = watcher.judged()
    assert judge.verdict.revisions == 1 + 3 * 7 and not judge.verdict.faults
