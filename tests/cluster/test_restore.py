"""A real API server that comes back after an outage, with its history or with that of a backup; the watches have the
times that a daemon has."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from edged.kube import writes
from edged.kube.client import ApiClient, NoAnswer, NotConfigured
from edged.kube.informers import Informer, Informers
from edged.kube.kubeconfig import Location, open_session
from edged.kube.values.names import GroupVersionResource
from edged.process.files import FilesRead
from tests.cluster.cluster import Cluster
from tests.kube.support import PODS, names, quiet, run

pytestmark = pytest.mark.kube

MAPS = GroupVersionResource("", "v1", "configmaps")
BACK_WITHIN_S = 10.0
"""After the server is ready; it takes 1.5 to 3 s to look again, the rest is for a busy machine."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster() as started:
        yield started


class Relay:
    """A TCP relay before the API server: without it edged is cut off, whatever the server does."""

    def __init__(self, port: int) -> None:
        self._to = port
        self.port = 0
        self._scope = trio.CancelScope()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        with trio.CancelScope() as self._scope:
            async with trio.open_nursery() as nursery:
                listeners = await trio.open_tcp_listeners(self.port, host="127.0.0.1")
                self.port = listeners[0].socket.getsockname()[1]
                task_status.started()
                await trio.serve_listeners(self._connection, listeners, handler_nursery=nursery)

    def cut(self) -> None:
        self._scope.cancel()

    async def _connection(self, here: trio.SocketStream) -> None:
        try:
            there = await trio.open_tcp_stream("127.0.0.1", self._to)
        except OSError:
            await trio.aclose_forcefully(here)
            return
        async with trio.open_nursery() as both:
            both.start_soon(_copy, here, there, both.cancel_scope)
            both.start_soon(_copy, there, here, both.cancel_scope)


async def _copy(one: trio.SocketStream, other: trio.SocketStream, scope: trio.CancelScope) -> None:
    try:
        async for data in one:
            await other.send_all(data)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    finally:
        scope.cancel()
        await trio.aclose_forcefully(one)
        await trio.aclose_forcefully(other)


def client_of(kubeconfig: Path) -> ApiClient:
    return ApiClient(open_session(Location(str(kubeconfig), environ={}), FilesRead()))


@contextlib.asynccontextmanager
async def watched(cluster: Cluster, folder: Path) -> AsyncIterator[tuple[Informers, Informer, Relay, trio.Nursery]]:
    """Pods, watched through a relay."""
    port = cluster.url.rpartition(":")[2]
    relay = Relay(int(port))
    async with trio.open_nursery() as nursery:
        await nursery.start(relay.run)
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(cluster.kubeconfig.read_text().replace(f":{port}", f":{relay.port}"))
        informers = Informers(client_of(kubeconfig), log=quiet())
        await nursery.start(informers.run)
        pods = informers.acquire(PODS)
        await pods.wait_synced()
        yield informers, pods, relay, nursery
        nursery.cancel_scope.cancel()


def pod(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]}}


async def until(informer: Informer, wanted: list[str], within_s: float) -> float:
    """Seconds until exactly these are known."""
    begun = time.monotonic()
    with trio.fail_after(within_s):
        while names(informer.items()) != wanted:
            await trio.sleep(0.02)
    return time.monotonic() - begun


async def make(cluster: Cluster, resource: GroupVersionResource, *objects: dict[str, Any]) -> str:
    """Create objects, not through the relay; the last resourceVersion."""
    client, made = client_of(cluster.kubeconfig), {}
    for obj in objects:
        made = await writes.create(client, resource, obj, "default")
    await client.aclose()
    return str(made["metadata"]["resourceVersion"])


async def delete(cluster: Cluster, name: str) -> None:
    client = client_of(cluster.kubeconfig)
    body = {"gracePeriodSeconds": 0}
    with contextlib.suppress(NoAnswer, NotConfigured):
        await client.request("DELETE", f"/api/v1/namespaces/default/pods/{name}", body=body)
    await client.aclose()


def test_ghosts_of_a_lost_history_vanish_though_the_new_one_has_passed_it(cluster: Cluster, tmp_path: Path) -> None:
    async def main() -> None:
        await make(cluster, PODS, pod("kept"))
        async with watched(cluster, tmp_path) as (informers, pods, relay, nursery):
            await until(pods, ["kept"], 10)
            cluster.kill()
            shutil.copytree(cluster.folder / "etcd", tmp_path / "backup")
            await trio.to_thread.run_sync(cluster.start)
            await until(pods, ["kept"], BACK_WITHIN_S)
            seen = int(await make(cluster, PODS, pod("ghost-1"), pod("ghost-2")))
            await until(pods, ["ghost-1", "ghost-2", "kept"], 30)

            relay.cut()
            cluster.kill()
            shutil.rmtree(cluster.folder / "etcd")
            shutil.copytree(tmp_path / "backup", cluster.folder / "etcd")
            await trio.to_thread.run_sync(cluster.start)
            now = int(await make(cluster, PODS, pod("new")))
            number = 0
            while now <= seen + 50:
                number += 1
                now = int(await make(cluster, MAPS, {"metadata": {"name": f"m{number}"}}))
            assert names(pods.items()) == ["ghost-1", "ghost-2", "kept"]
            await nursery.start(relay.run)
            await until(pods, ["kept", "new"], BACK_WITHIN_S)
            assert informers.comparisons["rewritten"] + informers.comparisons["changed"] >= 1
            await make(cluster, PODS, pod("newer"))
            await until(pods, ["kept", "new", "newer"], BACK_WITHIN_S)

    run(main, within_s=240)


@pytest.mark.parametrize("away_s", [25.0])
def test_what_changed_during_an_outage_is_known_within_seconds(cluster: Cluster, tmp_path: Path, away_s: float) -> None:
    """25 s: by then the back-off has grown, and the API server has forgotten the revision."""

    async def main() -> None:
        await make(cluster, PODS, pod("gone"))
        async with watched(cluster, tmp_path) as (_, pods, relay, nursery):
            before = names(pods.items())
            relay.cut()
            await trio.to_thread.run_sync(cluster.stop_apiserver)
            await trio.sleep(away_s)
            assert pods.age_s() >= away_s
            await trio.to_thread.run_sync(cluster.start_apiserver)
            await delete(cluster, "gone")
            await nursery.start(relay.run)
            took_s = await until(pods, [name for name in before if name != "gone"], BACK_WITHIN_S)
            while not pods.current:
                await trio.sleep(0.02)
            assert pods.age_s() < took_s + 5.0

    run(main, within_s=240)
