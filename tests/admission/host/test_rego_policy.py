"""Policies compiled by the real `opa`, run by edged: the same results as `opa eval`, and what reviews make of them."""

from __future__ import annotations

import contextlib
import json
import math
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from edged.abi.rego.signature import Builtin
from edged.admission.config import GroupConfig, GroupMemberConfig, PolicyConfig
from edged.admission.host import rego_policy as rego
from edged.admission.rules.review import AdmissionRequest
from edged.errors import GuestError
from tests.abi.rego import corpus
from tests.abi.rego.corpus import BY_NAME, REQUESTS, SAMPLES, Sample
from tests.admission.host.support import Rig
from tests.guests.rego import build

pytestmark = pytest.mark.toolchains("go")  # OPA compiles the policies

ENTRY = {"opa": "data.policy.main", "gatekeeper": "data.policy.violation"}


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with contextlib.closing(Rig(tmp_path, cpu_budget_ms=20_000, wall_timeout_s=20.0)) as made:
        yield made


def config(rig: Rig, sample: Sample, name: str = "p", **more: Any) -> PolicyConfig:
    path = rig.folder / f"{name}.wasm"
    path.write_bytes(sample.wasm(mutating=True))
    return PolicyConfig(
        name=name,
        module=f"file://{path}",
        settings=sample.settings,
        timeout_s=20.0,
        **{"allowed_to_mutate": True} | more,
    )


def document(sample: Sample, payload: dict[str, Any]) -> dict[str, Any]:
    if sample.mode == "opa":
        return {"request": payload}
    return {"parameters": sample.settings, "review": payload}


def asked_of_opa(sample: Sample) -> dict[int, Any]:
    """Index of a request -> what `opa eval` answers; absent where it is undefined."""
    inputs = [document(sample, payload) for payload in REQUESTS]
    query = f"{{i: x | some i; given := input.all[i]; x := {ENTRY[sample.mode]} with input as given}}"
    data = sample.settings if sample.mode == "opa" else {}
    [found] = build.evaluated(sample.source, query, [{"all": inputs}], data, strict=False)
    return {int(index): value for index, value in (found or {}).items()}


def close_to(mine: Any, theirs: Any, *, ordered: bool) -> bool:
    """Equal, but for the order of what is a set in Rego and the last digits of floats."""
    if isinstance(mine, dict) and isinstance(theirs, dict):
        return mine.keys() == theirs.keys() and all(close_to(mine[key], theirs[key], ordered=True) for key in mine)
    if isinstance(mine, list) and isinstance(theirs, list):
        if not ordered:
            mine, theirs = (
                sorted(items, key=lambda item: json.dumps(item, sort_keys=True)) for items in (mine, theirs)
            )
        return len(mine) == len(theirs) and all(
            close_to(one, other, ordered=True) for one, other in zip(mine, theirs, strict=True)
        )
    if isinstance(mine, float) or isinstance(theirs, float):
        return math.isclose(mine, theirs, rel_tol=1e-12)
    return bool(mine == theirs) and isinstance(mine, bool) == isinstance(theirs, bool)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"{sample.mode}/{sample.name}")
def test_results_are_those_of_opa_eval(sample: Sample, rig: Rig) -> None:
    theirs = asked_of_opa(sample)

    async def main() -> list[tuple[int, Any, Any]]:
        await rig.load(config(rig, sample))
        policy = rig.admission.policies["p"]
        assert policy.error is None, policy.error
        wrong = []
        for index, payload in enumerate(REQUESTS):
            data = json.dumps(sample.settings if sample.mode == "opa" else {}).encode()
            question = json.dumps(document(sample, payload)).encode()
            found = json.loads(
                await rego.evaluate(policy.template, data, question, policy.budget, math.inf, rig.said.append)
            )
            mine = [entry["result"] for entry in found]
            expected = [theirs[index]] if index in theirs else []
            if not close_to(mine, expected, ordered=True) and not (
                sample.mode == "gatekeeper" and close_to(mine[0], expected[0], ordered=False)
            ):
                wrong.append((index, mine, expected))
        return wrong

    assert trio.run(main) == []


def run(
    rig: Rig, work: Callable[[Callable[..., Awaitable[Any]]], Awaitable[None]], *policies: PolicyConfig | GroupConfig
) -> None:
    async def main() -> None:
        await rig.load(*policies)

        async def review(payload: dict[str, Any], name: str = "p", **more: Any) -> Any:
            request = AdmissionRequest(payload.get("uid", ""), payload, payload.get("object"), **more)
            return await rig.admission.review(name, request)

        await work(review)

    trio.run(main)


def test_opa_response_becomes_the_answer(rig: Rig) -> None:
    async def work(review: Any) -> None:
        answer = await review(REQUESTS[4])
        assert (answer.uid, answer.allowed) == ("u-1", False)
        assert answer.status == {"message": 'container "z" is privileged', "code": 403}
        answer = await review(REQUESTS[0])
        assert answer.to_dict() == {"uid": "u-1", "allowed": True, "auditAnnotations": None, "warnings": None}

    run(rig, work, config(rig, BY_NAME["privileged"]))


def test_opa_patch_is_seen_by_the_mutation_rule(rig: Rig) -> None:
    async def work(review: Any) -> None:
        answer = await review(REQUESTS[0])
        assert answer.patch == [{"op": "add", "path": "/metadata/labels", "value": {"edged/seen": "yes"}}]
        assert answer.warnings == ["2 keys"]
        refused = await review(REQUESTS[0], "strict")
        assert not refused.allowed
        assert "attempted to mutate" in refused.status["message"]

    sample = BY_NAME["mutate"]
    run(rig, work, config(rig, sample), config(rig, sample, "strict", allowed_to_mutate=False))


PATCHES = """# settings: {{}}
package policy
import rego.v1
patch := base64.encode(json.marshal({patch}))
main := {{"response": {{"uid": "", "allowed": true, "patchType": "JSONPatch", "patch": patch}}}}
"""


@pytest.mark.parametrize(
    ("patch", "why"),
    [
        (
            [{"op": "upsert", "path": "/metadata/labels", "value": {}}],
            "operation 0 (upsert /metadata/labels): op is 'upsert'; "
            "add, remove, replace, move, copy and test are known",
        ),
        ([{"op": "remove", "path": "/spec/nodeName"}], "operation 0 (remove /spec/nodeName): the path does not exist"),
    ],
)
def test_a_patch_that_cannot_be_made_is_denied_with_the_policys_name(rig: Rig, patch: Any, why: str) -> None:
    async def work(review: Any) -> None:
        denied = await review(REQUESTS[0])
        assert denied.status == {
            "message": f"Request rejected by policy p. The policy's patch cannot be applied: {why}.", "code": 500
        }  # fmt: skip
        watched = await review(REQUESTS[0], "watched")
        assert (watched.allowed, watched.patch) == (True, None)
        assert watched.warnings == [f"policy watched failed: The policy's patch cannot be applied: {why}."]
        assert (await review(REQUESTS[0], "strict")).status["message"].startswith("Request rejected by policy strict.")

    sample = Sample("patches", "opa", PATCHES.format(patch=json.dumps(patch)))
    run(
        rig, work, config(rig, sample), config(rig, sample, "watched", mode="monitor"),
        config(rig, sample, "strict", allowed_to_mutate=False),
    )  # fmt: skip


def test_gatekeeper_violations_deny_and_none_allow(rig: Rig) -> None:
    async def work(review: Any) -> None:
        answer = await review(REQUESTS[0])
        assert (answer.allowed, answer.status) == (False, {"message": "labels are missing: größe, owner"})
        answer = await review(REQUESTS[2])
        assert (answer.allowed, answer.status) == (True, None)
        joined = await review(REQUESTS[3], "tags")
        assert sorted(joined.status["message"].split(", ")) == ["a: no tag", "b: tag latest"]
        odd = await review(REQUESTS[0], "odd")
        assert (odd.allowed, odd.status) == (False, {"message": "ä ☃ 😀"})

    run(
        rig,
        work,
        config(rig, BY_NAME["required-labels"]),
        config(rig, BY_NAME["image-tags"], "tags"),
        config(rig, BY_NAME["no-messages"], "odd"),
    )


GARBAGE = """package policy
import rego.v1
{rule}
"""


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ('violation := "text"', "not a list of violations"),
        ("violation := {}", "not a list of violations"),
        ("violation := null", "not a list of violations"),
        ("violation := [1]", "a violation is not an object"),
        ('violation := [{"msg": 5}]', "msg of a violation is not a string"),
        ('violation := [{"msg": "x"}] if input.nothing', "undefined"),
    ],
)
def test_gatekeeper_garbage_denies(rule: str, why: str, rig: Rig) -> None:
    sample = Sample("garbage", "gatekeeper", "# parameters: {}\n" + GARBAGE.format(rule=rule))

    async def work(review: Any) -> None:
        answer = await review(REQUESTS[0])
        assert (answer.allowed, answer.status["code"]) == (False, 500)
        assert answer.status["message"].startswith("internal server error: ")
        assert why in answer.status["message"]

    run(rig, work, config(rig, sample))


def test_gatekeeper_empty_list_allows(rig: Rig) -> None:
    sample = Sample("empty", "gatekeeper", "# parameters: {}\n" + GARBAGE.format(rule="violation := []"))

    async def work(review: Any) -> None:
        assert (await review(REQUESTS[0])).allowed

    run(rig, work, config(rig, sample))


@pytest.mark.parametrize(
    ("response", "why"),
    [
        ('{"allowed": true}', "lacks `uid`"),
        ('{"uid": "x"}', "lacks `allowed`"),
        ('{"uid": 5, "allowed": true}', "uid has the wrong type"),
        ('{"uid": "x", "allowed": 1}', "allowed has the wrong type"),
        ('{"uid": "x", "allowed": true, "patch": "%%%"}', "patch is not a base64"),
        ('{"uid": "x", "allowed": true, "patch": "e30="}', "patch is not a list"),
        ('{"uid": "x", "allowed": true, "patchType": "Merge", "patch": "W10="}', "patchType is 'Merge'"),
        ('{"uid": "x", "allowed": true, "warnings": [1]}', "hold strings only"),
        ('{"uid": "x", "allowed": false, "status": {"code": 70000}}', "code 70000"),
        ('{"uid": "x", "allowed": false, "status": {"details": {}}}', "lacks `causes`"),
        ("[]", "no object `response`"),
    ],
)
def test_opa_garbage_denies(response: str, why: str, rig: Rig) -> None:
    source = "# settings: {}\n" + GARBAGE.format(rule=f'main := {{"response": {response}}}')

    async def work(review: Any) -> None:
        answer = await review(REQUESTS[0])
        assert (answer.allowed, answer.status["code"]) == (False, 500)
        assert why in answer.status["message"]

    run(rig, work, config(rig, Sample("garbage", "opa", source)))


def test_undefined_and_builtin_errors_deny(rig: Rig) -> None:
    async def work(review: Any) -> None:
        undefined = await review(REQUESTS[0], "undefined")
        assert undefined.status["message"] == (
            "internal server error: the policy's entrypoint is undefined for this request"
        )
        assert (await review(REQUESTS[16], "undefined")).allowed
        bad = corpus.request(corpus.pod(metadata={"annotations": {"valid-until": "tomorrow"}}))
        failed = await review(bad, "error")
        assert (failed.allowed, failed.status["code"]) == (False, 500)
        assert "builtin time.parse_rfc3339_ns: parsing time 'tomorrow'" in failed.status["message"]

    run(rig, work, config(rig, BY_NAME["undefined"], "undefined"), config(rig, BY_NAME["builtin-error"], "error"))


def test_missing_builtins_are_all_named_at_load(rig: Rig) -> None:
    source = """# settings: {}
package policy
import rego.v1
main := {"a": http.send({"method": "get", "url": "http://x"}), "b": graphql.is_valid("x", "y"), "c": time.now_ns()}
"""

    async def work(review: Any) -> None:
        policy = rig.admission.policies["p"]
        assert "http.send (policies may not open connections" in policy.error
        assert "graphql.is_valid" in policy.error
        assert "time.now_ns" not in policy.error
        answer = await review(REQUESTS[0])
        assert (answer.allowed, answer.status["code"]) == (False, 500)

    run(rig, work, config(rig, Sample("missing", "opa", source)))


def test_endless_policy_is_interrupted(tmp_path: Path) -> None:
    # It keeps nothing that it computes: otherwise a fast machine would reach the limit of memory first.
    source = """# settings: {}
package policy
import rego.v1
xs := {x | some x in numbers.range(1, 3000)}
main := {"n": count([1 | some a in xs; some b in xs; a > b; some c in xs; b > c; c > a])}
"""
    with contextlib.closing(Rig(tmp_path, cpu_budget_ms=200, wall_timeout_s=20.0)) as rig:

        async def work(review: Any) -> None:
            answer = await review(REQUESTS[0])
            assert answer.status == {
                "message": "internal server error: guest code interrupted, execution deadline exceeded",
                "code": 500,
            }

        run(rig, work, config(rig, Sample("endless", "opa", source)))


def test_raw_requests(rig: Rig) -> None:
    source = """# settings: {}
package policy
import rego.v1
main := {"response": {"uid": "", "allowed": input.request.go}}
"""

    async def work(review: Any) -> None:
        assert (await review({"go": True}, raw=True)).allowed
        refused = await review({"go": True}, "gate", raw=True)
        assert refused.status == {
            "message": "internal server error: gatekeeper policies cannot judge raw requests",
            "code": 500,
        }

    run(rig, work, config(rig, Sample("raw", "opa", source)), config(rig, BY_NAME["unique"], "gate"))


KEEPS = """# settings: {}
package policy
import rego.v1
violation contains {"msg": msg} if {
	input.review.operation == "DELETE"
	found := input.review.object
	not found.metadata.labels["example.org/may-go"]
	msg := sprintf("%v %v has no label example.org/may-go", [found.kind, found.metadata.name])
}
"""


def deletion(**labels: str) -> dict[str, Any]:
    created = json.loads(json.dumps(REQUESTS[0]))
    old = created.pop("object")
    old["metadata"]["labels"] = labels
    return {**created, "operation": "DELETE", "oldObject": old}


def test_a_deletion_is_judged_by_the_object_that_goes(rig: Rig) -> None:
    async def work(review: Any) -> None:
        answer = await review(deletion())
        assert (answer.allowed, answer.status["message"]) == (False, "Pod web has no label example.org/may-go")
        assert (await review(deletion(**{"example.org/may-go": "yes"}))).allowed
        nothing = {key: value for key, value in deletion().items() if key != "oldObject"}
        answer = await review(nothing)
        assert (answer.allowed, answer.status["code"]) == (False, 500)
        assert "a DELETE without oldObject" in answer.status["message"]
        assert not (await review(nothing, "unless")).allowed  # what the member would say is not known

    gate = config(rig, Sample("keeps", "gatekeeper", KEEPS))
    member = GroupMemberConfig(module=gate.module, timeout_s=20.0)
    unless = GroupConfig(name="unless", rules=(), members={"a": member}, expression="!a()", message="no")
    run(rig, work, gate, unless)


def test_settings_are_the_root_of_data(rig: Rig) -> None:
    source = """# settings: {"limit": 3, "ä": {"b": [true]}}
package policy
import rego.v1
main := {"response": {"uid": "x", "allowed": data["ä"].b[0], "status": {"message": sprintf("%d", [data.limit])}}}
"""

    async def work(review: Any) -> None:
        answer = await review(REQUESTS[0])
        assert (answer.allowed, answer.status) == (True, {"message": "3"})

    run(rig, work, config(rig, Sample("settings", "opa", source)))


def test_no_state_stays_between_reviews(rig: Rig) -> None:
    async def work(review: Any) -> None:
        first = [await review(payload) for payload in REQUESTS]
        async with trio.open_nursery() as nursery:
            answers: dict[int, Any] = {}

            async def ask(index: int) -> None:
                answers[index] = await review(REQUESTS[index])

            for index in range(len(REQUESTS)):
                nursery.start_soon(ask, index)
        assert [answers[index] for index in range(len(REQUESTS))] == first

    run(rig, work, config(rig, BY_NAME["required-labels"]))


def test_failing_policies_raise_guest_errors_only(rig: Rig) -> None:
    """Input that the policy's own parser refuses, and data that fills its memory."""

    async def main() -> None:
        await rig.load(config(rig, BY_NAME["required-labels"]))
        policy = rig.admission.policies["p"]
        for data, question in ((b"{", b"{}"), (b"{}", b"[1"), (b"{}", b'"' + b"x" * (80 << 20) + b'"')):
            with pytest.raises(GuestError):
                await rego.evaluate(policy.template, data, question, policy.budget, math.inf, rig.said.append)

    trio.run(main)


def test_a_policy_that_its_memory_does_not_hold_names_the_limit(rig: Rig) -> None:
    async def main() -> None:
        await rig.load(config(rig, BY_NAME["required-labels"]))
        policy = rig.admission.policies["p"]
        data = b'{"inventory":[' + b",".join([b'{"a":{"b":{}}}'] * 1_000_000) + b"]}"
        with pytest.raises(GuestError, match=r"opa_malloc: failed \(64 MiB of memory were not enough: \[engine\]"):
            await rego.evaluate(policy.template, data, b"{}", policy.budget, math.inf, rig.said.append)

    trio.run(main)


def test_long_arguments_are_worked_on_beside_the_event_loop(rig: Rig) -> None:
    """The same answer, and other tasks go on meanwhile."""

    async def work(review: Any) -> None:
        short = await review(corpus.request(corpus.pod("ab-cd")))
        assert "words: ab,cd" in short.status["message"]
        passes = 0

        async def count() -> None:
            nonlocal passes
            while True:
                passes += 1
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(count)
            long = await review(corpus.request(corpus.pod("-".join(["word"] * 10_000))))
            nursery.cancel_scope.cancel()
        assert long.status["message"].count("word") == 10_001
        assert passes

    run(rig, work, config(rig, BY_NAME["matching"]))


def test_review_ends_in_time_while_a_builtin_works(tmp_path: Path) -> None:
    """A thread cannot be stopped: it is left behind, and the review is denied."""
    with contextlib.closing(Rig(tmp_path, wall_timeout_s=0.2)) as rig:
        released = threading.Event()

        def slow(_environment: Any, text: str) -> str:
            released.wait(20)
            return text

        async def work(review: Any) -> None:
            policy = rig.admission.policies["p"]
            [number] = policy.template.builtins
            policy.template.builtins = {number: Builtin("hex.encode", "s", slow, 0)}
            try:
                answer = await review(REQUESTS[0])
            finally:
                released.set()
            assert answer.status["message"].endswith("execution deadline exceeded")

        source = """# settings: {}
package policy
import rego.v1
main := {"a": hex.encode(input.request.uid)}
"""
        run(rig, work, config(rig, Sample("slow", "opa", source)))


def test_groups_of_rego_policies(rig: Rig) -> None:
    def member(sample: Sample) -> GroupMemberConfig:
        path = rig.folder / f"{sample.name}.wasm"
        path.write_bytes(sample.wasm())
        return GroupMemberConfig(module=f"file://{path}", settings=sample.settings, timeout_s=20.0)

    members = {
        name: member(BY_NAME[sample])
        for name, sample in (
            ("labels", "required-labels"),
            ("tags", "image-tags"),
            ("garbage", "garbage"),
            ("mutates", "mutate"),
        )
    }
    groups = [
        GroupConfig(name="either", expression="labels() || tags()", message="neither", members=members),
        GroupConfig(name="broken", expression="!labels() && garbage()", message="broken", members=members),
        GroupConfig(name="patch", expression="mutates()", message="patched", members=members),
    ]

    async def main() -> None:
        await rig.load(*groups)

        async def ask(name: str, index: int) -> Any:
            payload = REQUESTS[index]
            return await rig.admission.review(name, AdmissionRequest("u-1", payload, payload["object"]))

        assert (await ask("either", 2)).allowed
        denied = await ask("either", 3)
        causes = {cause["field"]: cause["message"] for cause in denied.status["details"]["causes"]}
        assert (denied.allowed, denied.status["message"], len(causes)) == (False, "neither", 2)
        assert causes["spec.policies.labels"] == "labels are missing: größe, owner"
        broken = await ask("broken", 0)
        assert "allowed has the wrong type" in str(broken.status["details"]["causes"])
        patched = await ask("patch", 0)
        assert "mutation is not allowed inside of policy group" in str(patched.status["details"]["causes"])

    trio.run(main)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"{sample.mode}/{sample.name}")
def test_results_are_the_same_from_data_that_were_parsed_before(
    sample: Sample, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rego, "WORTH_PARSING", 0)
    data = json.dumps(sample.settings if sample.mode == "opa" else {}).encode()
    asked = [json.dumps(document(sample, payload)).encode() for payload in REQUESTS] + [b"{", b"[]", b"null"]

    async def result(policy: Any, data: Any, question: bytes) -> tuple[bytes, str, list[str]]:
        rig.said.clear()
        try:
            reply = await rego.evaluate(policy.template, data, question, policy.budget, math.inf, rig.said.append)
        except GuestError as error:
            return b"", str(error), list(rig.said)
        return reply, "", list(rig.said)

    async def main() -> None:
        await rig.load(config(rig, sample))
        policy = rig.admission.policies["p"]
        assert policy.parsed is not None
        for question in asked * 2:
            assert await result(policy, policy.parsed, question) == await result(policy, data, question)

    trio.run(main)


LISTED = """# settings: {{}}
package policy
import rego.v1
main := {{"response": {{"uid": "", "allowed": count(denied) == 0, "status": {{"message": concat(", ", denied)}}}}}}
denied contains c.image if {{ some c in input.request.object.spec.containers; c.image in data.images{more} }}
"""


@pytest.mark.parametrize(
    ("settings", "more", "is_parsed"),
    [
        ({"images": [f"registry.example.com/team/app-{number}" for number in range(400)]}, "", True),
        ({"images": ["registry.example.com/team/app-7"]}, "", False),  # it would take longer than parsing it
    ],
)
def test_long_settings_are_parsed_once(settings: Any, more: str, is_parsed: bool, rig: Rig) -> None:
    sample = Sample("listed", "opa", LISTED.format(more=more).replace("{}", json.dumps(settings), 1))

    async def work(review: Any) -> None:
        assert (rig.admission.policies["p"].parsed is not None) == is_parsed
        for image, allowed in (("registry.example.com/team/app-7", False), ("other", True)) * 3:
            request = corpus.REQUESTS[0] | {"object": corpus.pod(containers=[corpus.container("c", image)])}
            answer = await review(request)
            assert answer.allowed == allowed
            assert allowed or image in answer.status["message"]

    run(rig, work, config(rig, sample))


@pytest.mark.parametrize(
    "more", [{"context_aware": ({"apiVersion": "v1", "kind": "Namespace"},)}, {"preinitialize": "never"}]
)
def test_data_of_the_cluster_are_not_parsed_before(
    more: dict[str, Any], rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rego, "WORTH_PARSING", 0)

    async def main() -> None:
        await rig.load(config(rig, BY_NAME["privileged"], **more))
        policy = rig.admission.policies["p"]
        assert policy.error is None
        assert policy.parsed is None

    trio.run(main)


def test_settings_that_cannot_be_parsed_fail_each_review_as_before(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guest runs out of memory over them: the policy loads, and its reviews say why they fail."""
    monkeypatch.setattr(rego, "WORTH_PARSING", 0)
    sample = BY_NAME["privileged"]

    async def main() -> None:
        await rig.load(config(rig, sample))
        policy = rig.admission.policies["p"]
        assert isinstance(policy.template, rego.RegoTemplate)
        for data in (b"{", b"[1,"):
            assert await rego.parse_data(policy.template, data, policy.budget, math.inf) is None
        long = b'{"a":"' + b"x" * (70 << 20) + b'"}'
        assert await rego.parse_data(policy.template, long, policy.budget, math.inf) is None

    trio.run(main)
