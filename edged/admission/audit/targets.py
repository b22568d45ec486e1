"""Which kinds the rules of a policy mean in an audit, by what the API server has. Pure. Called by scope.py.

A rule names groups, versions and resources, and means each resource wherever one of its groups and versions has it. The
combinations that nothing serves (`deployments` in the core group) are no mistake: the API server takes such rules, too.
A resource that no combination serves is missing. One that is served and cannot be listed, such as `tokenreviews`, is
never missing: it has no objects that exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any

from edged.kube.values.names import GroupVersionResource, ServedKind
from edged.records import dataclass

Rule = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Served:
    """What the API server has. `unread`: apiVersion -> why it is not known what is in it."""

    kinds: Mapping[GroupVersionResource, ServedKind] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Targets:
    """What a policy's rules mean. `kinds` can be listed; `missing`, `unlistable` and `unknown` are texts for people.
    `unread`: apiVersions that may have more of it. `named_any`: the rules name something that an audit looks for."""

    kinds: dict[ServedKind, None] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unlistable: list[str] = field(default_factory=list)
    unread: dict[str, None] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    named_any: bool = False

    @property
    def only_unlistable(self) -> bool:
        return bool(self.unlistable) and not (self.kinds or self.missing or self.unknown)

    @property
    def problem(self) -> str:
        """Why not all of it can be checked; "" where it can."""
        parts = [f"the API server does not serve {', '.join(self.missing)}"] if self.missing else []
        if self.unknown:
            parts.append(f"it is not known whether the API server serves {', '.join(self.unknown)}")
        return "; ".join(parts)


def auditable(rules: Iterable[Rule]) -> list[Rule]:
    """The rules without wildcards that cover creation."""
    return [
        rule
        for rule in rules
        if not any("*" in rule.get(key, ()) for key in ("apiGroups", "apiVersions", "resources"))
        and {"CREATE", "*"} & set(rule.get("operations", ()))
    ]


def named(rules: Iterable[Rule]) -> set[GroupVersionResource]:
    """What the rules name, as far as audits go, whether or not it is served."""
    return {place for rule in auditable(rules) for word in _words(rule) for place in _places(rule, word)}


def targets_of(rules: Iterable[Rule], served: Served) -> Targets:
    """What all rules of a policy mean together."""
    found = Targets()
    for rule in auditable(rules):
        for word in _words(rule):
            found.named_any = True
            _add(found, rule, word, served)
    return found


def _add(found: Targets, rule: Rule, word: str, served: Served) -> None:
    places = _places(rule, word)
    kinds = [served.kinds[place] for place in places if place in served.kinds]
    unread = [place.api_version for place in places if place.api_version in served.unread]
    found.unread |= dict.fromkeys(unread)
    listable = [kind for kind in kinds if "list" in kind.verbs]
    found.kinds |= dict.fromkeys(kind for kind in listable if _in_scope(kind, rule))
    if listable:
        return
    where = str(places[0]) if len(places) == 1 else f"{word} of {', '.join(place.api_version for place in places)}"
    told = found.unlistable if kinds else found.unknown if unread else found.missing
    if where not in told:
        told.append(where)


def _words(rule: Rule) -> list[str]:
    """Its resources without subresources, of which there are no objects that could be listed."""
    return [word for word in rule["resources"] if "/" not in word]


def _places(rule: Rule, word: str) -> list[GroupVersionResource]:
    """Where a resource of a rule may be served."""
    groups, versions = rule["apiGroups"], rule["apiVersions"]
    return [GroupVersionResource(group, version, word) for group in groups for version in versions]


def _in_scope(kind: ServedKind, rule: Rule) -> bool:
    return (rule.get("scope") or "*") in ("*", "Namespaced" if kind.namespaced else "Cluster")
