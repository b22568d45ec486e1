"""Tokens of service accounts: who gets one, what it says, and whose it is."""

from __future__ import annotations

import base64

import orjson
import pytest
import trio

from edged.sandbox.authorization.tokens import Tokens
from tests.sandbox.harness import NS, Caller

ACCOUNTS = f"{NS}/serviceaccounts"
REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"


async def new_token(call: Caller, **spec: object) -> str:
    await call("POST", ACCOUNTS, {"metadata": {"name": "a"}})
    answer = await call.ok("POST", f"{ACCOUNTS}/a/token", {"spec": spec})
    return str(answer["status"]["token"])


def test_a_token_is_its_accounts() -> None:
    async def body(call: Caller) -> None:
        token = await new_token(call)
        review = await call.ok("POST", REVIEWS, {"spec": {"token": token}})
        assert review["status"]["user"]["username"] == "system:serviceaccount:default:a"
        me = await call.ok(
            "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {}, authorization=f"Bearer {token}"
        )
        assert me["status"]["userInfo"]["groups"][0] == "system:serviceaccounts"
        await call.ok("DELETE", f"{ACCOUNTS}/a")
        review = await call.ok("POST", REVIEWS, {"spec": {"token": token}})
        assert review["status"] == {"user": {}, "error": "invalid bearer token"}

    trio.run(body, Caller())


def test_a_token_of_another_audience_is_refused() -> None:
    async def body(call: Caller) -> None:
        token = await new_token(call, audiences=["vault"])
        review = await call.ok("POST", REVIEWS, {"spec": {"token": token}})
        assert 'token audiences ["vault"] is invalid' in review["status"]["error"]
        review = await call.ok("POST", REVIEWS, {"spec": {"token": token, "audiences": ["vault"]}})
        assert review["status"]["audiences"] == ["vault"]

    trio.run(body, Caller())


@pytest.mark.parametrize("seconds", [1, 599, 5_000_000_000])
def test_lifetimes_have_bounds(seconds: int) -> None:
    async def body(call: Caller) -> None:
        await call.ok("POST", ACCOUNTS, {"metadata": {"name": "a"}})
        await call.refused(422, "POST", f"{ACCOUNTS}/a/token", {"spec": {"expirationSeconds": seconds}})

    trio.run(body, Caller())


def test_only_what_was_signed_here_is_believed() -> None:
    tokens, others = Tokens(), Tokens()
    token = tokens.signed({"sub": "x"})
    assert tokens.claims(token) == {"sub": "x"}
    head, claims, signature = token.split(".")
    forged = base64.urlsafe_b64encode(orjson.dumps({"sub": "y"})).rstrip(b"=").decode()
    others.signed({})
    assert others.claims(token) is None
    for wrong in ("", "a.b", f"{head}.{forged}.{signature}", f"{head}.{claims}.", f"{head}.{claims}.%%%", "x" * 99_999):
        assert tokens.claims(wrong) is None
