"""What a module sees: watches, overlays, indexes, lists; and against a model in which watches lag and its own writes
are answered at any time."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from edged.controllers.core.codes import Code, Refused
from edged.controllers.core.keys import Key
from edged.controllers.core.kind_view import FEW
from edged.controllers.core.pointers import pointer_of
from edged.controllers.core.requests import ListRequest
from edged.controllers.core.view import Limits, View
from edged.json_text import dumps, loads
from edged.kube.values.names import NamespacedName
from tests.controllers.core.watching import ATTACHMENTS, NODE, SUBNET, HandWatch, made, name_of

A = NamespacedName("ns", "a")


def view_of(*watches, limits=None):
    view = View(limits)
    for watch in watches:
        view.open(watch)
    return view


def wanted(**fields):
    return ListRequest(ATTACHMENTS.api_version, "Attachment", **fields)


def names(view, **fields):
    return [loads(item)["metadata"]["name"] for item in view.select(ATTACHMENTS, wanted(**fields)).items]


def refusal(call, *args):
    with pytest.raises(Refused) as refused:
        call(*args)
    return refused.value.code, str(refused.value)


# --- reads


def test_a_read_gives_the_bytes_of_the_cache():
    watch = HandWatch()
    view = view_of(watch)
    watch.show(made("a", 5))
    assert view.raw(ATTACHMENTS, A) is watch.filled.raw(A)
    assert loads(view.get(ATTACHMENTS, A)) == {"object": made("a", 5), "rv": "5", "sources": ["w"]}


def test_what_is_not_there():
    watch = HandWatch()
    view = view_of(watch)
    assert view.raw(ATTACHMENTS, A) is None
    assert refusal(view.get, ATTACHMENTS, A)[0] == Code.NOT_FOUND
    assert refusal(view.get, ATTACHMENTS, A, "other")[0] == Code.NOT_FOUND
    assert refusal(view.get, SUBNET.resource, A)[0] == Code.NOT_FOUND
    watch.filled.synced = False
    assert refusal(view.get, ATTACHMENTS, A) == (Code.NOT_SYNCED, "ns/a: the watch w does not know all objects yet")
    assert refusal(view.select, ATTACHMENTS, wanted())[0] == Code.NOT_SYNCED
    assert refusal(view.select, SUBNET.resource, wanted())[0] == Code.NOT_FOUND


def test_the_latest_state_of_several_watches_is_seen_and_their_difference_known():
    one, two = HandWatch("one"), HandWatch("two", fieldSelector="spec.vni=2")
    view = view_of(one, two)
    one.show(made("a", 9))
    two.show(made("a", 10))
    assert loads(view.raw(ATTACHMENTS, A))["metadata"]["resourceVersion"] == "10"
    assert loads(view.raw(ATTACHMENTS, A, "one"))["metadata"]["resourceVersion"] == "9"
    assert view.sources(ATTACHMENTS, A) == ("one", "two")
    assert view.ambiguous_since(ATTACHMENTS, A, 5.0) == 5.0
    assert view.ambiguous_since(ATTACHMENTS, A, 6.0) == 5.0
    one.show(made("a", 10))
    assert view.ambiguous_since(ATTACHMENTS, A, 7.0) is None
    one.hide(made("a", 11))
    assert not view.ambiguous(ATTACHMENTS, A, 8.0)
    assert view.sources(ATTACHMENTS, A) == ("two",)


def test_an_equal_declaration_is_the_same_watch_and_another_one_a_clash():
    watch = HandWatch()
    view = view_of(watch)
    assert view.known(HandWatch().declaration) is watch
    assert view.known(HandWatch("other").declaration) is None
    assert refusal(view.known, HandWatch(labelSelector="a=b").declaration)[0] == Code.WATCH_CLASH


@pytest.mark.parametrize("count", [2, FEW + 4])
def test_closing_names_what_nothing_else_shows(count):
    watches = [HandWatch(f"w{number}") for number in range(count)]
    view = view_of(*watches)
    watches[0].show(made("a"))
    watches[1].show(made("a"))
    watches[0].show(made("b"))
    assert view.close("w0") == [Key("Attachment", "ns", "b")]
    assert view.raw(ATTACHMENTS, NamespacedName("ns", "b")) is None
    assert view.sources(ATTACHMENTS, A) == ("w1",)
    assert view.close("w1") == [Key("Attachment", "ns", "a")]


def test_closing_in_silence_and_by_other_mappings():
    silent = HandWatch("s", onClose="silent")
    by_owner = HandWatch("o", served=SUBNET, map={"by": "owner", "kind": "Attachment"})
    view = view_of(silent, by_owner)
    silent.show(made("a"))
    by_owner.show(made("x", owners=[{"kind": "Attachment", "name": "a", "uid": "u", "controller": True}]))
    assert view.close("s") == []
    assert view.close("o") == [Key("Attachment", "ns", "a")]
    assert len(view) == 0
    assert refusal(view.get, ATTACHMENTS, A)[0] == Code.NOT_FOUND


def test_what_happens_after_closing_means_nothing():
    watch = HandWatch()
    view = view_of(watch, HandWatch("other"))
    view.close("w")
    watch.show(made("a"))
    assert view.raw(ATTACHMENTS, A) is None
    assert view.sources(ATTACHMENTS, A) == ()


def test_limits():
    watch = HandWatch()
    view = view_of(watch, limits=Limits(watches=2, objects=1, bytes=1 << 20))
    view.check_room()
    watch.show(made("a"))
    assert view.excess() == ""
    watch.show(made("b"))
    assert refusal(view.check_room) == (
        Code.LIMIT, "its watches show 2 objects, 1 are allowed (max_objects)",
    )  # fmt: skip
    watch.hide(made("b"))
    watch.show(made("a", spec="x" * (1 << 20)))
    assert view.excess() == "the objects of its watches take 2 MiB, 1 are allowed (max_cache_mib)"
    view.open(HandWatch("second"))
    assert refusal(view.check_room)[1].startswith("2 watches are open")


def test_a_cluster_scoped_kind_is_known_by_its_watch():
    view = view_of(HandWatch("n", served=NODE), HandWatch())
    assert view.is_cluster_scoped("Node")
    assert not view.is_cluster_scoped("Attachment")
    assert not view.is_cluster_scoped("Unknown")


# --- lists


def test_lists_by_selectors_namespace_and_fields():
    watch = HandWatch()
    view = view_of(watch)
    watch.show(made("a", labels={"x": "1"}, spec={"vni": 2, "ipv4": "10.0.0.1"}))
    watch.show(made("b", namespace="other", spec={"vni": 3}))
    watch.show(made("c"))
    assert names(view) == ["a", "b", "c"]
    assert names(view, namespace="other") == ["b"]
    assert names(view, label_selector="x in (1,2)") == ["a"]
    assert names(view, field_selector="spec.vni=2") == ["a"]
    assert names(view, field_selector="spec.vni!=2") == ["b", "c"]
    assert names(view, field_selector="spec.vni=") == ["c"]
    page = view.select(ATTACHMENTS, wanted(fields=(pointer_of("/spec/ipv4"),), field_selector="metadata.name=a"))
    assert page.items == [b'{"spec":{"ipv4":"10.0.0.1"}}']
    assert loads(view.list(ATTACHMENTS, wanted(namespace="none"))) == {"items": []}
    assert refusal(view.select, ATTACHMENTS, wanted(field_selector="a=b=c"))[0] == Code.INVALID
    assert refusal(view.select, ATTACHMENTS, wanted(label_selector="=")) [0] == Code.INVALID


def test_lists_by_index_look_at_the_index():
    watch = HandWatch(indexes={"vni": "/spec/vni", "at": ["/metadata/namespace", "/spec/vni"], "o": "owner"})
    view = view_of(watch, HandWatch("plain"))
    watch.show(made("a", spec={"vni": 2}))
    watch.show(made("b", owners=[{"controller": True, "uid": "u9", "name": "own", "kind": "K"}]))
    assert names(view, index=("vni", "2")) == ["a"]
    assert names(view, index=("vni", "")) == ["b"]
    assert names(view, index=("at", "ns/2")) == ["a"]
    assert names(view, index=("o", "u9")) == names(view, index=("o", "own")) == ["b"]
    watch.show(made("a", 2, spec={"vni": 3}))
    assert names(view, index=("vni", "2")) == []
    assert names(view, index=("vni", "3")) == ["a"]
    watch.hide(made("a", 3, spec={"vni": 3}))
    assert names(view, index=("vni", "3")) == []
    assert refusal(view.select, ATTACHMENTS, wanted(index=("none", "x")))[0] == Code.INVALID
    assert refusal(view.select, ATTACHMENTS, wanted(index=("vni", "2"), watch="plain"))[0] == Code.INVALID


def test_an_index_that_was_not_told_of_all_objects_is_not_synced():
    watch = HandWatch(indexes={"vni": "/spec/vni"})
    view = view_of(watch)
    watch.filled.put(A, made("a", spec={"vni": 2}))
    assert refusal(view.select, ATTACHMENTS, wanted(index=("vni", "2")))[0] == Code.NOT_SYNCED
    watch.apply("added", A, made("a", spec={"vni": 2}))
    assert names(view, index=("vni", "2")) == ["a"]


def test_what_a_watch_does_not_keep_is_not_selected_by():
    watch = HandWatch(keep=["/spec/vni"])
    view = view_of(watch)
    watch.show(made("a", spec={"vni": 2}))
    assert names(view, field_selector="spec.vni=2,metadata.name=a") == ["a"]
    assert refusal(view.select, ATTACHMENTS, wanted(field_selector="spec.node=")) == (
        Code.INVALID, "list.fieldSelector: the watch w does not keep spec.node",
    )  # fmt: skip


def test_pages():
    watch = HandWatch()
    view = view_of(watch)
    for name in "dbeac":
        watch.show(made(name))
    first = view.select(ATTACHMENTS, wanted(limit=2))
    assert [loads(item)["metadata"]["name"] for item in first.items] == ["a", "b"]
    assert first.continue_ == "ns/b"
    second = view.select(ATTACHMENTS, wanted(limit=3, continue_=first.continue_))
    assert [loads(item)["metadata"]["name"] for item in second.items] == ["c", "d", "e"]
    assert second.continue_ == ""
    assert refusal(view.select, ATTACHMENTS, wanted(continue_="x"))[0] == Code.INVALID


# --- own writes


def written(view, obj, now=0.0):
    metadata = obj["metadata"]
    return view.overlay(ATTACHMENTS, name_of(obj), dumps(obj), metadata["resourceVersion"], metadata["uid"], now)


def test_a_write_is_seen_before_its_event_and_holds_its_key():
    watch = HandWatch(indexes={"vni": "/spec/vni"})
    view = view_of(watch)
    watch.show(made("a", 5, spec={"vni": 1}))
    assert written(view, made("a", 7, spec={"vni": 2}), now=1.0)
    assert loads(view.get(ATTACHMENTS, A))["rv"] == "7"
    assert names(view, index=("vni", "2")) == names(view, field_selector="spec.vni=2") == ["a"]
    assert names(view, index=("vni", "1")) == []
    assert view.unsettled(ATTACHMENTS, A) == 6.0
    watch.show(made("a", 6, spec={"vni": 1}))
    assert loads(view.raw(ATTACHMENTS, A))["spec"] == {"vni": 2}
    watch.show(made("a", 7, spec={"vni": 2}))
    assert view.unsettled(ATTACHMENTS, A) is None
    assert view.expired(100.0) == []


def test_an_event_that_came_before_the_answer_leaves_nothing_to_wait_for():
    watch = HandWatch()
    view = view_of(watch)
    watch.show(made("a", 8))
    assert not written(view, made("a", 7))
    assert loads(view.raw(ATTACHMENTS, A))["metadata"]["resourceVersion"] == "8"


def test_a_created_object_is_seen_where_it_is_selected():
    watch = HandWatch("two", fieldSelector="spec.vni=2")
    view = view_of(watch, HandWatch("elsewhere", namespace="other"))
    assert written(view, made("a", 7, spec={"vni": 2}))
    assert view.sources(ATTACHMENTS, A) == ("two",)
    assert names(view) == ["a"]
    assert names(view, watch="elsewhere") == []
    assert not written(view, made("b", 8, spec={"vni": 3}))
    watch.show(made("a", 7, spec={"vni": 2}))
    assert view.unsettled(ATTACHMENTS, A) is None


def test_an_object_that_a_write_takes_out_of_a_selector_is_gone():
    watch = HandWatch("two", fieldSelector="spec.vni=2")
    view = view_of(watch)
    watch.show(made("a", 5, spec={"vni": 2}))
    assert written(view, made("a", 7, spec={"vni": 3}))
    assert refusal(view.get, ATTACHMENTS, A)[0] == Code.NOT_FOUND
    assert names(view) == []
    watch.hide(made("a", 7, spec={"vni": 3}))
    assert view.unsettled(ATTACHMENTS, A) is None


def test_a_deleted_object_is_gone_at_once_and_another_of_its_name_is_not():
    watch = HandWatch()
    view = view_of(watch)
    watch.show(made("a", 5, uid="u1"))
    assert view.overlay(ATTACHMENTS, A, None, "", "u1", 0.0)
    assert view.raw(ATTACHMENTS, A) is None
    assert names(view) == []
    watch.show(made("a", 6, uid="u1"))
    assert view.raw(ATTACHMENTS, A) is None
    watch.show(made("a", 9, uid="u2"))
    assert loads(view.raw(ATTACHMENTS, A))["metadata"]["uid"] == "u2"


def test_a_deletion_that_is_answered_late_does_not_cover_the_next_object_of_the_name():
    watch = HandWatch()
    view = view_of(watch)
    watch.show(made("a", 5, uid="u1"))
    before = view.identity(ATTACHMENTS, A)
    assert before == ("5", "u1")
    watch.show(made("a", 9, uid="u2"))
    assert not view.overlay(ATTACHMENTS, A, None, "", "u1", 0.0, before=before)
    assert loads(view.raw(ATTACHMENTS, A))["metadata"]["uid"] == "u2"


def test_an_object_that_was_not_found_live_is_the_one_that_was_seen():
    watch = HandWatch()
    view = view_of(watch)
    watch.show(made("a", 5, uid="u1"))
    assert view.overlay(ATTACHMENTS, A, None, "", "", 0.0, holds=False)
    assert view.raw(ATTACHMENTS, A) is None
    watch.show(made("a", 6, uid="u1"))
    assert view.raw(ATTACHMENTS, A) is None
    watch.show(made("a", 9, uid="u2"))
    assert loads(view.raw(ATTACHMENTS, A))["metadata"]["uid"] == "u2"
    view.overlay(ATTACHMENTS, A, None, "", "", 0.0)
    watch.hide(made("a", 10, uid="u2"))
    assert view.unsettled(ATTACHMENTS, A) is None


def test_a_difference_that_was_settled_unasked_begins_anew():
    one, two = HandWatch("one"), HandWatch("two")
    view = view_of(one, two)
    one.show(made("a", 9))
    two.show(made("a", 10))
    assert view.ambiguous_since(ATTACHMENTS, A, 5.0) == 5.0
    one.show(made("a", 10))
    two.show(made("a", 11))
    assert view.ambiguous_since(ATTACHMENTS, A, 50.0) == 50.0


def test_a_deletion_of_an_object_that_was_never_seen_covers_a_former_one():
    """It was read live, and the watch is late: what it shows of the name is older."""
    watch = HandWatch()
    view = view_of(watch)
    watch.show(made("a", 5, uid="u1"))
    assert view.overlay(ATTACHMENTS, A, None, "", "u2", 0.0)
    watch.hide(made("a", 6, uid="u1"))
    watch.show(made("a", 7, uid="u2"))
    assert view.raw(ATTACHMENTS, A) is None
    watch.hide(made("a", 8, uid="u2"))
    assert view.unsettled(ATTACHMENTS, A) is None


def test_a_re_created_object_is_not_settled_by_the_end_of_the_former_one():
    watch = HandWatch()
    view = view_of(watch)
    watch.show(made("a", 5, uid="u1"))
    view.overlay(ATTACHMENTS, A, None, "", "u1", 0.0)
    written(view, made("a", 8, uid="u2"))
    watch.hide(made("a", 7, uid="u1"))
    assert loads(view.raw(ATTACHMENTS, A))["metadata"]["uid"] == "u2"
    watch.show(made("a", 8, uid="u2"))
    assert view.unsettled(ATTACHMENTS, A) is None


def test_a_write_that_never_shows_ends_after_its_time_and_is_named():
    watch = HandWatch()
    view = view_of(watch)
    watch.show(made("a", 5))
    written(view, made("a", 7), now=1.0)
    assert view.expired(5.9) == []
    assert view.expired(6.0) == [(ATTACHMENTS, A)]
    assert view.unsettled(ATTACHMENTS, A) == 11.0
    assert loads(view.raw(ATTACHMENTS, A))["metadata"]["resourceVersion"] == "7"
    assert view.overlay(ATTACHMENTS, A, dumps(made("a", 9)), "9", "u", 6.0, holds=False)
    assert view.unsettled(ATTACHMENTS, A) is None
    assert loads(view.raw(ATTACHMENTS, A))["metadata"]["resourceVersion"] == "9"
    assert view.expired(60.0) == []
    assert loads(view.raw(ATTACHMENTS, A))["metadata"]["resourceVersion"] == "5"


def test_texts_that_are_no_numbers_settle_only_when_equal():
    watch = HandWatch()
    view = view_of(watch)
    watch.show(made("a", "x"))
    written(view, made("a", "z"))
    watch.show(made("a", "zz"))
    assert loads(view.raw(ATTACHMENTS, A))["metadata"]["resourceVersion"] == "z"
    watch.show(made("a", "z"))
    assert view.unsettled(ATTACHMENTS, A) is None


def test_a_closed_watch_is_not_waited_for():
    watch, other = HandWatch(), HandWatch("other")
    view = view_of(watch, other)
    watch.show(made("a", 5))
    other.show(made("a", 7))
    assert written(view, made("a", 7))
    view.close("w")
    assert view.unsettled(ATTACHMENTS, A) is None


def test_an_answer_that_comes_late_covers_no_later_write():
    watch = HandWatch()
    view = view_of(watch)
    watch.show(made("a", 5))
    written(view, made("a", 9))
    written(view, made("a", 7))
    assert loads(view.raw(ATTACHMENTS, A))["metadata"]["resourceVersion"] == "9"


# --- against a model

NAMES = ("a", "b", "c")
SELECTORS = ("", "spec.vni=1", "spec.vni!=1")


class Server:
    """Objects by name, and what each watch has yet to be told."""

    def __init__(self):
        self.revision = 100
        self.objects = {}
        self.queues = {}

    def write(self, name, vni):
        self.revision += 1
        former = self.objects.get(name)
        uid = former["metadata"]["uid"] if former else f"u{self.revision}"
        obj = made(name, self.revision, uid=uid, spec={"vni": vni})
        self.objects[name] = obj
        self._tell(former, obj)
        return obj

    def delete(self, name):
        self.revision += 1
        former = self.objects.pop(name)
        former = former | {"metadata": former["metadata"] | {"resourceVersion": str(self.revision)}}
        self._tell(former, None)
        return former

    def _tell(self, former, obj):
        for watch, queue in self.queues.values():
            was = former is not None and watch.would_show(name_of(former), former)
            if obj is not None and watch.would_show(name_of(obj), obj):
                queue.append(("show", obj))
            elif was:
                queue.append(("hide", obj or former))

    def open(self, watch):
        self.queues[watch.id] = watch, deque()
        for obj in self.objects.values():
            if watch.would_show(name_of(obj), obj):
                watch.show(obj)


class ViewMachine(RuleBasedStateMachine):
    open_watches = Bundle("open_watches")

    def __init__(self):
        super().__init__()
        self.server, self.view = Server(), View()
        self.answers = deque()
        self.count = 0
        self.floor = {}

    @rule(target=open_watches, selector=st.sampled_from(SELECTORS))
    def open(self, selector):
        self.count += 1
        watch = HandWatch(f"w{self.count}", fieldSelector=selector, indexes={"vni": "/spec/vni"})
        self.view.open(watch)
        self.server.open(watch)
        return watch.id

    @rule(id=consumes(open_watches))
    def close(self, id):
        alone = {
            key.name
            for key in list(self.server.queues[id][0].filled.keys())
            if not any(key in each.filled for other, (each, _) in self.server.queues.items() if other != id)
        }
        keys = self.view.close(id)
        assert sorted(key.name for key in keys) == sorted(alone)
        del self.server.queues[id]
        self.floor.clear()

    @rule(name=st.sampled_from(NAMES), vni=st.integers(1, 2), own=st.booleans())
    def write(self, name, vni, own):
        obj = self.server.write(name, vni)
        if own:
            self.answers.append((obj, False, None))

    @rule(name=st.sampled_from(NAMES), own=st.booleans())
    def delete(self, name, own):
        if name in self.server.objects:
            before = self.view.identity(ATTACHMENTS, NamespacedName("ns", name))
            obj = self.server.delete(name)
            if own:
                self.answers.append((obj, True, before))

    @rule(id=open_watches, count=st.integers(1, 4))
    def deliver(self, id, count):
        watch, queue = self.server.queues[id]
        for _ in range(min(count, len(queue))):
            what, obj = queue.popleft()
            getattr(watch, what)(obj)

    @rule()
    def answer(self):
        """The API server's answer to the next own write comes."""
        if not self.answers:
            return
        obj, deleted, before = self.answers.popleft()
        if deleted:
            self.view.overlay(ATTACHMENTS, name_of(obj), None, "", obj["metadata"]["uid"], 0.0, before=before)
        else:
            written(self.view, obj)
        self.floor[obj["metadata"]["name"]] = int(obj["metadata"]["resourceVersion"])

    @rule()
    def everything_comes(self):
        while self.answers:
            self.answer()
        for id in list(self.server.queues):
            self.deliver(id, len(self.server.queues[id][1]))
        # An event that no watch will ever be told of, because it was opened later, is waited for in vain.
        for late in self.view.expired(100.0):
            self.view.uncover(*late)
        self.floor.clear()
        for name in NAMES:
            self._is_at_rest(name)

    def _is_at_rest(self, name):
        obj, key = self.server.objects.get(name), NamespacedName("ns", name)
        shown = [id for id, (w, _) in self.server.queues.items() if obj is not None and w.would_show(key, obj)]
        assert self.view.unsettled(ATTACHMENTS, key) is None
        assert self.view.sources(ATTACHMENTS, key) == tuple(sorted(shown))
        assert self.view.raw(ATTACHMENTS, key) == (dumps(obj) if shown else None)
        assert not self.view.ambiguous(ATTACHMENTS, key, 0.0)

    @invariant()
    def no_own_write_is_unseen_again(self):
        for name, revision in self.floor.items():
            raw = self.view.raw(ATTACHMENTS, NamespacedName("ns", name))
            assert raw is None or int(loads(raw)["metadata"]["resourceVersion"]) >= revision

    @invariant()
    def lists_are_made_of_what_reads_show(self):
        if not self.server.queues:
            return
        shown = [self.view.raw(ATTACHMENTS, NamespacedName("ns", name)) for name in NAMES]
        objects = [raw for raw in shown if raw is not None]
        assert sorted(self.view.select(ATTACHMENTS, wanted()).items) == sorted(objects)

    @invariant()
    def indexes_and_selectors_agree(self):
        for id in self.server.queues:
            for vni in ("1", "2"):
                by_index = self.view.select(ATTACHMENTS, wanted(index=("vni", vni), watch=id)).items
                by_field = self.view.select(ATTACHMENTS, wanted(field_selector=f"spec.vni={vni}", watch=id)).items
                assert sorted(by_index) == sorted(by_field)


ViewMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
test_view_against_a_server_that_tells_late = ViewMachine.TestCase
