"""Nobody grants what they do not have: roles and bindings that are written. Pure.

Source: kubernetes/pkg/registry/rbac (escalation checks), component-helpers/auth/rbac/validation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from edged.json_text import dumps
from edged.sandbox.authorization.rules import GROUP, MASTERS, Attributes, Rbac
from edged.sandbox.protocol.api_status import ApiStatus, forbidden, not_found
from edged.sandbox.protocol.request import Target, User

Object = dict[str, Any]
_ROLES: Final = ("roles", "clusterroles")
_BINDINGS: Final = ("rolebindings", "clusterrolebindings")
_PARTS: Final = (("apiGroups", "APIGroups"), ("resources", "Resources"), ("nonResourceURLs", "NonResourceURLs"),
                 ("resourceNames", "ResourceNames"), ("verbs", "Verbs"))
_MOST_PARTS: Final = 100_000


def concerns(target: Target) -> bool:
    """Whether writes of it are checked."""
    return target.resource.group == GROUP and not target.subresource


def check(rbac: Rbac, user: User, target: Target, written: Object, old: Object | None) -> None:
    """Raises 403: `written`, as it would be stored, grants more than the user has."""
    if MASTERS in user.groups or (old is not None and _granting(old) == _granting(written)):
        return
    namespace, resource, name = target.namespace or "", target.resource, written["metadata"]["name"]
    if resource.plural in _ROLES:
        asked = Attributes(
            verb="escalate", group=GROUP, resource=resource.plural, namespace=namespace, name=target.name
        )
        if rbac.decide(user, asked).allowed:
            return
        rules = list(written.get("rules") or ())
    else:
        reference = written.get("roleRef") or {}
        plural = "roles" if reference.get("kind") == "Role" else "clusterroles"
        role = str(reference.get("name"))
        asked = Attributes(verb="bind", group=GROUP, resource=plural, namespace=namespace, name=role)
        if rbac.decide(user, asked).allowed:
            return
        rules, missing = rbac.rules_of(reference, namespace)
        if missing:
            raise not_found(resource.named, role)
    refuse = _escalation(rbac, user, namespace, rules)
    if refuse:
        raise forbidden(resource.named, name, refuse)


def _granting(obj: Object) -> object:
    """What of it grants rights; the rest may be written by whoever may write it."""
    return [obj.get(field) for field in ("rules", "aggregationRule", "roleRef", "subjects")]


def _escalation(rbac: Rbac, user: User, namespace: str, rules: Iterable[Object]) -> str:
    """What is wrong with granting these rules; "" if nothing."""
    held = [granted.rule for granted in rbac.granted(user, namespace) if granted.rule is not None]
    lacking = [part for part in _single(rules) if not any(_covers(rule, part) for rule in held)]
    if not lacking:
        return ""
    groups = " ".join(_quoted(group) for group in user.groups)
    lines = sorted({_shown(rule) for rule in _compact(lacking)})
    who = f"user {_quoted(user.username)} (groups=[{groups}])"
    return f"{who} is attempting to grant RBAC permissions not currently held:\n" + "\n".join(lines)


def _single(rules: Iterable[Object]) -> Iterator[Object]:
    """Rules for one verb and one resource or path each. Raises 403 where there are too many to look at."""
    count = 0
    for rule in rules:
        for part in _parts(rule):
            count += 1
            if count > _MOST_PARTS:
                raise ApiStatus(403, "Forbidden", "the rules are too many to be checked")
            yield part


def _parts(rule: Object) -> Iterator[Object]:
    verbs = rule.get("verbs") or ()
    for group in rule.get("apiGroups") or ():
        for resource in rule.get("resources") or ():
            for verb in verbs:
                part = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
                names = rule.get("resourceNames") or ()
                yield from ({**part, "resourceNames": [name]} for name in names) if names else (part,)
    for path in rule.get("nonResourceURLs") or ():
        for verb in verbs:
            yield {"nonResourceURLs": [path], "verbs": [verb]}


def _covers(held: Mapping[str, Any], part: Object) -> bool:
    verbs = held.get("verbs") or ()
    if "*" not in verbs and part["verbs"][0] not in verbs:
        return False
    if "nonResourceURLs" in part:
        return any(_covers_path(mine, part["nonResourceURLs"][0]) for mine in held.get("nonResourceURLs") or ())
    groups, resources = held.get("apiGroups") or (), held.get("resources") or ()
    wanted = part["resources"][0]
    any_subresource = f"*/{wanted.partition('/')[2]}" if "/" in wanted else wanted
    names = held.get("resourceNames") or ()
    named = not names or (bool(part.get("resourceNames")) and part["resourceNames"][0] in names)
    if "*" not in groups and part["apiGroups"][0] not in groups:
        return False
    return named and not {"*", wanted, any_subresource}.isdisjoint(resources)


def _covers_path(mine: str, path: str) -> bool:
    return mine in ("*", path) or (mine.endswith("*") and path.startswith(mine.rstrip("*")))


def _compact(parts: Iterable[Object]) -> Iterator[Object]:
    """Parts that differ only in their verbs are one rule again."""
    joined: dict[bytes, Object] = {}
    for part in parts:
        key = dumps({name: value for name, value in part.items() if name != "verbs"})
        if "nonResourceURLs" in part:
            yield part
            continue
        rule = joined.setdefault(key, {**part, "verbs": []})
        rule["verbs"] += part["verbs"]
    yield from joined.values()


def _shown(rule: Object) -> str:
    parts = [f"{shown}:[{' '.join(_quoted(v) for v in rule[name])}]" for name, shown in _PARTS if rule.get(name)]
    return "{" + ", ".join(parts) + "}"


def _quoted(text: str) -> str:
    return dumps(text).decode()
