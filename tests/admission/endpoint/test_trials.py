"""Trials of webhooks by dry runs: what is left out, what is written, and that nothing else suffers."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from edged.admission.endpoint import trials
from edged.admission.endpoint.static_registration import GRACE_S, StaticRegistration
from edged.admission.rules import manifest_checks
from edged.admission.rules.webhooks import WebhookSpec
from edged.errors import PeerError
from tests.admission.endpoint.fake_server import OTHER, PEM, SPEC, FakeServer, Status, read, run, static

TRIAL = "edged-trial-edge-1"


class TrialServer(FakeServer):
    """With the empty objects. `refuses`: why a webhook is refused, "" where it is not."""

    def __init__(self, refuses: Callable[[Mapping[str, Any]], str] = lambda hook: "") -> None:
        super().__init__()
        self.refuses = refuses
        self.names_causes = True
        self.tries: list[list[str]] = []
        self.live: list[dict[str, Any]] = []

    async def request(self, method: str, path: str, *, query: Mapping[str, str] | None = None,
                      body: dict[str, Any] | None = None) -> dict[str, Any]:
        if not path.endswith(f"/{TRIAL}"):
            return await super().request(method, path, query=query, body=body)
        await trio.lowlevel.checkpoint()
        self.deny(method, path, body)
        if method == "GET":
            return {"metadata": {"name": TRIAL, "resourceVersion": "5", "managedFields": [{}]}, "webhooks": self.live}
        assert method == "PUT" and query == {"dryRun": "All"} and body is not None
        assert body["metadata"] == {"name": TRIAL, "resourceVersion": "5"}
        self.tries.append([hook["name"].partition(".")[0] for hook in body["webhooks"]])
        causes = [{"field": f"webhooks[{number}].matchConditions[0].expression", "message": why}
                  for number, hook in enumerate(body["webhooks"]) if (why := self.refuses(hook))]
        if causes:
            raise Status(422, {"details": {"causes": causes if self.names_causes else []}})
        return body


def named(name: str, *expressions: str) -> WebhookSpec:
    conditions = [{"name": f"c{number}", "expression": each} for number, each in enumerate(expressions)]
    return replace(SPEC, name=name, match_conditions=conditions)


def about(word: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda hook: next(("bad word" for each in hook.get("matchConditions", ()) if word in each["expression"]), "")


def written(folder: Path) -> list[str]:
    path = folder / "validating/edged.json"
    return [hook["name"].partition(".")[0] for hook in read(path)["webhooks"]] if path.exists() else []


async def settled(registration: StaticRegistration, *specs: WebhookSpec) -> Mapping[str, str]:
    registration.update(specs, b"")
    await registration.settle()
    return registration.state.problems


UNSURE = "duration(object.a) > duration('1s')"


@pytest.mark.parametrize("names_causes", [True, False])
def test_what_the_api_server_refuses_is_left_out_and_the_rest_is_written(tmp_path, names_causes):
    async def main(nursery: trio.Nursery) -> None:
        server = TrialServer(about("guilty"))
        server.names_causes = names_causes
        registration, _ = static(tmp_path, server)
        specs = [named(f"n{number:02}", UNSURE if number % 7 else "object.guilty == 1") for number in range(100)]
        problems = await settled(registration, *specs)
        guilty = {f"n{number:02}" for number in range(0, 100, 7)}
        assert set(problems) == guilty and not guilty & set(written(tmp_path))
        assert len(written(tmp_path)) == 100 - len(guilty)
        assert problems["n00"].startswith("the API server does not take it: ")
        if names_causes:
            assert problems["n00"].endswith("matchConditions[0].expression: bad word") and len(server.tries) <= 4
        before = len(server.tries)
        await registration.settle()
        assert len(server.tries) == before  # what is known is not asked again
        server.refuses = lambda hook: ""
        await trio.sleep(trials.AGAIN_AFTER_S + 1)
        await registration.settle()
        assert len(written(tmp_path)) == 100 and not registration.state.problems
    run(main)


def test_another_api_server_is_asked_anew(tmp_path):
    async def main(nursery: trio.Nursery) -> None:
        server = TrialServer()
        registration, _ = static(tmp_path, server)
        assert not await settled(registration, SPEC, named("old", UNSURE))
        server.version = {"major": "1", "minor": "38", "gitVersion": "v1.38.0"}
        server.refuses = about("duration")
        await registration.settle()
        assert written(tmp_path) == ["a"] and set(registration.state.problems) == {"old"}
    run(main)


def _forbidden(method: str, path: str, body: Any) -> None:
    if TRIAL in path:
        raise Status(403)


def _absent(method: str, path: str, body: Any) -> None:
    if TRIAL in path:
        raise Status(404)


def _away(method: str, path: str, body: Any) -> None:
    raise PeerError("no answer")


@pytest.mark.parametrize(("deny", "why"), [
    (_forbidden, "edged may not try it"), (_absent, "`edged webhook install` makes them"), (_away, "no answer"),
    (None, "no API server is configured"),
])
def test_where_nothing_can_be_tried_only_what_is_surely_right_is_written(tmp_path, deny, why):
    async def main(nursery: trio.Nursery) -> None:
        server = TrialServer()
        if deny is not None:
            server.deny = deny
        registration, _ = static(tmp_path, server if deny is not None else None)
        specs = [SPEC, OTHER, named("fine", "object.a == 1"), named("unsure", UNSURE), named("wrong",
        "request.foo == 1")]
        problems = await settled(registration, *specs)
        assert written(tmp_path) == ["a", "b", "fine"] and set(problems) == {"unsure", "wrong"}
        assert "match condition 'c0' may not compile" in problems["unsure"] and why in problems["unsure"]
        assert "does not compile: undefined field 'foo'" in problems["wrong"]
    run(main)


def test_what_was_taken_stays_after_a_restart_without_an_api_server(tmp_path):
    async def main(nursery: trio.Nursery) -> None:
        registration, _ = static(tmp_path, TrialServer())
        assert not await settled(registration, SPEC, named("old", UNSURE))
        inode = (tmp_path / "validating/edged.json").stat().st_ino
        server = TrialServer()
        server.deny = _away
        again, _ = static(tmp_path, server)
        problems = await settled(again, SPEC, named("old", UNSURE), named("new", f"!({UNSURE})"))
        assert written(tmp_path) == ["a", "old"] and set(problems) == {"new"}
        assert (tmp_path / "validating/edged.json").stat().st_ino == inode
        server.deny = lambda method, path, body: None
        await again.settle()
        assert written(tmp_path) == ["a", "new", "old"]
    run(main)


def test_an_object_for_trials_that_is_not_empty_is_not_trusted(tmp_path):
    """Conditions that are in it already would not be looked at."""
    async def main(nursery: trio.Nursery) -> None:
        server = TrialServer()
        server.live = [{"name": "x"}]
        registration, _ = static(tmp_path, server)
        problems = await settled(registration, SPEC, named("unsure", UNSURE))
        assert written(tmp_path) == ["a"] and "is not empty" in problems["unsure"] and not server.tries
    run(main)


@pytest.mark.parametrize("hangs", [True, False])
def test_a_webhook_that_the_api_server_does_not_answer_costs_itself(tmp_path, hangs):
    """Such as one with a condition that takes it too long to compile."""
    async def main(nursery: trio.Nursery) -> None:
        class Server(TrialServer):
            async def request(self, method: str, path: str, **more: Any) -> dict[str, Any]:
                if method == "PUT" and "slow" in str(more["body"]):
                    if hangs:
                        await trio.sleep(3600)
                    raise PeerError("no answer")
                return await super().request(method, path, **more)

        registration, _ = static(tmp_path, Server())
        others = [named(f"n{number:02}", f"duration(object.a) > duration('{number}s')") for number in range(30)]
        problems = await settled(registration, SPEC, OTHER, named("bad", "duration(object.slow) > object.a"), *others,
                                 named("loaded", "object.slow == 1"))
        assert set(problems) == {"bad"} and len(written(tmp_path)) == 33 and "loaded" in written(tmp_path)
        assert "did not answer within 6 s" in problems["bad"] and trio.current_time() < trials.WITHIN_S
        before = trio.current_time()
        await registration.settle()
        assert trio.current_time() < before + 1
    run(main)


def test_trials_have_an_end(tmp_path):
    async def main(nursery: trio.Nursery) -> None:
        class Slow(TrialServer):
            async def request(self, method: str, path: str, **more: Any) -> dict[str, Any]:
                if method == "PUT":
                    await trio.sleep(3600)
                return await super().request(method, path, **more)

        registration, _ = static(tmp_path, Slow())
        problems = await settled(registration, SPEC, *(named(f"u{number}", UNSURE) for number in range(10)))
        assert trio.current_time() < 2 * trials.WITHIN_S
        assert written(tmp_path) == ["a"] and "did not answer" in problems["u9"]
    run(main)


@pytest.mark.parametrize("code", [400, 413, 500])
def test_an_answer_that_names_nothing_is_narrowed_down(tmp_path, code):
    async def main(nursery: trio.Nursery) -> None:
        server = TrialServer()

        def refuse(method: str, path: str, body: Any) -> None:
            if body is not None and "guilty" in str(body):
                raise Status(code)

        server.deny = refuse
        registration, _ = static(tmp_path, server)
        guilty = "duration(object.guilty) > object.a"
        specs = [named(f"n{number:02}", guilty if number == 33 else "true") for number in range(64)]
        problems = await settled(registration, *specs)
        assert set(problems) == {"n33"} and len(written(tmp_path)) == 63 and f"status {code}" in problems["n33"]
    run(main)


class FailingServer(TrialServer):
    """Answers trials with 500 while `fails` says so of their body; `ill`: also other requests."""

    def __init__(self) -> None:
        super().__init__()
        self.fails: Callable[[str], bool] = lambda text: True
        self.ill = False
        self.asked = 0
        self.deny = self._fail

    def _fail(self, method: str, path: str, body: Any) -> None:
        self.asked += method == "PUT"
        if self.ill or (method == "PUT" and self.fails(str(body))):
            raise Status(500)


@pytest.mark.parametrize("ill", [False, True])
def test_a_failure_of_the_api_server_withdraws_nothing_that_needs_no_trial(tmp_path, ill):
    async def main(nursery: trio.Nursery) -> None:
        registration, _ = static(tmp_path, TrialServer())
        assert not await settled(registration, named("old", UNSURE))
        server = FailingServer()
        server.ill = ill
        again, _ = static(tmp_path, server)
        problems = await settled(again, SPEC, named("fine", "object.a == 1"), named("old", UNSURE),
                                 named("new", f"!({UNSURE})"))
        assert written(tmp_path) == ["a", "fine", "old"] and set(problems) == {"new"}
        assert "waits until the API server has tried it: status 500" in problems["new"] or ill
        server.ill, server.fails = False, lambda text: False
        await trio.sleep(trials.FAILED_AGAIN_S + 1)
        await again.settle()
        assert not again.state.problems and len(written(tmp_path)) == 4
    run(main)


def test_one_failure_of_the_api_server_is_no_reason_to_wait(tmp_path):
    async def main(nursery: trio.Nursery) -> None:
        for count in (1, 10):
            server = FailingServer()
            server.fails = lambda text, server=server: server.asked == 1
            registration, _ = static(tmp_path / str(count), server)
            assert not await settled(registration, *(named(f"n{number}", UNSURE) for number in range(count)))
            assert server.asked == min(count + 1, 3)
    run(main)


def test_what_the_api_server_fails_at_costs_itself_and_is_not_asked_all_the_time(tmp_path):
    async def main(nursery: trio.Nursery) -> None:
        server = FailingServer()
        server.fails = lambda text: "guilty" in text
        registration, _ = static(tmp_path, server)
        others = [named(f"n{number:02}", f"duration(object.a) > duration('{number}s')") for number in range(63)]
        problems = await settled(registration, *others, named("bad", "duration(object.guilty) > object.a"))
        assert set(problems) == {"bad"} and len(written(tmp_path)) == 63
        before = server.asked
        assert before < 20
        await registration.settle()
        assert server.asked == before
        await trio.sleep(trials.FAILED_AGAIN_S + 1)
        await registration.settle()
        assert server.asked == before + trials.ATTEMPTS
    run(main)


def test_what_an_api_server_would_take_minutes_for_is_neither_tried_nor_written(tmp_path):
    async def main(nursery: trio.Nursery) -> None:
        server = TrialServer()
        registration, _ = static(tmp_path, server)
        long = named("long", " || ".join(["object.a == 1"] * 3000))
        deep = named("deep", "[" * 200 + "]" * 200 + " == []")
        many = named("many", *[f"{UNSURE} || true" + " " * 4000] * 3)
        problems = await settled(registration, SPEC, long, deep, many, named("unsure", UNSURE))
        assert written(tmp_path) == ["a", "unsure"] and set(problems) == {"long", "deep", "many"}
        assert "is too long" in problems["long"] and "is too long" in problems["many"]
        assert "brackets inside each other" in problems["deep"]
        assert {name for names in server.tries for name in names} == {"a", "unsure"}
    run(main)


def test_many_long_conditions_do_not_hold_up_others(tmp_path, monkeypatch):
    async def main(nursery: trio.Nursery) -> None:
        turns, most, seen = 0, 0, 0
        judged = 0
        judge = manifest_checks.judge

        def counted(text: str) -> Any:
            nonlocal judged, most
            judged += 1
            most = max(most, judged - seen)
            return judge(text)

        async def other() -> None:
            nonlocal turns, seen
            while True:
                await trio.lowlevel.checkpoint()
                turns, seen = turns + 1, judged

        monkeypatch.setattr(manifest_checks, "judge", counted)
        nursery.start_soon(other)
        registration, _ = static(tmp_path, TrialServer())
        long = [named(f"n{number:02}", f"duration(object.a{number}) > object.b") for number in range(60)]
        assert not await settled(registration, *long)
        assert len(written(tmp_path)) == 60 and judged >= 60 and most <= 2
    run(main)


def test_a_ca_that_comes_during_the_trials_does_not_replace_the_one_that_is_written(tmp_path):
    """What is written with the old one is relied on, until the API server goes by the next revision."""
    async def main(nursery: trio.Nursery) -> None:
        class Slow(TrialServer):
            async def request(self, method: str, path: str, **more: Any) -> dict[str, Any]:
                if method == "PUT":
                    await trio.sleep(3)
                return await super().request(method, path, **more)

        def bundle() -> bytes:
            return base64.b64decode(read(tmp_path / "validating/edged.json")["webhooks"][0]["clientConfig"]["caBundle"])

        one, two = PEM % b"MQ==", PEM % b"Mg=="
        registration, _ = static(tmp_path, Slow())
        registration.update([named("a", UNSURE)], one)
        nursery.start_soon(registration.settle)
        await trio.sleep(1)
        registration.update([named("a", UNSURE)], two)
        await trio.sleep(5)
        assert bundle() == one
        await registration.settle()
        assert bundle() == two + one
        await trio.sleep(GRACE_S + 1)
        await registration.settle()
        assert bundle() == two
    run(main)


def test_a_conflict_is_tried_again(tmp_path):
    async def main(nursery: trio.Nursery) -> None:
        server = TrialServer()
        conflicts = [1, 2]

        def conflict(method: str, path: str, body: Any) -> None:
            if body is not None and conflicts:
                conflicts.pop()
                raise Status(409)

        server.deny = conflict
        registration, _ = static(tmp_path, server)
        assert not await settled(registration, named("unsure", UNSURE)) and not conflicts
    run(main)
