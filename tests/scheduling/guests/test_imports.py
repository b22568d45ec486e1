"""Host functions of the scheduler ABI, called as a guest would, over a bytearray for memory."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from edged.scheduling.guests.imports import HOSTS, MAX_EVENTS, MAX_LINES, AbiError, Call, GuestState, log_line
from edged.wasm.errors import MemoryFault


class FakeInstance:
    """Linear memory of one page, and `call` by import name."""

    def __init__(self, state: GuestState) -> None:
        self.state = state
        self.memory = bytearray(65536)

    def read(self, pointer: int, length: int) -> bytes:
        if pointer + length > len(self.memory):
            raise MemoryFault("out of bounds")
        return bytes(self.memory[pointer : pointer + length])

    def write(self, pointer: int, data: bytes) -> None:
        if pointer + len(data) > len(self.memory):
            raise MemoryFault("out of bounds")
        self.memory[pointer : pointer + len(data)] = data

    def put(self, data: bytes, pointer: int = 60000) -> tuple[int, int]:
        self.write(pointer, data)
        return pointer, len(data)

    def call(self, name: str, *args: int) -> Any:
        modules = [module for module, function in HOSTS if function == name]
        function = HOSTS[(modules[0], name)]
        assert len(args) == len(function.params)
        return function.call(self, *args)

    def text(self, name: str, *args: int) -> bytes:
        """The value that a function gives into a buffer at 1024."""
        size = self.call(name, *args, 1024, 2048)
        return self.read(1024, size)


class FakeWorld:
    def __init__(self) -> None:
        self.nodes = {"n1": b"node one"}
        self.images: dict[str, Mapping[str, tuple[int, int]]] = {"n1": {"nginx:1": (12, 3)}}
        self.waiting = {"uid-1": b"waiting pod"}
        self.asked: list[str] = []

    def node(self, name: str) -> bytes:
        self.asked.append(name)
        return self.nodes.get(name, b"")

    def node_list(self) -> bytes:
        self.asked.append("*")
        return b"list" * 1000

    def image_states(self, name: str) -> Mapping[str, tuple[int, int]] | None:
        return self.images.get(name)

    def waiting_pod(self, uid: str) -> bytes | None:
        return self.waiting.get(uid)


@pytest.fixture
def guest() -> FakeInstance:
    return FakeInstance(GuestState(FakeWorld(), config='{"a":1}'))


def test_the_table_has_every_function_of_the_abi():
    assert {name for module, name in HOSTS if module == "k8s.io/api"} == {"node", "nodeList"}
    assert {name for module, name in HOSTS if module == "k8s.io/klog"} == {"log", "logs", "severity"}
    assert sum(module == "k8s.io/scheduler" for module, _ in HOSTS) == 16
    without_result = [name for (_, name), function in HOSTS.items() if not function.results]
    assert set(without_result) == {
        "log", "logs", "result.cluster_events", "result.node_names", "result.nominated_node_name",
        "result.status_reason", "result.normalized_score_list", "handle.eventrecorder.eventf",
        "handle.reject_waiting_pod", "handle.get_waiting_pod",
    }  # fmt: skip


# --- the buffer protocol


def test_a_value_that_does_not_fit_is_not_written_but_its_length_is_told(guest: FakeInstance):
    assert guest.call("get_config", 0, 6) == 7
    assert guest.memory[:7] == bytes(7)
    assert guest.call("get_config", 0, 7) == 7
    assert guest.memory[:7] == b'{"a":1}'


def test_an_empty_value_writes_nothing():
    guest = FakeInstance(GuestState(FakeWorld()))
    assert guest.call("get_config", 0xFFFFFFFF, 100) == 0


def test_protobuf_into_a_bad_buffer_traps_and_text_is_lost(guest: FakeInstance):
    guest.state.begin(Call(pod=lambda: b"pod"))
    with pytest.raises(AbiError, match=r"^out of memory$"):
        guest.call("currentPod", 65535, 2048)
    assert guest.call("get_config", 65535, 2048) == 7


def test_a_value_stays_the_same_within_a_call_and_is_made_anew_in_the_next(guest: FakeInstance):
    pods = [b"first", b"second version"]
    guest.state.begin(Call(pod=lambda: pods.pop(0)))
    assert guest.call("currentPod", 0, 0) == 5
    assert guest.text("currentPod") == b"first"
    guest.state.begin(Call(pod=lambda: pods.pop(0)))
    assert guest.text("currentPod") == b"second version"


def test_nothing_of_a_call_is_left_in_the_next(guest: FakeInstance):
    guest.state.begin(Call(lambda: b"pod", b"n1", target=lambda: b"t", filtered=lambda: ["n1"]))
    guest.call("result.status_reason", *guest.put(b"why"))
    assert guest.state.call.reason == "why"
    guest.state.begin(Call())
    assert guest.state.call.reason == ""
    assert [guest.text(name) for name in ("currentPod", "targetPod", "currentNodeName")] == [b"", b"", b""]
    assert [guest.text(name) for name in ("filteredNodeList", "nodeToStatusMap", "nodeScoreList")] == [
        b"[]", b"{}", b"{}",
    ]  # fmt: skip


# --- inputs


def test_inputs_of_a_call(guest: FakeInstance):
    guest.state.begin(
        Call(
            lambda: b"pod",
            "n\u00e9".encode(),
            target=lambda: b"target",
            filtered=lambda: ["a", "b"],
            statuses=lambda: {"n1": 2},
            scores=lambda: {"n1": 7},
        )
    )
    assert guest.text("currentPod") == b"pod"
    assert guest.text("targetPod") == b"target"
    assert guest.text("currentNodeName") == "n\u00e9".encode()
    assert guest.text("filteredNodeList") == b'["a","b"]'
    assert guest.text("nodeToStatusMap") == b'{"n1":2}'
    assert guest.text("nodeScoreList") == b'{"n1":7}'


def test_nodes_come_from_the_snapshot_once_per_call(guest: FakeInstance):
    name = guest.put(b"n1")
    assert guest.text("node", *name) == b"node one"
    assert guest.call("node", *name, 0, 0) == 8
    assert guest.state.world.asked == ["n1"]
    assert guest.call("node", *guest.put(b"other"), 0, 100) == 0
    assert guest.call("nodeList", 0, 2048) == 4000
    assert guest.call("nodeList", 0, 4000) == 4000
    assert guest.memory[:8] == b"listlist"
    assert guest.state.world.asked == ["n1", "other", "*"]


def test_image_states(guest: FakeInstance):
    states = guest.text("nodeImageStates", *guest.put(b"n1"))
    assert orjson.loads(states) == {"nginx:1": {"Size": 12, "NumNodes": 3}}
    assert guest.text("nodeImageStates", *guest.put(b"nowhere")) == b"null"
    guest.state.world.images["n1"] = {}
    guest.state.begin(Call())
    assert guest.text("nodeImageStates", *guest.put(b"n1")) == b"{}"


# --- results


def test_results(guest: FakeInstance):
    call = Call()
    guest.state.begin(call)
    guest.call("result.node_names", *guest.put(b"a\0b\0"))
    guest.call("result.nominated_node_name", *guest.put(b"n1"))
    guest.call("result.cluster_events", *guest.put(b"12345678"))
    guest.call("result.normalized_score_list", *guest.put(b'{"n1":1}'))
    guest.call("result.status_reason", *guest.put(b"first"))
    guest.call("result.status_reason", *guest.put(b"second"))
    assert call.node_names == b"a\0b\0"
    assert (call.nominated, call.cluster_events, call.normalized) == ("n1", b"12345678", b'{"n1":1}')
    assert call.reason == "second"


@pytest.mark.parametrize(
    ("function", "args", "what"),
    [
        ("node", (65536, 1, 0, 0), "nodeName"),
        ("nodeImageStates", (0xFFFFFFFF, 1, 0, 0), "nodeName"),
        ("result.cluster_events", (65536, 8), "clusterEvents"),
        ("result.node_names", (65530, 8), "nodeNames"),
        ("result.nominated_node_name", (65536, 1), "nominatedNodeName"),
        ("result.normalized_score_list", (65536, 1), "normalized score list"),
        ("handle.eventrecorder.eventf", (65536, 1), "eventrecorder event"),
        ("handle.reject_waiting_pod", (65536, 1, 0, 8), "rejectWaitingPod"),
        ("handle.get_waiting_pod", (65536, 1, 0, 8), "getWaitingPod"),
    ],
)
def test_input_outside_memory_traps_by_name(
    guest: FakeInstance, function: str, args: tuple[int, ...], what: str
):
    with pytest.raises(AbiError, match=f"^out of memory reading {what}$"):
        guest.call(function, *args)


def test_a_reason_outside_memory_does_not_trap(guest: FakeInstance):
    guest.call("result.status_reason", 65536, 10)
    assert guest.state.call.reason == "BUG: out of memory reading message"


def test_lengths_beyond_any_sense_are_refused_without_copying(guest: FakeInstance):
    with pytest.raises(AbiError, match="nodeNames: 4294967295 bytes are more than"):
        guest.call("result.node_names", 0, 0xFFFFFFFF)


# --- klog


def lines_of(severity: int) -> tuple[FakeInstance, list[tuple[int, str]]]:
    lines: list[tuple[int, str]] = []

    def log(level: int, text: str) -> None:
        lines.append((level, text))

    return FakeInstance(GuestState(FakeWorld(), log_severity=severity, log=log)), lines


def test_log_lines_and_their_filter():
    guest, lines = lines_of(0)
    assert guest.call("severity") == 0
    for severity in (0, 1, 2, 3):
        guest.call("log", severity, *guest.put(b"hello\n"))
    assert lines == [(0, "hello"), (2, "hello")]
    guest, lines = lines_of(2)
    guest.call("log", 0, *guest.put(b"hello\n"))
    guest.call("logs", 2, *guest.put(b"bad"), *guest.put(b"err\0broken\0", 50000))
    assert lines == [(2, '"bad" err="broken"')]
    guest, lines = lines_of(3)
    for severity in (0, 2):
        guest.call("log", severity, *guest.put(b"hello\n"))
    assert lines == []


def test_structured_lines():
    assert log_line("msg", b'key\0value\0key2\0va"lue\0') == r'"msg" key="value" key2="va\"lue"'
    assert log_line("msg", b"odd\0") == '"msg" odd='
    guest, lines = lines_of(0)
    guest.call("logs", 0, *guest.put(b"plain\n"), 0, 0)
    assert lines == [(0, "plain")]


def test_unreadable_log_lines_are_ignored():
    guest, lines = lines_of(0)
    guest.call("log", 0, 65536, 5)
    guest.call("logs", 0, *guest.put(b"x"), 65536, 5)
    assert lines == []


def test_where_there_are_no_pairs_their_pointer_is_not_looked_at():
    guest, lines = lines_of(0)
    guest.call("logs", 0, *guest.put(b"x"), 70000, 0)
    assert lines == [(0, "x")]


def test_a_flood_of_lines_is_cut_per_call():
    guest, lines = lines_of(0)
    for _ in range(MAX_LINES + 5):
        guest.call("log", 0, *guest.put(b"x"))
    assert len(lines) == MAX_LINES
    guest.state.begin(Call())
    guest.call("log", 0, *guest.put(b"x"))
    assert len(lines) == MAX_LINES + 1


# --- the handle


def test_events_are_kept_for_after_the_call(guest: FakeInstance):
    guest.call("handle.eventrecorder.eventf", *guest.put(b"{}"))
    guest.call("handle.eventrecorder.eventf", *guest.put(b"[]"))
    assert guest.state.call.recorded == [b"{}", b"[]"]
    for _ in range(MAX_EVENTS - 2):
        guest.call("handle.eventrecorder.eventf", *guest.put(b"{}"))
    with pytest.raises(AbiError, match="more than 64 in one call"):
        guest.call("handle.eventrecorder.eventf", *guest.put(b"{}"))


def test_rejecting_a_waiting_pod_writes_whether_it_waited(guest: FakeInstance):
    guest.write(0, b"\xff" * 16)
    guest.call("handle.reject_waiting_pod", *guest.put(b"uid-1"), 0, 8)
    assert struct.unpack("<Q", guest.read(0, 8)) == (1,)
    guest.call("handle.reject_waiting_pod", *guest.put(b"uid-2"), 0, 8)
    assert struct.unpack("<Q", guest.read(0, 8)) == (0,)
    assert guest.state.call.rejected == ["uid-1"]


def test_a_number_that_is_told_outside_memory_is_lost(guest: FakeInstance):
    before = bytes(guest.memory)
    guest.call("handle.reject_waiting_pod", 60000, 0, 65530, 8)
    guest.call("handle.get_waiting_pod", 60000, 0, 65530, 8)
    assert guest.memory == before


def test_what_is_absent_has_the_length_that_upstream_gives_it():
    guest = FakeInstance(GuestState(FakeWorld()))
    guest.write(1024, b"\xff" * 8)
    for nothing in ("get_config", "currentPod", "targetPod", "currentNodeName"):
        assert guest.call(nothing, 1024, 2048) == 0, nothing
    assert guest.call("node", *guest.put(b"gone"), 1024, 2048) == 0
    assert guest.read(1024, 8) == b"\xff" * 8
    assert guest.text("filteredNodeList") == b"[]"
    assert guest.text("nodeToStatusMap") == guest.text("nodeScoreList") == b"{}"
    assert guest.text("nodeImageStates", *guest.put(b"gone")) == b"null"
    assert guest.call("severity") == 0


def test_getting_a_waiting_pod(guest: FakeInstance):
    guest.write(0, b"\xff" * 16)
    guest.call("handle.get_waiting_pod", *guest.put(b"nobody"), 0, 2048)
    assert guest.read(0, 9) == bytes(8) + b"\xff"
    guest.call("handle.get_waiting_pod", *guest.put(b"uid-1"), 0, 5)
    assert guest.read(0, 8) == bytes(8)  # did not fit
    guest.call("handle.get_waiting_pod", *guest.put(b"uid-1"), 0, 11)
    assert guest.read(0, 11) == b"waiting pod"


def test_a_reason_is_cut_where_thousands_of_nodes_could_have_one_each(guest: FakeInstance):
    guest.call("result.status_reason", *guest.put(b"\xff" + b"x" * 5000))
    reason = guest.state.call.reason
    assert reason.startswith("\ufffdxxx") and reason.endswith(" ...") and len(reason.encode()) <= 4096
