"""From configuration to a set of policies that can answer. A policy that cannot be loaded answers with its reason.

A new set is built whole and then swapped in (daemon.py), so that a reload never leaves a half-loaded state.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import trio

from edged.abi import metadata as policy_metadata
from edged.abi.metadata import Metadata
from edged.admission.host.context import HostServices
from edged.admission.host.evaluation import TimedOut, call_guest, load_template
from edged.admission.rules import capabilities, groups, verdict, webhooks
from edged.admission.rules.capabilities import Grants
from edged.admission.rules.webhooks import WebhookSpec
from edged.config import Config, GroupConfig, GroupMemberConfig, PolicyConfig
from edged.errors import ConfigError, EdgedError, GuestError
from edged.registry.modules import Modules, ModuleUnavailable, restrictions_of
from edged.registry.store import is_moving
from edged.telemetry.logs import GuestLines, Logger
from edged.wasm.compile import Compiler
from edged.wasm.instance import Budget, Template


@dataclass(slots=True, eq=False)
class Policy:
    """One policy as it answers. `error` says why it cannot; then it rejects everything, for itself alone."""

    config: PolicyConfig
    settings: bytes
    grants: Grants
    timeout_s: float
    budget: Budget
    template: Template | None = None
    metadata: Metadata = field(default_factory=Metadata)
    error: str | None = None
    is_waiting: bool = False
    """Whether its module is still to come, or to be looked for again, over the network."""

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def monitor(self) -> bool:
        return self.config.mode == "monitor"

    @property
    def rules(self) -> Sequence[dict[str, Any]]:
        """What it is registered for: the configuration's rules, else the module's own."""
        return self.metadata.rules if self.config.rules is None else self.config.rules

    @property
    def digests(self) -> tuple[str, ...]:
        return (self.template.digest,) if self.template is not None else ()

    def webhook(self) -> WebhookSpec:
        """What the API server is to be told. A policy that may not mutate is called like a validating one: its patch
        would be refused anyway."""
        config = self.config
        rules: Sequence[dict[str, Any]] | None = () if self.metadata.policy_type == "raw" else self.rules
        if self.error is not None and not rules and config.rules is None:
            rules = None  # what the module wants is not known now: what is registered stays, and is denied
        mutating = config.allowed_to_mutate and (self.metadata.mutating or self.error is not None)
        return spec_of(config, rules, self.timeout_s, mutating=mutating)


@dataclass(slots=True, eq=False)
class Group:
    """Several policies joined by an expression: one answer, one webhook. `error` as in Policy."""

    config: GroupConfig
    members: dict[str, Policy]
    expression: groups.Expression | None = None
    error: str | None = None

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def monitor(self) -> bool:
        return self.config.mode == "monitor"

    @property
    def is_waiting(self) -> bool:
        return any(member.is_waiting for member in self.members.values())

    @property
    def digests(self) -> tuple[str, ...]:
        return tuple(digest for member in self.members.values() for digest in member.digests)

    def webhook(self) -> WebhookSpec:
        """What the API server is to be told: a group never mutates."""
        return group_webhook(self.config)


def group_webhook(config: GroupConfig) -> WebhookSpec:
    """Registration of a group; each member's timeout must be below the webhook's, not their sum."""
    timeout_s = max((member.timeout_s for member in config.members.values()), default=0.0)
    return spec_of(config, config.rules, timeout_s)


def spec_of(
    config: PolicyConfig | GroupConfig,
    rules: Sequence[dict[str, Any]] | None,
    timeout_s: float,
    *,
    mutating: bool = False,
) -> WebhookSpec:
    """Registration of a policy or group with these rules."""
    return WebhookSpec(
        name=config.name,
        rules=rules,
        mutating=mutating,
        monitor=config.mode == "monitor",
        failure_policy=config.failure_policy,
        match_policy=config.match_policy,
        side_effects=config.side_effects,
        timeout_s=timeout_s,
        namespace_selector=config.namespace_selector,
        object_selector=config.object_selector,
        match_conditions=config.match_conditions,
        **_registered_as(config),
    )


def _registered_as(config: PolicyConfig | GroupConfig) -> dict[str, Any]:
    """What differs for policies made of custom resources: Kubewarden's webhook names, and their own namespace."""
    origin = config.origin
    if origin is None:
        return {}
    return {
        "namespace": origin.namespace,
        "webhook_timeout_s": origin.webhook_timeout_s,
        "hook_name": f"{config.name}.{webhooks.RESOURCE_SUFFIX}",
    }


PolicySet = dict[str, Policy | Group]


def check_config(policy: PolicyConfig, allow_secrets: bool) -> None:
    """Raise ConfigError for grants that must not be given."""
    where = f"admission.policy {policy.name}"
    try:
        capabilities.check_patterns(policy.host_capabilities)
    except ConfigError as error:
        raise ConfigError(f"{where}: host_capabilities: {error}") from error
    for entry in policy.context_aware:
        if entry["kind"] == "Secret" and entry["apiVersion"] == "v1" and not allow_secrets:
            raise ConfigError(f"{where}: context_aware: Secret needs admission.allow_secrets = true")


def _single(policies: PolicySet) -> Iterator[Policy]:
    for policy in policies.values():
        if isinstance(policy, Group):
            yield from policy.members.values()
        else:
            yield policy


def templates_of(policies: PolicySet) -> dict[str, Template]:
    """By digest, the modules that these policies use."""
    return {each.template.module.digest: each.template for each in _single(policies) if each.template is not None}


def member_policy(group: GroupConfig, name: str, member: GroupMemberConfig) -> PolicyConfig:
    """A group's member as a policy of its own, which is never registered and may propose mutations in vain."""
    return PolicyConfig(
        name=f"{group.name}/{name}",
        module=member.module,
        settings=member.settings,
        context_aware=member.context_aware,
        host_capabilities=member.host_capabilities,
        timeout_s=member.timeout_s,
        rules=(),
        origin=group.origin,
    )


class PolicyLoader:
    """Loads sets of policies; modules of equal bytes are shared between them and between sets."""

    def __init__(
        self, config: Config, compiler: Compiler, lines: GuestLines, log: Logger, modules: Modules | None = None
    ) -> None:
        """`modules`: shared by all loaders of a process, so that nothing is fetched twice at once."""
        self._config = config
        self._compiler = compiler
        self._lines = lines
        self._log = log
        self._modules = modules or Modules(config.registry, Path(config.node.state_dir), log)
        self._fetch = True

    async def load(
        self, policies: Sequence[PolicyConfig | GroupConfig], previous: PolicySet | None = None, *, fetch: bool = True
    ) -> PolicySet:
        """All of them, each loaded or carrying its error. Compiles what is not in the cache.

        `fetch` False: nothing is waited for that has to come over the network; what is not there yet says so.
        """
        self._fetch = fetch
        templates = templates_of(previous or {})
        loaded: PolicySet = {}
        for config in policies:
            loaded[config.name] = await self.load_one(config, templates)
            await trio.lowlevel.checkpoint()
        return loaded

    async def fetch(self, config: PolicyConfig | GroupConfig) -> str:
        """Have the modules of a policy or group on this host, however long that takes; why they are not, else ""."""
        members = config.members.values() if isinstance(config, GroupConfig) else (config,)
        try:
            for member in members:
                await self._modules.path(member.module, restrictions_of(config.origin))
        except EdgedError as error:
            return str(error)
        return ""

    async def load_one(
        self, config: PolicyConfig | GroupConfig, templates: dict[str, Template], *, fetch: bool | None = None
    ) -> Policy | Group:
        """One policy or group, loaded or carrying its error. `templates`: by digest, what is loaded already; what is
        loaded now is added. `fetch`: as in `load`."""
        if fetch is not None:
            self._fetch = fetch
        if isinstance(config, GroupConfig):
            return await self._load_group(config, templates)
        return await self._load_one(config, templates)

    def refused(self, config: PolicyConfig | GroupConfig, error: str) -> Policy | Group:
        """One that is not even tried: it rejects everything with this reason."""
        if isinstance(config, GroupConfig):
            return Group(config, {}, error=error)
        policy = self._new(config)
        policy.error = error
        return policy

    async def _load_group(self, config: GroupConfig, templates: dict[str, Template]) -> Group:
        """A group with a member that cannot be loaded rejects everything: what it would say is not known."""
        group = Group(config, {})
        for name, member in config.members.items():
            group.members[name] = await self._load_one(member_policy(config, name, member), templates)
            await trio.lowlevel.checkpoint()
        # "error evaluating ..." and, below, "Policy settings are invalid" are policy-server's own words.
        try:
            group.expression = groups.parse(config.expression, config.members)
        except groups.BadExpression as error:
            group.error = f"error evaluating policy group expression: {error}"
        broken = [f"{name}: {member.error}" for name, member in group.members.items() if member.error]
        if broken:
            group.error = f"error evaluating policy group expression: {'; '.join(broken)}"
        if group.error is not None:
            self._log.error("policy group not loaded", policy=group.name, error=group.error)
        return group

    def _new(self, config: PolicyConfig) -> Policy:
        engine = self._config.engine
        return Policy(
            config=config,
            settings=orjson.dumps(config.settings),
            grants=Grants(
                tuple(pattern.strip() for pattern in config.host_capabilities),
                frozenset((entry["apiVersion"], entry["kind"]) for entry in config.context_aware),
            ),
            timeout_s=min(config.timeout_s, engine.wall_timeout_s),
            budget=Budget(memory_mib=engine.memory_limit_mib, cpu_s=engine.cpu_budget_ms / 1000),
        )

    async def _load_one(self, config: PolicyConfig, templates: dict[str, Template]) -> Policy:
        policy = self._new(config)
        begun = trio.current_time()
        try:
            admission = self._config.admission
            check_config(config, admission is not None and admission.allow_secrets)
            module = await self._compiler.load(await self._module(policy))
            policy.metadata = policy_metadata.parse(module.metadata)
            policy_metadata.check_loadable(policy.metadata)
            known = templates.get(module.digest)
            policy.template = known or await load_template(
                self._compiler, module, policy.metadata.execution_mode, policy.budget
            )
            templates[module.digest] = policy.template
            await self._validate_settings(policy)
        except EdgedError as error:
            policy.error = str(error)
            policy.is_waiting = isinstance(error, ModuleUnavailable)
            self._log.error("policy not loaded", policy=config.name, error=policy.error)
        else:
            self._log.info(
                "policy loaded", policy=config.name, elapsed_ms=round((trio.current_time() - begun) * 1000, 1)
            )
        return policy

    async def _module(self, policy: Policy) -> Path:
        """The module's file, fetched where it has to be. Raises ConfigError, ModuleUnavailable."""
        url = policy.config.module
        if self._fetch:
            return await self._modules.path(url, restrictions_of(policy.config.origin))
        found = self._modules.local(url)
        if found is None:
            raise ModuleUnavailable(f"module {url} is still being fetched")
        policy.is_waiting = is_moving(url)
        return found

    async def _validate_settings(self, policy: Policy) -> None:
        services = HostServices(policy.name, "", policy.grants, None, self._lines)
        try:
            deadline = trio.current_time() + policy.timeout_s
            reply = await call_guest(policy, services, b"validate_settings", policy.settings, deadline)
            problem = verdict.settings_problem(reply)
        except TimedOut:
            problem = verdict.TIMED_OUT
        except GuestError as error:
            problem = f"the policy could not check them: {error}"
        if problem is not None:
            raise ConfigError(f"Policy settings are invalid: {problem}")

