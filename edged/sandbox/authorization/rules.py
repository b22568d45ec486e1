"""RBAC: what the rules of roles and bindings in the storage allow. Pure.

Source: kubernetes/plugin/pkg/auth/authorizer/rbac, pkg/registry/rbac/validation and pkg/apis/rbac/v1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from edged.kube.values.names import NamespacedName
from edged.kube.values.shapes import LabelSelector
from edged.sandbox.protocol.request import User
from edged.sandbox.reading import list_selectors
from edged.sandbox.storage import Storage

Object = dict[str, Any]
GROUP: Final = "rbac.authorization.k8s.io"
MASTERS: Final = "system:masters"
_ACCOUNT: Final = "system:serviceaccount"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What is asked for. `path` is set for what is no resource, and then `verb` alone besides."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def combined(self) -> str:
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


@dataclass(frozen=True, slots=True)
class Decision:
    """`reason` says which binding allows it, or which roles are missing."""

    allowed: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Granted:
    """A rule that a user has, and where from; or, without a rule, a binding's role that is missing."""

    source: str
    rule: Mapping[str, Any] | None
    missing: str = ""


class Rbac:
    """Decides by what the storage holds now."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def decide(self, user: User, asked: Attributes) -> Decision:
        """Members of system:masters may do everything."""
        if MASTERS in user.groups:
            return Decision(True)
        missing = []
        for granted in self.granted(user, asked.namespace):
            if granted.rule is None:
                missing.append(granted.missing)
            elif allows(granted.rule, asked):
                return Decision(True, f"RBAC: allowed by {granted.source}")
        return Decision(False, f"rbac: RBAC: {_joined(missing)}" if missing else "")

    def granted(self, user: User, namespace: str) -> Iterator[Granted]:
        """All rules of a user in that namespace; "" for those that hold everywhere."""
        yield from self._of_bindings(f"clusterrolebindings.{GROUP}", None, user, "")
        if namespace:
            yield from self._of_bindings(f"rolebindings.{GROUP}", namespace, user, namespace)

    def rules_of(self, reference: Mapping[str, Any], namespace: str) -> tuple[list[Object], str]:
        """(rules, what is missing) of a role that a binding names."""
        kind, name = reference.get("kind"), str(reference.get("name"))
        if kind == "Role":
            role = self._storage.get(f"roles.{GROUP}", NamespacedName(namespace, name))
        else:
            role = self._storage.get(f"clusterroles.{GROUP}", NamespacedName("", name))
        if role is None:
            what = "role" if kind == "Role" else "clusterrole"
            return [], f'{what}.{GROUP} "{name}" not found'
        return list(role.get("rules") or ()), ""

    def _of_bindings(self, bucket: str, namespace: str | None, user: User, within: str) -> Iterator[Granted]:
        for binding in self._storage.list(bucket, namespace):
            subject = next((s for s in binding.get("subjects") or () if _is(user, s, within)), None)
            if subject is None:
                continue
            rules, missing = self.rules_of(binding.get("roleRef") or {}, within)
            if missing:
                yield Granted("", None, missing)
            source = _described(binding, subject, within)
            for rule in rules:
                yield Granted(source, rule)

    def aggregate(self) -> None:
        """Gives ClusterRoles that are made of others their rules, as a controller does."""
        bucket = f"clusterroles.{GROUP}"
        for role in self._storage.list(bucket):
            selectors = (role.get("aggregationRule") or {}).get("clusterRoleSelectors")
            if not selectors:
                continue
            rules = self._aggregated(role, selectors, bucket)
            if rules != list(role.get("rules") or ()):
                self._storage.update(bucket, {**role, "rules": rules})

    def _aggregated(self, role: Object, selectors: Iterable[LabelSelector], bucket: str) -> list[Object]:
        rules: list[Object] = []
        for selector in selectors:
            requirements = list_selectors.from_object(selector)
            for other in self._storage.list(bucket):
                named = other["metadata"]["name"] != role["metadata"]["name"]
                if named and list_selectors.matches(requirements, other["metadata"].get("labels")):
                    rules += [rule for rule in other.get("rules") or () if rule not in rules]
        return rules


def allows(rule: Mapping[str, Any], asked: Attributes) -> bool:
    verbs = rule.get("verbs") or ()
    if "*" not in verbs and asked.verb not in verbs:
        return False
    if asked.path:
        return any(_path_matches(pattern, asked.path) for pattern in rule.get("nonResourceURLs") or ())
    groups, names = rule.get("apiGroups") or (), rule.get("resourceNames") or ()
    return (
        ("*" in groups or asked.group in groups)
        and any(_resource_matches(pattern, asked) for pattern in rule.get("resources") or ())
        and (not names or asked.name in names)
    )


def _resource_matches(pattern: str, asked: Attributes) -> bool:
    return pattern in ("*", asked.combined) or bool(asked.subresource and pattern == f"*/{asked.subresource}")


def _path_matches(pattern: str, path: str) -> bool:
    return pattern in ("*", path) or (pattern.endswith("*") and path.startswith(pattern.rstrip("*")))


def _is(user: User, subject: Mapping[str, Any], namespace: str) -> bool:
    match subject.get("kind"):
        case "User":
            return bool(subject.get("name") == user.username)
        case "Group":
            return subject.get("name") in user.groups
        case "ServiceAccount":
            within = subject.get("namespace") or namespace
            return bool(within) and user.username == f"{_ACCOUNT}:{within}:{subject.get('name')}"
    return False


def _described(binding: Object, subject: Mapping[str, Any], namespace: str) -> str:
    metadata, role = binding["metadata"], binding.get("roleRef") or {}
    kind, name = ("RoleBinding", f"{metadata['name']}/{namespace}") if namespace else (
        "ClusterRoleBinding", metadata["name"])  # fmt: skip
    who = subject.get("name")
    if subject.get("kind") == "ServiceAccount":
        who = f"{who}/{subject.get('namespace') or namespace}"
    return f'{kind} "{name}" of {role.get("kind")} "{role.get("name")}" to {subject.get("kind")} "{who}"'


def _joined(texts: list[str]) -> str:
    """Errors as Go's aggregate prints them: each once, several in brackets."""
    different = list(dict.fromkeys(texts))
    return different[0] if len(different) == 1 else f"[{', '.join(different)}]"
