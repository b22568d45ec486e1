"""What of a policy's configuration `edged policy run` does not look at. A policy is asked whatever its rules and
selectors say: by them the API server decides whether to call it. Pure. Called by sources.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any

from edged.admission.config import GroupConfig, PolicyConfig, WebhookConfig
from edged.admission.resources.validation import MODULE_CONDITIONS, REINVOCATION, annotations_of

_OF_WEBHOOKS = {
    *({each.name for each in fields(WebhookConfig)} - {"name", "mode", "origin"}),
    "reinvocation_policy", "module_conditions",
}  # fmt: skip
"""What says how the API server calls a policy. A group is never called again."""
_HEEDED_IN_SPEC = (
    "module", "settings", "mode", "mutating", "message", "contextAwareResources", "timeoutEvalSeconds",
    "timeoutSeconds", "policies", "expression",
)  # fmt: skip


def of_object(obj: Mapping[str, Any]) -> list[str]:
    """Keys of a custom resource's spec, and the annotations that belong to them."""
    spec = obj.get("spec")
    if not isinstance(spec, Mapping):
        return []
    found = [str(key) for key, value in spec.items() if key not in _HEEDED_IN_SPEC and value not in (None, [], {})]
    usual = {REINVOCATION: "Never", MODULE_CONDITIONS: "true"}
    said = annotations_of(obj)
    return [*found, *(key for key, value in usual.items() if said.get(key) not in (None, value))]


def of_config(policy: PolicyConfig | GroupConfig) -> list[str]:
    """Keys of a table of the configuration file that are not at their default."""
    return [
        each.name
        for each in fields(policy)
        if each.name in _OF_WEBHOOKS and getattr(policy, each.name) not in (_default(each, policy), None, ())
    ]


def _default(field: Any, policy: PolicyConfig | GroupConfig) -> object:
    if field.name == "failure_policy" and policy.mode == "monitor":
        return "Ignore"
    return field.default if field.default is not MISSING else field.default_factory()


def told(what: str, keys: Sequence[str]) -> str:
    """A sentence about them; "" where there are none."""
    if not keys:
        return ""
    return f"{what} is asked whatever these say: {', '.join(keys)}"
