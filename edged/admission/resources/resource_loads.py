"""Policies of custom resources, loaded a few at a time beside the loop that asks for them.

The last good policy of a name goes on answering while another version of its object cannot be loaded. What does not
load is tried again, ever more rarely. Used by admission/resources/custom_resources.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import field
from typing import Protocol

import trio

from edged.admission.config import GroupConfig, PolicyConfig
from edged.admission.host.policy import Group, Policy, PolicySet, templates_of
from edged.admission.host.policy_loader import NOT_YET, PolicyLoader
from edged.admission.resources.plan import Object, Plan, Planned
from edged.admission.resources.resource_configs import config_of, links_problem
from edged.admission.rules.verdict import unexpected
from edged.process.boundary import Unit, boundary
from edged.records import dataclass
from edged.telemetry.logs import Logger
from edged.wasm.instance import Template

AGAIN_S = 60.0
FIRST_AGAIN_S = 2.0
"""What does not load is tried again after this, then after twice as long, up to AGAIN_S."""
STUBBORN_FAILURES = 16
"""So many in a row wait for AGAIN_S."""
CONCURRENT_LOADS = 4
REMEMBERED_S = 30.0
"""So long a start waits for what was served before it."""


class Host(Protocol):
    """What the daemon offers."""

    def loader(self) -> PolicyLoader: ...
    def served(self) -> PolicySet: ...


@dataclass(slots=True)
class _Attempt:
    """The last time that a policy was loaded: of which object and configuration, and what came of it. No configuration:
    none could be made of the object."""

    obj: Object
    config: PolicyConfig | GroupConfig | None
    error: str
    at: float
    failures: int
    """In a row."""

    def due(self) -> float:
        """When it is to be tried again."""
        return self.at + min(AGAIN_S, FIRST_AGAIN_S * 2.0 ** min(self.failures - 1, 16))


@dataclass(slots=True, eq=False)
class _Loading:
    """A load under way. It ends when its object changes or goes."""

    config: PolicyConfig | GroupConfig
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)


class Loads:
    """Has the policy of each planned object loaded. `policies` are those that answer, by name."""

    def __init__(self, host: Host, module_dirs: Sequence[str], log: Logger, wake: Callable[[], None]) -> None:
        """`wake` is called when something was loaded."""
        self.policies: PolicySet = {}
        self._host = host
        self._module_dirs = module_dirs
        self._log = log
        self._wake = wake
        self._attempts: dict[str, _Attempt] = {}
        self._loading: dict[str, _Loading] = {}
        self._idle = trio.Event()
        self._loaded_of: dict[str, Object] = {}  # the object whose policy was last loaded without error
        self._limiter = trio.CapacityLimiter(CONCURRENT_LOADS)

    # --- what is known

    @property
    def busy(self) -> bool:
        """Whether something is being loaded."""
        return bool(self._loading)

    def is_loading(self, name: str) -> bool:
        return name in self._loading

    def error_of(self, name: str) -> str:
        """Why the last load of a policy failed, "" when it did not."""
        attempt = self._attempts.get(name)
        return attempt.error if attempt else ""

    def until_due(self) -> float:
        """Seconds until something that did not load is to be tried again, AGAIN_S at most."""
        now = trio.current_time()
        dues = [attempt.due() - now for attempt in self._attempts.values() if attempt.error]
        return min((*dues, AGAIN_S))

    def good_objects(self, plan: Plan) -> list[Object]:
        """What to remember: each policy's last good object, or what it is now when it was never good."""
        objects: list[Object] = [
            self._loaded_of.get(name) or dict(planned.obj)
            for name, planned in plan.served.items()
            if not planned.is_deleting
        ]
        if plan.has_server and plan.server is not None:
            objects.append(dict(plan.server))
        return objects

    # --- what is done

    def reload(self) -> None:
        """Load all of them again: a file may have another module in it by now."""
        self._attempts.clear()

    def keep(self, names: Set[str]) -> set[str]:
        """Forget every policy but these; the names of those that were forgotten."""
        gone = self.policies.keys() - names
        for name in (self._attempts.keys() | self._loaded_of.keys()) - names:
            self._attempts.pop(name, None)
            self._loaded_of.pop(name, None)
        for name in self._loading.keys() - names:
            self._loading.pop(name).scope.cancel()
        self.policies = {name: policy for name, policy in self.policies.items() if name in names}
        return gone

    def expect_remembered(self, plan: Plan) -> None:
        """Who asks for one of these waits until it is loaded."""
        loader = self._host.loader()
        for planned in plan.served.values():
            config = config_of(planned)
            if config is not None:
                self.policies[planned.name] = loader.loading(config)

    async def load_all_remembered(self, plan: Plan) -> None:
        """Without the network: what has to be fetched is fetched when the loop runs. Beside each other and within a
        bound: what somebody's module takes to be compiled must not keep a start from answering for all the others."""
        loader, templates = self._host.loader(), templates_of(self._host.served())
        with trio.move_on_after(REMEMBERED_S):
            async with trio.open_nursery() as nursery:
                for planned in plan.served.values():
                    nursery.start_soon(self.load_remembered, planned, loader, templates)
        for planned in plan.served.values():
            config, present = config_of(planned), self.policies.get(planned.name)
            if config is not None and (present is None or present.is_loading):
                self.policies[planned.name] = loader.refused(config, NOT_YET, again=True)

    async def load_remembered(self, planned: Planned, loader: PolicyLoader, templates: dict[str, Template]) -> None:
        with boundary(self._log, "load", planned.name) as unit:
            await self._load_remembered(planned, loader, templates)
        self._failed(planned, unit)

    async def _load_remembered(self, planned: Planned, loader: PolicyLoader, templates: dict[str, Template]) -> None:
        config = config_of(planned)
        if config is None:
            return
        problem = planned.converted.problem or links_problem(config, self._module_dirs)
        if problem:
            self._take(planned, config, loader.refused(config, problem))
            return
        policy = await loader.load_one(config, templates, fetch=False)
        self._take(planned, config, policy)
        if policy.is_waiting:
            del self._attempts[planned.name]

    def begin(self, plan: Plan, nursery: trio.Nursery) -> None:
        """Start loading what is new, has changed, or is to be tried again."""
        templates = templates_of(self._host.served())
        for planned in plan.served.values():
            if self._is_hopeless(planned):
                continue
            with boundary(self._log, "resource", planned.name) as unit:
                self._begin_one(planned, templates, nursery)
            self._failed(planned, unit)
        self._idle = trio.Event()
        if not self._loading:
            self._idle.set()

    def _begin_one(self, planned: Planned, templates: dict[str, Template], nursery: trio.Nursery) -> None:
        name, config = planned.name, config_of(planned)
        if config is None or not self._is_due(name, config):
            return
        if planned.converted.problem:
            self._take(planned, config, self._host.loader().refused(config, planned.converted.problem))
            return
        if name in self._loading:
            self._loading[name].scope.cancel()
        self._loading[name] = loading = _Loading(config)
        nursery.start_soon(self._load, planned, loading, templates)

    def _is_hopeless(self, planned: Planned) -> bool:
        """Whether no configuration could be made of just this object, and it is too early to try again."""
        attempt = self._attempts.get(planned.name)
        return (
            attempt is not None
            and attempt.config is None
            and attempt.obj is planned.obj
            and trio.current_time() < attempt.due()
        )

    async def wait_idle(self) -> None:
        """Returns when nothing is being loaded any more."""
        await self._idle.wait()

    def _is_due(self, name: str, config: PolicyConfig | GroupConfig) -> bool:
        loading = self._loading.get(name)
        if loading is not None and loading.config == config:
            return False
        attempt = self._attempts.get(name)
        if attempt is None or attempt.config != config:
            return True
        serving = self.policies.get(name)
        if serving is not None and serving.config == config:
            serving.config = config  # the object's version, which is not compared
        return bool(attempt.error) and trio.current_time() >= attempt.due()

    async def _load(self, planned: Planned, loading: _Loading, templates: dict[str, Template]) -> None:
        name, config = planned.name, loading.config
        with loading.scope:
            with boundary(self._log, "load", name) as unit:
                policy = await self._policy(config, templates)
                if self._loading.get(name) is loading:  # else: the object changed meanwhile
                    self._take(planned, config, policy)
            if self._loading.get(name) is loading:
                self._failed(planned, unit, config)
                del self._loading[name]
        if not self._loading:
            self._idle.set()
        self._wake()

    async def _policy(self, config: PolicyConfig | GroupConfig, templates: dict[str, Template]) -> Policy | Group:
        loader = self._host.loader()
        problem = links_problem(config, self._module_dirs) or await loader.fetch(config)
        if problem:
            self._log.error("policy not loaded", policy=config.name, error=problem)
            return loader.refused(config, problem)
        async with self._limiter:
            return await loader.load_one(config, templates, fetch=False)

    def _take(self, planned: Planned, config: PolicyConfig | GroupConfig, policy: Policy | Group) -> None:
        """Serve it, or keep the last good one."""
        name, error = planned.name, policy.error or ""
        self._note(planned, config, error)
        present = self.policies.get(name)
        if not error:
            self._loaded_of[name] = dict(planned.obj)
        if error and present is not None and not present.error:
            self._log.error("custom resource not loaded, going on as before", policy=name, error=error)
            return
        self.policies[name] = policy

    def _failed(self, planned: Planned, unit: Unit, config: PolicyConfig | GroupConfig | None = None) -> None:
        """Where an unexpected error stood in the way, what was good goes on answering. Where there is nothing, the
        policy rejects with the reason."""
        if unit.error is None:
            return
        error = unexpected(unit.error)
        self._note(planned, config, error, stubborn=unit.is_stubborn)
        if config is not None and planned.name not in self.policies:
            self.policies[planned.name] = self._host.loader().refused(config, error)

    def _note(
        self, planned: Planned, config: PolicyConfig | GroupConfig | None, error: str, *, stubborn: bool = False
    ) -> None:
        before = self._attempts.get(planned.name)
        failures = before.failures if before is not None and before.config == config else 0
        if stubborn:
            failures = max(failures, STUBBORN_FAILURES)
        failures = failures + 1 if error else 0
        self._attempts[planned.name] = _Attempt(planned.obj, config, error, trio.current_time(), failures)
