"""Reviews of the custom resources themselves: defaults, refusals, and objects that have no business at a path."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
import pytest
import trio
import trio.testing

from edged.admission.endpoint.object_reviews import ObjectReviews
from edged.admission.resources.kinds import KINDS
from edged.admission.resources.resource_reviews import SMALL, TOO_LATE, ResourceReviews
from edged.admission.rules import review as review_texts
from edged.admission.rules.review import AdmissionRequest, BadReview, parse_review
from edged.http.budget import MemoryBudget
from edged.http.messages import Peer, Request
from edged.http.routes import Routes
from tests.admission.resources.objects import policy
from tests.admission.rules.test_malformed import REVIEW
from tests.kube.support import quiet

KIND = KINDS["ClusterAdmissionPolicy"]


def review(obj: Any, **request: Any) -> AdmissionRequest:
    return parse_review(orjson.dumps({**REVIEW, "request": {**REVIEW["request"], "object": obj, **request}}))


def ask(path: str, obj: Any, **request: Any) -> dict[str, Any]:
    answer = trio.run(ResourceReviews("default", quiet(), MemoryBudget(1 << 20)).answer, path, review(obj, **request))
    response: dict[str, Any] = json.loads(answer)["response"]
    assert response["uid"] == REVIEW["request"]["uid"]
    return response


def test_a_new_policy_gets_defaults_and_the_finalizer() -> None:
    response = ask(KIND.mutate_path, policy("x"))
    assert response["allowed"]
    patch = json.loads(base64.b64decode(response["patch"]))
    assert any("finalizers" in change["path"] for change in patch)


def test_a_good_policy_is_allowed_and_a_bad_one_is_told_why() -> None:
    assert ask(KIND.validate_path, policy("x"))["allowed"]
    response = ask(KIND.validate_path, policy("x", rules=[]))
    assert not response["allowed"]
    assert "spec.rules: Required value: a policy must have at least one rule" in response["status"]["message"]


def test_what_must_not_change_is_compared_with_the_old_object() -> None:
    old, new = policy("x", mode="protect"), policy("x", mode="monitor")
    response = ask(KIND.validate_path, new, oldObject=old, operation="UPDATE")
    assert not response["allowed"]
    assert "mode" in response["status"]["message"]


def test_an_update_of_metadata_alone_is_not_judged() -> None:
    """Somebody's object that is wrong since before must still lose and get finalizers."""
    bad = policy("x", rules=[], matchConditions=[{"name": "a", "expression": "foo("}])
    changed = {**bad, "metadata": {**bad["metadata"], "finalizers": ["a"]}}
    assert ask(KIND.validate_path, changed, oldObject=bad, operation="UPDATE")["allowed"]
    assert not ask(KIND.validate_path, policy("x", rules=[]), oldObject=bad, operation="UPDATE")["allowed"]


@pytest.mark.parametrize("key", ["namespaceSelector", "objectSelector"])
def test_selectors_that_the_api_server_refuses_are_refused(key: str) -> None:
    response = ask(KIND.validate_path, policy("x", **{key: {"matchLabels": {"bad key!": "x"}}}))
    assert f"spec.{key}: Invalid value: matchLabels['bad key!']" in response["status"]["message"]


@pytest.mark.parametrize("path", [KIND.mutate_path, KIND.validate_path])
def test_a_deletion_is_allowed(path: str) -> None:
    response = ask(path, None, operation="DELETE")
    assert response["allowed"] and not response.get("patch")


@pytest.mark.parametrize("kind", ["PolicyServer", "Pod"])
def test_another_kind_is_refused(kind: str) -> None:
    with pytest.raises(BadReview, match=f"is not for {kind}"):
        ask(KIND.validate_path, {**policy("x"), "kind": kind})


CONDITIONS = [{"name": "a", "expression": "foo("}]
TOTAL = 256 << 20


def large(**spec: Any) -> dict[str, Any]:
    """A policy that waits for memory."""
    obj = policy("x", settings={"all": ["text"] * 200_000}, **spec)
    assert review(obj).decoded_size("object") > SMALL
    return obj


class SlowChecker:
    """Whether CEL compiles, after a while in which it notes how much memory is reserved."""

    def __init__(self, memory: MemoryBudget, takes_s: float = 6.0) -> None:
        self._memory = memory
        self._takes_s = takes_s
        self.reserved: list[int] = []

    async def problems(self, expressions: Iterable[str]) -> Mapping[str, str]:
        await trio.sleep(self._takes_s)
        self.reserved.append(self._memory.used)
        return dict.fromkeys(expressions, "no such thing")


class Scene:
    """Reviews that share memory with somebody who takes all of it, on a clock that jumps."""

    def __init__(self) -> None:
        self.memory = MemoryBudget(TOTAL)
        self.reviews = ResourceReviews("default", quiet(), self.memory)
        self.cel = SlowChecker(self.memory)
        self.reviews._cel = self.cel  # type: ignore[assignment]

    def ask(self, request: AdmissionRequest, *, taken_s: float, within_s: float) -> tuple[dict[str, Any], float]:
        """The response, and after how many seconds it came."""

        async def take_all() -> None:
            with self.memory.reserve_nowait(TOTAL):
                await trio.sleep(taken_s)

        async def main() -> tuple[dict[str, Any], float]:
            begun = trio.current_time()
            request.answer_by = begun + within_s
            async with trio.open_nursery() as nursery:
                if taken_s:
                    nursery.start_soon(take_all)
                    await trio.testing.wait_all_tasks_blocked()
                answer = await self.reviews.answer(KIND.validate_path, request)
                took_s = trio.current_time() - begun
            assert (self.memory.used, self.memory.waiting) == (0, 0)
            return json.loads(answer)["response"], took_s

        return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_a_small_object_waits_for_no_memory() -> None:
    response, took_s = Scene().ask(review(policy("x")), taken_s=30.0, within_s=9.0)
    assert response["allowed"] and took_s == 0


def test_a_large_object_waits_as_long_as_the_api_server_and_then_says_so() -> None:
    response, took_s = Scene().ask(review(large()), taken_s=5.0, within_s=9.0)
    assert response["allowed"] and took_s == pytest.approx(5.0)
    response, took_s = Scene().ask(review(large()), taken_s=30.0, within_s=9.0)
    assert not response["allowed"] and took_s == pytest.approx(9.0)
    assert (response["status"]["code"], response["status"]["message"]) == (500, TOO_LATE)


def test_what_comes_too_late_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    request = review(policy("x"))
    monkeypatch.setattr(review_texts, "loads", lambda _text: pytest.fail("decoded"))
    response, _ = Scene().ask(request, taken_s=0.0, within_s=0.0)
    assert response["status"]["code"] == 500


def test_no_memory_is_held_while_a_child_is_asked_about_cel() -> None:
    scene = Scene()
    response, took_s = scene.ask(review(large(matchConditions=CONDITIONS)), taken_s=0.0, within_s=9.0)
    assert scene.cel.reserved == [0] and took_s == pytest.approx(6.0)
    assert scene.memory.peak > SMALL
    assert "compilation failed: no such thing" in response["status"]["message"]


@pytest.mark.parametrize("conditions", [[], CONDITIONS])
def test_there_is_one_copy_of_an_object_at_a_time(
    monkeypatch: pytest.MonkeyPatch, conditions: list[dict[str, str]]
) -> None:
    """And nothing is decoded for which no memory is reserved."""
    scene, alive = Scene(), 0
    most = 0
    decode = review_texts.loads

    class Counted(dict[str, Any]):
        def __init__(self, value: Any) -> None:
            nonlocal alive, most
            super().__init__(value)
            alive += 1
            most = max(most, alive)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    request = review(large(matchConditions=conditions), oldObject=large(mode="monitor"), options={"a": "x" * 99_999})
    monkeypatch.setattr(review_texts, "loads", lambda text: Counted(decode(text)))
    _, _ = scene.ask(request, taken_s=0.0, within_s=9.0)
    assert (most, alive) == (2, 0)
    assert scene.memory.peak == request.decoded_size("object") + request.decoded_size("oldObject")


def test_how_long_the_api_server_waits_is_in_its_request() -> None:
    memory = MemoryBudget(TOTAL)
    routes = Routes(ObjectReviews(ResourceReviews("default", quiet(), memory), quiet()).routes())
    body = orjson.dumps({**REVIEW, "request": {**REVIEW["request"], "object": large()}})
    path = f"{KIND.validate_path}?timeout=5s".encode()
    request = Request("POST", path, "1.1", [(b"content-type", b"application/json")], body, True, Peer("127.0.0.1"))

    async def main() -> None:
        request.arrived = trio.current_time()
        with memory.reserve_nowait(TOTAL):
            answer = await routes(request)
        assert json.loads(answer.body)["response"]["status"]["message"] == TOO_LATE
        assert trio.current_time() - request.arrived == pytest.approx(4.5)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
