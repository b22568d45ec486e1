"""Comparing what is stored with the server's list; and the whole of list-and-watch against a server that is cut off,
compacts its history, and is restored from backups."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from edged.json_text import dumps, loads
from edged.kube.control import listwatch as lw
from edged.kube.control.comparison import Comparison, Outcome, State, is_after
from edged.kube.control.proofs import TRUST_S, Proofs
from edged.kube.control.store import Store
from edged.kube.values.names import NamespacedName


def obj(name: str, revision: int | str, uid: str = "u") -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "ns", "uid": uid, "resourceVersion": str(revision)}}


def key(name: str) -> NamespacedName:
    return NamespacedName("ns", name)


def stored(*objects: dict[str, Any]) -> Store:
    store = Store()
    for each in objects:
        metadata = each["metadata"]
        store.put(key(metadata["name"]), metadata["resourceVersion"], dumps(each))
    return store


def compared(store: Store, revision: str, listed: list[Any], at: str, explained: Any = ()) -> Outcome:
    comparison = Comparison(store, revision, explained)
    for item in listed:
        comparison.take(item)
    return comparison.outcome(at)


HELD = [obj("a", 3, "u-a"), obj("b", 7, "u-b")]


@pytest.mark.parametrize(
    ("listed", "at", "outcome"),
    [
        (HELD, "9", Outcome("same")),
        (HELD[::-1], "12", Outcome("same")),
        (HELD, "4", Outcome("same")),  # the revision went back, but nothing of it is missing
        ([*HELD, obj("c", 11, "u-c")], "12", Outcome("changed", "revision 9 to 12; ns/c")),
        ([HELD[0], obj("b", 12, "u-b")], "12", Outcome("changed", "revision 9 to 12; ns/b")),
        ([HELD[0]], "12", Outcome("changed", "revision 9 to 12; ns/b")),
        ([HELD[0]], "8", Outcome("rewritten", "revision 9 to 8; ns/b")),
        ([*HELD, obj("c", 9, "u-c")], "12", Outcome("rewritten", "revision 9 to 12; ns/c")),
        ([HELD[0], obj("b", 6, "u-b")], "12", Outcome("rewritten", "revision 9 to 12; ns/b")),
        ([HELD[0], obj("b", 7, "u-other")], "12", Outcome("rewritten", "revision 9 to 12; ns/b")),
        ([], "12", Outcome("changed", "revision 9 to 12; ns/a, ns/b")),
        ([obj(name, 10) for name in "cdef"], "12", Outcome("changed", "revision 9 to 12; ns/c, ns/d, ns/e and 3 more")),
    ],
)
def test_outcomes(listed: list[Any], at: str, outcome: Outcome) -> None:
    assert compared(stored(*HELD), "9", listed, at) == outcome


def test_nothing_at_all_is_the_same_as_nothing() -> None:
    assert compared(Store(), "9", [], "4").result == "same"


ODD: list[Any] = [None, 7, [], {}, {"metadata": None}, {"metadata": {}}, {"metadata": {"name": 7}}, {"metadata": []}]
ODD += [{"metadata": {"name": "a", **more}} for more in ({"namespace": 7}, {"resourceVersion": 7})]


@pytest.mark.parametrize("item", ODD)
def test_what_could_not_be_stored_is_passed_over(item: Any) -> None:
    assert compared(stored(*HELD), "9", [*HELD, item], "12").result == "same"


@pytest.mark.parametrize("uid", [7, None, [], "", "\ud800", '"', "\x00"])
def test_odd_uids(uid: Any) -> None:
    listed = obj("c", 8)
    listed["metadata"]["uid"] = uid
    assert compared(stored(*HELD), "9", [*HELD, listed], "12").result == "rewritten"


@pytest.mark.parametrize("revision", ["9" * 5000, "x", "", "\u0663", "-1", "1.5"])
def test_revisions_of_any_kind(revision: str) -> None:
    assert compared(stored(*HELD), revision, HELD, revision).result == "same"
    assert compared(stored(*HELD), revision, [obj("c", revision)], "12").result in ("changed", "rewritten")


def test_revisions_are_numbers_where_they_can_be() -> None:
    assert is_after("10", "9") is True and is_after("9", "10") is False and is_after("9", "9") is False
    assert is_after("x", "9") is None and is_after("9" * 41, "1") is None


def test_what_a_list_could_not_store_is_no_reason_to_list_again() -> None:
    store, deep = stored(*HELD), obj("deep", 8)
    comparison = Comparison(store, "9")
    for item in (*HELD, deep, obj("new", 10)):
        comparison.take(item)
    assert comparison.outcome("12").result == "rewritten"
    store.put(key("new"), "10", dumps(obj("new", 10)))  # everything was listed, and one could not be read
    explained = comparison.unstored(unnamed=1)
    assert explained == {State(key("deep"), "8", "u")}
    listed = [*HELD, obj("new", 10)]
    assert compared(store, "12", [*listed, deep], "14", explained).result == "same"
    assert compared(store, "12", [*listed, obj("deep", 13)], "14", explained).result == "changed"
    again = Comparison(store, "12", explained)
    for item in (*listed, deep, obj("newer", 13)):
        again.take(item)
    assert again.outcome("14") == Outcome("changed", "revision 12 to 14; ns/newer")
    store.put(key("newer"), "13", dumps(obj("newer", 13)))
    assert again.unstored(unnamed=1) == explained, "it is still explained"
    store.remove(key("new"))  # what was stored after a comparison is missed again when it goes
    assert compared(store, "14", [*listed, deep, obj("newer", 13)], "15", explained).result == "rewritten"


@pytest.mark.parametrize("unnamed", [0, 1, 2])
def test_only_what_cannot_be_stored_is_explained(unnamed: int) -> None:
    """Not what changed, became unfit or was deleted between the comparison and the list: a backup brings it back."""
    store = stored(*HELD)
    comparison = Comparison(store, "9")
    deep, changed, unfit, deleted = obj("deep", 8), obj("a", 10, "u-a"), obj("unfit", 11), obj("deleted", 12)
    for item in (changed, HELD[1], deep, unfit, deleted):
        comparison.take(item)
    assert comparison.outcome("13").result == "rewritten"
    store.put(key("a"), "15", dumps(obj("a", 15, "u-a")))
    store.keep(key("unfit"), "16")
    explained = comparison.unstored(unnamed)
    assert {state.key.name for state in explained} == ({"deep", "deleted"} if unnamed == 2 else set())
    restored = [changed, HELD[1], deep, unfit]
    assert compared(store, "17", restored, "13", explained).result == "rewritten"


def test_whether_the_server_has_what_cannot_be_read() -> None:
    deep = obj("deep", 8)
    for item, is_whole in ((HELD[0], True), (None, False), (deep, False)):
        comparison = Comparison(stored(*HELD), "9", {State(key("deep"), "8", "u")})
        for each in (*HELD, item):
            comparison.take(each)
        assert comparison.outcome("12").result == "same" and comparison.is_whole == is_whole


def test_an_object_that_cannot_be_kept_is_known_by_its_revision() -> None:
    store = stored(*HELD)
    store.keep(key("b"), "8")
    assert compared(store, "9", [HELD[0], obj("b", 8, "u-b")], "12").result == "same"
    assert compared(store, "9", [HELD[0], obj("b", 10, "u-b")], "12").result == "changed"


# --- the model: a server, and what kube/watch.py does, without sockets


class Server:
    """One collection: a history of numbered changes, which a backup takes back to an earlier number."""

    def __init__(self, numbers: random.Random) -> None:
        self.numbers = numbers
        self.up = True
        self.revision = 10
        self.compacted = 0
        self.objects: dict[str, dict[str, Any]] = {}
        self.history: list[tuple[int, str, dict[str, Any]]] = []
        self.uids = 0
        self.backup = self.copy()

    def copy(self) -> tuple[Any, ...]:
        return self.revision, self.compacted, dict(self.objects), list(self.history)

    def restore(self) -> None:
        self.revision, self.compacted, objects, history = self.backup
        self.objects, self.history = dict(objects), list(history)

    def change(self) -> None:
        name = self.numbers.choice("abcde")
        if name in self.objects and self.numbers.random() < 0.5:
            self.delete(name)
        else:
            self.put(name)

    def put(self, name: str) -> None:
        self.revision += 1
        before = self.objects.get(name)
        self.uids += before is None
        uid = before["metadata"]["uid"] if before else f"uid-{self.uids}"
        self.objects[name] = obj(name, self.revision, uid)
        self.history.append((self.revision, "MODIFIED" if before else "ADDED", self.objects[name]))

    def delete(self, name: str) -> None:
        self.revision += 1
        uid, _ = _identity(self.objects.pop(name))
        self.history.append((self.revision, "DELETED", obj(name, self.revision, uid)))

    def state(self) -> dict[str, tuple[str, str]]:
        return {name: _identity(each) for name, each in self.objects.items()}


def _identity(each: dict[str, Any]) -> tuple[str, str]:
    return each["metadata"]["uid"], each["metadata"]["resourceVersion"]


class Client:
    """kube/watch.py in small: carries out effects against a Server, on a clock of its own."""

    def __init__(self, server: Server, numbers: random.Random, *, streams: bool = True) -> None:
        self.server = server
        self.store = Store()
        self.now = 0.0
        self.seen_to = 0  # of the server's history, on the open watch
        self.open = False
        self.lists = 0
        self.comparisons: list[str] = []
        self.proofs = Proofs(100.0, 4 * 3600.0, numbers.random)
        self.state, self.effects = lw.start(streams)
        self.carry_out()

    def step(self, given: lw.Input) -> None:
        self.state, self.effects = lw.step(self.state, given)
        self.carry_out()

    def carry_out(self) -> None:
        for effect in self.effects:
            if isinstance(effect, lw.Put):
                self.store.put(effect.key, effect.revision, dumps(effect.object))
            elif isinstance(effect, lw.Remove):
                self.store.remove(effect.key)
            elif isinstance(effect, lw.BeginReplace):
                self.store.begin_replace()
            elif isinstance(effect, lw.FinishReplace):
                self.store.finish_replace()
                self.lists += 1
                self.proofs.read(self.now, self.now)
            elif isinstance(effect, lw.Pause):
                self.now += 1.0

    def advance(self) -> None:
        """Until a watch is open, or the server is not there."""
        for _ in range(200):
            if self.open or not self.server.up:
                return
            self.request(self.effects[-1])
        raise AssertionError(f"no watch in 200 requests: {self.state}")

    def request(self, request: lw.Effect) -> None:
        server = self.server
        if not server.up:
            self.step(lw.Failed(0, "", "refused"))
        elif isinstance(request, lw.OpenWatch) and request.initial:
            self.everything(lambda each: lw.WatchEvent("ADDED", each))
            self.seen_to, self.open = server.revision, True
            end = {"resourceVersion": str(server.revision), "annotations": {lw.INITIAL_EVENTS_END: "true"}}
            self.step(lw.WatchEvent("BOOKMARK", {"metadata": end}))
        elif isinstance(request, lw.OpenWatch):
            self.open_watch(int(request.revision))
        elif isinstance(request, lw.FetchPage):
            self.everything(lw.Item)
            self.step(lw.PageRead(str(server.revision), ""))
        else:
            assert isinstance(request, lw.FetchMetadata)
            comparison = Comparison(self.store, request.revision)
            for each in server.objects.values():
                comparison.take(each)
            outcome = comparison.outcome(str(server.revision))
            self.comparisons.append(outcome.result)
            if outcome.result == "same":
                self.proofs.read(self.now, self.now)
            self.step(lw.MetadataRead(str(server.revision), "", outcome))

    def everything(self, as_input: Callable[[dict[str, Any]], lw.Input]) -> None:
        for each in self.server.objects.values():
            self.step(as_input(each))

    def open_watch(self, revision: int) -> None:
        if self.proofs.in_doubt(self.now):
            self.step(lw.Doubtful())
        elif revision < self.server.compacted:
            self.step(lw.Failed(410, "Expired", "too old"))
        else:
            self.seen_to, self.open = revision, True
            self.proofs.heard(self.now)
            self.step(lw.Opened())

    def receive(self) -> None:
        for number, kind, each in list(self.server.history):
            if self.open and number > self.seen_to:
                self.seen_to = number
                self.proofs.heard(self.now)
                self.step(lw.WatchEvent(kind, each))

    def lose(self, given: lw.Input) -> None:
        if self.open:
            self.open = False
            self.proofs.left(self.now, cut=not isinstance(given, lw.Ended))
            self.step(given)

    def known(self) -> dict[str, tuple[str, str]]:
        return {each.name: _identity(loads(self.store.get(each) or b"")) for each in self.store}


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("seed", range(60))
def test_whatever_happens_to_the_server_it_is_known_when_it_is_back(seed: int, streams: bool) -> None:
    """Cut off, renewed, stalled, compacted, restored from a backup that its new history passes or not: once a watch is
    open and has caught up, what is known is what the server has."""
    numbers = random.Random(seed)
    server = Server(numbers)
    client = Client(server, numbers, streams=streams)

    def outage() -> None:
        client.lose(lw.Failed(0, "", "reset"))
        server.up = False
        for _ in range(numbers.randrange(1, 5)):
            client.request(client.effects[-1])
        client.now += TRUST_S + numbers.random() * 600
        if numbers.random() < 0.6:
            server.restore()
        for _ in range(numbers.choice((0, 0, 3, 40))):
            server.change()
        server.up = True

    actions: list[Callable[[], None]] = [server.change] * 6 + [
        lambda: client.lose(lw.Ended()),
        lambda: client.lose(lw.Failed(0, "", "cut for a moment")),
        lambda: setattr(client, "now", client.now + numbers.random() * 50),
        lambda: setattr(server, "backup", server.copy()),
        lambda: setattr(server, "compacted", server.revision),
        outage,
    ]
    for _ in range(120):
        numbers.choice(actions)()
        client.advance()
        client.receive()
        assert client.open and client.known() == server.state()


def test_a_restored_history_that_has_passed_the_old_one_is_noticed_without_any_outage() -> None:
    """As when the machine was suspended: nothing was noticed. The comparison that is due anyway finds it."""
    numbers = random.Random(3)
    server = Server(numbers)
    client = Client(server, numbers)
    server.put("a")
    server.backup = server.copy()
    client.advance()
    for name in ("ghost", "b", "c"):
        server.put(name)
    client.receive()
    server.restore()
    for name in "bcd":
        server.put(name)
    client.lose(lw.Ended())
    client.advance()
    server.put("e")
    client.receive()
    assert set(client.known()) == {"a", "b", "c", "e", "ghost"} != set(server.objects)
    client.now += 8 * 3600.0
    client.proofs.heard(client.now)
    client.lose(lw.Ended())
    client.advance()
    assert client.comparisons == ["rewritten"]
    assert client.known() == server.state()


def test_an_outage_without_changes_costs_no_list() -> None:
    numbers = random.Random(5)
    server = Server(numbers)
    for _ in range(9):
        server.change()
    client = Client(server, numbers)
    client.advance()
    client.lose(lw.Failed(0, "", "reset"))
    client.now += 3600.0
    server.compacted = server.revision = server.revision + 1000  # other collections went on
    client.advance()
    assert client.open and client.lists == 1 and client.comparisons == ["same"]
