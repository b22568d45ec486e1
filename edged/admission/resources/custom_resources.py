"""Kubewarden's custom resources as a second source of policies: watch, load, have registered, report.

One task looks at everything again whenever something changed (an object, the registration, a module that finished
loading), so that it does not matter in which order things happen. Order of a life:

    object -> policy loaded -> swapped in -> registered -> status "active"
    deletion asked -> registration withdrawn -> API server told -> finalizer taken away -> object gone -> swapped out

A policy that cannot be loaded has its reason in its status. If it was registered before, what was last good goes on
answering; where there is nothing good it rejects, because what it would have said is not known. If it never was, the
API server is not told of it. edged/daemon makes one of these, merges its policies with the configuration file's, and
registers `specs()`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import trio

from edged.admission.config import AdmissionConfig, GroupConfig, GroupMemberConfig, PolicyConfig
from edged.admission.endpoint.registration import Registration
from edged.admission.host.policy import PolicySet, templates_of
from edged.admission.host.policy_loader import PolicyLoader
from edged.admission.host.webhook_specs import group_webhook, spec_of
from edged.admission.resources import reviews
from edged.admission.resources.conversion import Limits
from edged.admission.resources.kinds import FINALIZER, OLD_FINALIZER, server_of
from edged.admission.resources.plan import Plan, Planned, describe, make_plan
from edged.admission.resources.resource_objects import Memory, Object, Objects
from edged.admission.resources.resource_status import ObjectWriter
from edged.admission.resources.status import Facts, policy_status, server_status
from edged.admission.rules.webhooks import WebhookSpec
from edged.errors import PeerError
from edged.kube.client import ApiClient
from edged.kube.informers import Informers
from edged.telemetry.logs import Logger

QUIET_S = 0.15
"""A burst of changes is worked on once: when this long nothing came, or after BURST_S."""
BURST_S = 1.0
PATIENCE_S = 2.0
AGAIN_S = 60.0
FIRST_AGAIN_S = 2.0
"""What does not load is tried again after this, then after twice as long, up to AGAIN_S."""
SOON_S = 0.5
CONCURRENT_LOADS = 4
LOADING = "the module is still being loaded"


class Host(Protocol):
    """What the daemon offers."""

    @property
    def registration(self) -> Registration | None: ...
    def loader(self) -> PolicyLoader: ...
    def configured_names(self) -> set[str]: ...
    def served(self) -> PolicySet: ...
    def swap(self) -> None: ...


@dataclass(slots=True)
class _Attempt:
    """The last time that a policy was loaded: of which configuration, and what came of it."""

    config: PolicyConfig | GroupConfig
    error: str
    at: float
    failures: int
    """In a row."""

    def due(self) -> float:
        """When it is to be tried again."""
        return self.at + min(AGAIN_S, FIRST_AGAIN_S * 2.0 ** min(self.failures - 1, 16))


class CustomResources:
    """`policies` are what is served of them now. Made only where `[admission] policy_server` names one."""

    def __init__(
        self,
        admission: AdmissionConfig,
        wall_timeout_s: float,
        state_dir: Path,
        client: ApiClient,
        informers: Informers,
        host: Host,
        log: Logger,
        now: Callable[[], str],
    ) -> None:
        self.server_name = admission.policy_server
        self.policies: PolicySet = {}
        self._limits = limits_of(admission, wall_timeout_s)
        self._host = host
        self._log = log
        self._objects = Objects(client, informers, self.wake, log)
        self._memory = Memory(state_dir, log)
        self._writer = ObjectWriter(client, now, log)
        self._plan = Plan(None, ())
        self._remembered: list[Object] = []
        self._known = trio.Event()
        self._changed = trio.Event()
        self._attempts: dict[str, _Attempt] = {}
        self._loading: dict[str, PolicyConfig | GroupConfig] = {}
        self._idle = trio.Event()
        self._good: dict[str, Object] = {}  # the object whose policy is loaded
        self._was_registered: set[str] = set()
        self._limiter = trio.CapacityLimiter(CONCURRENT_LOADS)
        self._specs: list[WebhookSpec] = []
        self._revision = 0

    # --- for the daemon

    async def start(self) -> None:
        """Load what was served last, before anything is asked of the API server."""
        recalled = self._memory.recall()
        if recalled is None:
            return
        self._remembered, self._was_registered = recalled
        self._known.set()
        self._make_plan(self._remembered)
        for planned in self._plan.served.values():
            if (config := config_of(planned)) is not None:
                await self._load_remembered(planned, config)
        self._specs = self.specs()

    async def _load_remembered(self, planned: Planned, config: PolicyConfig | GroupConfig) -> None:
        """Without the network: what has to be fetched is fetched when the loop runs."""
        problem = planned.converted.problem or links_problem(config, self._limits.module_dirs)
        loader = self._host.loader()
        if problem:
            self._loaded(planned, config, loader.refused(config, problem))
            return
        policy = await loader.load_one(config, templates_of(self.policies), fetch=False)
        self._loaded(planned, config, policy)
        if policy.is_waiting:
            del self._attempts[planned.name]

    async def wait_known(self) -> None:
        """Returns when it is known which policies there are: remembered, read, or that there are none."""
        await self._known.wait()

    def specs(self) -> list[WebhookSpec]:
        """What is to be registered of these: policies, and the webhooks of the kinds themselves."""
        found = [self._spec(name) for name in self.policies]
        return [*found, *reviews.specs()] if self._objects.installed or self._remembered else found

    def wake(self) -> None:
        """Something may be different."""
        self._changed.set()

    async def run(self) -> None:
        """For ever."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._objects.run)
            while True:
                self._changed = trio.Event()
                delay_s = await self._reconcile(nursery)
                await self._pause(delay_s)

    def reload(self) -> None:
        """Load all of them again (SIGHUP): a file may have another module in it by now."""
        self._attempts.clear()
        self.wake()

    def describe(self) -> dict[str, Any]:
        """For `edged status`."""
        registered = self._registered()
        return {
            "policy_server": self.server_name,
            "definitions": "installed" if self._objects.installed else "not installed",
            "problem": self._objects.problem,
            "resources": [
                {"object": describe(planned.obj), "policy": planned.name, **self._described(planned, registered)}
                for planned in self._plan.policies
            ],
        }

    def _described(self, planned: Planned, registered: set[str]) -> dict[str, Any]:
        facts = self._facts(planned, registered)
        return {"status": facts.phase, "mode": facts.mode, "current": facts.loaded, "why": facts.why}

    # --- one look at everything

    async def _reconcile(self, nursery: trio.Nursery) -> float:
        """Seconds until the next look at the latest."""
        if self._objects.known:
            self._make_plan(self._objects.items())
            self._remembered = []
            self._known.set()
        elif not self._remembered:
            return AGAIN_S
        self._begin_loads(nursery)
        with trio.move_on_after(PATIENCE_S):
            await self._idle.wait()
        self._publish()
        if not self._objects.known:
            return AGAIN_S
        try:
            waiting = await self._write()
        except PeerError as error:
            self._log.debug("custom resources not updated", error=str(error))
            return SOON_S * 4
        await self._memory.remember(self._good_objects(), self._was_registered)
        return SOON_S if waiting or self._loading else self._until_due()

    def _make_plan(self, objects: list[Object]) -> None:
        self._plan = make_plan(objects, self.server_name, self._limits, self._host.configured_names())

    async def _pause(self, delay_s: float) -> None:
        """Until something changed and then nothing for a moment."""
        with trio.move_on_after(delay_s):
            await self._changed.wait()
        with trio.move_on_after(BURST_S):
            while self._changed.is_set():
                self._changed = trio.Event()
                with trio.move_on_after(QUIET_S):
                    await self._changed.wait()

    # --- loading

    def _begin_loads(self, nursery: trio.Nursery) -> None:
        templates = templates_of(self._host.served())
        for name, planned in self._plan.served.items():
            config = config_of(planned)
            if config is None or not self._is_due(name, config):
                continue
            if planned.converted.problem:
                self._loaded(planned, config, self._host.loader().refused(config, planned.converted.problem))
                continue
            self._loading[name] = config
            nursery.start_soon(self._load, planned, config, templates)
        self._idle = trio.Event()
        if not self._loading:
            self._idle.set()

    def _is_due(self, name: str, config: PolicyConfig | GroupConfig) -> bool:
        if self._loading.get(name) == config:
            return False
        attempt = self._attempts.get(name)
        if attempt is None or attempt.config != config:
            return True
        serving = self.policies.get(name)
        if serving is not None and serving.config == config:
            serving.config = config  # the object's version, which is not compared
        return bool(attempt.error) and trio.current_time() >= attempt.due()

    def _until_due(self) -> float:
        """Seconds until something that did not load is to be tried again."""
        now = trio.current_time()
        dues = [attempt.due() - now for attempt in self._attempts.values() if attempt.error]
        return max(SOON_S, min((*dues, AGAIN_S)))

    async def _load(self, planned: Planned, config: PolicyConfig | GroupConfig, templates: Any) -> None:
        name, loader = planned.name, self._host.loader()
        problem = links_problem(config, self._limits.module_dirs) or await loader.fetch(config)
        if problem:
            policy = loader.refused(config, problem)
            self._log.error("policy not loaded", policy=name, error=problem)
        else:
            async with self._limiter:
                policy = await loader.load_one(config, templates, fetch=False)
        if self._loading.get(name) is config:  # else: the object changed meanwhile
            del self._loading[name]
            self._loaded(planned, config, policy)
        if not self._loading:
            self._idle.set()
        self.wake()

    def _loaded(self, planned: Planned, config: PolicyConfig | GroupConfig, policy: Any) -> None:
        """Take it, or keep the last good one."""
        name, error = planned.name, policy.error or ""
        before = self._attempts.get(name)
        failures = before.failures if before is not None and before.config == config else 0
        self._attempts[name] = _Attempt(config, error, trio.current_time(), failures + 1 if error else 0)
        present = self.policies.get(name)
        if not error:
            self._good[name] = dict(planned.obj)
        if error and present is not None and not present.error:
            self._log.error("custom resource not loaded, going on as before", policy=name, error=error)
            return
        self.policies[name] = policy

    # --- registration

    def _publish(self) -> None:
        """Swap and register where that changes anything."""
        served = self._plan.served
        policies = {name: policy for name, policy in self.policies.items() if name in served}
        for name in self.policies.keys() - policies.keys():
            self._attempts.pop(name, None)
            self._good.pop(name, None)
            self._was_registered.discard(name)
        changed = {id(policy) for policy in policies.values()} != {
            id(policy) for name, policy in self._host.served().items() if policy.config.origin is not None
        }
        self.policies = policies
        specs = self.specs()
        if changed or specs != self._specs:
            self._specs = specs
            self._host.swap()
            registration = self._host.registration
            self._revision = registration.revision if registration is not None else 0

    def _spec(self, name: str) -> WebhookSpec:
        spec = self.policies[name].webhook()
        return spec if self._may_register(name) else replace(spec, rules=())

    def _may_register(self, name: str) -> bool:
        planned, policy = self._plan.served.get(name), self.policies[name]
        if planned is None or planned.is_deleting or not self._plan.has_server or not server_of(planned.obj):
            return False
        return not policy.error or name in self._was_registered

    def _registered(self) -> set[str]:
        """Names of ours that the API server asks now, as far as is known."""
        registration = self._host.registration
        if registration is None:
            return set()
        if registration.mode == "none":
            return {name for name in self.policies if self._spec(name).rules}
        return set(registration.state.policies) & self.policies.keys()

    def _is_told(self) -> bool:
        """Whether the API server was told of what is registered now."""
        registration = self._host.registration
        return registration is not None and registration.settled_revision >= self._revision

    # --- status and finalizers

    async def _write(self) -> bool:
        """Whether something waits for the registration."""
        registered, waiting, uids = self._registered(), False, set()
        self._was_registered |= {name for name in registered if name in self.policies}
        for planned in self._plan.policies:
            obj = dict(planned.obj)
            uids.add(obj["metadata"].get("uid") or "")
            if planned.is_deleting:
                if planned.blocked or (self._is_told() and planned.name not in registered):
                    await self._writer.remove_finalizers(obj)
                else:
                    waiting = True
                continue
            facts = self._facts(planned, registered)
            waiting |= facts.phase == "pending" and facts.loaded
            await self._writer.add_finalizer(obj)
            if self._is_somebody_elses(obj, facts):
                continue
            await self._writer.status(obj, policy_status(obj, facts, self._writer.now()))
        server = self._plan.server
        if server is not None:
            uids.add(server["metadata"].get("uid") or "")
            waiting |= await self._write_server(dict(server), registered)
        self._writer.forget(uids)
        return waiting

    def _is_somebody_elses(self, obj: Object, facts: Facts) -> bool:
        """Whether another edged serves the policy, or this one's former life did: it is active, and this one's own
        registration is refused (somebody else owns the webhooks) or has not been tried yet."""
        registration = self._host.registration
        unregistered = registration is None or registration.state.phase in ("pending", "refused")
        return unregistered and facts.phase == "pending" and (obj.get("status") or {}).get("policyStatus") == "active"

    async def _write_server(self, server: Object, registered: set[str]) -> bool:
        deleting = not self._plan.has_server
        cleaned_up = deleting and not registered and self._is_told()
        if not deleting:
            await self._writer.add_finalizer(server)
        elif cleaned_up:
            await self._writer.remove_finalizers(server)
            return False
        if not deleting or {FINALIZER, OLD_FINALIZER} & set(server["metadata"].get("finalizers") or ()):
            status = server_status(server, self._writer.now(), deleting=deleting, cleaned_up=cleaned_up)
            await self._writer.status(server, status)
        return deleting

    def _facts(self, planned: Planned, registered: set[str]) -> Facts:
        policy = self.policies.get(planned.name) if not planned.blocked else None
        attempt = self._attempts.get(planned.name)
        error = planned.blocked or planned.converted.problem or (attempt.error if attempt else "")
        mode = policy.config.mode if policy is not None and not policy.error else ""
        loaded = policy is not None and not error and planned.name not in self._loading
        if not server_of(planned.obj):
            return Facts("unscheduled", mode, loaded, why=error)
        if not self._plan.has_server:
            return Facts("scheduled", mode, loaded, why=error)
        is_registered = planned.name in registered and not planned.blocked
        active = is_registered and loaded
        why = error or ("" if active else self._waiting_for(planned.name))
        return Facts("active" if active else "pending", mode, loaded, is_registered, why)

    def _waiting_for(self, name: str) -> str:
        if name in self._loading:
            return LOADING
        registration = self._host.registration
        if registration is None:
            return ""
        problem = registration.state.problems.get(name, "")
        if problem or registration.state.phase in ("registered", "pending"):
            return problem
        return f"registration is {registration.state.phase}: {registration.state.message}"

    def _good_objects(self) -> list[Object]:
        """What to remember: each policy's last good object, or what it is now when it was never good."""
        found = [
            self._good.get(name) or dict(planned.obj)
            for name, planned in self._plan.served.items()
            if not planned.is_deleting
        ]
        if self._plan.has_server and self._plan.server is not None:
            found.append(dict(self._plan.server))
        return found


def limits_of(admission: AdmissionConfig, wall_timeout_s: float) -> Limits:
    """What the configuration file allows custom resources."""
    return Limits(
        wall_timeout_s=wall_timeout_s,
        module_dirs=admission.module_dirs,
        module_sources=admission.module_sources,
        namespaced_capabilities=admission.namespaced_capabilities,
    )


def remembered_specs(
    admission: AdmissionConfig | None, wall_timeout_s: float, state_dir: Path, log: Logger
) -> list[WebhookSpec]:
    """What a daemon with this state directory has registered of custom resources, for commands that write or show
    registrations without it. Whether a module mutates at all is not looked up."""
    if admission is None or not admission.policy_server:
        return []
    recalled = Memory(state_dir, log).recall()
    if recalled is None:
        return []
    taken = {policy.name for policy in admission.policy} | {group.name for group in admission.group}
    plan = make_plan(recalled[0], admission.policy_server, limits_of(admission, wall_timeout_s), taken)
    specs = []
    for name, planned in plan.served.items():
        found = config_of(planned)
        if found is not None and name in recalled[1] and plan.has_server:
            specs.append(_config_spec(found))
    return [*specs, *reviews.specs()]


def _config_spec(config: PolicyConfig | GroupConfig) -> WebhookSpec:
    if isinstance(config, GroupConfig):
        return group_webhook(config)
    return spec_of(config, config.rules, config.timeout_s, mutating=config.allowed_to_mutate)


def config_of(planned: Planned) -> PolicyConfig | GroupConfig | None:
    """The policy's configuration; None for an object that makes no sense at all, which has a status and no route."""
    table = dict(planned.converted.table)
    if not table:
        return None
    if planned.converted.is_group:
        table["members"] = {name: GroupMemberConfig(**member) for name, member in table["members"].items()}
        return GroupConfig(**table)
    return PolicyConfig(**table)


def links_problem(config: PolicyConfig | GroupConfig, module_dirs: Sequence[str]) -> str:
    """Why a file:// module may not be read although its name is in module_dirs: a symbolic link leads elsewhere."""
    members = config.members.values() if isinstance(config, GroupConfig) else (config,)
    folders = [os.path.realpath(folder).rstrip("/") + "/" for folder in module_dirs]
    for url in (member.module for member in members):
        path = unquote(urlsplit(url).path)
        if url.startswith("file:") and not os.path.realpath(path).startswith(tuple(folders)):
            return f"module {url!r} leads out of [admission] module_dirs"
    return ""
