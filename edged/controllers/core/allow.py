"""What a module may do, as the operator's `allow` says: asked before any request and before any cache is read.

A rule grants verbs on resources, as in RBAC, perhaps in some namespaces or for some names only. It may force selectors
on everything that is listed or watched by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from edged.controllers.core.codes import Code, Refused
from edged.errors import ConfigError

ALL = "*"


class Rule(NamedTuple):
    """`namespaces` and `names` (): any. Selectors "": nothing is forced."""

    groups: tuple[str, ...]
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    namespaces: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    label_selector: str = ""
    field_selector: str = ""

    def covers(self, verb: str, group: str, resource: str) -> bool:
        return _has(self.verbs, verb) and _has(self.groups, group) and _has_resource(self.resources, resource)

    def grants(self, verb: str, group: str, resource: str, namespace: str | None, name: str) -> bool:
        return (
            self.covers(verb, group, resource)
            and (not self.namespaces or namespace in self.namespaces)
            and (not self.names or name in self.names)
        )


class Forced(NamedTuple):
    """Selectors that are joined to those of each list and watch."""

    label_selector: str = ""
    field_selector: str = ""

    def joined(self, label_selector: str, field_selector: str) -> tuple[str, str]:
        """With what a module asks for itself."""
        return _joined(self.label_selector, label_selector), _joined(self.field_selector, field_selector)


def rule_of(table: Mapping[str, Any]) -> Rule:
    """Of a rule as the configuration has it, in RBAC's names."""
    return Rule(
        tuple(table["apiGroups"]), tuple(table["resources"]), tuple(table["verbs"]), tuple(table.get("namespaces", ())),
        tuple(table.get("resourceNames", ())), table.get("labelSelector", ""), table.get("fieldSelector", ""),
    )  # fmt: skip


class AllowList:
    """The rules of one module. What none of them grants is denied.

    Forced selectors bound what a module can see: watches and lists have them joined, a cached read sees only what
    watches see, and whoever reads an object live asks `forced` too and shows only what it selects. They do not bound
    writes, which go by name: `resourceNames` and `namespaces` do.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        """Raises ConfigError for rules that grant a list of the same objects with different selectors: their union has
        no selector."""
        self._rules = tuple(rules)
        for number, rule in enumerate(self._rules):
            for other in self._rules[:number]:
                _check_pair(rule, other)

    @property
    def groups(self) -> frozenset[str]:
        """API groups that are named, perhaps `*`. A kind of another group is denied without asking what serves it."""
        return frozenset(group for rule in self._rules for group in rule.groups)

    def knows_group(self, group: str) -> bool:
        return any(_has(rule.groups, group) for rule in self._rules)

    def allows(self, verb: str, group: str, resource: str, namespace: str | None, name: str = "") -> bool:
        """`resource` may end with `/status`. `namespace` None: all; "": a cluster-scoped object. `name` "": all,
        or one that is generated."""
        return any(rule.grants(verb, group, resource, namespace, name) for rule in self._rules)

    def check(self, verb: str, group: str, resource: str, namespace: str | None, name: str = "") -> None:
        """Raises Refused (DENIED) saying what is to be added to `allow`."""
        if not self.allows(verb, group, resource, namespace, name):
            raise Refused(Code.DENIED, _denial(verb, group, resource, namespace, name))

    def forced(self, group: str, resource: str, namespace: str | None = None) -> Forced:
        """The selectors of the rules that grant a list here; none where a rule without one does."""
        granting = [rule for rule in self._rules if rule.grants("list", group, resource, namespace, "")]
        if not granting or any(not (rule.label_selector or rule.field_selector) for rule in granting):
            return Forced()
        return Forced(granting[0].label_selector, granting[0].field_selector)


def _check_pair(one: Rule, other: Rule) -> None:
    mine, others = (one.label_selector, one.field_selector), (other.label_selector, other.field_selector)
    if mine == others or not any(mine) or not any(others):
        return
    groups = [group for group in one.groups if _has(other.groups, group) or group == ALL]
    resources = [name for name in one.resources if _has(other.resources, name) or name == ALL]
    apart = one.namespaces and other.namespaces and not set(one.namespaces) & set(other.namespaces)
    if groups and resources and not apart and _has(one.verbs, "list") and _has(other.verbs, "list"):
        raise ConfigError(f"`allow` has two rules for {resources[0]} that force different selectors")


def _denial(verb: str, group: str, resource: str, namespace: str | None, name: str) -> str:
    where = " in all namespaces" if namespace is None else f" in the namespace {namespace}" if namespace else ""
    which = f" {name}" if name else ""
    wanted = f'{{ apiGroups = ["{group}"], resources = ["{resource}"], verbs = ["{verb}"] }}'
    return f"{verb} {resource}{which}{where} is not allowed; `allow` of this controller needs {wanted}"


def _has(words: tuple[str, ...], word: str) -> bool:
    return word in words or ALL in words


def _has_resource(words: tuple[str, ...], resource: str) -> bool:
    """`*` is every resource, with its subresources; `*/status` is the status of each."""
    _, slash, subresource = resource.partition("/")
    return _has(words, resource) or (bool(slash) and f"*/{subresource}" in words)


def _joined(one: str, other: str) -> str:
    return ",".join(each for each in (one, other) if each)
