"""What tests of edged.kube share: a fake server with a client, and a handler that can be waited on."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import trio
from lightkube.config.kubeconfig import KubeConfig
from lightkube.config.models import Cluster, User

from edged.kube.client import ApiClient, Session
from edged.kube.informers import Change, Informers
from edged.kube.values.names import GroupVersionResource
from edged.kube.watch import WatchTimes
from edged.telemetry.logs import Logger, LogStyle
from tests.cluster.certificates import write_certificates
from tests.fakes.apiserver import FakeApiServer

PODS = GroupVersionResource("", "v1", "pods")
PODS_PATH = "/api/v1/pods"
# Real sockets, real clock: short enough for tests, long enough for a busy machine.
QUICK = WatchTimes(
    stall_s=0.3, initial_stall_s=0.3, renew_s=60.0, request_s=5.0, backoff_base_s=0.005, backoff_cap_s=0.05
)


def session_for(url: str, *, authority: Path | None = None, **user: Any) -> Session:
    """A session for a server; `authority`: the file with the CA of its certificate."""
    cluster = Cluster(server=url, certificate_auth=str(authority) if authority else None)
    config = KubeConfig.from_one(cluster=cluster, user=User(**user)).get()
    assert config is not None
    return Session(config)


def tls_pair(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS context for 127.0.0.1, and the file with its authority."""
    made = write_certificates(folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.server.certificate, made.server.key)
    return context, made.authority


def quiet() -> Logger:
    return Logger(LogStyle(journal=True), write=lambda _: None)


class Recorder:
    """A handler that keeps what it is told; `wait` looks again after every change."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self._told = trio.Event()

    def __call__(self, change: Change) -> None:
        self.changes.append(change)
        self._told.set()
        self._told = trio.Event()

    async def wait(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self._told.wait()

    def said(self) -> list[tuple[str, str]]:
        return [(change.type, change.key.name) for change in self.changes]


@contextlib.asynccontextmanager
async def fake_server(**options: Any) -> AsyncIterator[FakeApiServer]:
    """A running fake with an empty collection of Pods."""
    server = FakeApiServer(**options)
    server.collection(PODS_PATH, "Pod")
    async with trio.open_nursery() as nursery:
        await nursery.start(server.run)
        yield server
        nursery.cancel_scope.cancel()


@contextlib.asynccontextmanager
async def informers_of(
    server: FakeApiServer, *, times: WatchTimes = QUICK, log: Logger | None = None, **options: Any
) -> AsyncIterator[Informers]:
    client = ApiClient(session_for(server.url))
    informers = Informers(client, times=times, log=log or quiet(), **options)
    async with trio.open_nursery() as nursery:
        await nursery.start(informers.run)
        yield informers
        nursery.cancel_scope.cancel()
    await client.aclose()


def run(main: Callable[..., Any], *args: Any, within_s: float = 20.0, **options: Any) -> None:
    """trio.run with a deadline, so that a test that waits for ever fails."""

    async def bounded() -> None:
        with trio.fail_after(within_s):
            await main(*args)

    trio.run(bounded, **options)


def names(found: Iterator[dict[str, Any]]) -> list[str]:
    return sorted(obj["metadata"]["name"] for obj in found)
