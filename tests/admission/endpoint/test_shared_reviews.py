"""One call for several policies: who is asked, what comes back, and until when."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import trio

from edged.admission.config import GroupConfig, GroupMemberConfig, PolicyConfig
from edged.admission.endpoint.shared_reviews import SharedReviews
from edged.admission.host.admission import CONCURRENT_REVIEWS, Admission
from edged.admission.host.observers import Evaluation
from edged.admission.rules.webhooks import WebhookSpec
from edged.http.messages import Peer, Request, Response
from edged.http.routes import Routes
from tests.admission.host.support import MODULES, Rig
from tests.cluster.edged import pod, review_of

FAULTS = MODULES / "faults"
PODS = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
SERVICES = PODS | {"resources": ["services"]}
TIMED_OUT = "Policy execution interrupted because it exceeded the allowed execution time"
ACCEPTS = '{"accepted":true}'


def guest(reply: str) -> str:
    """A waPC policy that always replies so."""
    text = reply.replace("\\", "\\\\").replace('"', '\\"')
    return f"""(module
      (import "wapc" "__guest_response" (func $respond (param i32 i32)))
      (memory (export "memory") 1)
      (data (i32.const 0) "{{\\"valid\\":true}}") (data (i32.const 16) "\\"v1\\"") (data (i32.const 32) "{text}")
      (func (export "__guest_call") (param $op_len i32) (param $len i32) (result i32)
        (if (i32.eq (local.get $op_len) (i32.const 17))
          (then (call $respond (i32.const 0) (i32.const 14)) (return (i32.const 1))))
        (if (i32.eq (local.get $op_len) (i32.const 16))
          (then (call $respond (i32.const 16) (i32.const 4)) (return (i32.const 1))))
        (call $respond (i32.const 32) (i32.const {len(reply.encode())}))
        (i32.const 1)))"""


def denies(message: str, **more: Any) -> str:
    return json.dumps({"accepted": False, "message": message, **more}, separators=(",", ":"))


class Heard:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.evaluations: list[Evaluation] = []

    def evaluated(self, evaluation: Evaluation) -> None:
        self.evaluations.append(evaluation)

    def loaded(self, policies: object) -> None:
        pass

    @property
    def names(self) -> list[str]:
        return [evaluation.policy.name for evaluation in self.evaluations]


class Stage:
    """Policies behind one shared webhook, `k`, asked as the API server does."""

    def __init__(self, folder: Path, **engine: Any) -> None:
        self.rig = Rig(folder, **engine)
        self.heard = Heard()
        self.rig.admission = Admission(self.rig.log, self.rig.lines, None, (self.heard,))
        self.members: dict[str, list[WebhookSpec]] = {"k": []}
        self.shared = SharedReviews(self.rig.admission, self.rig.log, self.members.get, 10.0)
        self.routes = Routes(self.shared.routes())

    def policy(self, name: str, reply: str, **keys: Any) -> PolicyConfig:
        made = self.rig.wat(name, guest(reply))
        return PolicyConfig(name=name, module=made.module, **keys)

    async def serve(self, *policies: PolicyConfig | GroupConfig, **rules: Any) -> None:
        """All of them are members, asked about Pods that are created unless `rules` says otherwise."""
        await self.rig.load(*policies)
        failed = {policy.name: policy.error for policy in self.rig.admission.policies.values() if policy.error}
        assert not failed
        self.members["k"] = [WebhookSpec(policy.name, rules.get(policy.name, [PODS])) for policy in policies]

    async def ask(self, query: str = "timeout=10s", path: str = "/shared/k", body: bytes | None = None) -> Response:
        headers = [(b"content-type", b"application/json")]
        target = f"{path}?{query}".encode()
        request = Request("POST", target, "1.1", headers, body or review_of(pod("x")), True, Peer("a"))
        request.arrived = trio.current_time()
        return await self.routes(request)

    async def response(self, query: str = "timeout=10s", **asked: Any) -> dict[str, Any]:
        answer = await self.ask(query, **asked)
        assert answer.status == 200
        document = json.loads(answer.body)
        assert (document["kind"], document["apiVersion"]) == ("AdmissionReview", "admission.k8s.io/v1")
        assert document["response"]["uid"] == json.loads(review_of(pod("x")))["request"]["uid"]
        found: dict[str, Any] = document["response"]
        return found


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path, wall_timeout_s=5.0)
    yield made
    made.rig.close()


def logged(stage: Stage) -> list[tuple[str, str, str]]:
    """Policy, verdict and what went out, of each log line of a review."""
    fields = [dict(part.partition("=")[::2] for part in line.split()) for line in "".join(stage.rig.said).splitlines()]
    return [(line["policy"], line["verdict"], line["allowed"]) for line in fields if line.get("msg") == "review"]


def test_all_are_asked_and_all_refusals_come_back(stage: Stage) -> None:
    async def main() -> dict[str, Any]:
        await stage.serve(
            stage.policy("c", denies("not so", code=403, warnings=["w1"], audit_annotations={"why": "c"})),
            stage.policy("a", ACCEPTS),
            stage.policy("b", denies("never", code=401, warnings=["w2"])),
        )
        return await stage.response()

    response = trio.run(main)
    assert response == {
        "uid": response["uid"],
        "allowed": False,
        "status": {"message": "[c] not so\n[b] never", "code": 403},
        "warnings": ["w1", "w2"],
        "auditAnnotations": {"c.why": "c"},
    }
    assert sorted(stage.heard.names) == ["a", "b", "c"]  # on a busy machine in another order
    expected = [("a", "accepted", "true"), ("b", "rejected", "false"), ("c", "rejected", "false")]
    assert sorted(logged(stage)) == expected
    counters = stage.rig.admission.decisions.counters
    assert [(counters[name].accepted, counters[name].rejected) for name in "abc"] == [(1, 0), (0, 1), (0, 1)]
    assert stage.rig.admission.in_flight == 0


def test_only_those_are_asked_whom_the_request_concerns(stage: Stage) -> None:
    async def main() -> None:
        policies = [stage.policy(name, denies(name)) for name in ("pods", "services", "unknown-rules", "none")]
        await stage.serve(*policies, services=[SERVICES], none=(), **{"unknown-rules": None})
        response = await stage.response()
        assert response["status"]["message"] == "[pods] pods\n[unknown-rules] unknown-rules"
        stage.heard.evaluations.clear()
        stage.members["k"] = [WebhookSpec("services", [SERVICES])]
        assert (await stage.response())["allowed"] is True

    trio.run(main)
    assert stage.heard.names == []


def test_the_systems_resources_concern_nobody_unless_they_are_included(stage: Stage) -> None:
    node = {"group": "", "version": "v1", "resource": "nodes"}
    document = json.loads(review_of(pod("x")))
    document["request"] |= {"resource": node, "requestResource": node, "namespace": ""}
    body = json.dumps(document).encode()

    async def main() -> list[Any]:
        await stage.serve(stage.policy("p", denies("no")), p=[PODS | {"resources": ["*"]}])
        answers = [await stage.response(body=body)]
        shared = SharedReviews(stage.rig.admission, stage.rig.log, stage.members.get, include_system=True)
        stage.routes = Routes(shared.routes())
        return [*answers, await stage.response(body=body)]

    assert [response["allowed"] for response in trio.run(main)] == [True, False]


def test_where_no_member_is_left_nothing_is_said(stage: Stage) -> None:
    async def main() -> None:
        await stage.serve(stage.policy("p", denies("no")))
        stage.members["k"] = []
        assert await stage.response() == {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "allowed": True, "auditAnnotations": None, "warnings": None,
        }  # fmt: skip
        assert (await stage.ask(path="/shared/other")).status == 404

    trio.run(main)
    assert stage.heard.names == []


def test_a_member_that_is_not_there_yet_refuses_what_concerns_it(stage: Stage) -> None:
    async def main() -> None:
        await stage.serve(stage.policy("p", ACCEPTS))
        there = WebhookSpec("p", [PODS])
        stage.members["k"] = [there, WebhookSpec("later", [PODS])]
        response = await stage.response()
        assert response["status"] == {"code": 500, "message": "[later] this policy is not loaded yet"}
        for spec in (
            WebhookSpec("later", [SERVICES]),
            WebhookSpec("later", [PODS], monitor=True),
            WebhookSpec("later", [PODS], failure_policy="Ignore"),
        ):
            stage.members["k"] = [there, spec]
            assert (await stage.response())["allowed"] is True

    trio.run(main)


def test_one_that_fails_refuses_for_itself_alone(stage: Stage) -> None:
    async def main() -> dict[str, Any]:
        trap = stage.rig.wat("traps", (FAULTS / "trap-unreachable.wat").read_text())
        watched = PolicyConfig(name="watched", module=trap.module, mode="monitor")
        member = GroupMemberConfig(module=trap.module)
        group = GroupConfig(name="group", expression="m()", members={"m": member}, message="no member agrees")
        await stage.serve(stage.policy("fine", ACCEPTS), trap, group, watched, stage.policy("denies", denies("no")))
        return await stage.response()

    response = trio.run(main)
    message = response["status"]["message"]
    assert re.findall(r"^\[(\w+)\] ", message, re.MULTILINE) == ["traps", "group", "denies"]
    assert "Guest call failure" in message and response["status"]["code"] == 500
    (warning,) = response["warnings"]
    assert warning.startswith("policy watched failed: ")
    assert len(response["status"]["details"]["causes"]) == 1  # the group's


def test_a_patch_that_would_be_lost_is_a_refusal(stage: Stage) -> None:
    """A policy that may mutate and whose module says that it does not has a validating webhook."""
    changed = '{"accepted":true,"mutated_object":{"kind":"Pod"}}'

    async def main() -> dict[str, Any]:
        await stage.serve(stage.policy("p", changed, allowed_to_mutate=True), stage.policy("q", ACCEPTS))
        return await stage.response()

    response = trio.run(main)
    assert "patch" not in response and response["allowed"] is False
    assert "attempted to mutate the request" in response["status"]["message"]
    assert sorted(logged(stage)) == [("p", "mutated", "false"), ("q", "accepted", "true")]


@pytest.mark.timeout(240)
def test_a_denial_arrives_whatever_the_others_do(tmp_path: Path) -> None:
    """In 100 of 100: two guests never end, and one policy has no place until all denials are there."""
    stage = Stage(tmp_path, wall_timeout_s=30.0, cpu_budget_ms=60_000)
    arrived: list[dict[str, Any]] = []

    async def check() -> None:
        response = await stage.response("timeout=30s")
        assert response["status"]["message"] == f"[endless] {TIMED_OUT}\n[denies] because"
        assert response["status"]["code"] == 500
        assert response["warnings"] == [f"policy watched failed: {TIMED_OUT}"]
        arrived.append(response)

    async def ask_25(places: trio.Semaphore) -> None:
        for _ in range(CONCURRENT_REVIEWS):
            await places.acquire()
        wanted = stage.heard.names.count("denies") + 25
        async with trio.open_nursery() as nursery:
            for _ in range(25):
                nursery.start_soon(check)
            while stage.heard.names.count("denies") < wanted:
                await trio.sleep(0.01)
            for _ in range(CONCURRENT_REVIEWS):
                places.release()

    async def main() -> None:
        module = stage.rig.wat("endless", (FAULTS / "spin.wat").read_text()).module
        endless = PolicyConfig(name="endless", module=module, timeout_s=1.0)
        watched = PolicyConfig(name="watched", module=module, timeout_s=1.0, mode="monitor")
        denying = stage.policy("denies", denies("because"), timeout_s=30.0)
        await stage.serve(endless, stage.policy("crowded", ACCEPTS, timeout_s=30.0), watched, denying)
        for _ in range(4):
            await ask_25(stage.rig.admission._slots["crowded"])

    trio.run(main)
    stage.rig.close()
    assert len(arrived) == 100
    verdicts = Counter((each.policy.name, each.verdict) for each in stage.heard.evaluations)
    assert verdicts == {("endless", "timeout"): 100, ("watched", "timeout"): 100, ("crowded", "accepted"): 100,
                        ("denies", "rejected"): 100}  # fmt: skip


@pytest.mark.parametrize(
    ("query", "expected"), [("timeout=10s", 8.0), ("timeout=1s", 0.8), ("", 8.0), ("timeout=1m0s", 24.0)]
)
def test_members_have_four_fifths_of_the_time(stage: Stage, query: str, expected: float) -> None:
    asked: list[float] = []

    async def evaluate(policy: Any, request: Any, *, may_mutate: bool) -> Any:
        asked.append(request.answer_by - trio.current_time())
        return await real(policy, request, may_mutate=may_mutate)

    real = stage.rig.admission.evaluate
    stage.rig.admission.evaluate = evaluate  # type: ignore[method-assign]

    async def main() -> None:
        await stage.serve(stage.policy("p", ACCEPTS))
        await stage.ask(query)

    trio.run(main)
    assert asked == [pytest.approx(expected, abs=0.5)]
    request = Request("POST", f"/shared/k?{query}".encode(), "1.1", [], b"", True, Peer("a"))
    assert stage.shared.patience(request) == expected
    assert stage.shared.patience(Request("POST", b"/validate/k", "1.1", [], b"", True, Peer("a"))) == float("inf")


def test_who_is_not_done_when_the_answer_is_due_fails(stage: Stage) -> None:
    """Whatever it waits for: the answer of the others goes out before the API server gives up."""

    async def never(policy: Any, request: Any) -> Any:
        if policy.name == "stuck":
            await trio.sleep_forever()
        return await real(policy, request)

    real = stage.rig.admission._evaluate
    stage.rig.admission._evaluate = never  # type: ignore[method-assign, assignment]

    async def main() -> dict[str, Any]:
        await stage.serve(stage.policy("stuck", ACCEPTS), stage.policy("denies", denies("no")))
        return await stage.response("timeout=1s")

    assert trio.run(main)["status"]["message"] == f"[stuck] {TIMED_OUT}\n[denies] no"
    assert stage.heard.names == ["denies", "stuck"]
    assert stage.rig.admission.in_flight == 0


BAD: Sequence[tuple[bytes, int]] = [(b"{", 400), (b"{}", 422), (b"[]", 422)]


@pytest.mark.parametrize(("body", "status"), BAD)
def test_what_is_no_review_is_refused_as_for_a_policy(stage: Stage, body: bytes, status: int) -> None:
    async def main() -> Response:
        await stage.serve(stage.policy("p", ACCEPTS))
        return await stage.ask(body=body)

    answer = trio.run(main)
    assert answer.status == status and json.loads(answer.body)["status"] == status


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", b"/shared/k", 405),
        ("POST", b"/shared/", 404),
        ("POST", b"/shared/k/l", 404),
        ("POST", b"/shared/x", 404),
    ],
)
def test_paths_and_methods(stage: Stage, method: str, path: bytes, status: int) -> None:
    request = Request(method, path, "1.1", [(b"content-type", b"text/plain")], b"", True, Peer("a"))
    assert trio.run(stage.routes, request).status == status


def test_a_body_is_held_once_while_members_are_asked(stage: Stage) -> None:
    """Four members, and one text of 1 MB: each guest's copy is counted where its evaluation waits for memory."""
    large = review_of(pod("x", annotations={"a": "x" * (1 << 20)}))
    seen: list[int] = []

    async def main() -> None:
        await stage.serve(*(stage.policy(f"p{i}", ACCEPTS) for i in range(4)))
        real: Callable[..., Any] = stage.rig.admission.memory.for_guest

        async def for_guest(payload: int, memory_mib: int) -> Any:
            seen.append(payload)
            return await real(payload, memory_mib)

        stage.rig.admission.memory.for_guest = for_guest  # type: ignore[method-assign]
        assert (await stage.response(body=large))["allowed"]
        assert stage.rig.admission.memory.budget.used == 0

    trio.run(main)
    assert len(seen) == 4 and min(seen) > 1 << 20
