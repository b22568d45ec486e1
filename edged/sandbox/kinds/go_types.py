"""What an object's fields look like: names, types, how lists merge; the same for Go types and for CRD schemas.

Go types come from types.json (written by tests/sandbox/kinds/types from the Kubernetes sources), CRD schemas from the
CustomResourceDefinition. Used for pruning, strict field validation, strategic merge, server-side apply, protobuf and
openapi. Pure but for reading types.json once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from edged.json_text import loads

Kind = Literal["struct", "map", "list", "scalar", "any"]


@dataclass(frozen=True, slots=True)
class WireField:
    """A field as the Go source declares it. `name` is "" for an embedded struct, `number` 0 without protobuf."""

    name: str
    number: int
    type: str
    flags: str
    merge_key: str = ""
    map_keys: tuple[str, ...] = ()

    @property
    def inline(self) -> bool:
        return "i" in self.flags

    @property
    def omit_empty(self) -> bool:
        """Whether Go leaves out the empty value. A pointer to one is not empty."""
        return "o" in self.flags and not self.pointer

    @property
    def pointer(self) -> bool:
        """Whether Go tells an absent value from an empty one."""
        return "p" in self.flags

    @property
    def omit_nil(self) -> bool:
        return "o" in self.flags

    @property
    def omit_zero(self) -> bool:
        return "z" in self.flags


class Shape:
    """What one place in an object may hold. Immutable; children are made when they are first asked for."""

    __slots__ = (
        "_source",
        "atomic",
        "go_type",
        "key_defaults",
        "keys",
        "kind",
        "list_type",
        "merge",
        "merge_key",
        "open",
        "retain_keys",
    )

    def __init__(
        self,
        kind: Kind,
        source: _Source,
        go_type: str = "",
        *,
        list_type: str = "atomic",
        keys: tuple[str, ...] = (),
        key_defaults: dict[str, Any] | None = None,
        merge: bool = False,
        merge_key: str = "",
        retain_keys: bool = False,
        atomic: bool = False,
        open: bool = False,
    ) -> None:
        self.kind = kind
        self.go_type = go_type
        self.list_type = list_type
        self.keys = keys
        self.key_defaults = key_defaults or {}
        self.merge = merge
        self.merge_key = merge_key
        self.retain_keys = retain_keys
        self.atomic = atomic
        self.open = open
        self._source = source

    def child(self, name: str) -> Shape | None:
        """The shape of a struct's field, or of a map's values; None for a field that does not exist."""
        if self.kind == "struct":
            return self._source.children().get(name)
        if self.kind == "map":
            return self._source.element()
        return ANY if self.kind == "any" else None

    def children(self) -> dict[str, Shape]:
        """All fields of a struct."""
        return self._source.children() if self.kind == "struct" else {}

    @property
    def element(self) -> Shape:
        """The shape of a list's or a map's elements."""
        return self._source.element() if self.kind in ("list", "map") else ANY

    def alternative(self, value: object) -> Shape | None:
        """Of a type that is one or the other: the shape that a value of this JSON type has there."""
        found = self._source.alternatives()
        return next((shape for kind, shape in found.items() if isinstance(value, kind)), None)


class _Source:
    """Where a shape's children come from; this one has none."""

    def children(self) -> dict[str, Shape]:
        return {}

    def element(self) -> Shape:
        return ANY

    def alternatives(self) -> dict[type, Shape]:
        return {}


ANY = Shape("any", _Source())
OPAQUE = Shape("any", _Source(), atomic=True)
"""Anything, but one field: objects in other objects."""
_SCALARS = {
    "string", "bool", "bytes", "int", "int32", "int64", "uint32", "uint8", "float32", "float64", "Quantity", "Time",
    "MicroTime", "Duration", "IntOrString",
}  # fmt: skip
_OPEN = {"JSON", "RawJSON", "RawExtension"}
_SCHEMA = "apiextensions/v1.JSONSchemaProps"
_UNIONS: dict[str, dict[type, str]] = {
    f"{_SCHEMA}OrArray": {dict: _SCHEMA, list: f"[]{_SCHEMA}"},
    f"{_SCHEMA}OrBool": {dict: _SCHEMA},
    f"{_SCHEMA}OrStringArray": {dict: _SCHEMA, list: "[]string"},
}
"""Types that are one or the other: what an object or a list is there. All else is taken as it is."""


class GoTypes:
    """Every Go type of types.json, by a name such as `core/v1.Pod`."""

    def __init__(self, table: dict[str, list[list[Any]]]) -> None:
        self._atomic = {row[0] for row in table.get("", ())}
        self._table = {name: [_wire_field(row) for row in rows or ()] for name, rows in table.items() if name}
        self._children: dict[str, dict[str, Shape]] = {}
        self._flat: dict[str, tuple[WireField, ...]] = {}

    @classmethod
    def load(cls) -> GoTypes:
        """Reads the table that ships with the package."""
        from importlib import resources

        return cls(loads(resources.files(__package__).joinpath("types.json").read_bytes()))

    def __contains__(self, name: str) -> bool:
        return name in self._table

    def wire_fields(self, name: str) -> list[WireField]:
        return self._table[name]

    def flat_fields(self, name: str) -> tuple[WireField, ...]:
        """Fields as JSON has them: those of embedded structs stand among the struct's own."""
        if name not in self._flat:
            self._flat[name] = tuple(self._flattened(name))
        return self._flat[name]

    def _flattened(self, name: str) -> Iterator[WireField]:
        for field in self._table[name]:
            if field.inline and field.type in self._table:
                yield from self._flattened(field.type)
            elif not field.inline:
                yield field

    def shape(self, go_type: str, field: WireField | None = None) -> Shape:
        """The shape of a Go type, with the merge rules of the field that holds it."""
        flags = field.flags if field else ""
        if go_type.startswith("[]"):
            return self._list(go_type, field, flags)
        if go_type.startswith("{}"):
            return Shape("map", _GoElement(self, go_type[2:]), go_type, atomic="A" in flags)
        if go_type in _SCALARS:
            return Shape("scalar", _Source(), go_type, atomic=True)
        if go_type in _UNIONS:
            return Shape("any", _GoUnion(self, _UNIONS[go_type]), go_type, atomic=True)
        if go_type in _OPEN or go_type not in self._table:
            return OPAQUE
        atomic = "G" not in flags and ("A" in flags or go_type in self._atomic)
        return Shape("struct", _GoStruct(self, go_type), go_type, atomic=atomic, retain_keys="r" in flags)

    def _list(self, go_type: str, field: WireField | None, flags: str) -> Shape:
        merge = "m" in flags
        list_type = "map" if "M" in flags else "set" if "S" in flags else "atomic"
        keys = field.map_keys if field else ()
        if list_type == "atomic" and merge and "A" not in flags:
            list_type = "map" if field and field.merge_key else "set"
            keys = keys or ((field.merge_key,) if field and field.merge_key else ())
        return Shape(
            "list",
            _GoElement(self, go_type[2:]),
            go_type,
            list_type=list_type,
            keys=keys,
            key_defaults=self._key_defaults(go_type[2:], keys),
            merge=merge,
            merge_key=field.merge_key if field else "",
            retain_keys="r" in flags,
            atomic=list_type == "atomic",
        )

    def _key_defaults(self, element: str, keys: tuple[str, ...]) -> dict[str, Any]:
        """What keys are that an element leaves out: the empty value, where Go does not tell that from an absent one."""
        fields = {field.name: field for field in self.flat_fields(element)} if keys and element in self._table else {}
        found = {key: fields[key] for key in keys if key in fields}
        empty = {key: _EMPTY_KEYS.get(each.type) for key, each in found.items() if "o" not in each.flags}
        declared = {key: _KEY_DEFAULTS[key] for key in found if key in _KEY_DEFAULTS}
        return {key: value for key, value in (empty | declared).items() if value is not None}

    def children_of(self, name: str) -> dict[str, Shape]:
        if name not in self._children:
            self._children[name] = {f.name: self.shape(f.type, f) for f in self.flat_fields(name)}
        return self._children[name]



_KEY_DEFAULTS = {"protocol": "TCP"}
"""Keys whose Go field declares a default."""
_EMPTY_KEYS = {"string": "", "int32": 0, "int64": 0}


class _GoStruct(_Source):
    def __init__(self, types: GoTypes, name: str) -> None:
        self._types, self._name = types, name

    def children(self) -> dict[str, Shape]:
        return self._types.children_of(self._name)


class _GoElement(_Source):
    def __init__(self, types: GoTypes, name: str) -> None:
        self._types, self._name = types, name

    def element(self) -> Shape:
        return self._types.shape(self._name)


class _GoUnion(_Source):
    def __init__(self, types: GoTypes, names: dict[type, str]) -> None:
        self._types, self._names = types, names

    def alternatives(self) -> dict[type, Shape]:
        return {kind: self._types.shape(name) for kind, name in self._names.items()}


def _wire_field(row: list[Any]) -> WireField:
    keys = tuple(row[5]) if len(row) > 5 else ()
    return WireField(row[0], row[1], row[2], row[3], row[4] if len(row) > 4 else "", keys)


class _SchemaNode(_Source):
    """A structural schema of a CRD. `root` adds apiVersion, kind and ObjectMeta."""

    def __init__(self, schema: dict[str, Any], metadata: Shape | None) -> None:
        self._schema, self._metadata = schema, metadata
        self._cache: dict[str, Shape] | None = None

    def children(self) -> dict[str, Shape]:
        if self._cache is None:
            properties = self._schema.get("properties") or {}
            self._cache = {name: schema_shape(sub) for name, sub in properties.items()}
            if self._metadata is not None:
                text = Shape("scalar", _Source(), "string", atomic=True)
                self._cache |= {"apiVersion": text, "kind": text, "metadata": self._metadata}
        return self._cache

    def element(self) -> Shape:
        inner = self._schema.get("items") or self._schema.get("additionalProperties")
        return schema_shape(inner) if isinstance(inner, dict) else ANY


def schema_shape(schema: dict[str, Any], metadata: Shape | None = None) -> Shape:
    """The shape of an OpenAPI v3 structural schema; `metadata` is given for the root only."""
    node = _SchemaNode(schema, metadata)
    kind = schema.get("type")
    if kind == "array":
        list_type = schema.get("x-kubernetes-list-type", "atomic")
        keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
        fields = (schema.get("items") or {}).get("properties") or {}
        missing = {key: fields[key]["default"] for key in keys if "default" in (fields.get(key) or {})}
        atomic = list_type == "atomic"
        return Shape("list", node, list_type=list_type, keys=keys, key_defaults=missing, atomic=atomic)
    if kind == "object" or (metadata is not None):
        atomic = schema.get("x-kubernetes-map-type") == "atomic"
        if schema.get("properties") or metadata is not None:
            return Shape("struct", node, atomic=atomic, open=_is_open(schema))
        if isinstance(schema.get("additionalProperties"), dict):
            return Shape("map", node, atomic=atomic)
        return Shape("map", _Source(), atomic=atomic)
    if kind is None or schema.get("x-kubernetes-int-or-string"):
        return ANY
    return Shape("scalar", _Source(), str(kind), atomic=True)


def _is_open(schema: dict[str, Any]) -> bool:
    """Whether an object may have fields that its schema does not name."""
    embedded = schema.get("x-kubernetes-embedded-resource")
    return bool(embedded or schema.get("x-kubernetes-preserve-unknown-fields") or schema.get("additionalProperties"))
