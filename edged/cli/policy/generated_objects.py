"""Objects of built-in kinds, made by chance: what `edged policy test` tries a module's match conditions with. Pure.

An object has the fields of its Go type, with values of the right types, as the API server would hand it to a webhook: a
list that Go always writes is always there, an empty one as null. Fields that the conditions name are there more often
than others, and texts that they name are among the values, so that both sides of a condition are met. The same seed
gives the same objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from edged.kube.values import cel_syntax
from edged.sandbox.kinds.builtin_kinds import ROWS
from edged.sandbox.kinds.go_types import GoTypes

MOST_FIELDS: Final = 300
"""Of one object; what comes after them is left out, unless Go always writes it, and all of it after twice as many."""
DEEPEST: Final = 12
NAMED: Final = 0.6
"""How often a field is there that the conditions name."""
OTHERS: Final = (1.0, 0.4, 0.25, 0.25, 0.12)
"""How often one is that they do not name, by its depth; deeper ones as seldom as the last."""
ALL_KEYS: Final = 0.6
TEXTS: Final = ("", "a", "app", "default", "example.com/app:v1", "ClusterFirst", "Always")
_NUMBERS: Final = (0, 1, 2, 80, 8080, 65535)
_QUANTITIES: Final = ("0", "100m", "1", "64Mi")
_TIME: Final = "2026-01-02T03:04:05Z"
_INTEGERS: Final = frozenset(("int", "int32", "int64", "uint32", "uint8"))


@dataclass(frozen=True, slots=True)
class Named:
    """`words`: fields and texts that conditions name; `quoted`: the texts; `texts`: values to choose from."""

    words: frozenset[str]
    quoted: tuple[str, ...]
    texts: tuple[str, ...]


def named_in(expressions: Iterable[str]) -> Named:
    """What these expressions name. They are known to be CEL."""
    tokens = [token for expression in expressions for token in cel_syntax.tokens(expression)]
    quoted = tuple(dict.fromkeys(token.text[1:-1] for token in tokens if token.kind == "string"))
    names = {token.text for token in tokens if token.kind == "name"}
    return Named(frozenset(names.union(quoted)), quoted, (*TEXTS, *quoted))


def go_type_of(api_version: str, kind: str) -> str:
    """Of a built-in kind, as types.json names it; "" for others."""
    group, _, version = api_version.rpartition("/")
    for row_group, row_version, package, rows in ROWS:
        if (row_group, row_version) == (group, version) and any(row[0] == kind for row in rows):
            return f"{package}.{kind}"
    return ""


def objects(types: GoTypes, api_version: str, kind: str, named: Named, rng: Random) -> Iterator[dict[str, Any]]:
    """Without end. Raises KeyError for a kind that is not built in."""
    go_type = go_type_of(api_version, kind)
    if not go_type:
        raise KeyError(f"{api_version} {kind}")
    while True:
        made = _Maker(types, named, rng).struct(go_type, 0)
        metadata = {**(made.get("metadata") or {}), "name": rng.choice(("web", "db-0"))}
        metadata.pop("deletionTimestamp", None)
        yield {"apiVersion": api_version, "kind": kind, **made, "metadata": metadata}


class _Maker:
    """Of one object."""

    def __init__(self, types: GoTypes, named: Named, rng: Random) -> None:
        self._types = types
        self._named = named
        self._rng = rng
        self._fields = 0

    def struct(self, go_type: str, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for each in self._types.flat_fields(go_type) if depth <= DEEPEST and self._fields < 2 * MOST_FIELDS else ():
            always = each.name == "name" or (each.type.startswith("[]") and not each.omit_empty)
            if not self._is_there(each.name, depth, always=always):
                continue
            self._fields += 1
            made[each.name] = self._value(each.type, depth + 1, each.name)
        return made

    def _is_there(self, name: str, depth: int, *, always: bool) -> bool:
        if depth >= DEEPEST or self._fields >= MOST_FIELDS:
            return always
        others = OTHERS[min(depth, len(OTHERS) - 1)]
        return always or self._rng.random() < (max(NAMED, others) if name in self._named.words else others)

    def _value(self, go_type: str, depth: int, name: str) -> Any:
        rng = self._rng
        if go_type.startswith("[]"):
            return self._list(go_type[2:], depth, name)
        if go_type.startswith("{}"):
            return {key: self._value(go_type[2:], depth + 1, key) for key in self._keys()}
        if go_type == "bool":
            return rng.random() < 0.5
        if go_type in _INTEGERS:
            return rng.choice(_NUMBERS)
        if go_type in ("float32", "float64"):
            return rng.choice((0.0, 0.5))
        if go_type == "Quantity":
            return rng.choice(_QUANTITIES)
        if go_type in ("Time", "MicroTime"):
            return _TIME
        if go_type == "IntOrString":
            return rng.choice((80, "http"))
        if go_type == "bytes":
            return "YQ=="
        if go_type in self._types:
            return self.struct(go_type, depth)
        return rng.choice(self._named.texts) if go_type in ("string", "Duration") else {}

    def _keys(self) -> Sequence[str]:
        """Of a map: often all that the conditions name, for they may ask whether any is missing."""
        rng, quoted = self._rng, self._named.quoted
        if quoted and rng.random() < ALL_KEYS:
            return rng.sample(quoted, k=len(quoted) - rng.randrange(2))
        return rng.sample(self._named.texts, k=rng.randrange(3))

    def _list(self, element: str, depth: int, name: str) -> Sequence[Any] | None:
        lengths = (1, 1, 2) if name in self._named.words else (0, 1, 1)
        if depth >= DEEPEST or self._fields >= MOST_FIELDS:
            return None
        made = [self._value(element, depth + 1, name) for _ in range(self._rng.choice(lengths))]
        return made or None
