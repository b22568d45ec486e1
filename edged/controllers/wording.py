"""What a controller may do and admit, in words: for `edged check`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edged.controllers.config import AdmitsConfig, ControllerConfig
from edged.controllers.core import leases
from edged.controllers.core.admits import AdmitWebhook


def described(controller: ControllerConfig) -> dict[str, Any]:
    """Who runs it, what it may do, what it admits, which capabilities of the node it has."""
    lease = leases.lease_of(controller.name, controller.leader_election)
    return {
        "runs": f"where Lease {leases.NAMESPACE}/{lease} is held" if lease else "on every node",
        "may": [access(rule) for rule in controller.allow] or ["nothing"],
        **({"admits": [line for each in controller.admits for line in admits(each)]} if controller.admits else {}),
        **({"extensions": list(controller.extensions)} if controller.extensions else {}),
    }


def access(rule: Mapping[str, Any]) -> str:
    """`get, list, watch of pods, in namespace a, named b, only where labels app=web`."""
    text = f"{', '.join(rule['verbs'])} of {', '.join(_qualified(rule['apiGroups'], rule['resources']))}"
    if namespaces := rule.get("namespaces"):
        text += f", in {', '.join(namespaces)}"
    if names := rule.get("resourceNames"):
        text += f", named {', '.join(names)}"
    for key, what in (("labelSelector", "labels"), ("fieldSelector", "fields")):
        if selector := rule.get(key):
            text += f", only where {what} {selector}"
    return text


def admits(bound: AdmitsConfig) -> list[str]:
    """A line per rule of the bound, with what happens to requests while no edged answers."""
    policy = "Ignore" if bound.mode == "monitor" else bound.failure_policy
    means = "refused" if policy == "Fail" else "taken"
    more = " (monitor: its refusals are logged, and have no effect)" if bound.mode == "monitor" else ""
    more += "; it may change the objects" if bound.allowed_to_mutate and bound.mode != "monitor" else ""
    return [
        f"{_operations(rule)}; failurePolicy {policy}: while edged does not answer, these are {means}{more}"
        for rule in bound.rules
    ]


def admitted(webhook: AdmitWebhook) -> list[str]:
    """A line per rule of what a module is asked about."""
    return [f"{_operations(rule)}; failurePolicy {webhook.failure_policy}" for rule in webhook.rules]


def _operations(rule: Mapping[str, Any]) -> str:
    return f"{', '.join(rule['operations'])} of {', '.join(_qualified(rule['apiGroups'], rule['resources']))}"


def _qualified(groups: list[str], resources: list[str]) -> list[str]:
    """`pods`, `deployments.apps`, as kubectl takes them."""
    return [f"{resource}.{group}" if group else resource for group in groups for resource in resources]
