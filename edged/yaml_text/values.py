"""Values of documents, built from a parser's events: anchors, merges, keys, limits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from edged import json_text
from edged.records import dataclass
from edged.yaml_text.events import Events, ReadsOtherwise, Source, is_scalar_read_otherwise
from edged.yaml_text.scalars import (
    PREFIX,
    DuplicateKeys,
    Rules,
    YamlError,
    number_of_json,
    plain,
    tagged,
    text_of_key,
)  # fmt: skip

if TYPE_CHECKING:
    from yaml.events import AliasEvent, Event, ScalarEvent

MOST_DEPTH: Final = 900
"""Levels of lists and mappings. libyaml and the reader of JSON end soon after it."""


def value_of(events: Events, source: Source, rules: Rules, *, strict: bool) -> Any:
    builder = Builder(events, rules)
    value = builder.document() if events.another() else None
    if rules.whole_stream:
        while events.another():
            events.skip()
    if strict and builder.duplicates:
        line, key = builder.duplicates[0]
        message = source.message(line, f"key {key} already set in map; remove one of the two")
        raise DuplicateKeys(message, tuple(builder.duplicates), value)
    return value


class _Merge(str):
    """The key of a merge."""

    __slots__ = ()


_MERGE: Final = _Merge("<<")
_ABSENT: Final = object()


@dataclass(frozen=True, slots=True, eq=False)
class _NoJson:
    error: YamlError


def _check_json(value: Any) -> None:
    """Raises the error of what has no JSON form."""
    pending = [value]
    while pending:
        part = pending.pop()
        if isinstance(part, _NoJson):
            raise part.error
        if isinstance(part, dict):
            pending += (*part.values(), *(key for key in part if not isinstance(key, str)))
        elif isinstance(part, list):
            pending += part


@dataclass(slots=True)
class _Anchor:
    """An anchored node. Of a scalar the event is kept, because as a key it may read differently."""

    scalar: ScalarEvent | None = None
    value: Any = None
    size: int = 0
    """How many values it has, those of its aliases included; 0 while it is being read."""


class Builder:
    """Makes the value of a document.

    Kubernetes' library bounds what aliases may add by two counts, which are kept here: values in all, and those that
    aliases stand for. Such a value is a copy, so that whoever fills in one place does not change another.
    """

    def __init__(self, events: Events, rules: Rules) -> None:
        self._events, self._rules = events, rules
        self._values: dict[str, Any] = {}
        self._keys: dict[str, str] = {"<<": _MERGE}
        self._anchors: dict[str, _Anchor] = {}
        self._late: dict[int, list[dict[str, Any]]] = {}
        self._aliased = 0
        self._no_json = False
        self._not_text: set[str] = set()
        """Keys that are text only in JSON."""
        self.duplicates: list[tuple[int, str]] = []

    def document(self) -> Any:
        try:
            value = self._document()
        except self._events.errors as error:
            raise self._events.refused(error) from None
        if self._no_json:
            _check_json(value)
        return value

    def _document(self) -> Any:  # the only code that runs for each event: what is rare is elsewhere
        events, take, values, keys = self._events, self._events.next, self._values, self._keys
        scalar, mapping, mapping_end = events.scalar, events.mapping, events.mapping_end
        sequence, sequence_end, alias = events.sequence, events.sequence_end, events.alias
        stack: list[tuple[Any, str | None, _Anchor | None, int, Event]] = []
        into: Any = []
        key: str | None = None
        in_mapping, count = False, 1
        while True:
            event: Any = take()
            kind = event.__class__
            if kind is scalar:
                count += 1
                if in_mapping and key is None:
                    if event.tag or event.anchor or not event.implicit[0] or (key := keys.get(event.value)) is None:
                        key = self._key(event, stack[-1][4])
                    count -= key is _MERGE
                    continue
                value = values.get(event.value, _ABSENT) if event.implicit[0] else _ABSENT
                if value is _ABSENT or event.tag or event.anchor:
                    value = self._value(event, stack[-1][4] if stack else None)
            elif kind is mapping or kind is sequence:
                if (in_mapping and key is None) or len(stack) == MOST_DEPTH:
                    raise self._misplaced(event, len(stack))
                stack.append((into, key, self._opened(event), count, event))
                in_mapping = kind is mapping
                count += in_mapping or key is not _MERGE
                into, key = {} if in_mapping else [], None
                continue
            elif kind is mapping_end or kind is sequence_end:
                value = self._closed(into) if self._late else into
                into, key, anchor, before, event = stack.pop()
                in_mapping = into.__class__ is dict
                if anchor is not None:
                    anchor.value, anchor.size = value, count - before
            elif kind is alias:
                count += 1
                if in_mapping and key is None:
                    anchor = self._anchor(event, count)
                    key = self._key_text(anchor.scalar, event)
                    count += 1
                    continue
                anchor = self._anchor(event, count)
                value = self._copied(anchor.value, event, len(stack))
                count += anchor.size
            else:
                self._bounded(event, count)
                return into[0]
            if not in_mapping:
                into.append(value)
            elif key is _MERGE:
                self._merge(into, value, event)
                key = None
            else:
                if key in into:
                    self._duplicate(event, key)
                into[key] = value
                key = None

    # What is rare.

    def _misplaced(self, event: Event, depth: int) -> YamlError:
        if depth == MOST_DEPTH:
            return self._events.problem(event, f"nested deeper than {MOST_DEPTH} levels")
        return self._events.problem(event, "a list or a mapping cannot be a key")

    def _duplicate(self, event: Event, key: object) -> None:
        shown = str(key) if key in self._not_text else _quoted(str(key))
        self.duplicates.append((self._events.line(event), shown))

    def _opened(self, event: Any) -> _Anchor | None:
        """The anchor of a list or mapping that begins."""
        if event.anchor is None:
            return None
        anchor = self._anchors[event.anchor] = _Anchor()
        return anchor

    def _closed(self, into: Any) -> Any:
        """A list or mapping that ends: now its merges count, where they do not replace its own keys."""
        for source in self._late.pop(id(into), ()):
            for key, value in source.items():
                into.setdefault(key, value)
        return into

    def _value(self, event: ScalarEvent, inside: Event | None) -> Any:
        """A scalar's value, remembered if it depends on the text alone. `inside` began the list or mapping."""
        self._check_scalar(event, inside)
        value = self._json(event)
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchor(event, value, 1)
        elif event.tag is None and event.implicit[0] and "?" not in event.value:
            self._values[event.value] = value
        return value

    def _key(self, event: ScalarEvent, inside: Event | None) -> str:
        self._check_scalar(event, inside)
        key = self._key_text(event, event)
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchor(event, self._json(event), 1)
        elif event.tag is None and event.implicit[0] and "?" not in event.value:
            self._keys[event.value] = key
        return key

    def _check_scalar(self, event: ScalarEvent, inside: Event | None) -> None:
        if not self._events.careful and is_scalar_read_otherwise(event, inside, self._events.text):
            raise ReadsOtherwise

    def _json(self, event: ScalarEvent) -> Any:
        value = self._resolved(event)
        if value.__class__ is not float:
            return value
        if not math.isfinite(value):
            return self._without_json(event, f"JSON has no number {event.value}")
        return number_of_json(value)

    def _without_json(self, event: Event, problem: str) -> _NoJson:
        """Stands for a value or key that JSON does not have, until it is known whether a later key replaces it."""
        self._no_json = True
        return _NoJson(self._events.problem(event, problem))

    def _key_text(self, scalar: ScalarEvent | None, event: Event) -> str:
        """What `scalar` is as a key; `event` is where it is used."""
        if scalar is None:
            raise self._misplaced(event, 0)
        if scalar.value == "<<" and (scalar.implicit[0] or scalar.tag in ("!", PREFIX + "merge")) and scalar is event:
            return _MERGE
        value = self._resolved(scalar)
        if value is None or (not self._rules.unsigned_keys and value.__class__ is int and value >> 63 > 0):
            shown = "null" if value is None else value
            return self._without_json(event, f"{shown} cannot be a key; quote it")  # type: ignore[return-value]
        if isinstance(value, str | _NoJson):
            return value  # type: ignore[return-value]
        text = text_of_key(value)
        self._not_text.add(text)
        return text

    def _resolved(self, event: ScalarEvent) -> Any:
        if event.tag is None:
            return plain(event.value, self._rules) if event.implicit[0] else event.value
        if event.tag == "!":
            if event.style or self._rules.lone_tag_is_text:
                return event.value
            return plain(event.value, self._rules)
        try:
            return tagged(event.tag, event.value, self._rules)
        except ValueError as error:
            return self._wrong(event, str(error))

    def _wrong(self, event: Event, problem: str) -> _NoJson:
        """An error that counts at once or, by the rules, only if the value stays."""
        if not self._rules.replaced_may_be_wrong:
            raise self._events.problem(event, problem)
        return self._without_json(event, problem)

    def _anchor(self, event: AliasEvent, count: int) -> _Anchor:
        anchor = self._anchors.get(str(event.anchor))
        if anchor is None:
            raise self._events.problem(event, f"unknown anchor '{event.anchor}' referenced")
        if not anchor.size:
            return _Anchor(None, self._wrong(event, f"anchor '{event.anchor}' value contains itself"), 1)
        self._aliased += anchor.size
        self._bounded(event, count + anchor.size)
        return anchor

    def _bounded(self, event: Event, count: int) -> None:
        if self._aliased > 100 and count > 1000 and self._aliased / count > _most_aliased(count):
            raise self._events.problem(
                event, f"document contains excessive aliasing: {self._aliased} of {count} values are copies"
            )

    def _copied(self, value: Any, event: Event, depth: int) -> Any:
        """A copy, to be put below `depth` levels."""
        if not isinstance(value, dict | list):
            return value
        copied = value.copy()
        pending: list[tuple[Any, int]] = [(copied, depth + 1)]
        while pending:
            part, level = pending.pop()
            if level > MOST_DEPTH:
                raise self._misplaced(event, MOST_DEPTH)
            for place, item in part.items() if isinstance(part, dict) else enumerate(part):
                if isinstance(item, dict | list):
                    part[place] = inner = item.copy()
                    pending.append((inner, level + 1))
        return copied

    def _merge(self, into: dict[str, Any], value: Any, event: Event) -> None:
        sources = value if isinstance(value, list) and event.__class__ is not self._events.alias else [value]
        if not all(isinstance(source, dict) for source in sources):
            wrong: Any = self._wrong(event, "map merge requires map or sequence of maps as the value")
            into[wrong] = None
            return
        if not self._rules.merges_override:
            self._late.setdefault(id(into), []).extend(sources)
            return
        for source in reversed(sources):
            for key, item in source.items():
                if key in into:
                    self._duplicate(event, key)
                into[key] = item


def _quoted(key: str) -> str:
    return json_text.dumps(key).decode()


def _most_aliased(count: int) -> float:
    """The part of `count` values that may come from aliases: 99 % of few, 10 % of many. Kubernetes' library's."""
    return min(0.99, max(0.10, 0.99 - 0.89 * (count - 400_000) / 3_600_000))
