"""What follows from what an API server says of its manifests, in any order of events."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edged.admission.endpoint.manifest_metrics import Loaded
from edged.admission.endpoint.static_evidence import MAX_CONTENTS, SLOW_S, Evidence, OnDisk
from edged.admission.rules.exemptions import condition
from edged.admission.rules.webhooks import MUTATING, VALIDATING

HERE, ELSEWHERE = "sha256:here", "sha256:elsewhere"
SERVER = "https://10.0.0.1:6443"


def hook(name: str, version: int = 1, ca: str = "") -> dict[str, Any]:
    config = {"url": "https://127.0.0.1:8443", "caBundle": ca}
    return {"name": f"{name}.policy.edged.dev", "clientConfig": config, "rules": [version]}


def wanted(hooks: tuple[dict[str, Any], ...]) -> dict[str, tuple[str, list[object]]]:
    """Each webhook calls the policy that its name begins with, a shared one those of its rules: `POLICY RULE`."""
    found: dict[str, tuple[str, list[object]]] = {}
    for each in hooks:
        for rule in each["rules"]:
            policy = rule.split()[0] if isinstance(rule, str) else each["name"].split(".")[0]
            found.setdefault(policy, (each["name"], []))[1].append(rule)
    return found


class Scene:
    """One API server, asked at once."""

    def __init__(self, *, is_named: bool = False) -> None:
        self.evidence = Evidence("/static", HERE, is_named=is_named)
        self.revision = 0

    def write(self, *hooks: dict[str, Any], at: float = 0.0, mutating: tuple[dict[str, Any], ...] = ()) -> str:
        """The hash of the validating folder."""
        self.revision += 1
        content = f"sha256:{sorted(map(str, hooks))}"
        self.evidence.wrote(VALIDATING, OnDisk(content, at), self.revision, hooks, wanted(hooks))
        self.evidence.wrote(MUTATING, OnDisk(f"{sorted(map(str, mutating))}" if mutating else "", at), self.revision,
                            mutating, wanted(mutating))
        return content

    def hear(self, content: str, *, mutating: str = "", server: str = HERE, refused_at: float | None = None,
             is_direct: bool = True, now: float = 1.0) -> None:
        self.evidence.asking()
        loaded = {VALIDATING: Loaded(server, content, refused_at), MUTATING: Loaded(server, mutating)}
        self.evidence.heard(loaded, SERVER, is_direct=is_direct, now=now)


def test_a_policy_is_known_when_what_is_served_has_it_as_it_should_be() -> None:
    scene = Scene()
    first = scene.write(hook("a"), hook("b"))
    assert set(scene.evidence.waiting()) == {"a", "b"} and scene.evidence.revision == 0
    scene.hear(first)
    assert scene.evidence.waiting() == {} and scene.evidence.is_current and scene.evidence.revision == 1
    second = scene.write(hook("a", ca="other"), hook("b", version=2), hook("c"))
    assert set(scene.evidence.waiting()) == {"b", "c"} and not scene.evidence.problem  # it may read it any moment
    assert scene.evidence.revision == 1 and not scene.evidence.is_behind  # nobody asked it since
    scene.hear(first, refused_at=5.0)
    assert scene.evidence.is_behind
    assert set(scene.evidence.waiting()) == {"b", "c"} and "refused /static/validating" in scene.evidence.problem
    assert scene.evidence.revision == 1
    scene.hear(second)
    assert scene.evidence.waiting() == {} and scene.evidence.revision == 2 and not scene.evidence.problem
    assert not scene.evidence.is_behind


def test_a_policy_whose_rules_its_shared_webhook_has_already_waits_for_nothing() -> None:
    scene = Scene()

    def shared(*rules: str, policy: str = "Fail") -> dict[str, Any]:
        return {**hook("shared"), "rules": list(rules), "failurePolicy": policy}

    first = scene.write(shared("a pods", "b pods", "b services"))
    scene.hear(first)
    scene.write(shared("a pods", "b services", "c pods"))
    assert list(scene.evidence.waiting()) == ["c"]  # b has one rule less, and is asked for that already
    second = scene.write(shared("a pods", policy="Ignore"))
    assert list(scene.evidence.waiting()) == ["a"]  # all but the rules is equal, or it waits
    scene.hear(second)
    assert scene.evidence.waiting() == {}


def test_edgeds_own_condition_follows_from_the_rules_and_a_former_one_does_not() -> None:
    """A member with wildcards brings the condition along; that makes no other member wait."""
    scene = Scene()
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
    everything = {**pods, "apiGroups": ["*"], "resources": ["*"]}

    def write(rules: list[dict[str, Any]], *conditions: object) -> str:
        scene.revision += 1
        made = {"name": "shared", "clientConfig": {}, "rules": rules, "matchConditions": list(conditions)}
        content = f"sha256:{made}"
        scene.evidence.wrote(VALIDATING, OnDisk(content, 0), scene.revision, [made], {"a": ("shared", [pods])})
        scene.evidence.wrote(MUTATING, OnDisk("", 0), scene.revision, [], {})
        return content

    scene.hear(write([pods]))
    both = [pods, everything]
    write(both, condition(both))
    assert scene.evidence.waiting() == {}
    scene.hear(write(both, {"name": "edged.dev/not-system", "expression": "false"}))
    assert scene.evidence.waiting() == {}
    write(both, condition(both))
    assert list(scene.evidence.waiting()) == ["a"]


def test_a_refusal_of_what_was_there_before_is_none_of_what_is_there_now() -> None:
    scene = Scene()
    first = scene.write(hook("a"), at=1)
    scene.hear(first)
    scene.write(hook("b"), at=10)
    scene.hear(first, refused_at=11)
    assert "refused" in scene.evidence.problem
    scene.write(hook("c"), at=20)
    assert not scene.evidence.problem
    scene.hear(first, refused_at=11, now=21)
    assert not scene.evidence.problem
    scene.hear(first, refused_at=11, now=20 + SLOW_S + 1)
    assert "other manifests" in scene.evidence.problem


def test_one_kind_does_not_speak_for_the_other() -> None:
    scene = Scene()
    content = scene.write(hook("a"), mutating=(hook("m"),))
    scene.hear(content, mutating="")
    assert list(scene.evidence.waiting()) == ["m"] and not scene.evidence.is_current
    scene.evidence.asking()
    scene.evidence.heard({VALIDATING: Loaded(HERE, content)}, SERVER, is_direct=True, now=1.0)
    assert "reads no manifests for /static/mutating" in scene.evidence.waiting()["m"]


@pytest.mark.parametrize(
    ("server", "content", "is_named", "is_direct", "ours"),
    [
        (HERE, "theirs", False, False, True),  # the name of this host
        (ELSEWHERE, "theirs", True, True, True),  # named by a person
        (ELSEWHERE, "theirs", False, True, False),  # a load balancer on this host
        (ELSEWHERE, "theirs", False, False, False),
        (ELSEWHERE, "ours", False, False, True),  # nobody else can go by it
        (ELSEWHERE, "", False, True, False),  # an empty folder is like any other
    ])
def test_whose_word_counts(server: str, content: str, is_named: bool, is_direct: bool, ours: bool) -> None:
    scene = Scene(is_named=is_named)
    first = scene.write(hook("a"))
    scene.hear(first)
    assert not scene.evidence.waiting()
    scene.hear(first if content == "ours" else content, server=server, is_direct=is_direct)
    assert bool(scene.evidence.waiting()) is (ours and content != "ours")
    scene.write(hook("a"), hook("b"))
    scene.hear(content, server=server, is_direct=is_direct)
    assert ("static_api_server" in scene.evidence.problem) is not (ours and content != "ours")


@pytest.mark.parametrize(("is_named", "is_direct"), [(True, True), (False, True), (False, False)])
def test_an_api_server_that_reads_no_manifests(is_named: bool, is_direct: bool) -> None:
    ours = is_named or is_direct
    scene = Scene(is_named=is_named)
    scene.hear(scene.write(hook("a")))
    scene.evidence.asking()
    scene.evidence.heard({}, SERVER, is_direct=is_direct, now=1.0)
    assert bool(scene.evidence.waiting()) is ours and (SERVER in scene.evidence.problem) is ours


def test_what_cannot_be_asked_stays_known_and_what_is_new_has_a_reason() -> None:
    scene = Scene()
    assert not scene.evidence.is_asked
    scene.evidence.went_wrong("no answer")
    assert scene.evidence.is_asked and scene.evidence.problem == "no answer"
    scene.hear(scene.write(hook("a")))
    scene.evidence.went_wrong("no answer")
    assert not scene.evidence.waiting() and not scene.evidence.problem
    scene.write(hook("a"), hook("b"))
    scene.evidence.asking()
    scene.evidence.went_wrong("no answer")
    assert scene.evidence.waiting() == {"b": "no answer"}


def test_an_answer_says_nothing_of_what_was_written_while_it_came() -> None:
    scene = Scene()
    first = scene.write(hook("a"), hook("b"))
    scene.evidence.asking()
    scene.write(hook("a"))  # the API server may have read this, and go by it
    third = scene.write(hook("a"), hook("b"), hook("c"))
    scene.evidence.heard({VALIDATING: Loaded(HERE, first), MUTATING: Loaded(HERE, "")}, SERVER, is_direct=True, now=1.0)
    assert set(scene.evidence.waiting()) == {"b", "c"} and scene.evidence.revision == 1
    scene.hear(third)
    assert not scene.evidence.waiting() and scene.evidence.revision == 3


def test_what_is_remembered_is_bounded() -> None:
    scene = Scene()
    first = scene.write(hook("a"))
    scene.hear(first)
    for number in range(10 * MAX_CONTENTS):
        scene.write(hook("a"), hook(f"tenant-{number}"))
    folder = scene.evidence._folders[VALIDATING]
    assert len(folder.contents) == MAX_CONTENTS + 1 and len(folder.since) <= MAX_CONTENTS + 2
    assert "a" in scene.evidence.waiting()  # it may go by one that was forgotten
    scene.hear(first)
    assert "a" not in scene.evidence.waiting() and scene.evidence.revision == 1


SETS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 2)), unique_by=lambda each: each[0], max_size=3)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), SETS),
        st.tuples(st.just("read"), st.none()),  # the API server takes what is on disk
        st.tuples(st.just("ask"), st.none()),
        st.tuples(st.just("answer"), st.none()),
        st.tuples(st.just("fail"), st.none()),
    ),
    max_size=40,
)


@given(STEPS)
@settings(max_examples=300)
def test_nothing_is_known_that_is_not_so(steps: list[tuple[str, Any]]) -> None:
    """Whatever is written, read and said in whatever order: what is not waiting is what the API server goes by, and a
    revision that it is known to go by is never later than the one that it does go by."""
    scene = Scene()
    disk: tuple[int, str, dict[str, int]] = (0, "", {})
    served = disk
    answer = None
    for step, value in [("write", []), *steps]:
        if step == "write":
            content = scene.write(*(hook(name, version) for name, version in value)) if value else ""
            if not value:
                scene.revision += 1
                for kind in (VALIDATING, MUTATING):
                    scene.evidence.wrote(kind, OnDisk("", 0.0), scene.revision, (), {})
            disk = (scene.revision, content, dict(value))
            if content == served[1]:
                served = disk
        elif step == "read":
            served = disk
        elif step == "ask":
            scene.evidence.asking()
            answer = None
        elif step == "answer":
            if answer is None:
                answer = {VALIDATING: Loaded(HERE, served[1]), MUTATING: Loaded(HERE, "")}
            else:  # what it had said a moment ago arrives now
                scene.evidence.heard(answer, SERVER, is_direct=True, now=1.0)
                scene.evidence.asking()
                answer = None
        else:
            scene.evidence.went_wrong("away")
        waiting = scene.evidence.waiting()
        for name, version in disk[2].items():
            assert name in waiting or served[2].get(name) == version, (step, served, disk)
        assert scene.evidence.revision <= served[0]
