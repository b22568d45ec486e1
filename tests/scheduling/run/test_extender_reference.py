"""edged reads extenders' answers as kube-scheduler does: the same are errors, and the others say the same.

In one thing edged is stricter: a whole Node among the answers that was not in the question is an error.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import trio

from edged import json_text
from edged.errors import PeerError, cut
from edged.scheduling.config.config_sections import parse_extenders
from edged.scheduling.core.cycle import OfflineHandle, offline
from edged.scheduling.core.plugin_status import MOST_REASON_BYTES
from edged.scheduling.core.preemption import Candidate
from edged.scheduling.run.extender_requests import HttpExtender
from tests.cluster.scheduler_reference import Refused, SchedulerReference
from tests.fuzzing import EXAMPLES
from tests.hostile_values import texts
from tests.scheduling.makers import node, pod

pytestmark = pytest.mark.toolchains("go")

COUNT = EXAMPLES or 4000
SEED = random.SystemRandom().randrange(1 << 30) if EXAMPLES else 20260101
VERBS = ("filter", "prioritize", "preempt", "bind")
STRAY = (
    None, "", "a", "z", 0, 1, -1, 11, 2**63 - 1, 2**63, -(2**63), 1e40, 1.0, 1.5, 1e300, True, [], {}, [None], ["a"],
    ["a", None], [{}], {"a": None}, {"a": "x"}, {"items": None}, "\u212a\u017f",
)  # fmt: skip
KEYS = (
    "Nodes", "NodeNames", "FailedNodes", "FailedAndUnresolvableNodes", "Error", "Host", "Score", "Pods", "UID",
    "NodeNameToMetaVictims", "NumPDBViolations", "items", "metadata", "name",
)  # fmt: skip


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SchedulerReference]:
    running = SchedulerReference(tmp_path_factory.mktemp("schedulerread"))
    yield running
    running.close()


class Canned(HttpExtender):
    """Gets `answer` in place of what a server would send."""

    answer = b""

    async def _send(self, verb: str, body: dict[str, Any]) -> bytes:
        await trio.lowlevel.checkpoint()
        return self.answer


class Ours:
    """The question of SchedulerReference, asked of edged."""

    def __init__(self) -> None:
        nodes, pods = [node(n) for n in "abc"], [pod(n, node=n) for n in "abc"]
        _, parser, self.snapshot = offline(nodes, pods)
        self.pod = parser.parse(pod("p"))
        verbs = {f"{verb}Verb": "v" for verb in VERBS}
        self.extenders = {
            cached: Canned(
                parse_extenders([{"urlPrefix": "http://x", "weight": 1, "nodeCacheCapable": cached, **verbs}])[0],
                OfflineHandle(self.snapshot),
            )
            for cached in (True, False)
        }

    def ask(self, how: str, text: bytes) -> Any:
        verb, _, cached = how.partition("-")
        extender = self.extenders[bool(cached)]
        extender.answer = text
        return trio.run(self._ask, verb, extender)

    async def _ask(self, verb: str, extender: HttpExtender) -> Any:
        if verb == "filter":
            found = await extender.filter(self.pod, self.snapshot.nodes)
            return {
                "names": list(found.names), "failed": dict(found.failed), "unresolvable": dict(found.unresolvable),
            }  # fmt: skip
        if verb == "prioritize":
            return await extender.prioritize(self.pod, self.snapshot.nodes)
        if verb == "bind":
            await extender.bind(self.pod, "a")
            return "bound"
        victims = [Candidate(info.name, tuple(info.pods.values()), 0) for info in self.snapshot.nodes]
        return {
            each.node_name: {"uids": [victim.uid for victim in each.victims], "violations": each.violations}
            for each in await extender.preempt(self.pod, victims)
        }


def compared(reference: SchedulerReference, ours: Ours, how: str, text: bytes) -> bool:
    """Whether both take it."""
    try:
        theirs = reference.ask(how, text)
    except Refused as refused:
        with pytest.raises(PeerError):
            pytest.fail(f"{how}: taken as {ours.ask(how, text)}, but: {refused}\n{text[:2000]!r}")
        return False
    if how.startswith("filter") and not set(theirs["names"]) <= set("abc"):
        with pytest.raises(PeerError, match="claims a filtered node"):
            ours.ask(how, text)
        return False
    if how.startswith("filter"):
        for said in (theirs["failed"], theirs["unresolvable"]):
            said |= {name: cut(reason, MOST_REASON_BYTES) for name, reason in said.items()}
    assert ours.ask(how, text) == theirs, text[:2000]
    return True


# --- answers by chance


def key(rng: random.Random, name: str) -> str:
    """The name, in some capitals."""
    chance = rng.random()
    if chance < 0.5:
        return name
    if chance < 0.93:
        return rng.choice((name.lower(), name.upper(), name[0].lower() + name[1:], name.swapcase()))
    if chance < 0.97:
        return name.replace("s", "\u017f").replace("k", "\u212a")
    return rng.choice(("x", name + "s", "\u00e9"))


def an_object(rng: random.Random, members: list[tuple[str, bytes]]) -> bytes:
    """Some of the members, one in ten twice and with another value the second time."""
    chosen = [member for member in members if rng.random() < 0.8]
    if rng.random() < 0.1 and members:
        chosen.append(rng.choice(members))
    if rng.random() < 0.07 and members:
        chosen.append((rng.choice((*KEYS, rng.choice(members)[0])), json_text.dumps(rng.choice(STRAY))))
    rng.shuffle(chosen)
    return b"{" + b",".join(json_text.dumps(key(rng, name)) + b":" + value for name, value in chosen) + b"}"


def a_list(rng: random.Random, *items: bytes) -> bytes:
    return b"[" + b",".join(items if rng.random() < 0.95 else (*items, json_text.dumps(rng.choice(STRAY)))) + b"]"


def scalar(rng: random.Random, *usual: object) -> bytes:
    return json_text.dumps(rng.choice(usual) if rng.random() < 0.95 else rng.choice(STRAY))


def names(rng: random.Random) -> list[str]:
    return [rng.choice("abc") if rng.random() < 0.97 else "z" for _ in range(rng.randint(0, 3))]


def whole_nodes(rng: random.Random) -> bytes:
    made = [
        an_object(
            rng, [("metadata", b'{"name":' + scalar(rng, name) + b"}"), ("spec", b"{}"), ("kind", scalar(rng, "N"))]
        )
        for name in names(rng)
    ]
    return an_object(rng, [("items", a_list(rng, *made)), ("metadata", b"{}")])


def reasons(rng: random.Random) -> bytes:
    return b"{" + b",".join(json_text.dumps(name) + b":" + scalar(rng, "full", "") for name in names(rng)) + b"}"


def filter_answer(rng: random.Random) -> bytes:
    listed = a_list(rng, *(json_text.dumps(name) for name in names(rng)))
    return an_object(
        rng,
        [
            ("NodeNames", rng.choice((listed, listed, b"null"))), ("Nodes", rng.choice((whole_nodes(rng), b"null"))),
            ("FailedNodes", reasons(rng)), ("FailedAndUnresolvableNodes", reasons(rng)),
            ("Error", scalar(rng, "", "", "", "no")),
        ],
    )  # fmt: skip


def prioritize_answer(rng: random.Random) -> bytes:
    scores = [
        an_object(rng, [("Host", scalar(rng, name)), ("Score", scalar(rng, 0, 5, 10, 11))]) for name in names(rng)
    ]
    return a_list(rng, *scores)


def preempt_answer(rng: random.Random) -> bytes:
    by_node = []
    for name in names(rng):
        pods = [an_object(rng, [("UID", scalar(rng, f"uid-{name}"))]) for _ in range(rng.randint(0, 2))]
        victims = an_object(rng, [("Pods", a_list(rng, *pods)), ("NumPDBViolations", scalar(rng, 0, 2))])
        by_node.append(json_text.dumps(name) + b":" + (victims if rng.random() < 0.95 else b"null"))
    return an_object(rng, [("NodeNameToMetaVictims", b"{" + b",".join(by_node) + b"}")])


def bind_answer(rng: random.Random) -> bytes:
    return an_object(rng, [("Error", scalar(rng, "", "", "no"))])


MAKERS = {"filter": filter_answer, "prioritize": prioritize_answer, "preempt": preempt_answer, "bind": bind_answer}


def frayed(rng: random.Random, text: bytes) -> bytes:
    """With what only a text can have."""
    chance = rng.random()
    if chance < 0.9:
        return text
    at = rng.randrange(len(text) + 1)
    if chance < 0.94:
        return text[:at] + rng.choice((b" ", b"\n", b",", b"\xff", b"\\ud800", b"0", b"\xef\xbb\xbf", b'"')) + text[at:]
    return rng.choice((text + b"x", b"\r\n " + text, text[:at], b"null", b"", b"[]", b"{}", b"5", text + text))


@pytest.mark.parametrize("how", ["filter", "filter-names", "prioritize", "preempt", "bind"])
def test_answers_by_chance(reference, how):
    ours, rng = Ours(), random.Random(SEED)
    make = MAKERS[how.partition("-")[0]]
    taken = Counter(compared(reference, ours, how, frayed(rng, make(rng))) for _ in range(COUNT // 5))
    assert min(taken[True], taken[False]) > COUNT // 100, taken


DEEP = 900
"""Go reads 10,000 levels, edged about as many as Python's stack has."""


@pytest.mark.parametrize("how", ["filter", "filter-names", "prioritize", "preempt", "bind"])
def test_hostile_answers(reference, how):
    rng = random.Random(4)
    ours = Ours()
    valid = json_text.loads(
        {
            "filter": b'{"NodeNames":["a"],"Nodes":{"items":[{"metadata":{"name":"a"}}]},"FailedNodes":{"b":"x"}}',
            "prioritize": b'[{"Host":"a","Score":3}]',
            "preempt": b'{"NodeNameToMetaVictims":{"a":{"Pods":[{"UID":"uid-a"}],"NumPDBViolations":1}}}',
            "bind": b'{"Error":""}',
        }[how.partition("-")[0]]
    )
    for _, text in texts(valid, rng):
        if max(text.count(b"["), text.count(b"{")) < DEEP and len(text) < 1 << 16:
            compared(reference, ours, how, text)


@pytest.mark.parametrize("status", [200, 201, 204, 400, 500])
def test_only_200_is_an_answer(reference, status):
    if status == 200:
        assert reference.ask("bind", b"{}", status) == "bound"
    else:
        with pytest.raises(Refused):
            reference.ask("bind", b"{}", status)
