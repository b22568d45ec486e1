"""The rights that a configuration needs, one by one, as questions to the API server. Pure.

They are those that `edged rbac render` grants: its rules are taken apart into questions, so that both say the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edged.cli.doctor.findings import FAIL, OK, WARN, Finding

CHECK = "rights"
_SERVICE_ACCOUNT = "system:serviceaccount:"


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One question. `namespace` "": in the whole cluster. `name` "": of every object. A `resource` that begins with a
    slash is a path of the API server that is no resource."""

    group: str
    resource: str
    verb: str
    namespace: str = ""
    name: str = ""

    def review(self) -> dict[str, Any]:
        """As a SelfSubjectAccessReview."""
        if self.resource.startswith("/"):
            return _review({"nonResourceAttributes": {"path": self.resource, "verb": self.verb}})
        resource, _, subresource = self.resource.partition("/")
        asked = {"group": self.group, "resource": resource, "subresource": subresource, "verb": self.verb,
                 "namespace": self.namespace, "name": self.name}  # fmt: skip
        return _review({"resourceAttributes": {key: value for key, value in asked.items() if value}})

    @property
    def object(self) -> str:
        """What the verb is about: `pods`, `leases.coordination.k8s.io "edged-scheduler" in kube-system`."""
        text = f"{self.resource}.{self.group}" if self.group else self.resource
        return text + (f' "{self.name}"' if self.name else "") + (f" in {self.namespace}" if self.namespace else "")


def _review(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec}


EVERYTHING = Right("*", "*", "*")
"""What an administrator has, and a daemon should not have."""


def needed(cluster: Iterable[Mapping[str, Any]], namespaced: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Right]:
    """The rules of `edged rbac render` as single rights."""
    found = {right for rule in cluster for right in _of_rule(rule, "")}
    found |= {right for namespace, rules in namespaced.items() for rule in rules for right in _of_rule(rule, namespace)}
    return sorted(found)


def _of_rule(rule: Mapping[str, Any], namespace: str) -> Iterable[Right]:
    for path in rule.get("nonResourceURLs") or ():
        for verb in rule["verbs"]:
            yield Right("", path, verb)
    for group in rule.get("apiGroups") or ():
        for resource in rule["resources"]:
            for verb in rule["verbs"]:
                for name in rule.get("resourceNames") or ("",):
                    yield Right(group, resource, verb, namespace, name)


def grant(who: str, own_name: str, config_path: str) -> str:
    """The command that gives this identity its rights. `own_name`: of the ServiceAccount that `edged init` makes."""
    namespace, _, name = who.removeprefix(_SERVICE_ACCOUNT).partition(":")
    if who == f"{_SERVICE_ACCOUNT}kube-system:{own_name}":
        return "edged init"
    options = f"--config {config_path}"
    if not who.startswith(_SERVICE_ACCOUNT):
        options += f" --user {who}"
    elif (namespace, name) != ("kube-system", "edged"):
        options += f" --namespace {namespace} --name {name}"
    return f"edged rbac render {options} | kubectl apply -f -"


def judge(who: str, asked: Sequence[Right], missing: Sequence[Right], grant: str) -> Finding:
    """`grant`: the command that gives what is missing."""
    if not missing:
        return Finding(CHECK, OK, f"{who} has all {len(asked)} rights that this configuration needs")
    why = f"{who} lacks {len(missing)} of {len(asked)} rights: {listed(missing)}"
    return Finding(CHECK, FAIL, why, grant)


def listed(rights: Iterable[Right]) -> str:
    """`get, list pods; update leases.coordination.k8s.io`."""
    verbs: dict[str, list[str]] = {}
    for right in rights:
        verbs.setdefault(right.object, []).append(right.verb)
    return "; ".join(f"{', '.join(found)} {what}" for what, found in verbs.items())


def too_many(who: str) -> Finding:
    """For a daemon that runs as an administrator."""
    why = f"{who} may do everything in the cluster: so may whoever gets hold of the daemon's kubeconfig"
    return Finding("identity", WARN, why, "edged init")
