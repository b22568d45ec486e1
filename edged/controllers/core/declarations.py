"""What a module wants to watch, and which queue keys the changes mean: the declaration of a watch, read and checked.

Equal declarations are equal values. What decides which informer serves one is its `source`.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from edged.controllers.core.codes import invalid
from edged.controllers.core.conditions import Condition, condition_of
from edged.controllers.core.fields import Complaint, Fields
from edged.controllers.core.pointers import Pointer
from edged.records import dataclass

MOST_MAPPINGS, MOST_INDEXES, MOST_POINTERS, MOST_CONDITIONS = 8, 16, 64, 16
MOST_NAME, MOST_SELECTOR = 253, 4096
OWNER = "owner"

_API_VERSION = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[a-z0-9]([-a-z0-9]*[a-z0-9])?")
"""It becomes part of a URL, and part of what is remembered of the API server."""

By = Literal["self", "owner", "path", "index", "guest"]
Mode = Literal["full", "metadata"]


class KeyMapping(NamedTuple):
    """One way from an object to queue keys. `kind`: of the key; for `owner` also the owner's, for `index` it is that of
    `watch`, whose index `index_name` holds the object's `namespace/name`. `pointer`: where `path` reads a name."""

    by: By
    kind: str = ""
    pointer: Pointer | None = None
    watch: str = ""
    index_name: str = ""


class IndexDeclaration(NamedTuple):
    """Values that objects are looked up by: what the pointers name, joined with "/". Without pointers by the controller
    owner, its uid or its name."""

    name: str
    pointers: tuple[Pointer, ...]


class Source(NamedTuple):
    """What decides which objects are watched and what of them is kept. `keep`: texts of pointers in order, None for all
    of an object."""

    api_version: str
    kind: str
    namespace: str | None
    label_selector: str
    field_selector: str
    mode: Mode
    keep: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class WatchDeclaration:
    """`namespace` None: all. `on` None: every update counts; else those that change one of these subtrees. `keep` None:
    objects are kept whole. `on_close_enqueue`: keys that nothing else shows are told when the watch closes.
    `client_fallback`: where the API server cannot select by these fields, edged does."""

    id: str
    api_version: str
    kind: str
    namespace: str | None = None
    label_selector: str = ""
    field_selector: str = ""
    mappings: tuple[KeyMapping, ...] = (KeyMapping("self"),)
    on: tuple[Pointer, ...] | None = None
    where: tuple[Condition, ...] = ()
    indexes: tuple[IndexDeclaration, ...] = ()
    mode: Mode = "full"
    keep: tuple[Pointer, ...] | None = None
    client_fallback: bool = False
    on_close_enqueue: bool = True

    @property
    def source(self) -> Source:
        return Source(
            self.api_version, self.kind, self.namespace, self.label_selector, self.field_selector, self.mode, self.kept
        )

    @property
    def kept(self) -> tuple[str, ...] | None:
        """What of an object has to stay: what the declaration keeps, and what it reads itself."""
        if self.keep is None:
            return None
        read = [*self.keep, *(self.on or ()), *(p for each in self.where for p in each.pointers)]
        read += [each.pointer for each in self.mappings if each.pointer is not None]
        read += [pointer for each in self.indexes for pointer in each.pointers]
        return tuple(sorted({pointer.text for pointer in read}))

    def maps_to_self(self) -> bool:
        return any(each.by == "self" for each in self.mappings)

    def asks_guest(self) -> bool:
        return any(each.by == "guest" for each in self.mappings)


def declaration_of(value: object, place: str, complaint: Complaint = invalid) -> WatchDeclaration:
    """Raises Refused (INVALID), or `complaint`, naming the field; `place` is `watches[2]` or `watch_open`."""
    fields = Fields(value, place, complaint)
    kind = fields.text("kind", most=MOST_NAME)
    mode = fields.choice("mode", ("full", "metadata"), "full")
    return WatchDeclaration(
        id=fields.text("id", most=MOST_NAME),
        api_version=api_version_of(fields),
        kind=kind,
        namespace=fields.text("namespace", "", most=MOST_NAME) or None,
        label_selector=fields.text("labelSelector", "", most=MOST_SELECTOR),
        field_selector=fields.text("fieldSelector", "", most=MOST_SELECTOR),
        mappings=_mappings(fields, kind),
        on=fields.pointers("on", most=MOST_POINTERS) if fields.has("on") else None,
        where=tuple(condition_of(each) for each in fields.each("where", most=MOST_CONDITIONS)),
        indexes=_indexes(fields),
        mode="metadata" if mode == "metadata" else "full",
        keep=fields.pointers("keep", most=MOST_POINTERS) if fields.has("keep") else None,
        client_fallback=fields.choice("selectorFallback", ("fail", "client"), "fail") == "client",
        on_close_enqueue=fields.choice("onClose", ("enqueue", "silent"), "enqueue") == "enqueue",
    )


def api_version_of(fields: Fields) -> str:
    """`v1` or `group/version`."""
    text = fields.text("apiVersion", most=MOST_NAME)
    if not _API_VERSION.fullmatch(text):
        raise fields.wrong("apiVersion", "must be `version` or `group/version`")
    return text


def _mappings(fields: Fields, kind: str) -> tuple[KeyMapping, ...]:
    """One mapping or a list of them; without any the object's own key."""
    if not fields.has("map"):
        return (KeyMapping("self", kind),)
    is_list = isinstance(fields.value("map"), list)
    given = fields.each("map", most=MOST_MAPPINGS) if is_list else [fields.inner("map")]
    if not given:
        raise fields.wrong("map", "is empty: no change would mean anything")
    return tuple(_mapping(each, kind) for each in given)


def _mapping(fields: Fields, kind: str) -> KeyMapping:
    match fields.choice("by", ("self", "owner", "path", "index", "guest")):
        case "self":
            return KeyMapping("self", kind)
        case "owner":
            return KeyMapping("owner", fields.text("kind", most=MOST_NAME))
        case "path":
            return KeyMapping("path", fields.text("kind", kind, most=MOST_NAME), fields.pointer("pointer"))
        case "index":
            return KeyMapping("index", watch=fields.text("watch"), index_name=fields.text("index"))
        case _:
            return KeyMapping("guest")


def _indexes(fields: Fields) -> tuple[IndexDeclaration, ...]:
    if not fields.has("indexes"):
        return ()
    given = fields.inner("indexes")
    names = sorted(fields.dictionary("indexes"))
    if len(names) > MOST_INDEXES:
        raise fields.wrong("indexes", f"has {len(names)} entries, at most {MOST_INDEXES} are possible")
    return tuple(_index(given, name) for name in names)


def _index(fields: Fields, name: str) -> IndexDeclaration:
    if fields.value(name) == OWNER:
        return IndexDeclaration(name, ())
    if isinstance(fields.value(name), str):
        return IndexDeclaration(name, (fields.pointer(name),))
    pointers = fields.pointers(name, most=MOST_CONDITIONS)
    if not pointers:
        raise fields.wrong(name, f'must be JSON pointers or "{OWNER}"')
    return IndexDeclaration(name, pointers)
