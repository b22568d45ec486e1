"""Whatever an API server answers to one request, its asker gets a value of the right type, or a PeerError.

Whole collections and watches are tried by tests/daemon/test_hostile_cluster.py, in a whole daemon.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from random import Random
from typing import Any

import pytest

from edged.errors import PeerError
from edged.json_text import JsonError, loads
from edged.kube.client import ApiClient, error_of
from edged.kube.control import leases, listwatch
from edged.kube.control.leases import Election, LeaseTimes
from edged.kube.control.pages import page_of
from edged.kube.discovery import discover, resources_of
from edged.kube.lean import LeanPool
from edged.kube.values.names import NamespacedName, ServedKind
from tests.fakes.apiserver import Plain
from tests.hostile_values import hostile_bytes, texts
from tests.kube.support import PODS_PATH, fake_server, run, session_for

NAME = NamespacedName("kube-system", "edged")
LEASE = {
    "apiVersion": "coordination.k8s.io/v1",
    "kind": "Lease",
    "metadata": {"name": "edged", "namespace": "kube-system", "resourceVersion": "5", "labels": {"a": "b"}},
    "spec": {"holderIdentity": "x", "leaseDurationSeconds": 15, "leaseTransitions": 1, "renewTime": "t"},
}
STATUS = {
    "kind": "Status",
    "apiVersion": "v1",
    "metadata": {},
    "status": "Failure",
    "reason": "Conflict",
    "message": "m",
    "code": 409,
    "details": {"name": "n", "kind": "k", "retryAfterSeconds": 1, "causes": [{"reason": "r", "message": "m"}]},
}
RESOURCES = {
    "kind": "APIResourceList",
    "groupVersion": "v1",
    "resources": [{"name": "pods", "kind": "Pod", "namespaced": True, "verbs": ["list", "watch"]}],
}
PAGE = {
    "kind": "PodList",
    "apiVersion": "v1",
    "metadata": {"resourceVersion": "5", "continue": "t", "remainingItemCount": 5},
    "items": [{"metadata": {"name": "a", "namespace": "b", "resourceVersion": "4"}}],
}


def broken(valid: object, each: int = 6) -> Iterator[bytes]:
    yield from (text for _, text in texts(valid, Random(1), each=each))
    yield from (text for _, text in hostile_bytes(valid))


def decoded(valid: object) -> Iterator[Any]:
    for text in broken(valid):
        try:
            yield loads(text)
        except JsonError:
            continue


def test_a_lease_is_this_lease_or_an_error() -> None:
    used = 0
    for answer in decoded(LEASE):
        election = Election("me", LeaseTimes())
        try:
            lease = leases.this_lease(answer if isinstance(answer, dict) else {}, NAME)
        except PeerError as error:
            assert len(str(error)) < 1000
            continue
        election.observe(lease, 0.0)
        assert isinstance(election.holder, str) and election.may_take(1e30)
        spec = election.claim("now")
        assert 0 <= spec["leaseTransitions"] < 2**31
        used += 1
    assert used > 20


@pytest.mark.parametrize("part", ["metadata", "spec"])
def test_another_lease_is_not_written_over(part: str) -> None:
    others = [("other", "kube-system", "5"), ("edged", "default", "5"), ("edged", "kube-system", "")]
    for name, namespace, revision in others:
        metadata = {"name": name, "namespace": namespace, "resourceVersion": revision}
        with pytest.raises(PeerError):
            leases.this_lease({"metadata": metadata, part: metadata}, NAME)


def test_an_error_has_texts_and_a_pause_within_reason() -> None:
    for body in broken(STATUS):
        for header in ("", "1", "-1", "9" * 5000, "1e9", "soon", "²", "\0"):
            error = error_of(500, {"retry-after": header}, body)
            assert isinstance(error.reason, str) and isinstance(error.message, str) and isinstance(error.body, dict)
            assert len(str(error)) < 20_000
            assert error.retry_after_s is None or 0 <= error.retry_after_s <= listwatch.LONGEST_RETRY_S


def test_pages_are_lists_of_items_or_nothing() -> None:
    pages = [page for page in map(page_of, broken(PAGE)) if page is not None]

    assert len(pages) > 20
    assert all(isinstance(page["items"], list) and isinstance(page["metadata"], dict) for page in pages)


def test_every_item_and_event_becomes_an_effect() -> None:
    """The state machine itself raises nothing, whatever a page or a line of a watch holds."""
    for state in (listwatch.Initial(), listwatch.Listing(), listwatch.Watching("5", streams=True)):
        for obj in decoded(PAGE["items"][0]):  # type: ignore[index]
            inputs: list[listwatch.Input] = [
                listwatch.WatchEvent(kind, obj) for kind in ("ADDED", "DELETED", "BOOKMARK", "ERROR", 5, None, obj)
            ]
            if isinstance(state, listwatch.Listing):
                inputs = [listwatch.Item(obj)]
            for given in inputs:
                after, effects = listwatch.step(state, given)
                assert all(effect.key.name for effect in effects if isinstance(effect, listwatch.Put))
                assert isinstance(after, listwatch.State)


async def served(client: ApiClient) -> None:
    for kind in await resources_of(client, "v1"):
        assert isinstance(kind, ServedKind)
        assert all(isinstance(verb, str) for verb in kind.verbs)
    await discover(client, "v1", "Pod")


async def requested(client: ApiClient) -> None:
    assert isinstance(await client.request("GET", "/api/v1"), dict)


async def written(client: ApiClient) -> None:
    pool = LeanPool(client)
    try:
        await pool.request("GET", "/api/v1")
    finally:
        await pool.aclose()


@pytest.mark.parametrize("ask", [served, requested, written])
@pytest.mark.parametrize("code", [200, 409])
def test_askers_raise_peer_errors_alone(ask: Callable[[ApiClient], Awaitable[None]], code: int) -> None:
    answers = list(broken(RESOURCES if code == 200 else STATUS, each=2))

    async def main() -> None:
        async with fake_server() as server:
            client = ApiClient(session_for(server.url))
            for answer in answers:
                server.answers["GET", "/api/v1"] = lambda _, answer=answer: (code, answer)
                with contextlib.suppress(PeerError):
                    await ask(client)
            server.script("list", Plain(b"{}"))
            await client.request("GET", PODS_PATH)
            await client.aclose()

    run(main, within_s=60.0)
