"""Unexpected errors in a write of the registration, and in what answers a request."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
import trio

from edged.admission.endpoint.object_reviews import ObjectReviews
from edged.admission.endpoint.policy_reviews import PolicyReviews
from edged.admission.endpoint.registration import RETRY_MAX_S
from edged.admission.endpoint.shared_reviews import SharedReviews
from edged.admission.resources import reviews
from edged.admission.resources.kinds import KINDS
from edged.admission.resources.resource_reviews import ResourceReviews
from edged.admission.rules.review import AdmissionRequest, AdmissionResponse
from edged.admission.rules.webhooks import WebhookSpec
from edged.http.budget import MemoryBudget
from edged.http.messages import Peer, Request
from edged.http.routes import Routes
from edged.telemetry.logs import Logger
from tests.admission.endpoint.fake_server import OTHER, SPEC, VWC, FakeServer, dynamic, run
from tests.admission.resources.objects import policy
from tests.admission.rules.test_malformed import REVIEW
from tests.kube.support import quiet

ERRORS = [ValueError("odd"), RecursionError("too deep"), ExceptionGroup("both", [ValueError("a"), KeyError("b")])]
each_error = pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)


@each_error
def test_a_write_of_the_registration(error: Exception) -> None:
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        registration, _said = dynamic(server)

        def broken(method: str, path: str, body: Any) -> None:
            if method == "POST":
                raise error

        server.deny = broken
        nursery.start_soon(registration.run)
        registration.update([SPEC], b"")
        await trio.sleep(200)
        assert registration.state.phase == "failing" and type(error).__name__ in registration.state.message
        counts = registration._log.internal_errors.counts
        tries = counts["write"]
        assert tries > 5
        await trio.sleep(10 * RETRY_MAX_S)
        assert counts["write"] - tries <= 10  # its longest pause
        server.deny = lambda method, path, body: None
        registration.update([SPEC, OTHER], b"")
        await trio.sleep(1)
        assert registration.state.phase == "registered" and registration.state.policies == ("a", "b")

    run(main)


def test_an_object_that_somebody_broke_is_repaired_or_reported() -> None:
    async def main(nursery: trio.Nursery) -> None:
        server = FakeServer()
        registration, _ = dynamic(server)
        nursery.start_soon(registration.run)
        registration.update([SPEC], b"")
        await trio.sleep(1)
        server.objects[VWC]["webhooks"] = ["no object"]
        await trio.sleep(30)
        assert registration.state.phase == "failing"
        del server.objects[VWC]
        await trio.sleep(120)
        assert registration.state.phase == "registered" and server.names() == ["a.policy.edged.dev"]

    run(main)


class Answering:
    """An Admission that fails for one name."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def find(self, name: str) -> None:
        if name == "bad":
            raise self.error

    async def review(self, name: str, request: AdmissionRequest, *, audit: bool = False) -> AdmissionResponse:
        status = {"message": nested(300)} if name == "deep" else None  # cannot be written as JSON
        return AdmissionResponse(request.uid, True, status=status)


def nested(levels: int) -> Any:
    value: Any = {}
    for _ in range(levels):
        value = [value]
    return value


def post(path: str, body: Any) -> Request:
    headers = [(b"content-type", b"application/json")]
    return Request("POST", path.encode(), "1.1", headers, orjson.dumps(body), True, Peer("127.0.0.1"))


@each_error
def test_a_request_for_a_policy(error: Exception) -> None:
    log = Logger(write=lambda line: None)
    routes = Routes(PolicyReviews(Answering(error), log).routes())  # type: ignore[arg-type]
    statuses = [trio.run(routes, post(f"/validate/{name}", REVIEW)).status for name in ("bad", "deep", "good")]
    assert statuses == [500, 500, 200]
    assert log.internal_errors.counts == {"review": 1}  # what is too deep for JSON is an error of ours


@each_error
def test_a_request_for_a_shared_webhook(error: Exception) -> None:
    def members(key: str) -> list[WebhookSpec]:
        if key == "bad":
            raise error
        return []

    log = Logger(write=lambda line: None)
    anything: Any = Answering(error)
    anything.policies = {}
    routes = Routes(SharedReviews(anything, log, members).routes())
    assert [trio.run(routes, post(f"/shared/{key}", REVIEW)).status for key in ("bad", "good")] == [500, 200]
    assert log.internal_errors.counts == {"review": 1}


@each_error
@pytest.mark.parametrize("mutates", [True, False])
def test_a_review_of_a_custom_resource(monkeypatch: pytest.MonkeyPatch, error: Exception, mutates: bool) -> None:
    def broken(*args: Any) -> Any:
        raise error

    monkeypatch.setattr(reviews, "defaults", broken)
    monkeypatch.setattr("edged.admission.resources.validation.validate", broken)
    log = quiet()
    routes = Routes(ObjectReviews(ResourceReviews("default", log, MemoryBudget(1 << 20)), log).routes())
    kind = KINDS["ClusterAdmissionPolicy"]
    review = {**REVIEW, "request": {**REVIEW["request"], "object": policy("x")}}
    answer = trio.run(routes, post(kind.mutate_path if mutates else kind.validate_path, review))
    response = orjson.loads(answer.body)["response"]
    assert answer.status == 200 and response["uid"] == "u-1" and not response["allowed"]
    assert response["status"]["code"] == 500 and type(error).__name__ in response["status"]["message"]
    assert log.internal_errors.counts == {"review": 1}
