from __future__ import annotations

from edged.controllers.core import messages
from edged.controllers.core.keys import Key
from edged.json_text import loads

RAW = b'{"metadata":{"name":"n"}}'


def test_the_input_of_a_reconcile():
    data = messages.reconcile_input(Key("Pod", "a", "n\""), RAW, ["w"], ambiguous=False, attempt=2, deadline_ms=30)
    assert loads(data) == {
        "key": {"kind": "Pod", "namespace": "a", "name": "n\""}, "object": {"metadata": {"name": "n"}},
        "sources": ["w"], "ambiguous": False, "attempt": 2, "deadlineMs": 30,
    }  # fmt: skip
    gone = loads(messages.reconcile_input(Key("P", "", "n"), None, [], ambiguous=True, attempt=1, deadline_ms=1))
    assert (gone["object"], gone["sources"], gone["ambiguous"]) == (None, [], True)


def test_answers_of_imports():
    assert loads(messages.get_answer(RAW, "5", ["w"])) == {"object": loads(RAW), "rv": "5", "sources": ["w"]}
    assert loads(messages.list_answer([])) == {"items": []}
    assert loads(messages.list_answer([RAW, RAW], "more", "9")) == {
        "items": [loads(RAW)] * 2, "rv": "9", "continue": "more",
    }  # fmt: skip
    assert loads(messages.write_answer(None, "", "u")) == {"object": None, "rv": "", "uid": "u"}
    assert loads(messages.write_answer(RAW, "5", "u"))["object"] == loads(RAW)
    assert loads(messages.open_answer("w", created=True, synced=False)) == {"id": "w", "created": True, "synced": False}
    assert loads(messages.close_answer(3)) == {"dropped": 3}


def test_the_other_inputs():
    assert loads(messages.map_input("w", "modified", b"{}", RAW)) == {
        "watch": "w", "type": "modified", "old": {}, "object": loads(RAW),
    }  # fmt: skip
    assert "old" not in loads(messages.map_input("w", "added", None, RAW))
    told = messages.setup_input(
        module="m", node="n", config={"a": 1}, generation=2, reason="wake", snapshot=True, open_watches=[b'{"id":"w"}']
    )
    assert loads(told) == {
        "module": "m", "node": "n", "config": {"a": 1}, "generation": 2, "reason": "wake", "snapshot": True,
        "openWatches": [{"id": "w"}],
    }  # fmt: skip
