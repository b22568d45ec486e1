"""What changes mean: `map`, `on` and `where`; and with them the events of a watch."""

from __future__ import annotations

import pytest

from edged.controllers.core.keys import Key
from edged.controllers.core.mapping import keys_of
from edged.controllers.core.view import View
from tests.controllers.core.watching import NODE, SUBNET, HandWatch, made, name_of


def view_of(*watches):
    view = View()
    for watch in watches:
        view.open(watch)
    return view


def mapped(watch, change, obj, old=None, view=None):
    return keys_of(watch, change, name_of(obj), None if old is None else lambda: old, obj, view or view_of(watch))


def keys(*names, kind="Attachment"):
    return tuple(Key(kind, "ns", name) for name in names)


def owned(*owners):
    return [{"kind": kind, "name": name, "uid": name, "controller": controller} for kind, name, controller in owners]


@pytest.mark.parametrize("change", ["added", "modified", "deleted"])
def test_an_object_is_its_own_key(change):
    assert mapped(HandWatch(), change, made("a")) == (keys("a"), False)


def test_what_was_before_is_not_decoded_where_it_decides_nothing():
    def never():
        raise AssertionError

    watch = HandWatch(where=[{"pointer": "/spec/x", "eq": 1}])
    assert keys_of(watch, "modified", name_of(made()), never, made(spec={"x": 1}), view_of(watch)).keys == keys("a")


def test_the_controller_owner_of_a_kind_and_the_former_one():
    watch = HandWatch(served=SUBNET, map={"by": "owner", "kind": "Attachment"})
    new = made("x", owners=owned(("Attachment", "other", False), ("Attachment", "a", True)))
    assert mapped(watch, "added", new).keys == keys("a")
    assert mapped(watch, "modified", new, made("x", owners=owned(("Attachment", "b", True)))).keys == keys("a", "b")
    assert mapped(watch, "added", made("x", owners=owned(("Pod", "a", True)))).keys == ()
    assert mapped(watch, "added", made("x")).keys == ()


def test_an_owner_without_namespace():
    watch = HandWatch(map={"by": "owner", "kind": "Node"})
    obj = made("x", owners=owned(("Node", "n1", True)))
    nodes = HandWatch("n", served=NODE)
    assert mapped(watch, "added", obj, view=view_of(watch, nodes)).keys == (Key("Node", "", "n1"),)
    assert mapped(watch, "added", obj).keys == (Key("Node", "ns", "n1"),)


def test_names_at_a_pointer_before_and_now():
    watch = HandWatch(map={"by": "path", "pointer": "/spec/subnet", "kind": "Subnet"})
    old, new = made(spec={"subnet": "s1"}), made(spec={"subnet": "s2"})
    assert mapped(watch, "modified", new, old).keys == keys("s2", "s1", kind="Subnet")
    assert mapped(watch, "added", made(spec={"subnet": ["s1", "s2", 5, ""]})).keys == keys("s1", "s2", kind="Subnet")
    assert mapped(watch, "added", made(spec={})).keys == ()


def test_objects_of_another_watch_by_its_index():
    attachments = HandWatch("na", indexes={"subnet": "/spec/subnet", "full": ["/metadata/namespace", "/spec/subnet"]})
    watch = HandWatch("sn", served=SUBNET, map={"by": "index", "watch": "na", "index": "subnet"})
    full = HandWatch("fu", served=SUBNET, map={"by": "index", "watch": "na", "index": "full"})
    lost = HandWatch("lo", served=SUBNET, map={"by": "index", "watch": "none", "index": "subnet"})
    view = view_of(attachments, watch, full, lost)
    attachments.show(made("a", spec={"subnet": "s1"}))
    attachments.show(made("b", spec={"subnet": "s1"}))
    attachments.show(made("c", spec={"subnet": "s2"}))
    attachments.show(made("d", namespace="other", spec={"subnet": "s1"}))
    assert mapped(watch, "modified", made("s1"), view=view).keys == keys("a", "b")
    assert mapped(full, "deleted", made("s1"), view=view).keys == keys("a", "b")
    assert mapped(lost, "added", made("s1"), view=view).keys == ()
    assert mapped(watch, "added", made("s9"), view=view).keys == ()


def test_the_guest_is_asked_beside_other_mappings():
    watch = HandWatch(map=[{"by": "guest"}, {"by": "self"}])
    assert mapped(watch, "added", made("a")) == (keys("a"), True)


def test_only_updates_of_listed_subtrees_count():
    watch = HandWatch(on=["/spec", "/status/ipv4"])
    old = made("a", 1, spec={"x": 1}, status={"ipv4": "", "other": 1})
    assert mapped(watch, "modified", made("a", 2, spec={"x": 1}, status={"ipv4": "", "other": 2}), old).keys == ()
    assert mapped(watch, "modified", made("a", 2, spec={"x": 2}), old).keys == keys("a")
    assert mapped(watch, "added", made("a")).keys == mapped(watch, "deleted", made("a")).keys == keys("a")


def test_a_changed_uid_is_a_deletion_and_an_addition():
    watch = HandWatch(on=["/spec"])
    assert mapped(watch, "modified", made("a", 2, uid="new"), made("a", uid="old")).keys == keys("a")
    assert mapped(HandWatch(on=[]), "modified", made("a", 2), made("a", 1)).keys == ()


def test_conditions_hold_now_or_held_before():
    watch = HandWatch(where=[{"pointer": "/status/validated", "eq": True}])
    yes, no = made("a", 1, status={"validated": True}), made("a", 2)
    assert mapped(watch, "added", yes).keys == keys("a")
    assert mapped(watch, "added", no).keys == ()
    assert mapped(watch, "modified", yes, no).keys == keys("a")
    assert mapped(watch, "modified", no, yes).keys == keys("a")
    assert mapped(watch, "modified", no, no).keys == ()
    assert mapped(watch, "deleted", no).keys == keys("a")


def test_conditions_and_subtrees_together():
    watch = HandWatch(on=["/spec"], where=[{"pointer": "/status/validated", "eq": True}])
    yes, no = made("a", 1, status={"validated": True}), made("a", 2, status={"validated": False})
    assert mapped(watch, "modified", no, yes).keys == keys("a")
    assert mapped(watch, "modified", yes, yes).keys == ()
    assert mapped(watch, "modified", yes | {"spec": {}}, yes).keys == keys("a")
    assert mapped(watch, "modified", no | {"spec": {}}, no).keys == ()
