"""What scheduler guests import: modules `k8s.io/api`, `k8s.io/klog` and `k8s.io/scheduler`. Pure.

The contract is the guest ABI of kube-scheduler-wasm-extension. Values go out by one protocol: the guest
offers a buffer, the host returns the value's full length and writes it only if it fits; a guest whose
buffer was too small asks again. A value therefore stays the same within one call (`GuestState.kept`).

`GuestState` is what an instance's host functions see: configuration, the cluster (`World`), and the `Call`
that is being made, new for every call so that nothing leaks from one to the next. Host functions copy
bytes; what a guest sent is decoded when its call has returned (results.py). Exports and their
meaning are in exports.py. Used by guest.py, which links `HOSTS` beside WASI.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from edged.errors import GuestError, cut
from edged.json_text import dumps
from edged.scheduling.core.plugin_status import MOST_REASON_BYTES
from edged.wasm.errors import MemoryFault
from edged.wasm.hostcalls import HostFunction

INFO, WARNING, ERROR, FATAL = range(4)
MAX_TEXT = 64 << 10  # log lines and names are cut there, other things refused
MAX_LIST = 4 << 20  # node names and scores of some ten thousand nodes
MAX_EVENTS = 64  # recorded in one call
MAX_LINES = 256  # logged in one call


class AbiError(GuestError):
    """A host function refuses what the guest asked for: the guest traps with this text."""


class World(Protocol):
    """What guests may see of the cluster and do to it. Every method is called while the guest runs: it is
    quick and does not wait."""

    def node(self, name: str) -> bytes:
        """The node of the snapshot as protobuf, b"" when there is none of that name."""
        ...

    def node_list(self) -> bytes:
        """The NodeList of the snapshot as protobuf."""
        ...

    def image_states(self, name: str) -> Mapping[str, tuple[int, int]] | None:
        """Image name -> (bytes, number of nodes that have it); None when there is no such node."""
        ...

    def waiting_pod(self, uid: str) -> bytes | None:
        """The Pod as protobuf if Permit holds it back, else None."""
        ...


class Call:
    """The inputs of one call and what the guest answered. Attributes that a call does not have stay empty.

    `pod` and `target` are made when the guest asks for them; the lists likewise.
    """

    pod: Callable[[], bytes] | None = None
    target: Callable[[], bytes] | None = None
    node_name: bytes = b""
    filtered: Callable[[], Sequence[str]] | None = None
    statuses: Callable[[], Mapping[str, int]] | None = None
    scores: Callable[[], Mapping[str, int]] | None = None
    # answers
    reason: str = ""
    cluster_events: bytes = b""
    node_names: bytes | None = None
    nominated: str = ""
    normalized: bytes = b""
    # what the guest asked for, done when its call has returned; tuples until the first entry
    recorded: Sequence[bytes] = ()
    rejected: Sequence[str] = ()

    def __init__(
        self,
        pod: Callable[[], bytes] | None = None,
        node_name: bytes = b"",
        **inputs: object,
    ) -> None:
        if pod is not None:
            self.pod = pod
        if node_name:
            self.node_name = node_name
        if inputs:
            self.__dict__.update(inputs)


class GuestState:
    """What host functions see through `instance.state`. `log(severity, text)` gets klog lines one by one."""

    __slots__ = ("call", "config", "kept", "lines", "log", "log_severity", "loop", "reads_nodes", "world")

    def __init__(
        self,
        world: World,
        *,
        config: str = "",
        log_severity: int = INFO,
        log: Callable[[int, str], None] = lambda severity, text: None,
    ) -> None:
        self.world = world
        self.config = config.encode()
        self.log_severity = log_severity
        self.log = log
        self.reads_nodes = False  # it asked for the Node that it judges
        self.loop: Loop | None = None  # the guest can be asked about many nodes in one go
        self.begin(Call())

    def begin(self, call: Call) -> None:
        """Make this the current call."""
        self.call = call
        self.kept: dict[str, bytes] = {}  # values that this call has read: they must not change before it ends
        self.lines = 0


class Loop(Protocol):
    """What runs while a guest judges one node after the other (node_loop.py)."""

    def tell(self, number: int) -> None:
        """The guest judges that node, and a host function is about to be called."""
        ...


class Caller(Protocol):
    """The instance whose guest calls a host function."""

    @property
    def state(self) -> GuestState: ...
    def read(self, pointer: int, length: int) -> bytes:
        """Raises MemoryFault."""
        ...

    def write(self, pointer: int, data: bytes) -> None:
        """Raises MemoryFault."""
        ...


# --- crossing linear memory --------------------------------------------------------------------------------


def _give(instance: Caller, data: bytes, buffer: int, limit: int) -> int:
    """Protobuf: a buffer outside memory traps."""
    size = len(data)
    if 0 < size <= limit:
        try:
            instance.write(buffer, data)
        except MemoryFault as error:
            raise AbiError("out of memory") from error
    return size


def _give_text(instance: Caller, data: bytes, buffer: int, limit: int) -> int:
    """Text and numbers: a buffer outside memory loses the write, and the guest is told the length as always."""
    try:
        return _give(instance, data, buffer, limit)
    except AbiError:
        return len(data)


def _take(instance: Caller, pointer: int, length: int, what: str, most: int = MAX_TEXT) -> bytes:
    if length > most:
        raise AbiError(f"{what}: {length} bytes are more than {most}")
    try:
        return instance.read(pointer, length)
    except MemoryFault as error:
        raise AbiError(f"out of memory reading {what}") from error


def _take_name(instance: Caller, pointer: int, length: int, what: str) -> str:
    return _take(instance, pointer, length, what).decode(errors="replace")


# --- k8s.io/api --------------------------------------------------------------------------------------------


def _node(instance: Caller, name: int, name_len: int, buffer: int, limit: int) -> int:
    state = instance.state
    node_name = _take_name(instance, name, name_len, "nodeName")
    data = state.kept.get("node " + node_name)
    state.reads_nodes = True
    if data is None:
        data = state.world.node(node_name)
        if data:  # names that do not exist are not kept: a guest could ask for any number of them
            state.kept["node " + node_name] = data
    return _give(instance, data, buffer, limit)


def _node_list(instance: Caller, buffer: int, limit: int) -> int:
    state = instance.state
    data = state.kept.get("nodeList")
    if data is None:
        data = state.kept["nodeList"] = state.world.node_list()
    return _give(instance, data, buffer, limit)


# --- k8s.io/klog -------------------------------------------------------------------------------------------


def _severity(instance: Caller) -> int:
    return instance.state.log_severity


def _log(instance: Caller, severity: int, message: int, length: int) -> None:
    _write_line(instance, severity, message, length, b"")


def _logs(instance: Caller, severity: int, message: int, length: int, pairs: int, pairs_len: int) -> None:
    try:
        data = instance.read(pairs, min(pairs_len, MAX_TEXT)) if pairs_len else b""
    except MemoryFault:
        return
    _write_line(instance, severity, message, length, data)


def _write_line(instance: Caller, severity: int, message: int, length: int, pairs: bytes) -> None:
    """Only info and error lines exist; what cannot be read is not written and never traps."""
    state = instance.state
    if severity not in (INFO, ERROR) or severity < state.log_severity or state.lines >= MAX_LINES:
        return
    state.lines += 1
    try:
        text = instance.read(message, min(length, MAX_TEXT)).decode(errors="replace")
    except MemoryFault:
        return
    state.log(severity, log_line(text, pairs) if pairs else text.rstrip("\n"))


def log_line(message: str, pairs: bytes) -> str:
    """klog's structured form: `"message" key="value" ...`. A trailing key without a value ends in `=`."""
    texts = [part.decode(errors="replace") for part in pairs.split(b"\0")]
    if texts[-1] == "":
        texts.pop()
    words = [_quoted(message)]
    for position in range(0, len(texts), 2):
        value = _quoted(texts[position + 1]) if position + 1 < len(texts) else ""
        words.append(f"{texts[position]}={value}")
    return " ".join(words)


def _quoted(text: str) -> str:
    return dumps(text).decode()


# --- k8s.io/scheduler: inputs ------------------------------------------------------------------------------


def _get_config(instance: Caller, buffer: int, limit: int) -> int:
    return _give_text(instance, instance.state.config, buffer, limit)


def _current_pod(instance: Caller, buffer: int, limit: int) -> int:
    return _give(instance, _made(instance.state, "pod"), buffer, limit)


def _target_pod(instance: Caller, buffer: int, limit: int) -> int:
    return _give(instance, _made(instance.state, "target"), buffer, limit)


def _made(state: GuestState, what: str) -> bytes:
    """Bytes of `call.pod` or `call.target`, made once per call."""
    data = state.kept.get(what)
    if data is None:
        make = getattr(state.call, what)
        data = state.kept[what] = make() if make is not None else b""
    return data


def _current_node_name(instance: Caller, buffer: int, limit: int) -> int:
    return _give_text(instance, instance.state.call.node_name, buffer, limit)


def _filtered_node_list(instance: Caller, buffer: int, limit: int) -> int:
    return _give_text(instance, _json(instance.state, "filtered", b"[]"), buffer, limit)


def _node_to_status_map(instance: Caller, buffer: int, limit: int) -> int:
    return _give_text(instance, _json(instance.state, "statuses", b"{}"), buffer, limit)


def _node_score_list(instance: Caller, buffer: int, limit: int) -> int:
    return _give_text(instance, _json(instance.state, "scores", b"{}"), buffer, limit)


def _json(state: GuestState, what: str, empty: bytes) -> bytes:
    data = state.kept.get(what)
    if data is None:
        make = getattr(state.call, what)
        data = state.kept[what] = dumps(make()) if make is not None else empty
    return data


def _node_image_states(instance: Caller, name: int, name_len: int, buffer: int, limit: int) -> int:
    state = instance.state
    node_name = _take_name(instance, name, name_len, "nodeName")
    data = state.kept.get("images " + node_name)
    if data is None:
        states = state.world.image_states(node_name)
        if states is None:
            return _give_text(instance, b"null", buffer, limit)
        shown = {image: {"Size": size, "NumNodes": nodes} for image, (size, nodes) in states.items()}
        data = state.kept["images " + node_name] = dumps(shown)
    return _give_text(instance, data, buffer, limit)


# --- k8s.io/scheduler: results -----------------------------------------------------------------------------


def _result_cluster_events(instance: Caller, pointer: int, length: int) -> None:
    instance.state.call.cluster_events = _take(instance, pointer, length, "clusterEvents")


def _result_node_names(instance: Caller, pointer: int, length: int) -> None:
    instance.state.call.node_names = _take(instance, pointer, length, "nodeNames", MAX_LIST)


def _result_nominated_node_name(instance: Caller, pointer: int, length: int) -> None:
    instance.state.call.nominated = _take_name(instance, pointer, length, "nominatedNodeName")


def _result_status_reason(instance: Caller, pointer: int, length: int) -> None:
    """The one result whose pointer may be wrong without a trap."""
    try:
        reason = instance.read(pointer, length if length <= MAX_TEXT else MAX_TEXT).decode(errors="replace")
    except MemoryFault:
        reason = "BUG: out of memory reading message"
    instance.state.call.reason = cut(reason, MOST_REASON_BYTES)


def _result_normalized_score_list(instance: Caller, pointer: int, length: int) -> None:
    call = instance.state.call
    call.normalized = _take(instance, pointer, length, "normalized score list", MAX_LIST)


# --- k8s.io/scheduler: the handle --------------------------------------------------------------------------


def _eventf(instance: Caller, pointer: int, length: int) -> None:
    call = instance.state.call
    if len(call.recorded) >= MAX_EVENTS:
        raise AbiError(f"eventrecorder event: more than {MAX_EVENTS} in one call")
    call.recorded = [*call.recorded, _take(instance, pointer, length, "eventrecorder event")]


def _reject_waiting_pod(instance: Caller, pointer: int, length: int, out: int, _limit: int) -> None:
    """Writes 1 (u64) when the Pod was waiting; it is rejected when this call has returned."""
    uid = _take_name(instance, pointer, length, "rejectWaitingPod")
    call = instance.state.call
    waiting = instance.state.world.waiting_pod(uid) is not None
    if waiting and uid not in call.rejected:
        call.rejected = [*call.rejected, uid]
    _give_text(instance, waiting.to_bytes(8, "little"), out, 8)


def _get_waiting_pod(instance: Caller, pointer: int, length: int, out: int, limit: int) -> None:
    """No result: a Pod that does not fit is not written, and its length is not told."""
    uid = _take_name(instance, pointer, length, "getWaitingPod")
    pod = instance.state.world.waiting_pod(uid)
    if pod is None:
        _give_text(instance, bytes(8), out, 8)
    else:
        _give(instance, pod, out, limit)


HOSTS: Final[dict[tuple[str, str], HostFunction]] = {
    (module, name): HostFunction(params, results, function)
    for module, name, params, results, function in (
        ("k8s.io/api", "node", "iiii", "i", _node),
        ("k8s.io/api", "nodeList", "ii", "i", _node_list),
        ("k8s.io/klog", "log", "iii", "", _log),
        ("k8s.io/klog", "logs", "iiiii", "", _logs),
        ("k8s.io/klog", "severity", "", "i", _severity),
        ("k8s.io/scheduler", "get_config", "ii", "i", _get_config),
        ("k8s.io/scheduler", "currentPod", "ii", "i", _current_pod),
        ("k8s.io/scheduler", "targetPod", "ii", "i", _target_pod),
        ("k8s.io/scheduler", "currentNodeName", "ii", "i", _current_node_name),
        ("k8s.io/scheduler", "filteredNodeList", "ii", "i", _filtered_node_list),
        ("k8s.io/scheduler", "nodeToStatusMap", "ii", "i", _node_to_status_map),
        ("k8s.io/scheduler", "nodeScoreList", "ii", "i", _node_score_list),
        ("k8s.io/scheduler", "nodeImageStates", "iiii", "i", _node_image_states),
        ("k8s.io/scheduler", "result.cluster_events", "ii", "", _result_cluster_events),
        ("k8s.io/scheduler", "result.node_names", "ii", "", _result_node_names),
        ("k8s.io/scheduler", "result.nominated_node_name", "ii", "", _result_nominated_node_name),
        ("k8s.io/scheduler", "result.status_reason", "ii", "", _result_status_reason),
        ("k8s.io/scheduler", "result.normalized_score_list", "ii", "", _result_normalized_score_list),
        ("k8s.io/scheduler", "handle.eventrecorder.eventf", "ii", "", _eventf),
        ("k8s.io/scheduler", "handle.reject_waiting_pod", "iiii", "", _reject_waiting_pod),
        ("k8s.io/scheduler", "handle.get_waiting_pod", "iiii", "", _get_waiting_pod),
    )
}
