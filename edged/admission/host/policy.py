"""A policy, or a group of policies, as it is loaded: what answers reviews, and what is registered for it.

Values only. admission/host/policy_loader.py makes them, admission/host/evaluation.py calls their modules.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Protocol

from edged.abi.metadata import Metadata
from edged.admission.config import GroupConfig, PolicyConfig
from edged.admission.host.webhook_specs import group_webhook, spec_of
from edged.admission.rules import groups
from edged.admission.rules.capabilities import Grants
from edged.admission.rules.module_conditions import ModuleConditions
from edged.admission.rules.review import AdmissionRequest, AdmissionResponse
from edged.admission.rules.webhooks import Rules, WebhookSpec
from edged.records import dataclass
from edged.wasm.account import Budget
from edged.wasm.images import Image
from edged.wasm.instance import Template

if TYPE_CHECKING:  # Rego's builtins take long to import
    from edged.admission.host.rego_policy import ParsedData


SLOW_S = 0.005
"""CPU time of an answer from which on it is worth telling why there is no image. Ordinary policies take a tenth."""


@dataclass(slots=True, eq=False)
class Beginning:
    """What a policy's reviews begin from: an image of an instance that is initialised, or a fresh start."""

    image: Image | None = None
    reason: str = "no image was made yet"
    """Why there is no image."""
    is_loss: bool = False
    """Whether an image could save time, for all that is known."""
    due_at: float = -math.inf
    """When the next one is to be made, on trio's clock."""
    pause_s: float = 0.0
    """Until then, where the last one could not be made in peace."""

    @property
    def held_kib(self) -> int:
        """What the image takes of this process's memory."""
        return 0 if self.image is None else self.image.held_bytes >> 10


class Executor(Protocol):
    """Answers for a policy whose module is not this subject's: the daemon gives it."""

    @property
    def digest(self) -> str:
        """Of the module; "" while there is none."""

    async def answer(self, request: AdmissionRequest, deadline: float, seconds: float) -> AdmissionResponse:
        """Until that time on trio's clock, and within so many seconds of its own. Raises GuestError."""


@dataclass(slots=True, eq=False)
class Policy:
    """One policy. `error` says why it cannot answer; then this policy rejects everything."""

    config: PolicyConfig
    settings: bytes
    grants: Grants
    timeout_s: float
    budget: Budget
    template: Template | None = None
    metadata: Metadata = field(default_factory=Metadata)
    found_conditions: ModuleConditions | None = None
    """What its module says about the requests that can matter to it; None: the module was not read."""
    parsed: ParsedData | None = None
    """A Rego policy's settings, where they are its data and parsing them once pays."""
    error: str | None = None
    is_waiting: bool = False
    """Whether its module is still to be fetched from the network, for the first time or again."""
    is_loading: bool = False
    """Whether it is being loaded by a start: who asks waits until it is there. What is registered of it stays."""
    successor: PolicyConfig | None = None
    """The configuration that is in force by now, where this policy, an earlier version of it, answers until the new one
    can be loaded."""
    successor_error: str = ""
    """Why it cannot be loaded yet."""
    beginning: Beginning = field(default_factory=Beginning)
    executor: Executor | None = None
    """Who answers, where no `template` does."""

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def monitor(self) -> bool:
        return self.config.mode == "monitor"

    @property
    def rules(self) -> Rules:
        """What it is registered for: the configuration's rules, else the module's own."""
        return self.metadata.rules if self.config.rules is None else self.config.rules

    @property
    def module_conditions(self) -> Sequence[Mapping[str, str]] | None:
        """Those in force: none where the configuration does not want them, nor for a policy that rejects everything,
        whose author promised nothing about that. None where its module could not be read: the present ones stay."""
        if not self.config.module_conditions:
            return ()
        if self.error is not None:
            return None if self.found_conditions is None else ()
        return self.found_conditions.conditions if self.found_conditions is not None else ()

    @property
    def digests(self) -> tuple[str, ...]:
        if self.executor is not None and self.executor.digest:
            return (self.executor.digest,)
        return (self.template.digest,) if self.template is not None else ()

    def webhook(self) -> WebhookSpec:
        """Its registration. A policy that may not mutate is called like a validating one, because its patch would be
        refused anyway."""
        config = self.config
        rules: Rules | None = () if self.metadata.policy_type == "raw" else self.rules
        if self.error is not None and not rules and config.rules is None:
            # The module's own rules are unknown now: the present registration stays, and requests are denied.
            rules = None
        if self.is_loading:
            rules = None
        is_known = self.error is None and self.executor is None
        mutating = config.allowed_to_mutate and (self.metadata.mutating or not is_known)
        return spec_of(config, rules, self.timeout_s, mutating=mutating, module_conditions=self.module_conditions)


@dataclass(slots=True, eq=False)
class Group:
    """Several policies joined by an expression: one answer, one webhook. `error` as in Policy."""

    config: GroupConfig
    members: dict[str, Policy]
    expression: groups.Expression | None = None
    error: str | None = None
    is_retried: bool = False
    """Whether it is to be loaded again although no member's module is still to come."""
    is_loading: bool = False
    """As in Policy."""
    successor: GroupConfig | None = None
    """As in Policy."""
    successor_error: str = ""

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def monitor(self) -> bool:
        return self.config.mode == "monitor"

    @property
    def is_waiting(self) -> bool:
        return self.is_retried or any(member.is_waiting for member in self.members.values())

    @property
    def digests(self) -> tuple[str, ...]:
        return tuple(digest for member in self.members.values() for digest in member.digests)

    @property
    def module_conditions(self) -> tuple[()]:
        """None, whatever its members' modules say: where a member would allow, the expression may still reject."""
        return ()

    def webhook(self) -> WebhookSpec:
        """Its registration: a group never mutates."""
        spec = group_webhook(self.config)
        return replace(spec, rules=None) if self.is_loading else spec


PolicySet = dict[str, Policy | Group]


def wanted(policy: Policy | Group) -> PolicyConfig | GroupConfig:
    """The configuration that it has, or is to have."""
    return policy.successor or policy.config


def awaiting(policy: Policy | Group, config: PolicyConfig | GroupConfig, reason: str) -> Policy | Group:
    """A policy that answers until one with that configuration, of the same kind, can be loaded."""
    if isinstance(policy, Group) and isinstance(config, GroupConfig):
        return replace(policy, is_retried=True, successor=config, successor_error=reason)
    if isinstance(policy, Policy) and isinstance(config, PolicyConfig):
        return replace(policy, is_waiting=True, successor=config, successor_error=reason)
    raise TypeError(f"{policy.name} cannot take the place of one of the other kind")


def guests_of(policy: Policy | Group) -> Iterator[Policy]:
    """The policies that are asked: itself, or a group's members."""
    if isinstance(policy, Group):
        yield from policy.members.values()
    else:
        yield policy


def fresh_because(policy: Policy) -> str:
    """Why its reviews do not begin from an image; "" where they do, or where it has none because it is not loaded."""
    if policy.beginning.image is not None or policy.error is not None or policy.executor is not None:
        return ""
    return policy.beginning.reason


def costly_because(policy: Policy) -> str:
    """Why it starts fresh, where an image could save time and its answers take so much that people should know."""
    is_slow = policy.template is not None and policy.template.module.usual_cpu_s >= SLOW_S
    return fresh_because(policy) if is_slow and policy.beginning.is_loss else ""


def templates_of(policies: Mapping[str, Policy | Group]) -> dict[str, Template]:
    """By digest, the modules that these policies use."""
    guests = (guest for policy in policies.values() for guest in guests_of(policy))
    return {guest.template.module.digest: guest.template for guest in guests if guest.template is not None}
