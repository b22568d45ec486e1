"""Thousands of damaged reviews, settings and replies, made from good ones by a seeded generator: each gets an answer or
a clear error of the right family, never another exception. Failures print the seed and the input."""

from __future__ import annotations

import base64
import copy
import random
from typing import Any

import orjson
import pytest
import trio

from edged.admission.endpoint.policy_reviews import PolicyReviews
from edged.admission.rules import rego, verdict
from edged.admission.rules.mutations import BadMutation
from edged.admission.rules.review import AdmissionRequest, AdmissionResponse, BadReview, parse_review, review_body
from edged.errors import GuestError
from edged.http.messages import Request
from edged.http.routes import Routes
from tests.kube.support import quiet

SEEDS = 40
PER_SEED = 60
STATUSES = {200, 400, 415, 422}

REVIEW: dict[str, Any] = {
    "kind": "AdmissionReview",
    "apiVersion": "admission.k8s.io/v1",
    "request": {
        "uid": "u-1",
        "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
        "requestKind": {"group": "apps", "version": "v1", "kind": "Deployment"},
        "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
        "subResource": "scale",
        "name": "a",
        "namespace": "b",
        "operation": "UPDATE",
        "userInfo": {"username": "c", "uid": "d", "groups": ["e"], "extra": {"f": ["g"]}},
        "dryRun": False,
        "object": {"metadata": {"name": "a"}, "spec": {"replicas": 3, "list": [1, 2.5, None, "x"]}},
        "oldObject": {"metadata": {"name": "a"}},
        "options": {"kind": "UpdateOptions"},
    },
}
REPLY: dict[str, Any] = {
    "accepted": False,
    "message": "m",
    "code": 403,
    "mutated_object": {"metadata": {"name": "a", "labels": {"x": "y"}}, "spec": [1, 2]},
    "audit_annotations": {"a": "b"},
    "warnings": ["w"],
}
SETTINGS_REPLY: dict[str, Any] = {"valid": False, "message": "m"}
VALUES: list[Any] = [
    None, True, False, 0, -1, 65536, 1 << 63, 1e308,
    "", "x" * 5000, "\u0000", "\ud7ff\U0001f4a5", [], {}, [[]], {"": None},
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place inside a document."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [path, *(found for key in keys for found in places(value[key], (*path, key)))]


def damaged(document: Any, chance: random.Random) -> Any:
    """One to three of its places removed, replaced, renamed or wrapped."""
    document = copy.deepcopy(document)
    for _ in range(chance.randint(1, 3)):
        *way, last = chance.choice([place for place in places(document) if place] or [("",)])
        parent = document
        for key in way:
            parent = parent[key]
        if not isinstance(parent, dict | list) or (isinstance(parent, dict) and last not in parent):
            return document
        act = chance.randrange(4)
        if act == 0:
            del parent[last]
        elif act == 1:
            parent[last] = chance.choice(VALUES)
        elif act == 2 and isinstance(parent, dict):
            parent[f"{last}X"] = parent.pop(last)
        else:
            parent[last] = [parent[last]] if chance.random() < 0.5 else {"x": parent[last]}
    return document


def damaged_bytes(data: bytes, chance: random.Random) -> bytes:
    """Cut off, with bytes flipped, doubled, nested without end or no UTF-8."""
    act = chance.randrange(5)
    if act == 0:
        return data[: chance.randrange(len(data))]
    if act == 1:
        changed = bytearray(data)
        for _ in range(chance.randint(1, 8)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        return bytes(changed)
    if act == 2:
        return data + chance.choice([data, b"x", b"\x00", b"}"])
    if act == 3:
        depth = chance.choice([100, 1023, 1025, 100_000])
        return data.replace(b'"a"', b"[" * depth + b"]" * depth)
    return data.replace(b'"a"', b'"\xff\xfe"')


def corpus(document: Any, seed: int) -> list[bytes]:
    chance = random.Random(seed)
    good = orjson.dumps(document)
    return [
        orjson.dumps(damaged(document, chance)) if n % 3 else damaged_bytes(good, chance) for n in range(PER_SEED)
    ]


class Accepting:
    """An Admission that lets everything pass, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[AdmissionRequest] = []

    def find(self, name: str) -> None: ...

    async def review(self, name: str, request: AdmissionRequest, *, audit: bool = False) -> AdmissionResponse:
        self.asked.append(request)
        return AdmissionResponse(request.uid, True)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_reviews(seed: int) -> None:
    admission = Accepting()
    routes = Routes(PolicyReviews(admission, quiet()).routes())  # type: ignore[arg-type]

    async def main() -> None:
        for endpoint in ("validate", "audit", "validate_raw"):
            for body in corpus(REVIEW, seed * 1000 + len(endpoint)):
                headers = [(b"content-type", b"application/json")]
                target = f"/{endpoint}/p".encode()
                answer = await routes(Request("POST", target, "1.1", headers, body, True, None))  # type: ignore[arg-type]
                assert answer.status in STATUSES, body
                if answer.status == 200:
                    assert orjson.loads(answer.body)["response"]["uid"] == admission.asked[-1].uid, body
                elif endpoint == "validate":
                    problem = orjson.loads(answer.body)
                    assert problem["status"] == answer.status and len(problem["message"]) > 30, body
                else:
                    assert len(answer.body) > 30, body
        # What was let through can be handed to a guest.
        for request in admission.asked:
            orjson.dumps(request.payload)

    trio.run(main)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_replies(seed: int) -> None:
    good = AdmissionRequest("u", REVIEW["request"], REVIEW["request"]["object"])
    nothing = AdmissionRequest("u", {}, None)
    for reply in corpus(REPLY, seed):
        for request in (good, nothing):
            try:
                response = verdict.from_reply(request, reply)
            except GuestError as error:
                assert isinstance(error, BadMutation) or "reply" in str(error), reply
                continue
            for monitor in (True, False):
                own = copy.deepcopy(response)
                final = verdict.constrain(own, policy="p", monitor=monitor, allowed_to_mutate=False, message="no")
                body = orjson.loads(review_body(final))["response"]
                assert isinstance(body["allowed"], bool) and "patch" not in body, reply


@pytest.mark.parametrize("seed", range(SEEDS))
def test_settings_replies(seed: int) -> None:
    for reply in corpus(SETTINGS_REPLY, seed):
        problem = verdict.settings_problem(reply)
        said = None
        with_json = reply.startswith(b"{")
        if with_json:
            try:
                said = orjson.loads(reply)
            except orjson.JSONDecodeError:
                assert problem and "not JSON" in problem, reply
                continue
        # Never taken for valid unless it says so.
        assert problem is not None or (said or {}).get("valid") is True, reply


@pytest.mark.parametrize("depth", [200, 256, 1000])
def test_depth(depth: int) -> None:
    """JSON that can be read but not written, or not walked: refused on the way in, or the guest's own fault."""
    deep = b'{"x":' * depth + b"1" + b"}" * depth
    body = orjson.dumps(REVIEW).replace(b'"replicas":3', b'"replicas":' + deep)
    if depth > 250:
        with pytest.raises(BadReview, match="nested too deeply") as caught:
            parse_review(body)
        assert caught.value.status == 422
        request = parse_review(orjson.dumps(REVIEW))
        with pytest.raises(verdict.BadReply, match="nested too deeply"):
            verdict.from_reply(request, b'{"accepted":true,"mutated_object":' + deep + b"}")
    else:
        request = parse_review(body)
        changed = orjson.loads(deep.replace(b"1", b"2"))
        request.object["spec"] = orjson.loads(deep)
        reply = orjson.dumps({"accepted": True, "mutated_object": request.object | {"spec": changed}})
        response = verdict.from_reply(request, reply)
        assert response.patch == [{"op": "replace", "path": "/spec" + "/x" * depth, "value": 2}]


def test_depth_of_a_patch_that_a_rego_policy_wrote() -> None:
    deep = b'[{"op":"add","path":"/x","value":' + b"[" * 900 + b"]" * 900 + b"}]"
    response = {"uid": "u", "allowed": True, "patchType": "JSONPatch", "patch": base64.b64encode(deep).decode()}
    with pytest.raises(verdict.BadReply, match="nested too deeply"):
        rego.from_result("opa", parse_review(orjson.dumps(REVIEW)), orjson.dumps([{"result": {"response": response}}]))


def test_the_corpus_is_as_large_as_it_says() -> None:
    made = {body for seed in range(SEEDS) for document in (REVIEW, REPLY) for body in corpus(document, seed)}
    assert len(made) > 2000
