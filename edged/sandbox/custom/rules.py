"""The CEL rules of a schema (x-kubernetes-validations) on values. Pure but for the library of CEL.

Source: apiextensions-apiserver's schema/cel/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from edged.sandbox.custom import causes
from edged.sandbox.custom.causes import OMITTED
from edged.sandbox.custom.correlation import Correlated, MapList
from edged.sandbox.custom.field_paths import FieldPathError, field_path
from edged.sandbox.custom.pruning import EMBEDDED, Object, Schema
from edged.sandbox.custom.rule_programs import Budget, BudgetExceeded, RuleError, evaluate, mentions_old
from edged.sandbox.custom.rule_values import with_meta
from edged.sandbox.protocol.api_status import Cause

RULES = "x-kubernetes-validations"
LONGEST_MESSAGE = 5 * 1024


class _Stop(Exception):
    """No further rules are looked at."""


@dataclass(frozen=True, slots=True)
class _Ratchet:
    """With what a value correlates, or the nearest value around it that does."""

    own: Correlated | None
    nearest: Correlated | None = None

    @property
    def unchanged(self) -> bool:
        known = self.own if self.own is not None else self.nearest
        return known is not None and known.unchanged

    def below(self, child: Correlated | None) -> _Ratchet:
        return self if self.own is None else _Ratchet(child, self.own)

    def key(self, name: str) -> _Ratchet:
        if self.own is not None and self.nearest is None and name in ("apiVersion", "kind"):
            return _Ratchet(None)
        return self.below(self.own.key(name) if self.own is not None else None)

    def index(self, index: int) -> _Ratchet:
        return self.below(self.own.index(index) if self.own is not None else None)


@dataclass(slots=True)
class Rules:
    """Runs the rules for one object. `warnings`: what would be refused, had it not been so before."""

    budget: Budget = field(default_factory=Budget)
    found: list[Cause] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def check(
        self, value: Any, old: Any, schema: Schema, correlated: Correlated | None = None, path: str = "",
        *, root: bool = True,
    ) -> list[Cause]:  # fmt: skip
        """What the rules of a schema and of everything below it say."""
        if has_rules(schema):
            with suppress(_Stop):
                self._value(value, old, schema, path, _Ratchet(correlated), root=root)
        return self.found

    def _value(
        self, value: Any, old: Any, schema: Schema, path: str, ratchet: _Ratchet, *, root: bool = False
    ) -> None:
        if value is None:
            return
        for rule in schema.get(RULES) or ():
            self._rule(_Place(value, old, schema, path, root or bool(schema.get(EMBEDDED))), rule, ratchet)
        if isinstance(value, list):
            self._items(value, old, schema, path, ratchet)
        elif isinstance(value, dict):
            self._fields(value, old if isinstance(old, dict) else {}, schema, path, ratchet)

    def _items(self, value: list[Any], old: Any, schema: Schema, path: str, ratchet: _Ratchet) -> None:
        items = schema.get("items")
        if not isinstance(items, dict) or not has_rules(items):
            return
        is_map = schema.get("x-kubernetes-list-type") == "map" and isinstance(old, list)
        former = MapList(schema, old) if is_map else None
        for index, item in enumerate(value):
            before = former.get(item) if former is not None else None
            self._value(item, before, items, f"{path}[{index}]", ratchet.index(index))

    def _fields(self, value: Object, old: Object, schema: Schema, path: str, ratchet: _Ratchet) -> None:
        properties, more = schema.get("properties") or {}, schema.get("additionalProperties")
        for key, item in value.items():
            if isinstance(more, dict) and has_rules(more):
                self._value(item, old.get(key), more, f"{path}[{key}]", ratchet.key(key))
            if key in properties and has_rules(properties[key]):
                where = f"{path}.{key}" if path else key
                self._value(item, old.get(key), properties[key], where, ratchet.key(key))

    # --- one rule

    def _rule(self, place: _Place, rule: Schema, ratchet: _Ratchet) -> None:
        text, kind = (rule.get("rule") or ""), place.schema.get("type") or ""
        uses_old, optional = mentions_old(text), bool(rule.get("optionalOldSelf"))
        if not text.strip() or (uses_old and place.old is None and not optional):
            return
        try:
            holds = evaluate(text, place.value, place.old, place.shape, self.budget, optional=optional) is True
        except BudgetExceeded as error:
            self._stopped(place.path, kind, error, rule)
        except RuleError as error:
            self.found.append(causes.invalid(place.path, kind, _failed(str(error), rule)))
            return
        if not holds:
            self._refuse(place, rule, ratchet if not uses_old else _Ratchet(None), self._message(place, rule, kind))

    def _stopped(self, path: str, kind: str, error: BudgetExceeded, rule: Schema) -> None:
        why = "validation failed due to running out of cost budget, no further validation rules will be run"
        if error.of_call:
            why = f"'{error}': no further validation rules will be run due to call cost exceeds limit for rule: " \
                  f"{_shown(rule)}"
        self.found.append(causes.invalid(path, kind, why))
        raise _Stop

    def _message(self, place: _Place, rule: Schema, kind: str) -> str:
        expression = rule.get("messageExpression")
        if expression:
            optional = bool(rule.get("optionalOldSelf"))
            try:
                said = evaluate(expression, place.value, place.old, place.shape, self.budget, optional=optional)
            except BudgetExceeded as error:
                why = (
                    f"no further validation rules will be run due to call cost exceeds limit for messageExpression: "
                    f"{causes.quoted(expression)}" if error.of_call else
                    "messageExpression evaluation failed due to running out of cost budget, no further validation "
                    "rules will be run"
                )  # fmt: skip
                self.found.append(causes.invalid(place.path, kind, why))
                raise _Stop from None
            except RuleError:
                said = None
            if isinstance(said, str) and _is_message(said.strip()):
                return said.strip()
        return (rule.get("message") or "").strip() or f"failed rule: {_shown(rule)}"

    def _refuse(self, place: _Place, rule: Schema, ratchet: _Ratchet, why: str) -> None:
        where = place.path + _normal_path(rule, place.schema, place.path)
        value = OMITTED if place.schema.get("type") in ("object", "array") else place.value
        cause = _by_reason(rule.get("reason") or "", where, value, why)
        if ratchet.unchanged:
            self.warnings.append(str(cause))
        else:
            self.found.append(cause)


@dataclass(frozen=True, slots=True)
class _Place:
    """A value with rules."""

    value: Any
    old: Any
    schema: Schema
    path: str
    root: bool

    @property
    def shape(self) -> Schema:
        return with_meta(self.schema, root=self.root)


def has_rules(schema: object) -> bool:
    """Whether a schema or one below it has rules."""
    if not isinstance(schema, dict):
        return False
    inner: Iterable[object] = (schema.get("properties") or {}).values()
    return bool(schema.get(RULES)) or any(
        map(has_rules, (schema.get("items"), schema.get("additionalProperties"), *inner))
    )


def _is_message(text: str) -> bool:
    return bool(text) and len(text.encode(errors="replace")) <= LONGEST_MESSAGE and "\n" not in text


def _shown(rule: Schema) -> str:
    return str(rule.get("message") or rule.get("rule") or "").strip()


def _failed(error: str, rule: Schema) -> str:
    if error.startswith("no such overload"):
        return (
            f"'{error}': call arguments did not match a supported operator, function or macro signature for rule: "
            f"{_shown(rule)}"
        )
    return f"{error} evaluating rule: {_shown(rule)}"


def _normal_path(rule: Schema, schema: Schema, before: str) -> str:
    """What `fieldPath` adds to the path of the value."""
    try:
        path = field_path(rule["fieldPath"], schema).text if rule.get("fieldPath") else ""
    except FieldPathError:
        path = ""
    return f".{path}" if path and before else path


def _by_reason(reason: str, field: str, value: object, why: str) -> Cause:
    if reason == "FieldValueForbidden":
        return causes.forbidden(field or "<nil>", why)
    if reason == "FieldValueRequired":
        return causes.required(field or "<nil>", why)
    if reason == "FieldValueDuplicate":
        return causes.duplicate(field, value)
    return causes.invalid(field, value, why)
