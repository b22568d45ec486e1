"""Lines of a watch that are heartbeats of Nodes: only what differs in nothing else may be taken for one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edged.kube.control.heartbeats import Heartbeat, Heartbeats, places_of, refreshed
from edged.kube.control.store import Store
from edged.kube.values.names import NamespacedName

KEY = NamespacedName("", "node-1")
TIMES = ("2026-01-01T00:00:00Z", "2026-01-01T00:00:10Z")
MANAGED = [
    {
        "manager": "kubelet",
        "operation": "Update",
        "time": TIMES[0],
        "fieldsV1": {"f:status": {"f:conditions": {'k:{"type":"Ready"}': {"f:lastHeartbeatTime": {}}}}},
        "subresource": "status",
    }
]


def revision_of(heartbeat: Heartbeat | None) -> str:
    return heartbeat.revision if heartbeat is not None else ""


def node(revision: str = "99", heartbeat: int = 0) -> dict[str, Any]:
    """As the API server writes it, in the order of its members."""
    conditions = [
        {"type": kind, "status": status, "lastHeartbeatTime": TIMES[heartbeat], "lastTransitionTime": TIMES[0],
         "reason": f"Kubelet{kind}", "message": "kubelet is posting status"}
        for kind, status in (("MemoryPressure", "False"), ("Ready", "True"))
    ]  # fmt: skip
    return {
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": {
            "name": KEY.name, "uid": "4d0f", "resourceVersion": revision, "creationTimestamp": TIMES[0],
            "labels": {"zone": "a"}, "annotations": {"note": "ü"}, "managedFields": copy.deepcopy(MANAGED),
        },
        "spec": {"podCIDR": "10.0.0.0/24", "taints": [{"key": "a", "effect": "NoSchedule"}]},
        "status": {
            "capacity": {"cpu": "4"}, "allocatable": {"cpu": "4"}, "conditions": conditions,
            "images": [{"names": ["app:1"], "sizeBytes": 12345}],
        },
    }  # fmt: skip


def line_of(obj: dict[str, Any], kind: str = "MODIFIED") -> bytes:
    return orjson.dumps({"type": kind, "object": obj})


def stored(obj: dict[str, Any]) -> dict[str, Any]:
    """What an informer keeps of it."""
    kept = copy.deepcopy(obj)
    kept["metadata"].pop("managedFields", None)
    return kept


def quiet(obj: dict[str, Any]) -> dict[str, Any]:
    """Without what a heartbeat may change."""
    rest = stored(obj)
    rest["metadata"].pop("resourceVersion")
    for condition in rest["status"]["conditions"]:
        condition.update({"lastHeartbeatTime": ""} if "lastHeartbeatTime" in condition else {})
    return rest


def is_node(obj: dict[str, Any]) -> bool:
    try:
        quiet(obj)
    except (AttributeError, KeyError, TypeError):
        return False
    return True


def known(obj: dict[str, Any]) -> tuple[Store, Heartbeats]:
    """Of a Node that is in this state since its last change."""
    store = Store()
    heartbeats = Heartbeats(store)
    store.put(KEY, "1", b"{}")
    kept = stored(obj)
    heartbeats.stored(store.put(KEY, obj["metadata"]["resourceVersion"], orjson.dumps(kept)), kept)
    return store, heartbeats


def test_a_heartbeat_is_stored_without_being_read() -> None:
    store, heartbeats = known(node())
    for revision, heartbeat in (("100", 1), ("101", 1), ("99999", 0)):  # also longer than the one before
        new = node(revision, heartbeat)
        new["metadata"]["managedFields"][0]["time"] = TIMES[heartbeat]
        assert revision_of(heartbeats.take(line_of(new))) == revision
        assert store.get(KEY) == orjson.dumps(stored(new))
        assert store.revision(KEY) == revision


def test_of_managed_fields_nothing_matters() -> None:
    _, heartbeats = known(node())
    without = node("100")
    del without["metadata"]["managedFields"]
    assert revision_of(heartbeats.take(line_of(without))) == "100"
    other = node("101")
    other["metadata"]["managedFields"] = [{"manager": '],"annotations":{"a":"b"}},"spec":{"\\"'}, *MANAGED]
    assert revision_of(heartbeats.take(line_of(other))) == "101"


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "a condition's status": lambda obj: obj["status"]["conditions"][1].update(status="Unknown"),
    "a condition's transition": lambda obj: obj["status"]["conditions"][1].update(lastTransitionTime=TIMES[1]),
    "a condition's reason": lambda obj: obj["status"]["conditions"][1].update(reason="Else"),
    "a condition more": lambda obj: obj["status"]["conditions"].append({"type": "A", "status": "True"}),
    "a condition less": lambda obj: obj["status"]["conditions"].pop(),
    "no heartbeat": lambda obj: obj["status"]["conditions"][0].pop("lastHeartbeatTime"),
    "a heartbeat that is none": lambda obj: obj["status"]["conditions"][0].update(lastHeartbeatTime="never" * 4),
    "a taint": lambda obj: obj["spec"]["taints"][0].update(effect="NoExecute"),
    "no taint": lambda obj: obj["spec"].pop("taints"),
    "allocatable": lambda obj: obj["status"]["allocatable"].update(cpu="3"),
    "a label": lambda obj: obj["metadata"]["labels"].update(zone="b"),
    "a label more": lambda obj: obj["metadata"]["labels"].update(lastHeartbeatTime=TIMES[0]),
    "an annotation": lambda obj: obj["metadata"]["annotations"].update(note="u"),
    "an image": lambda obj: obj["status"]["images"][0].update(sizeBytes=12346),
    "another object": lambda obj: obj["metadata"].update(uid="4d0e"),
    "a deletion": lambda obj: obj["metadata"].update(deletionTimestamp=TIMES[1]),
    "a finalizer": lambda obj: obj["metadata"].update(finalizers=["x"]),
    "another name": lambda obj: obj["metadata"].update(name="node-2"),
    "a revision that is none": lambda obj: obj["metadata"].update(resourceVersion="1a"),
    "more at the end": lambda obj: obj.update(more=1),
}


@pytest.mark.parametrize("name", CHANGES)
def test_whatever_else_changes_is_read(name: str) -> None:
    store, heartbeats = known(node())
    before = store.get(KEY)
    changed = node("100", 1)
    CHANGES[name](changed)
    assert heartbeats.take(line_of(changed)) is None
    assert store.get(KEY) == before


def test_texts_that_look_like_the_three_are_compared_whole() -> None:
    """Labels and annotations with the names of what may differ, and with the JSON around it."""
    text = '"},"resourceVersion":"1","managedFields":[],"lastHeartbeatTime":"2026-01-01T00:00:00Z"'
    for place in ("labels", "annotations"):
        for key in ("resourceVersion", "lastHeartbeatTime", "managedFields"):
            old, new = node("99"), node("100", 1)
            for obj, time in ((old, TIMES[0]), (new, TIMES[1])):
                obj["metadata"][place] |= {"a": text, "status": "True", key: time}
            store, heartbeats = known(old)
            assert heartbeats.take(line_of(new)) is None
            new["metadata"][place][key] = TIMES[0]
            assert revision_of(heartbeats.take(line_of(new))) == "100"
            assert store.get(KEY) == orjson.dumps(stored(new))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda line: line.replace(b'"MODIFIED"', b'"ADDED"'),
        lambda line: line.replace(b'"MODIFIED"', b'"DELETED"'),
        lambda line: line.replace(b'"managedFields":[{', b'"managedFields":[{{'),
        lambda line: line.replace(b'"managedFields":[', b'"managedFields":[],"managedFields":['),
        lambda line: line.replace(b'"managedFields":[', b'"finalizers":["x"],"managedFields":['),
        lambda line: line.replace(b'"subresource":"status"}]', b'"subresource":"status"}],"finalizers":[]'),
        lambda line: line.replace(b'"kubelet"', b'"\xff"'),
        lambda line: line[:-1],
        lambda line: line + b"}",
        lambda line: line + b'{"type":"MODIFIED"}',
        lambda line: line.replace(b"\xc3\xbc", b"\\u00fc"),
        lambda line: line.replace(b'"kind":"Node",', b'"kind":"Node", '),
    ],
)  # fmt: skip
def test_lines_of_another_form_are_read(spoil: Callable[[bytes], bytes]) -> None:
    _, heartbeats = known(node())
    line = line_of(node("100", 1))
    assert spoil(line) != line
    assert heartbeats.take(spoil(line)) is None
    assert revision_of(heartbeats.take(line)) == "100"


def test_a_node_is_known_from_its_first_change_to_its_end() -> None:
    store = Store()
    heartbeats = Heartbeats(store)
    old = stored(node())
    heartbeats.stored(store.put(KEY, "99", orjson.dumps(old)), old)
    assert heartbeats.take(line_of(node("100", 1))) is None  # it was only listed
    store, heartbeats = known(node())
    store.remove(KEY)
    assert heartbeats.take(line_of(node("100", 1))) is None
    store, heartbeats = known(node())
    heartbeats.forget(KEY)
    assert heartbeats.take(line_of(node("100", 1))) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda obj: obj.update(status=None),
        lambda obj: obj["status"].update(conditions=None),
        lambda obj: obj["status"].update(conditions=[None]),
        lambda obj: obj["status"]["conditions"][0].update(lastHeartbeatTime=None),
        lambda obj: obj["metadata"].update(resourceVersion="one"),
        lambda obj: obj.update(metadata=obj.pop("metadata")),  # behind status
    ],
)  # fmt: skip
def test_nodes_of_another_form_have_no_heartbeats(change: Callable[[dict[str, Any]], object]) -> None:
    obj = stored(node())
    change(obj)
    assert places_of(obj, orjson.dumps(obj)) is None


names = st.sampled_from(
    ["a", "status", "resourceVersion", "managedFields", "lastHeartbeatTime", "metadata", "conditions"]
)
texts = st.sampled_from(
    [*TIMES, "1", "99", "", '"', "\\", "True", '","lastHeartbeatTime":"2026-01-01T00:00:00Z"', "]}}"]
)
values = st.recursive(
    texts | st.none() | st.integers(0, 99),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=6,
)
condition_values = st.fixed_dictionaries(
    {"type": texts, "status": st.sampled_from(["True", "False"])},
    optional={"lastHeartbeatTime": st.sampled_from(TIMES), "message": texts, "status2": values},
)
nodes = st.builds(
    lambda revision, labels, extra, managed, spec, conditions, status, last: {
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": {"name": KEY.name, "resourceVersion": str(revision), "labels": labels, **extra}
        | ({"managedFields": managed} if managed is not None else {}),
        "spec": spec,
        "status": {"conditions": conditions, **status},
        **last,
    },
    st.integers(1, 200),
    st.dictionaries(names, texts, max_size=3),
    st.dictionaries(st.sampled_from(["x", "lastHeartbeatTime"]), values, max_size=2),
    st.none() | st.lists(values, max_size=2),
    values,
    st.lists(condition_values, max_size=3),
    st.dictionaries(st.sampled_from(["lastHeartbeatTime", "conditions2", "resourceVersion"]), values, max_size=2),
    st.dictionaries(names.filter(lambda name: name not in ("metadata", "status")), values, max_size=2),
)


@given(nodes, st.data())
def test_a_heartbeat_differs_in_three_values_alone(old: dict[str, Any], data: st.DataObject) -> None:
    """Whatever two states are: where one is said to be a heartbeat of the other, it is one, and its text is right."""
    new = data.draw(nodes | st.just(old).map(copy.deepcopy))
    if data.draw(st.booleans()):  # a neighbour of the old one, in one value
        new = copy.deepcopy(old)
        place: Any = new
        while True:
            at = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
            if not place[at] or not isinstance(place[at], dict | list) or data.draw(st.booleans()):
                break
            place = place[at]
        place[at] = data.draw(values)
        assume(is_node(new))
    kept = stored(old)
    text = orjson.dumps(kept)
    places = places_of(kept, text)
    found = None if places is None else refreshed(line_of(new), text, places)
    if found is None:
        return
    assert quiet(old) == quiet(new)
    assert orjson.loads(found.data) == stored(new)
    assert found.revision == new["metadata"]["resourceVersion"]
    assert found.places == places_of(stored(new), found.data)


@given(nodes, st.integers(1, 200), st.sampled_from(TIMES), st.lists(values, max_size=2))
def test_what_differs_in_three_values_alone_is_a_heartbeat(
    old: dict[str, Any], revision: int, time: str, managed: list[Any]
) -> None:
    kept = stored(old)
    text = orjson.dumps(kept)
    places = places_of(kept, text)
    assert places is not None
    new = copy.deepcopy(old)
    new["metadata"].pop("managedFields", None)
    new["metadata"] |= {"resourceVersion": str(revision), "managedFields": managed}
    for condition in new["status"]["conditions"]:
        condition.update({"lastHeartbeatTime": time} if "lastHeartbeatTime" in condition else {})
    found = refreshed(line_of(new), text, places)
    assert found is not None and orjson.loads(found.data) == stored(new)
