"""What the schema of a definition is refused for. Pure.

Source: apiextensions-apiserver's apis/apiextensions/validation: the schema's structure and defaults, then each of its
nodes, and last the rules in CEL.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from edged.sandbox.custom import causes
from edged.sandbox.custom.default_checks import default_causes
from edged.sandbox.custom.field_paths import FieldPathError, field_path
from edged.sandbox.custom.list_checks import list_causes
from edged.sandbox.custom.pruning import EMBEDDED, META_FIELDS, Object, Schema
from edged.sandbox.custom.rule_checks import RuleContext, rule_causes
from edged.sandbox.custom.rules import RULES
from edged.sandbox.custom.structural import structural_causes, unsupported
from edged.sandbox.protocol.api_status import Cause

_TYPES = ("array", "boolean", "integer", "number", "object", "string")
_REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_NOT_SUPPORTED = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref")


@dataclass(frozen=True, slots=True)
class SchemaOptions:
    """What an update leaves alone because it was so before: `unchanged` are names of versions with the same schema."""

    unchanged: frozenset[str] = frozenset()

    @staticmethod
    def of_update(spec: Object, old: Object | None) -> SchemaOptions:
        before = {each.get("name"): each.get("schema") for each in (old or {}).get("versions") or ()}
        versions = spec.get("versions") or ()
        same = {each["name"] for each in versions if each.get("name") in before
                and before[each["name"]] == each.get("schema")}  # fmt: skip
        return SchemaOptions(frozenset(same))


@dataclass(frozen=True, slots=True)
class _At:
    """Where a node is: `defaults`: why it may have none; `meta`: within metadata; `lost`: the path of the node below
    which old values are not known."""

    path: str
    root: bool = False
    defaults: str = ""
    meta: bool = False
    lost: str = ""

    def below(self, path: str) -> _At:
        return replace(self, path=f"{self.path}.{path}", root=False)


def schema_causes(schema: Schema, path: str, *, status: bool, unchanged: bool) -> Iterator[Cause]:
    """Of a whole schema; `status`: whether there is a status subresource; `unchanged`: it was there before."""
    found: list[Cause] = []
    if status and schema.get("type") != "object" and schema.get("type"):
        why = 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
        found.append(causes.invalid(f"{path}.type", schema["type"], why))
    if schema.get("nullable"):
        found.append(causes.forbidden(f"{path}.nullable", "nullable cannot be true at the root"))
    why, context = unsupported(schema), None
    if not why:
        wrong = structural_causes(schema, path) or list(default_causes(schema, path))
        found += wrong
        context = None if wrong else RuleContext(unchanged=unchanged)
    rules: list[Cause] = []
    found += _node(schema, _At(path, root=True), context, rules)
    found += rules
    if not found and why:
        found.append(causes.invalid(path, "", why))
    if context is not None:
        found += context.total_causes(path)
    yield from found


def _node(schema: Schema, at: _At, context: RuleContext | None, rules: list[Cause]) -> list[Cause]:
    """Findings about a node and everything below it; those about rules are added to `rules`."""
    found = [*_plain(schema, at)]
    if schema.get("uniqueItems"):
        why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        found.append(causes.forbidden(f"{at.path}.uniqueItems", why))
    found += _below(schema, at, context, rules)
    found += list_causes(schema, at.path)
    texts = list(_rule_texts(schema, at))
    found += texts
    if schema.get(RULES) and not found and context is not None:
        rules += rule_causes(schema, at.path, context, root=at.root, lost=at.lost)
    return found


def _below(schema: Schema, at: _At, context: RuleContext | None, rules: list[Cause]) -> Iterator[Cause]:
    more, properties, items = schema.get("additionalProperties"), schema.get("properties") or {}, schema.get("items")
    if more is not None:
        if properties and more is not True:
            why = "additionalProperties and properties are mutual exclusive"
            yield causes.forbidden(f"{at.path}.additionalProperties", why)
        if isinstance(more, dict):
            where = at.below("additionalProperties")
            if at.meta:
                where = replace(where, defaults="inside additionalProperties applying to object metadata")
            yield from _node(more, where, context.below(schema) if context else None, rules)
    for name, inner in properties.items():
        where = at.below(f"properties[{name}]")
        if (at.root or schema.get(EMBEDDED)) and name in META_FIELDS:
            where = replace(where, meta=True, defaults=f"in top-level {name}" if at.root else where.defaults)
        yield from _node(inner, where, context.below(schema) if context else None, rules)
    if isinstance(schema.get("not"), dict):
        yield from _node(schema["not"], at.below("not"), None, rules)
    for name in ("allOf", "oneOf", "anyOf"):
        for index, inner in enumerate(schema.get(name) or ()):
            yield from _node(inner, at.below(f"{name}[{index}]"), None, rules)
    if isinstance(items, dict):
        where = at.below("items")
        if schema.get("x-kubernetes-list-type") != "map" and not where.lost:
            where = replace(where, lost=at.path)
        yield from _node(items, where, context.below(schema) if context else None, rules)


def _plain(schema: Schema, at: _At) -> Iterator[Cause]:
    kind, path = schema.get("type") or "", at.path
    if kind and kind not in _TYPES:
        yield causes.unsupported(f"{path}.type", kind, _TYPES)
    if "default" in schema and schema["default"] is not None and at.defaults:
        yield causes.forbidden(f"{path}.default", f"must not be set {at.defaults}")
    for name in _NOT_SUPPORTED:
        if schema.get(name) not in (None, "", {}) or (name == "dependencies" and schema.get(name) is not None):
            yield causes.forbidden(f"{path}.{name}", f"{name} is not supported")
    if kind == "null":
        yield causes.forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative")
    if isinstance(schema.get("items"), list) and schema["items"]:
        yield causes.forbidden(f"{path}.items", "items must be a schema object and not an array")
    if at.meta and schema.get(EMBEDDED):
        yield causes.forbidden(f"{path}.{EMBEDDED}", "must not be used inside of resource meta")


def _rule_texts(schema: Schema, at: _At) -> Iterator[Cause]:
    """What is wrong with rules before they are compiled."""
    for index, rule in enumerate(schema.get(RULES) or ()):
        path = f"{at.path}.{RULES}[{index}]"
        text, message, field = rule.get("rule") or "", rule.get("message") or "", rule.get("fieldPath") or ""
        if not text.strip():
            yield causes.required(f"{path}.rule", "rule is not specified")
        elif message and not message.strip():
            yield causes.invalid(f"{path}.message", message, "must be non-empty if specified")
        elif _has_lines(message.strip()):
            yield causes.invalid(f"{path}.message", message, "must not contain line breaks")
        elif _has_lines(text.strip()) and not message.strip():
            yield causes.required(f"{path}.message", "message must be specified if rule contains line breaks")
        expression = rule.get("messageExpression") or ""
        if expression and not expression.strip():
            yield causes.required(f"{path}.messageExpression", "messageExpression must be non-empty if specified")
        reason = rule.get("reason")
        if reason is not None and reason not in _REASONS:
            yield causes.unsupported(f"{path}.reason", reason, _REASONS)
        if field and not field.strip():
            yield causes.invalid(f"{path}.fieldPath", field, "must be non-empty if specified")
        if _has_lines(field):
            yield causes.invalid(f"{path}.fieldPath", field, "must not contain line breaks")
        if field and not _is_path(field, schema):
            yield causes.invalid(f"{path}.fieldPath", field, "must be a valid path")


def _has_lines(text: str) -> bool:
    return "\n" in text or "\r" in text


def _is_path(path: str, schema: Schema) -> bool:
    try:
        field_path(path, schema)
    except FieldPathError:
        return False
    return True


def has_defaults(schema: object) -> bool:
    """Whether a schema or one in it has a default."""
    if not isinstance(schema, dict):
        return False
    inner = [schema.get("items"), schema.get("additionalProperties"), schema.get("not")]
    for name in ("allOf", "anyOf", "oneOf"):
        inner += schema.get(name) or []
    return schema.get("default") is not None or any(
        map(has_defaults, [*inner, *(schema.get("properties") or {}).values()])
    )
