"""Registrations of policies and groups, as their configuration asks for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edged.admission.config import GroupConfig, PolicyConfig
from edged.admission.rules import webhooks
from edged.admission.rules.webhooks import Rules, WebhookSpec


def group_webhook(config: GroupConfig) -> WebhookSpec:
    """Registration of a group; each member's timeout must be below the webhook's, not their sum."""
    timeout_s = max((member.timeout_s for member in config.members.values()), default=0.0)
    return spec_of(config, config.rules, timeout_s)


def spec_of(
    config: PolicyConfig | GroupConfig,
    rules: Rules | None,
    timeout_s: float,
    *,
    mutating: bool = False,
    module_conditions: Sequence[Mapping[str, str]] | None = (),
) -> WebhookSpec:
    """Registration of a policy or group with these rules. One made of a custom resource has Kubewarden's webhook name,
    its object's namespace and its object's timeout. `module_conditions`: None where they are not known."""
    origin = config.origin
    return WebhookSpec(
        name=config.name,
        rules=rules,
        mutating=mutating,
        monitor=config.mode == "monitor",
        namespace=origin.namespace if origin is not None else "",
        failure_policy=config.failure_policy,
        match_policy=config.match_policy,
        side_effects=config.side_effects,
        reinvocation_policy=config.reinvocation_policy if isinstance(config, PolicyConfig) else "Never",
        timeout_s=timeout_s,
        namespace_selector=config.namespace_selector,
        object_selector=config.object_selector,
        match_conditions=config.match_conditions,
        module_conditions=module_conditions,
        webhook_timeout_s=origin.webhook_timeout_s if origin is not None else None,
        is_own=config.webhook == "own",
        hook_name=f"{config.name}.{webhooks.RESOURCE_SUFFIX}" if origin is not None else "",
    )
