"""What a guest asks of the host: the requests of the imports that read, queue and tell. Writes are in `writes.py`.

Parsers take the bytes of a request and raise Refused (INVALID) naming the field.
"""

from __future__ import annotations

from typing import Literal

from edged.controllers.core.codes import Code, Refused, invalid
from edged.controllers.core.declarations import MOST_NAME, MOST_SELECTOR, api_version_of
from edged.controllers.core.fields import Fields
from edged.controllers.core.keys import Key, key_of
from edged.controllers.core.pointers import Pointer
from edged.json_text import JsonError, loads
from edged.records import dataclass

MOST_REQUEST_BYTES = 1 << 20
MOST_LIMIT = 1_000_000
LONGEST_DELAY_MS = 7 * 86_400_000
MOST_LABELS = 16


@dataclass(slots=True)
class GetRequest:
    """One object. `namespace` "": a cluster-scoped one. `live`: from the API server. `watch`: only as this one shows
    it."""

    api_version: str
    kind: str
    namespace: str
    name: str
    live: bool = False
    watch: str = ""


@dataclass(slots=True)
class ListRequest:
    """Objects of a kind. `namespace` None: of all. `index`: name and value. `fields` (): whole objects. `limit` 0: no
    limit; `continue_`: where the page before ended."""

    api_version: str
    kind: str
    namespace: str | None = None
    label_selector: str = ""
    field_selector: str = ""
    index: tuple[str, str] | None = None
    watch: str = ""
    fields: tuple[Pointer, ...] = ()
    limit: int = 0
    continue_: str = ""
    live: bool = False


@dataclass(slots=True)
class EnqueueRequest:
    key: Key
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Regarding:
    """The object that an event is about. `namespace` "": a cluster-scoped one."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str = ""


@dataclass(frozen=True, slots=True)
class EventRequest:
    regarding: Regarding
    type: Literal["Normal", "Warning"]
    reason: str
    note: str
    action: str


@dataclass(slots=True)
class MetricRequest:
    name: str
    op: Literal["inc", "set", "observe"]
    value: float
    labels: dict[str, str]


@dataclass(slots=True)
class ExtRequest:
    """A call of a capability of the node. `args` is whatever the guest wrote."""

    ext: str
    op: str
    args: object


def read_request(data: bytes, what: str) -> Fields:
    """The object of a request; `what` is the import's name."""
    if len(data) > MOST_REQUEST_BYTES:
        raise Refused(Code.LIMIT, f"{what}: the request has {len(data)} bytes, at most {MOST_REQUEST_BYTES}")
    try:
        value = loads(data)
    except JsonError as error:
        raise invalid(f"{what}: {error}") from None
    return Fields(value, what, invalid)


def get_request(data: bytes) -> GetRequest:
    fields = read_request(data, "get")
    return GetRequest(
        api_version_of(fields),
        fields.text("kind", most=MOST_NAME),
        fields.text("namespace", "", most=MOST_NAME),
        fields.text("name", most=MOST_NAME),
        fields.flag("live"),
        fields.text("watch", "", most=MOST_NAME),
    )


def list_request(data: bytes) -> ListRequest:
    fields = read_request(data, "list")
    index = None
    if fields.has("index"):
        given = fields.inner("index")
        index = given.text("name", most=MOST_NAME), given.text("value", "")
    found = ListRequest(
        api_version_of(fields),
        fields.text("kind", most=MOST_NAME),
        fields.text("namespace", "", most=MOST_NAME) or None,
        fields.text("labelSelector", "", most=MOST_SELECTOR),
        fields.text("fieldSelector", "", most=MOST_SELECTOR),
        index,
        fields.text("watch", "", most=MOST_NAME),
        fields.pointers("fields") if fields.has("fields") else (),
        fields.whole("limit", 0, most=MOST_LIMIT),
        fields.text("continue", ""),
        fields.flag("live"),
    )
    if found.live and (found.index or found.watch):
        raise fields.wrong("live", "the API server knows no index and no watch of a module")
    return found


def close_request(data: bytes) -> str:
    """The id of the watch to close."""
    return read_request(data, "watch_close").text("id", most=MOST_NAME)


def enqueue_request(data: bytes, default_kind: str) -> EnqueueRequest:
    """`default_kind`: of a key that does not say its own."""
    fields = read_request(data, "enqueue")
    key = key_of(fields.value("key"), default_kind, "enqueue.key")
    return EnqueueRequest(key, fields.whole("afterMs", 0, most=LONGEST_DELAY_MS) / 1000)


def event_request(data: bytes) -> EventRequest:
    """An action that is not said is the reason, since the API server wants one."""
    fields = read_request(data, "event")
    about = fields.inner("regarding")
    kind = fields.choice("type", ("Normal", "Warning"), "Normal")
    reason = fields.text("reason", most=128)
    return EventRequest(
        Regarding(
            about.text("apiVersion", "", most=MOST_NAME),
            about.text("kind", most=MOST_NAME),
            about.text("namespace", "", most=MOST_NAME),
            about.text("name", most=MOST_NAME),
            about.text("uid", "", most=MOST_NAME),
        ),
        "Warning" if kind == "Warning" else "Normal",
        reason,
        fields.text("note", "", most=1 << 16),
        fields.text("action", "", most=128) or reason,
    )


def metric_request(data: bytes) -> MetricRequest:
    fields = read_request(data, "metric")
    op = fields.choice("op", ("inc", "set", "observe"), "inc")
    value = fields.number("value", 1.0 if op == "inc" else None)
    labels = fields.string_map("labels")
    if len(labels) > MOST_LABELS:
        raise fields.wrong("labels", f"has {len(labels)} entries, at most {MOST_LABELS} are possible")
    known: Literal["inc", "set", "observe"] = "inc" if op == "inc" else "set" if op == "set" else "observe"
    return MetricRequest(fields.text("name", most=128), known, value, labels)


def ext_request(data: bytes) -> ExtRequest:
    fields = read_request(data, "ext")
    return ExtRequest(fields.text("ext", most=MOST_NAME), fields.text("op", most=MOST_NAME), fields.value("args"))
