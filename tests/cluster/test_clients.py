"""The same client, informers and writes against a real kube-apiserver: the fake is never the proof."""

from __future__ import annotations

import contextlib
import datetime
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from edged.kube import writes
from edged.kube.client import ApiClient, ApiError
from edged.kube.discovery import KindNotServed, discover
from edged.kube.informers import Informer, Informers
from edged.kube.kubeconfig import Location, open_session
from edged.kube.lean import LeanPool
from edged.kube.values.names import GroupVersionResource, NamespacedName
from edged.kube.watch import Watcher, WatchTimes
from edged.process.files import FilesRead
from tests.cluster.cluster import Cluster
from tests.kube.support import PODS, Recorder, names, quiet, run

pytestmark = pytest.mark.kube

MAPS = GroupVersionResource("", "v1", "configmaps")
NODES = GroupVersionResource("", "v1", "nodes")
NAMESPACES = GroupVersionResource("", "v1", "namespaces")


def client_of(kubeconfig: Path) -> ApiClient:
    return ApiClient(open_session(Location(str(kubeconfig), environ={}), FilesRead()))


@contextlib.asynccontextmanager
async def informers_at(client: ApiClient) -> AsyncIterator[Informers]:
    informers = Informers(client, times=WatchTimes(backoff_base_s=0.05, backoff_cap_s=0.5), log=quiet())
    async with trio.open_nursery() as nursery:
        await nursery.start(informers.run)
        yield informers
        nursery.cancel_scope.cancel()


async def namespace(client: ApiClient) -> str:
    """A new one."""
    obj = {"metadata": {"generateName": "apiserver-"}}
    return (await writes.create(client, NAMESPACES, obj))["metadata"]["name"]


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "annotations": {"keep": "me"}}, "data": data}


def test_streamed_list_and_changes(kube_cluster: Cluster) -> None:
    async def main() -> None:
        client = client_of(kube_cluster.kubeconfig)
        where = await namespace(client)
        await writes.create(client, MAPS, config_map("a", k="1"), where)
        async with informers_at(client) as informers:
            maps = informers.acquire(MAPS, namespace=where)
            seen = Recorder()
            maps.add_handler(seen)
            await maps.wait_synced()
            assert maps.connected
            await writes.patch(client, MAPS, "a", {"data": {"k": "2"}}, where)
            await writes.create(client, MAPS, config_map("b"), where)
            await writes.delete(client, MAPS, "b", where, propagation="Background")
            await seen.wait(lambda: ("deleted", "b") in seen.said())
            assert seen.said() == [("added", "a"), ("modified", "a"), ("added", "b"), ("deleted", "b")]
            obj = maps.get(NamespacedName(where, "a"))
            assert obj is not None and obj["kind"] == "ConfigMap" and obj["data"] == {"k": "2"}
            assert "managedFields" not in obj["metadata"]
        await client.aclose()

    run(main, within_s=60)


def test_paged_list_gives_the_same_as_the_streamed_one(kube_cluster: Cluster) -> None:
    async def main() -> None:
        client = client_of(kube_cluster.kubeconfig)
        where = await namespace(client)
        async with trio.open_nursery() as nursery:
            for number in range(130):
                obj = config_map(f"m{number:03}", filler="x" * 500)
                nursery.start_soon(writes.create, client, MAPS, obj, where)
        async with informers_at(client) as informers:
            streamed = informers.acquire(MAPS, namespace=where)
            await streamed.wait_synced()
            paged = Informer(streamed.selection, None, lambda _: None, lambda _: True, quiet())
            watcher = Watcher(
                client,
                MAPS,
                paged,
                namespace=where,
                turn=trio.Lock(),
                random=lambda: 0.5,
                times=WatchTimes(),
                log=quiet(),
                streams=False,
            )
            async with trio.open_nursery() as nursery:
                nursery.start_soon(watcher.run)
                await paged.wait_synced()
                nursery.cancel_scope.cancel()
            assert len(paged) == len(streamed) == 130
            assert all(paged.raw(key) == streamed.raw(key) for key in streamed.keys())  # noqa: SIM118
        await client.aclose()

    run(main, within_s=60)


def test_selectors(kube_cluster: Cluster) -> None:
    async def main() -> None:
        client = client_of(kube_cluster.kubeconfig)
        where = await namespace(client)
        for name in "ab":
            obj = config_map(name)
            obj["metadata"]["labels"] = {"is": name}
            await writes.create(client, MAPS, obj, where)
        async with informers_at(client) as informers:
            labelled = informers.acquire(MAPS, namespace=where, label_selector="is=a")
            named = informers.acquire(MAPS, namespace=where, field_selector="metadata.name=b")
            wrong = informers.acquire(MAPS, namespace=where, field_selector="spec.nodeName=x")
            await labelled.wait_synced()
            await named.wait_synced()
            assert (names(labelled.items()), names(named.items())) == (["a"], ["b"])
            seen = Recorder()
            labelled.add_handler(seen)
            await writes.patch(client, MAPS, "a", {"metadata": {"labels": {"is": "c"}}}, where)
            await seen.wait(lambda: ("deleted", "a") in seen.said())  # it no longer matches
            while "is not a known field selector" not in wrong.problem:
                await trio.sleep(0.05)
            assert not wrong.synced
        await client.aclose()

    run(main, within_s=60)


def test_scheduler_writes_by_token_and_by_certificate(kube_cluster: Cluster) -> None:
    async def main(kubeconfig: Path) -> None:
        client = client_of(kubeconfig)
        pool = LeanPool(client)
        where = await namespace(client)
        spec = {"schedulerName": "edged", "containers": [{"name": "c", "image": "i"}]}
        pod = await writes.create(client, PODS, {"metadata": {"name": "p"}, "spec": spec}, where)
        key, uid = NamespacedName(where, "p"), pod["metadata"]["uid"]
        now = datetime.datetime.now(datetime.UTC)
        condition = writes.pod_condition(pod, reason="Unschedulable", message="0/0 nodes", now=now)
        patched = await writes.patch_pod_status(client, key, uid, condition=condition, nominated_node="n1")
        assert patched is not None and patched["status"]["nominatedNodeName"] == "n1"
        assert writes.pod_condition(patched, reason="Unschedulable", message="0/0 nodes", now=now) is None
        cleared = await writes.patch_pod_status(client, key, uid, nominated_node="")
        assert cleared is not None and "nominatedNodeName" not in cleared["status"]
        with pytest.raises(ApiError) as caught:
            await writes.patch_pod_status(client, key, "another", nominated_node="n1")
        assert caught.value.code == 422
        with pytest.raises(ApiError) as caught:
            await writes.bind(pool, key, "another", "n1")
        assert caught.value.code == 409
        await writes.bind(pool, key, uid, "n1")
        await writes.bind(pool, key, uid, "n1")  # as after an answer that was lost
        with pytest.raises(ApiError):
            await writes.bind(pool, key, uid, "n2")
        assert (await writes.get(client, PODS, "p", where))["spec"]["nodeName"] == "n1"
        recorder = writes.EventRecorder(pool, random=lambda: 0.5, log=quiet())
        who = {"scheduler": "edged", "instance": "edged-test", "now_ns": time.time_ns()}
        recorder.record(writes.scheduled_event(pod, "n1", **who))
        recorder.record(writes.scheduled_event(pod, "n1", **who))  # the same name: there already
        recorder.record(writes.failed_scheduling_event(pod, "x" * 5000, **{**who, "now_ns": 5}))
        recorder.close()
        await recorder.run()
        assert (recorder.written, recorder.refused) == (3, 0)
        found = await client.request("GET", writes.EVENTS.path(where))
        assert sorted(event["reason"] for event in found["items"]) == ["FailedScheduling", "Scheduled"]
        assert pool.idle >= 1
        await pool.aclose()
        await client.aclose()

    for kubeconfig in (kube_cluster.kubeconfig, kube_cluster.certificate_kubeconfig):
        run(main, kubeconfig, within_s=60)


def test_discovery(kube_cluster: Cluster) -> None:
    async def main() -> None:
        client = client_of(kube_cluster.kubeconfig)
        deployment = await discover(client, "apps/v1", "Deployment")
        assert (
            deployment.resource == GroupVersionResource("apps", "v1", "deployments") and deployment.namespaced
        )
        assert not (await discover(client, "v1", "Node")).namespaced
        assert {"list", "watch"} <= set((await discover(client, "v1", "Pod")).verbs)
        for api_version, kind in (("v1", "pod"), ("v1", "Nope"), ("no.example/v1", "Nope")):
            with pytest.raises(KindNotServed):
                await discover(client, api_version, kind)
        await client.aclose()

    run(main, within_s=30)


@pytest.fixture
def own_cluster(kube_programs: dict[str, Path]) -> Iterator[Cluster]:
    with Cluster() as cluster:
        yield cluster


def test_server_killed_and_restarted(own_cluster: Cluster) -> None:
    """Changes made while nobody watched arrive; writes go on over new connections."""

    async def main() -> None:
        client = client_of(own_cluster.kubeconfig)
        pool = LeanPool(client)
        where = await namespace(client)
        for name in "abc":
            await writes.create(client, MAPS, config_map(name), where)
        async with informers_at(client) as informers:
            maps = informers.acquire(MAPS, namespace=where)
            seen = Recorder()
            maps.add_handler(seen)
            await maps.wait_synced()
            await pool.request("GET", f"/api/v1/namespaces/{where}")
            await trio.to_thread.run_sync(own_cluster.stop_apiserver)
            while maps.connected:
                await trio.sleep(0.02)
            assert maps.synced and names(maps.items()) == ["a", "b", "c"]
            await trio.to_thread.run_sync(own_cluster.start_apiserver)
            await writes.delete(client, MAPS, "b", where)
            await writes.create(client, MAPS, config_map("d"), where)
            await seen.wait(lambda: {("deleted", "b"), ("added", "d")} <= set(seen.said()))
            assert len(seen.changes) == 5 and names(maps.items()) == ["a", "c", "d"]
            await pool.request("GET", f"/api/v1/namespaces/{where}")
        await pool.aclose()
        await client.aclose()

    run(main, within_s=120)
