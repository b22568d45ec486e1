"""The rights that controllers need, as rules of RBAC: what `allow` of each says, events, Leases.

Called by cli/rbac.py. RBAC knows no selectors, so what a rule of `allow` forces is kept by edged alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edged.config import Config
from edged.controllers.config import VERBS, ControllerConfig
from edged.controllers.core import abi, leases
from edged.errors import EdgedError
from edged.registry.config import module_path
from edged.registry.store import Store
from edged.wasm import binary

Rule = dict[str, Any]


def cluster_rules(config: Config) -> list[Rule]:
    """Rules of `allow` that name no namespaces, and events where a module may emit them."""
    rules = [each for controller in config.controller for rule in controller.allow if not rule.get("namespaces")
             for each in _rules(rule)]  # fmt: skip
    if any(may_emit(controller, config.node.state_dir) for controller in config.controller):
        rules.append({"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]})
    return _once(rules)


def namespaced_rules(config: Config) -> dict[str, list[Rule]]:
    """Rules of Roles, by namespace: of `allow`, and for the Leases of those who are elected."""
    rules: dict[str, list[Rule]] = {}
    for controller in config.controller:
        for rule in controller.allow:
            for namespace in rule.get("namespaces", ()):
                rules.setdefault(namespace, []).extend(_rules(rule))
    if names := lease_names(config):
        group = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}
        # Kubernetes cannot limit `create` by name.
        of_leases = [{**group, "verbs": ["create"]}, {**group, "verbs": ["get", "update"], "resourceNames": names}]
        rules.setdefault(leases.NAMESPACE, []).extend(of_leases)
    return {namespace: _once(found) for namespace, found in rules.items()}


def lease_names(config: Config) -> list[str]:
    """The names of the Leases in kube-system that decide who runs which controller."""
    named = {leases.lease_of(each.name, each.leader_election) for each in config.controller}
    return sorted(named - {""})


def may_emit(controller: ControllerConfig, state_dir: str) -> bool:
    """Whether the module imports `event`. A module that is not on this machine may."""
    try:
        content = _module_file(controller.module, state_dir).read_bytes()
        found = binary.interface(content)
    except (EdgedError, OSError):
        return True
    return any(each.name == "event" for each in found.imports if each.module == abi.MODULE)


def may_admit(controller: ControllerConfig, state_dir: str) -> bool:
    """Whether the module exports what answers reviews. A module that is not on this machine may."""
    try:
        return abi.ADMIT in binary.interface(_module_file(controller.module, state_dir).read_bytes()).exports
    except (EdgedError, OSError):
        return True


def _module_file(url: str, state_dir: str) -> Path:
    """Raises FileNotFoundError for a module that was not fetched yet."""
    path = module_path(url) if url.startswith("file:") else Store(Path(state_dir) / "modules").find(url)
    if path is None:
        raise FileNotFoundError(url)
    return Path(path)


def _rules(rule: Mapping[str, Any]) -> Iterator[Rule]:
    """One of `allow`. `*` is what a module can ask for, not what RBAC means by it."""
    verbs = [verb for verb in VERBS if verb in rule["verbs"] or "*" in rule["verbs"]]
    of = {"apiGroups": list(rule["apiGroups"]), "resources": list(rule["resources"])}
    names = list(rule.get("resourceNames", ()))
    if not names:
        yield {**of, "verbs": verbs}
        return
    if "create" in verbs:  # the API server does not know the name yet: edged keeps it
        yield {**of, "verbs": ["create"]}
    if others := [verb for verb in verbs if verb != "create"]:
        yield {**of, "verbs": others, "resourceNames": names}


def _once(rules: list[Rule]) -> list[Rule]:
    return [rule for index, rule in enumerate(rules) if rule not in rules[:index]]
