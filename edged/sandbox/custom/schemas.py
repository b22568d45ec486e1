"""Structural schemas of custom resources: pruning, defaults, validation. Pure; results are new objects.

Validation covers types, required, enum, bounds, lengths, patterns, list and map sizes, uniqueItems, list-map keys,
allOf/anyOf/oneOf/not, and the CEL rules of x-kubernetes-validations (kube/values/cel.py). Texts are those of
kube-apiserver.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from edged.json_text import dumps, loads
from edged.kube.values import cel as celrules
from edged.sandbox.protocol.api_status import Cause

Object = dict[str, Any]
Schema = dict[str, Any]
_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_EMBEDDED = "x-kubernetes-embedded-resource"
_INT_OR_STRING = "x-kubernetes-int-or-string"


def prune(obj: Object, schema: Schema) -> tuple[Object, list[str]]:
    """Drops fields that the schema does not have, and returns their paths."""
    gone: list[str] = []
    return _prune(obj, schema, "", gone, root=True), gone


def _prune(value: object, schema: Schema, path: str, gone: list[str], *, root: bool = False) -> Any:
    if isinstance(value, list):
        items = schema.get("items")
        inner = items if isinstance(items, dict) else {_PRESERVE: True}
        return [_prune(item, inner, f"{path}[{i}]", gone) for i, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    return {k: v for k, v in _kept(value, schema, path, gone, root or bool(schema.get(_EMBEDDED)))}


def _kept(value: Object, schema: Schema, path: str, gone: list[str], whole_object: bool) -> list[tuple[str, Any]]:
    properties, more = schema.get("properties") or {}, schema.get("additionalProperties")
    preserve, kept = bool(schema.get(_PRESERVE)), []
    for key, item in value.items():
        where = f"{path}.{key}" if path else key
        if whole_object and key in ("apiVersion", "kind", "metadata"):
            kept.append((key, item))
        elif key in properties:
            kept.append((key, _prune(item, properties[key], where, gone)))
        elif isinstance(more, dict):
            kept.append((key, _prune(item, more, where, gone)))
        elif more or preserve:
            kept.append((key, item))
        else:
            gone.append(where)
    return kept


def with_defaults(value: object, schema: Schema) -> Any:
    """Fills `default`s of absent properties, all the way down; null for a non-nullable one counts as absent."""
    if isinstance(value, list):
        items = schema.get("items")
        return [with_defaults(item, items) for item in value] if isinstance(items, dict) else value
    if not isinstance(value, dict):
        return value
    properties, more = schema.get("properties") or {}, schema.get("additionalProperties")
    result = dict(value)
    for name, inner in properties.items():
        null = name in result and result[name] is None and not inner.get("nullable")
        if (name not in result or null) and "default" in inner:
            result[name] = loads(dumps(inner["default"]))
        elif null:
            del result[name]
        if name in result:
            result[name] = with_defaults(result[name], inner)
    if isinstance(more, dict):
        for name in result.keys() - properties.keys():
            result[name] = with_defaults(result[name], more)
    return result


def validate(obj: Object, schema: Schema, old: Object | None = None) -> list[Cause]:
    """Everything that is wrong with the object, in the order of the schema. `old`: the stored object of an update,
    for rules that compare with it."""
    return _Validation(old).run(obj, schema, "", root=True)


_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "boolean": (bool,), "integer": (int,),
    "number": (int, float),
}  # fmt: skip


class _Validation:
    """Findings of one object, by path."""

    def __init__(self, old: Object | None = None) -> None:
        self.causes: list[Cause] = []
        self._old = old

    def run(self, value: object, schema: Schema, path: str, *, root: bool = False) -> list[Cause]:
        self._value(value, schema, path, root=root)
        return self.causes

    def _bad(self, path: str, value: object, why: str) -> None:
        self.causes.append(Cause(path or "<nil>", f"Invalid value: {_shown(value)}: {path} in body {why}"))

    def _value(self, value: object, schema: Schema, path: str, *, root: bool = False) -> None:
        if value is None and schema.get("nullable"):
            return
        if not self._type(value, schema, path):
            return
        self._enum(value, schema, path)
        if isinstance(value, dict):
            self._object(value, schema, path, root)
        elif isinstance(value, list):
            self._list(value, schema, path)
        elif isinstance(value, str):
            self._string(value, schema, path)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            self._number(value, schema, path)
        self._combined(value, schema, path)
        for rule in schema.get("x-kubernetes-validations") or ():
            self._rule(value, rule, path)

    def _rule(self, value: object, rule: Schema, path: str) -> None:
        """One CEL rule. A transition rule reads oldSelf: it holds where there was no old value. Elements of lists never
        have one."""
        text = rule["rule"]
        variables = {"self": value}
        try:
            if celrules.mentions(text, "oldSelf"):
                before = _former(self._old, path)
                if before is None:
                    return
                variables["oldSelf"] = before
            holds, why = celrules.evaluate(text, variables) is True, ""
        except celrules.CelError as error:
            holds, why = False, f"rule evaluation error: {error}"
        if not holds:
            shown = _shown(value) if not isinstance(value, dict | list) else f'"{_type_name(value)}"'
            message = why or (rule.get("message") or f"failed rule: {text}").strip()
            self.causes.append(Cause(path or "<nil>", f"Invalid value: {shown}: {message}"))

    def _type(self, value: object, schema: Schema, path: str) -> bool:
        kind = schema.get("type")
        if schema.get(_INT_OR_STRING):
            kind_ok = isinstance(value, int | str) and not isinstance(value, bool)
            name = "integer,string"
        elif kind is None:
            return True
        else:
            name, expected = kind, _TYPES[kind]
            kind_ok = isinstance(value, expected) and (not isinstance(value, bool) or kind == "boolean")
            if kind == "integer" and isinstance(value, float) and value.is_integer():
                kind_ok = True
        if not kind_ok:
            found = _type_name(value)
            why = f'Invalid value: "{found}": {path} in body must be of type {name}: "{found}"'
            self.causes.append(Cause(path, why, "FieldValueTypeInvalid"))
        return kind_ok

    def _enum(self, value: object, schema: Schema, path: str) -> None:
        allowed = schema.get("enum")
        if allowed is not None and value not in allowed:
            names = ", ".join(_shown(item) for item in allowed)
            why = f"Unsupported value: {_shown(value)}: supported values: {names}"
            self.causes.append(Cause(path, why, "FieldValueNotSupported"))

    def _object(self, value: Object, schema: Schema, path: str, root: bool) -> None:
        for name in schema.get("required") or ():
            if name not in value:
                where = f"{path}.{name}" if path else name
                self.causes.append(Cause(where, "Required value", "FieldValueRequired"))
        self._bounds(len(value), schema, path, value, ("minProperties", "maxProperties"), "properties")
        properties, more = schema.get("properties") or {}, schema.get("additionalProperties")
        for key, item in value.items():
            if (root or schema.get(_EMBEDDED)) and key in ("apiVersion", "kind", "metadata"):
                continue
            where = f"{path}.{key}" if path else key
            if key in properties:
                self._value(item, properties[key], where)
            elif isinstance(more, dict):
                self._value(item, more, where)

    def _list(self, value: Sequence[object], schema: Schema, path: str) -> None:
        self._bounds(len(value), schema, path, value, ("minItems", "maxItems"), "items")
        self._duplicates(value, schema, path)
        items = schema.get("items")
        if isinstance(items, dict):
            for index, item in enumerate(value):
                self._value(item, items, f"{path}[{index}]")

    def _duplicates(self, value: Sequence[object], schema: Schema, path: str) -> None:
        list_type, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys") or ()
        if list_type not in ("set", "map") and not schema.get("uniqueItems"):
            return
        seen = []
        for index, item in enumerate(value):
            identity = {k: item.get(k) for k in keys} if keys and isinstance(item, dict) else item
            if identity in seen:
                why = f"Duplicate value: {_shown(identity)}"
                self.causes.append(Cause(f"{path}[{index}]", why, "FieldValueDuplicate"))
            seen.append(identity)

    def _bounds(self, size: int, schema: Schema, path: str, value: object, names: tuple[str, str], unit: str) -> None:
        low, high = schema.get(names[0]), schema.get(names[1])
        if low is not None and size < low:
            self._bad(path, value, f"should have at least {low} {unit}")
        if high is not None and size > high:
            why = f"Too many: {size}: must have at most {high} {'item' if high == 1 else 'items'}"
            self.causes.append(Cause(path, why, "FieldValueTooMany"))

    def _string(self, value: str, schema: Schema, path: str) -> None:
        low, high, pattern = schema.get("minLength"), schema.get("maxLength"), schema.get("pattern")
        if low is not None and len(value) < low:
            self._bad(path, value, f"should be at least {low} chars long")
        if high is not None and len(value) > high:
            why = f"Too long: may not be more than {high} bytes"
            self.causes.append(Cause(path, why, "FieldValueTooLong"))
        if pattern is not None and re.search(pattern, value) is None:
            self._bad(path, value, f"should match '{pattern}'")
        check = _FORMATS.get(schema.get("format") or "")
        if check is not None and not check.fullmatch(value):
            self._bad(path, value, f'must be of type {schema["format"]}: "{value}"')

    def _number(self, value: float, schema: Schema, path: str) -> None:
        low, high, step = schema.get("minimum"), schema.get("maximum"), schema.get("multipleOf")
        if low is not None and (value <= low if schema.get("exclusiveMinimum") else value < low):
            than = "greater than" if schema.get("exclusiveMinimum") else "greater than or equal to"
            self._bad(path, value, f"should be {than} {low:g}")
        if high is not None and (value >= high if schema.get("exclusiveMaximum") else value > high):
            than = "less than" if schema.get("exclusiveMaximum") else "less than or equal to"
            self._bad(path, value, f"should be {than} {high:g}")
        if step and value % step:
            self._bad(path, value, f"should be a multiple of {step:g}")

    def _combined(self, value: object, schema: Schema, path: str) -> None:
        for inner in schema.get("allOf") or ():
            self._value(value, inner, path)
        fits = [not _Validation().run(value, inner, path) for inner in schema.get("anyOf") or ()]
        if fits and not any(fits):
            self._bad(path, value, "must validate at least one schema (anyOf)")
        fits = [not _Validation().run(value, inner, path) for inner in schema.get("oneOf") or ()]
        if fits and sum(fits) != 1:
            self._bad(path, value, "must validate one and only one schema (oneOf)")
        refused = schema.get("not")
        if isinstance(refused, dict) and not _Validation().run(value, refused, path):
            self._bad(path, value, "must not validate the schema (not)")


_FORMATS = {
    "date-time": re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)"),
    "date": re.compile(r"\d{4}-\d\d-\d\d"),
    "uuid": re.compile(r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}"),
    "ipv4": re.compile(r"(\d{1,3}\.){3}\d{1,3}"),
}


def _former(old: object, path: str) -> Any:
    """The value at that path of the stored object; None below lists and where nothing was."""
    if "[" in path:
        return None
    for part in filter(None, path.split(".")):
        old = old.get(part) if isinstance(old, dict) else None
    return old


def _type_name(value: object) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}
    return names.get(type(value), "null")


def _shown(value: object) -> str:
    return dumps(value).decode()
