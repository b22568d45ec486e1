"""Values of custom resources against their schema: everything but CEL, lists of sets and maps, and metadata. Pure.

Source: kube-openapi's validation/validate, with its texts, its order and what it finds by chance of its order: all
checks of a value are made although its type is wrong.
"""

from __future__ import annotations

from typing import Any

from edged.sandbox.custom import causes, formats
from edged.sandbox.custom.causes import quoted
from edged.sandbox.custom.correlation import Correlated
from edged.sandbox.custom.number_checks import number_checks
from edged.sandbox.custom.patterns import matches
from edged.sandbox.custom.pruning import Schema
from edged.sandbox.custom.results import INT_OR_STRING, Result, checked_format, field_of, type_name
from edged.sandbox.protocol.api_status import Cause


def validate(value: object, schema: Schema, correlated: Correlated | None = None, *, within: str = "") -> list[Cause]:
    """What is wrong with a value. `correlated`: with what it was, of which nothing is refused that did not change.
    `within`: the field that the value is of the whole object."""
    found = _value(value, schema, "", correlated, root=True).found
    return [_placed(cause, within) for cause in found.values()] if within else list(found.values())


def _placed(cause: Cause, within: str) -> Cause:
    where = within if cause.field == "<nil>" else f"{within}.{cause.field}"
    return Cause(where, cause.message, cause.reason)


def _value(
    value: Any, schema: Schema, path: str, correlated: Correlated | None, *, root: bool = False
) -> Result:
    """One value, and everything in it."""
    result = _all_checks(value, schema, path, correlated, root)
    if result.found and correlated is not None and correlated.unchanged:
        return Result(matches=result.matches)
    return result


def _all_checks(value: Any, schema: Schema, path: str, correlated: Correlated | None, root: bool) -> Result:
    result, kinds = Result(), _kinds(schema)
    if value is None:
        result.merge(_type(value, schema, kinds, path))
        _enum(value, schema, path, result)
        return result
    if kinds or checked_format(schema):
        result.merge(_type(value, schema, kinds, path))
        result.matches += 1
    result.merge(_combined(value, schema, path, correlated, root))
    result.matches += 2
    if isinstance(value, str):
        _string(value, schema, path, result)
        if checked_format(schema) and "integer" not in kinds and "number" not in kinds:
            _check_format(value, schema, path, result)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        result.merge(number_checks(value, schema, path))
        result.matches += 1
    elif isinstance(value, list):
        result.merge(_list(value, schema, path, correlated))
        result.matches += 1
    _enum(value, schema, path, result)
    if isinstance(value, dict):
        result.merge(_object(value, schema, path, correlated, root))
        result.matches += 1
    result.matches += 1
    return result


def _kinds(schema: Schema) -> list[str]:
    if schema.get(INT_OR_STRING):
        return ["integer", "string"]
    return [schema["type"]] if schema.get("type") else []


def _type(value: Any, schema: Schema, kinds: list[str], path: str) -> Result:
    result = Result()
    found = type_name(value)
    if value is None:
        if kinds and not schema.get("nullable"):
            _mistyped(result, path, ",".join(kinds), found)
        return result
    is_text, numeric = isinstance(value, str | list), "number" in kinds or "integer" in kinds
    whole = isinstance(value, float) and value.is_integer() and "integer" in kinds
    fits = found in kinds or whole or (found == "integer" and "number" in kinds)
    if not numeric and checked_format(schema) and is_text:
        result.matches = 1
    elif not fits:
        _mistyped(result, path, ",".join(kinds), found)
    else:
        result.matches = 1
    return result


def _mistyped(result: Result, path: str, wanted: str, found: str) -> None:
    text = f"{path} in body must be of type {wanted}: {quoted(found)}"
    result.add(text, causes.mistyped(field_of(path), found, text))


def _enum(value: object, schema: Schema, path: str, result: Result) -> None:
    allowed = schema.get("enum")
    if not allowed or any(_equal(value, each) for each in allowed):
        return
    names = [each if isinstance(each, str) else causes.go_json(each) for each in allowed]
    text = f"{path} in body should be one of [{' '.join(names)}]"
    result.add(text, causes.unsupported(field_of(path), value, names))


def _equal(one: object, other: object) -> bool:
    return isinstance(one, bool) is isinstance(other, bool) and one is not None and one == other


def _string(value: str, schema: Schema, path: str, result: Result) -> None:
    """Only the first of these is said."""
    low, high, pattern = schema.get("minLength"), schema.get("maxLength"), schema.get("pattern")
    if high is not None and len(value) > high:
        result.add(f"{path} in body should be at most {high} chars long", causes.too_long(field_of(path), high))
    elif low is not None and len(value) < low:
        result.bad(path, value, f"should be at least {low} chars long")
    elif pattern and not matches(pattern, value):
        result.bad(path, value, f"should match '{pattern}'")


def _check_format(value: str, schema: Schema, path: str, result: Result) -> None:
    name = schema["format"]
    if not formats.fits(name, value):
        text = f"{path} in body must be of type {name}: {quoted(value)}"
        result.add(text, causes.mistyped(field_of(path), value, text))


# --- lists and objects


def _list(value: list[Any], schema: Schema, path: str, correlated: Correlated | None) -> Result:
    result, items = Result(matches=1), schema.get("items")
    if isinstance(items, dict):
        for index, item in enumerate(value):
            below = correlated.index(index) if correlated is not None else None
            result.merge(_value(item, items, f"{path}[{index}]", below))
    low, high = schema.get("minItems"), schema.get("maxItems")
    if low is not None and len(value) < low:
        result.bad(path, len(value), f"should have at least {low} items")
    if high is not None and len(value) > high:
        _too_many(result, path, len(value), high, "items")
    return result


def _too_many(result: Result, path: str, found: int, most: int, unit: str) -> None:
    result.add(f"{path} in body should have at most {most} {unit}", causes.too_many(field_of(path), found, most))


def _object(value: dict[str, Any], schema: Schema, path: str, correlated: Correlated | None, root: bool) -> Result:
    result = Result()
    low, high = schema.get("minProperties"), schema.get("maxProperties")
    if low is not None and len(value) < low:
        result.bad(path, len(value), f"should have at least {low} properties")
    if high is not None and len(value) > high:
        _too_many(result, path, len(value), high, "properties")
    properties, more = schema.get("properties") or {}, schema.get("additionalProperties")

    def below(name: str) -> Correlated | None:
        own = root and name in ("apiVersion", "kind")
        return correlated.key(name) if correlated is not None and not own else None

    for name, item in sorted(value.items()):
        if name in properties:
            continue
        if more is False:
            text = f"{path}.{name} in body is a forbidden property"
            result.add(text, causes.invalid(field_of(path), name, text))
        elif isinstance(more, dict):
            result.merge(_value(item, more, f"{path}.{name}", below(name)))
    for name, inner in properties.items():
        if name in value:
            result.merge(_value(value[name], inner, f"{path}.{name}" if path else name, below(name)))
    for name in schema.get("required") or ():
        if name not in value:
            where = f"{path}.{name}"
            result.add(f"{where} in body is required", causes.required(field_of(where)))
    return result


# --- combinations


def _combined(value: Any, schema: Schema, path: str, correlated: Correlated | None, root: bool) -> Result:
    result = Result()
    for name in ("anyOf", "oneOf"):
        if schema.get(name):
            results = [_all_checks(value, inner, path, correlated, root) for inner in schema[name]]
            _alternatives(name, results, path, result)
    if schema.get("allOf"):
        results = [_all_checks(value, inner, path, correlated, root) for inner in schema["allOf"]]
        for each in results:
            result.merge(each)
        if wrong := sum(bool(each.found) for each in results):
            none = ". None validated" if wrong == len(results) else ""
            result.plain(f"{quoted(path)} must validate all the schemas (allOf){none}")
    refused = schema.get("not")
    if isinstance(refused, dict) and not _all_checks(value, refused, path, correlated, root).found:
        result.plain(f"{quoted(path)} must not validate the schema (not)")
    return result


def _alternatives(name: str, results: list[Result], path: str, into: Result) -> None:
    """One of the results has to be empty, of oneOf only one; otherwise the best of them says what is wrong."""
    fitting = [each for each in results if not each.found]
    best = max(results, key=lambda each: each.matches)  # the first of several
    if name == "anyOf" and not fitting:
        into.plain(f"{quoted(path)} must validate at least one schema (anyOf)")
    elif name == "oneOf" and len(fitting) != 1:
        several = f"Found {len(fitting)} valid alternatives" if fitting else "Found none valid"
        into.plain(f"{quoted(path)} must validate one and only one schema (oneOf). {several}")
    if not fitting:
        into.merge(best)
    elif name == "anyOf" or len(fitting) == 1:
        into.merge(fitting[0])
