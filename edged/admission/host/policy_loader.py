"""From configuration to policies that can answer. A policy that cannot be loaded answers with its reason.

A new set is built whole and then swapped in (edged/daemon), so that a reload never leaves a half-loaded state.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import trio

from edged.abi import metadata as policy_metadata
from edged.admission.config import GroupConfig, GroupMemberConfig, PolicyConfig
from edged.admission.host.context import HostServices
from edged.admission.host.evaluation import TimedOut, call_guest, companion_for, load_template
from edged.admission.host.policy import Group, Policy, PolicySet, awaiting, templates_of
from edged.admission.rules import capabilities, groups, module_conditions, verdict
from edged.admission.rules.capabilities import Grants
from edged.admission.rules.module_conditions import ModuleConditions
from edged.errors import ConfigError, EdgedError, GuestError, is_disk_error
from edged.json_text import JsonError, dumps
from edged.process.boundary import boundary
from edged.registry.modules import Modules, ModuleUnavailable
from edged.registry.origin import restrictions_of
from edged.registry.store import is_moving
from edged.telemetry.logs import GuestLines, Logger
from edged.wasm.account import Budget
from edged.wasm.compile import Compiler
from edged.wasm.config import EngineConfig
from edged.wasm.instance import Template
from edged.wasm.module import Module

CHECKS_AT_ONCE = 4
NOT_YET = "its module is still being fetched or compiled"


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


def _settings_of(config: PolicyConfig) -> bytes:
    try:
        return dumps(config.settings)
    except JsonError as error:
        raise ConfigError(f"settings cannot be written as JSON: {error}") from error


def _author(config: PolicyConfig) -> str:
    """Who takes turns with others at the compiler; "" for the configuration file."""
    origin = config.origin
    return "" if origin is None else f"{origin.kind}/{origin.namespace}"


def _grants_of(config: PolicyConfig) -> Grants:
    return Grants(
        tuple(pattern.strip() for pattern in config.host_capabilities),
        frozenset((entry["apiVersion"], entry["kind"]) for entry in config.context_aware),
        config.context_max_age_s or math.inf,
    )


def member_policy(group: GroupConfig, name: str, member: GroupMemberConfig) -> PolicyConfig:
    """A group's member as a policy of its own. It is never registered, and its patches have no effect."""
    return PolicyConfig(
        name=f"{group.name}/{name}",
        module=member.module,
        settings=member.settings,
        context_aware=member.context_aware,
        host_capabilities=member.host_capabilities,
        context_max_age_s=member.context_max_age_s,
        timeout_s=member.timeout_s,
        preinitialize=member.preinitialize,
        rules=(),
        origin=group.origin,
    )


class PolicyLoader:
    """Loads sets of policies; modules of equal bytes are shared between them and between sets."""

    def __init__(
        self,
        engine: EngineConfig,
        compiler: Compiler,
        lines: GuestLines,
        log: Logger,
        modules: Modules,
        *,
        allow_secrets: bool = False,
        checks: trio.CapacityLimiter | None = None,
    ) -> None:
        """`modules` and `checks` are shared by all loaders of a process: nothing is fetched twice at once, and only so
        many policies check their settings at a time."""
        self._engine = engine
        self._allow_secrets = allow_secrets
        self._compiler = compiler
        self._lines = lines
        self._log = log
        self._modules = modules
        self._loading: dict[str, trio.Lock] = {}  # by digest
        self._checks = checks or trio.CapacityLimiter(CHECKS_AT_ONCE)

    async def load(
        self,
        policies: Sequence[PolicyConfig | GroupConfig],
        previous: PolicySet | None = None,
        *,
        fetch: bool = True,
        take: Callable[[Policy | Group], None] = lambda policy: None,
    ) -> PolicySet:
        """All of them beside each other, each loaded or carrying its error. Compiles what is not in the cache.

        `fetch` False: does not wait for modules from the network; a policy whose module is missing says so. `take` is
        called with each as soon as it is loaded.
        """
        return await self._load_all(policies, previous or {}, fetch=fetch, take=take)

    async def load_until(
        self, policies: Sequence[PolicyConfig | GroupConfig], previous: PolicySet, scope: trio.CancelScope
    ) -> PolicySet:
        """As `load`, until the scope's deadline; without those that take longer."""
        return await self._load_all(policies, previous, scope=scope)

    async def _load_all(
        self,
        policies: Sequence[PolicyConfig | GroupConfig],
        previous: PolicySet,
        *,
        fetch: bool = True,
        scope: trio.CancelScope | None = None,
        take: Callable[[Policy | Group], None] = lambda policy: None,
    ) -> PolicySet:
        """In the order of their configurations."""
        templates = templates_of(previous)
        loaded: PolicySet = {}

        async def load(config: PolicyConfig | GroupConfig) -> None:
            policy = loaded[config.name] = await self.load_one(config, templates, fetch=fetch)
            take(policy)

        with scope or trio.CancelScope():
            async with trio.open_nursery() as nursery:
                for config in policies:
                    nursery.start_soon(load, config)
        return {config.name: loaded[config.name] for config in policies if config.name in loaded}

    def waiting(self, config: PolicyConfig | GroupConfig, previous: Policy | Group | None, why: str) -> Policy | Group:
        """What answers until a policy can be loaded: the one of before if that is possible."""
        same_kind = isinstance(config, GroupConfig) == isinstance(previous, Group)
        if previous is not None and not previous.error and same_kind:
            return awaiting(previous, config, why)
        return self.refused(config, why, again=True)

    async def fetch(self, config: PolicyConfig | GroupConfig) -> str:
        """Fetch the modules of a policy or group, however long that takes. Returns why that failed, or ""."""
        members = config.members.values() if isinstance(config, GroupConfig) else (config,)
        try:
            for member in members:
                await self._modules.path(member.module, restrictions_of(config.origin))
        except EdgedError as error:
            return str(error)
        return ""

    async def load_one(
        self, config: PolicyConfig | GroupConfig, templates: dict[str, Template], *, fetch: bool = True
    ) -> Policy | Group:
        """One policy or group, loaded or carrying its error. `templates`: by digest, what is loaded already; what is
        loaded now is added. `fetch`: as in `load`."""
        with boundary(self._log, "load", config.name) as unit:
            if isinstance(config, GroupConfig):
                return await self._load_group(config, templates, fetch)
            return await self._load_one(config, templates, fetch)
        assert unit.error is not None
        return self.refused(config, verdict.unexpected(unit.error), again=True)

    def loading(self, config: PolicyConfig | GroupConfig) -> Policy | Group:
        """What stands in a policy's place while it is being loaded for the first time."""
        policy = self.refused(config, NOT_YET)
        policy.is_loading = True
        return policy

    def refused(self, config: PolicyConfig | GroupConfig, error: str, *, again: bool = False) -> Policy | Group:
        """One that is not loaded at all: it rejects everything with this reason. `again`: until it was tried again."""
        if isinstance(config, GroupConfig):
            return Group(config, {}, error=error, is_retried=again)
        policy = self._new(config)
        policy.error, policy.is_waiting = error, again
        return policy

    async def _load_group(self, config: GroupConfig, templates: dict[str, Template], fetch: bool) -> Group:
        """A group with a member that cannot be loaded rejects everything, because its answer is unknown."""
        group = Group(config, {})
        for name, member in config.members.items():
            group.members[name] = await self._load_one(member_policy(config, name, member), templates, fetch)
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
        """The policy before anything of it was checked. Never raises."""
        engine = self._engine
        return Policy(
            config=config,
            settings=b"{}",
            grants=Grants(),
            timeout_s=min(config.timeout_s, engine.wall_timeout_s),
            budget=Budget(memory_mib=engine.memory_limit_mib, cpu_s=engine.cpu_budget_ms / 1000),
        )

    async def _load_one(self, config: PolicyConfig, templates: dict[str, Template], fetch: bool) -> Policy:
        policy = self._new(config)
        begun = trio.current_time()
        try:
            check_config(config, self._allow_secrets)
            policy.settings, policy.grants = _settings_of(config), _grants_of(config)
            module = await self._compiler.load(
                await self._module(policy, fetch),
                author=_author(config),
                companion_for=companion_for(policy.budget.memory_mib),
            )
            policy.metadata = policy_metadata.parse(module.metadata)
            policy_metadata.check_loadable(
                policy.metadata, (item.module for item in module.imports), module.exports
            )
            policy.found_conditions = self._conditions(policy)
            policy.template = await self._template(module, policy, templates)
            async with self._checks:
                await self._validate_settings(policy)
        except EdgedError as error:
            policy.error = str(error)
            policy.is_waiting = isinstance(error, ModuleUnavailable) or is_disk_error(error)
            self._log.error("policy not loaded", policy=config.name, error=policy.error)
        else:
            self._log.info(
                "policy loaded", policy=config.name, elapsed_ms=round((trio.current_time() - begun) * 1000, 1)
            )
        return policy

    def _conditions(self, policy: Policy) -> ModuleConditions:
        """Of its module, with a line in the log where they are wrong: then the policy is asked about everything."""
        found = module_conditions.conditions_of(policy.metadata.annotations)
        if found.problem and policy.config.module_conditions:
            self._log.warning("match conditions of a module left out", policy=policy.name, problem=found.problem)
        return found

    async def _template(self, module: Module, policy: Policy, templates: dict[str, Template]) -> Template:
        """One for equal bytes, also where several policies load them at once."""
        lock = self._loading.setdefault(module.digest, trio.Lock())
        async with lock:
            found = templates.get(module.digest)
            if found is None:
                mode = policy.metadata.execution_mode
                found = await load_template(module, mode, policy.budget)
                templates[module.digest] = found
        return found

    async def _module(self, policy: Policy, fetch: bool) -> Path:
        """The module's file, fetched if needed. Raises ConfigError, ModuleUnavailable."""
        url = policy.config.module
        if fetch:
            return await self._modules.path(url, restrictions_of(policy.config.origin))
        path = await self._modules.kept(url)
        if path is None:
            raise ModuleUnavailable(f"module {url} is still being fetched")
        policy.is_waiting = is_moving(url)
        return path

    async def _validate_settings(self, policy: Policy) -> None:
        services = HostServices(policy.name, "", policy.grants, None, self._lines)
        try:
            deadline = trio.current_time() + policy.timeout_s
            reply = await call_guest(policy, services, b"validate_settings", (policy.settings,), deadline)
            problem = verdict.settings_problem(reply)
        except TimedOut:
            problem = verdict.TIMED_OUT
        except GuestError as error:
            problem = f"the policy could not check them: {error}"
        if problem is not None:
            raise ConfigError(f"Policy settings are invalid: {problem}")

