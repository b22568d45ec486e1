"""What the host gives to a guest: inputs of exports and answers of imports. Objects stay the bytes that they are kept
as, and are joined into the text around them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from edged.controllers.core.keys import Key
from edged.json_text import Fragment, dumps


def reconcile_input(
    key: Key, raw: bytes | None, sources: Sequence[str], *, ambiguous: bool, attempt: int, deadline_ms: int
) -> bytes:
    """`raw`: the object of the key as JSON, None where there is none. `attempt`: 1 for the first one."""
    return b"".join((
        b'{"key":', dumps({"kind": key.kind, "namespace": key.namespace, "name": key.name}),
        b',"object":', b"null" if raw is None else raw,
        b',"sources":', dumps(list(sources)),
        b',"ambiguous":true' if ambiguous else b',"ambiguous":false',
        b',"attempt":%d,"deadlineMs":%d}' % (attempt, deadline_ms),
    ))  # fmt: skip


def get_answer(raw: bytes, revision: str, sources: Sequence[str]) -> bytes:
    """`revision`: the object's resourceVersion."""
    return b'{"object":%b,"rv":%b,"sources":%b}' % (raw, dumps(revision), dumps(list(sources)))


def list_answer(items: Iterable[bytes], continue_: str = "", revision: str = "") -> bytes:
    """`revision`: the list's; "" where it has none, as one of a cache."""
    text = b'{"items":[%b]' % b",".join(items)
    if revision:
        text += b',"rv":%b' % dumps(revision)
    if continue_:
        text += b',"continue":%b' % dumps(continue_)
    return text + b"}"


def write_answer(raw: bytes | None, revision: str, uid: str) -> bytes:
    """`raw` None: the object is gone, or the API server answered without it."""
    return b'{"object":%b,"rv":%b,"uid":%b}' % (raw or b"null", dumps(revision), dumps(uid))


def open_answer(id: str, *, created: bool, synced: bool) -> bytes:
    return dumps({"id": id, "created": created, "synced": synced})


def close_answer(dropped: int) -> bytes:
    return dumps({"dropped": dropped})


def map_input(watch: str, type: str, old: bytes | None, raw: bytes) -> bytes:
    """`type`: added, modified, deleted. `raw`: the object, for "deleted" as it was last."""
    before = b"" if old is None else b'"old":%b,' % old
    return b'{"watch":%b,"type":"%b",%b"object":%b}' % (dumps(watch), type.encode(), before, raw)


def setup_input(
    *, module: str, node: str, config: Mapping[str, object], generation: int, reason: str, snapshot: bool,
    open_watches: Iterable[bytes],
) -> bytes:  # fmt: skip
    """`reason`: first, wake, trap or upgrade. `open_watches`: declarations of the watches that were opened while the
    module ran and are open still, as it wrote them."""
    return dumps({
        "module": module, "node": node, "config": dict(config), "generation": generation, "reason": reason,
        "snapshot": snapshot, "openWatches": [Fragment(each) for each in open_watches],
    })  # fmt: skip
