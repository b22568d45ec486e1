"""What a guest hears of a request that failed."""

from __future__ import annotations

from typing import Any, cast

import pytest
import trio
import trio.testing

from edged.controllers.core.codes import Code, Refused
from edged.controllers.core.rates import Bucket
from edged.controllers.run.cluster_requests import ClusterRequests, Write, encoded, refused_of
from edged.errors import PeerError
from edged.kube.client import ApiClient, ApiError, NoAnswer, NotConfigured, TooLarge
from edged.kube.lean import LeanPool
from edged.kube.values.names import GroupVersionResource, ServedKind


def api_error(code: int, reason: str = "") -> ApiError:
    return ApiError(code, reason, "no", {"details": {"causes": [{"field": ".spec"}, {"x": 1}, 7]}}, 1.5)


@pytest.mark.parametrize(
    ("error", "read", "write"),
    [
        (api_error(401), Code.DENIED, Code.DENIED),
        (api_error(403, "Forbidden"), Code.DENIED, Code.DENIED),
        (api_error(404, "NotFound"), Code.NOT_FOUND, Code.NOT_FOUND),
        (api_error(409, "AlreadyExists"), Code.ALREADY_EXISTS, Code.ALREADY_EXISTS),
        (api_error(409, "Conflict"), Code.CONFLICT, Code.CONFLICT),
        (api_error(422, "Invalid"), Code.INVALID, Code.INVALID),
        (api_error(429), Code.THROTTLED, Code.THROTTLED),
        (api_error(500), Code.UNAVAILABLE, Code.UNAVAILABLE),
        (api_error(504), Code.UNAVAILABLE, Code.UNKNOWN),
        (NoAnswer("reset"), Code.UNAVAILABLE, Code.UNKNOWN),
        (NoAnswer("refused", sent=False), Code.UNAVAILABLE, Code.UNAVAILABLE),
        (NotConfigured("no kubeconfig"), Code.UNAVAILABLE, Code.UNAVAILABLE),
        (TooLarge("a long answer"), Code.LIMIT, Code.UNKNOWN),
    ],
)
def test_a_failure_has_a_code_that_says_whether_it_may_have_been_done(
    error: PeerError, read: Code, write: Code
) -> None:
    assert refused_of(error, writes=False).code == read
    assert refused_of(error, writes=True).code == write


def test_a_patch_for_another_object_of_the_name_is_a_conflict() -> None:
    body = {"details": {"causes": [{"reason": "FieldValueInvalid", "field": "metadata.uid"}]}}
    assert refused_of(ApiError(422, "Invalid", "field is immutable", body), writes=True).code == Code.CONFLICT


def test_a_status_is_told_with_what_it_names() -> None:
    refused = refused_of(api_error(409, "Conflict"), writes=True)
    assert (refused.http, refused.retry_after_ms, refused.fields) == (409, 1500, (".spec",))


def test_a_write_whose_turn_comes_too_late_is_not_sent() -> None:
    """The process leads when a module asks, and does not any more when the module's rate lets the write go."""
    sent: list[str] = []
    leads = True

    class Pool:
        async def request(self, method: str, path: str, body: bytes = b"", **settings: Any) -> bytes:
            sent.append(path)
            return b"{}"

    def check() -> None:
        if not leads:
            raise Refused(Code.DENIED, "another process leads")

    async def ask() -> None:
        nonlocal leads
        requests = ClusterRequests(cast(ApiClient, None), cast(LeanPool, Pool()), Bucket(2.0, 1.0))
        await requests.write(Write("POST", "/first", {}, b"{}"), check)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(refused, requests)
            await trio.testing.wait_all_tasks_blocked()
            leads = False

    async def refused(requests: ClusterRequests) -> None:
        with pytest.raises(Refused, match="another process leads"):
            await requests.write(Write("POST", "/second", {}, b"{}"), check)
        assert requests.sent == 1

    trio.run(ask, clock=trio.testing.MockClock(autojump_threshold=0))
    assert sent == ["/first"]


@pytest.mark.parametrize("answer", [b"<html>", b"[]"])
def test_after_a_write_whose_answer_is_no_object_nobody_knows_what_was_done(answer: bytes) -> None:
    class Pool:
        async def request(self, method: str, path: str, body: bytes = b"", **settings: Any) -> bytes:
            return answer

    async def ask() -> None:
        requests = ClusterRequests(cast(ApiClient, None), cast(LeanPool, Pool()), Bucket(9.0, 9.0))
        served = ServedKind(GroupVersionResource("", "v1", "configmaps"), "ConfigMap", True)
        with pytest.raises(Refused) as read:
            await requests.get(served, "default", "a")
        with pytest.raises(Refused) as written:
            await requests.write(Write("POST", "/first", {}, b"{}"))
        assert (read.value.code, written.value.code) == (Code.UNAVAILABLE, Code.UNKNOWN)

    trio.run(ask)


def test_objects_are_shown_without_their_managed_fields() -> None:
    assert encoded({"metadata": {"name": "a", "managedFields": [1]}}) == b'{"metadata":{"name":"a"}}'
