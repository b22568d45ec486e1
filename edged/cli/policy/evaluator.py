"""Policies loaded and asked by the daemon's own code (PolicyLoader, Admission), without listener and registration.

Called by run, test and bench. Differences from the daemon: modules are fetched when they are needed, the caller decides
where guest lines go, and a cluster is used only on request.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from edged.admission.host.admission import Admission
from edged.admission.host.outside import HostCapabilities
from edged.admission.host.policy import guests_of
from edged.admission.host.policy_loader import PolicyLoader
from edged.cli.progress import Progress, progress, told_compiling, told_fetching
from edged.errors import ConfigError
from edged.registry.modules import Modules
from edged.telemetry.logs import GuestLines, Logger, LogStyle, write_stderr
from edged.wasm.compile import Compiler
from edged.wasm.engine import Engine
from edged.wasm.purpose import PLUGIN, POLICY, misplaced

if TYPE_CHECKING:
    from edged.admission.config import GroupConfig, PolicyConfig
    from edged.admission.host.context import ClusterContext
    from edged.admission.host.observers import Evaluation, Observer
    from edged.admission.host.policy import Group, Policy, PolicySet
    from edged.cli.policy.sessions import Session
    from edged.cli.tool_config import ToolConfig
    from edged.kube.config import KubernetesConfig


class Lines(GuestLines):
    """What guests say, all of it: shown on stderr, or kept."""

    def __init__(self, *, show: bool = True, keep: bool = True) -> None:
        super().__init__(Logger(LogStyle(level="debug")), per_s=1e6, burst=1_000_000)
        self.kept: list[str] = []
        self._show = show
        self._keep = keep

    def write(self, source: str, text: str | bytes, *, now: float, level: str = "info", **fields: object) -> None:
        if self._keep:
            found = text.decode(errors="replace") if isinstance(text, bytes) else text
            self.kept += [line for line in found.splitlines() if line.strip()]
        if self._show:
            super().write(source, text, now=now, level=level, **fields)


class Failures:
    """An observer that keeps why the last question was not answered; "" when it was."""

    def __init__(self) -> None:
        self.last = ""

    def evaluated(self, evaluation: Evaluation) -> None:
        self.last = evaluation.failure

    def loaded(self, policies: Iterable[Policy | Group]) -> None:
        """Nothing to do."""


@dataclass(slots=True, eq=False)
class Evaluator:
    """An engine and what belongs to it, for one command."""

    config: ToolConfig
    engine: Engine
    compiler: Compiler
    modules: Modules
    quiet: Logger
    cluster: ClusterContext | None
    say: Progress

    async def load(
        self, policies: Iterable[PolicyConfig | GroupConfig], lines: GuestLines, previous: PolicySet | None = None
    ) -> PolicySet:
        """As the daemon loads them, settings checked. Raises ConfigError for a scheduler plugin: no policy is there to
        be asked."""
        admission = self.config.admission
        loader = PolicyLoader(
            self.config.engine, self.compiler, lines, self.quiet, self.modules,
            allow_secrets=admission is not None and admission.allow_secrets,
        )  # fmt: skip
        loaded = await loader.load(tuple(policies), previous)
        for policy in (guest for each in loaded.values() for guest in guests_of(each)):
            if policy.error == misplaced(PLUGIN, POLICY):
                raise ConfigError(f"policy {policy.name}: {policy.error}")
        return loaded

    def admission(
        self,
        policies: PolicySet,
        lines: GuestLines,
        replay: Session | None = None,
        record: Session | None = None,
        observers: tuple[Observer, ...] = (),
    ) -> Admission:
        """What answers reviews. `replay`: instead of the cluster and the network. `record`: is filled."""
        context, outside = self.cluster, HostCapabilities(lambda: self.modules, self.quiet)
        if replay is not None or record is not None:
            from edged.cli.policy import sessions

            if replay is not None:
                context, outside = sessions.ReplayContext(replay), sessions.ReplayOutside(replay)
            if record is not None:
                context = sessions.RecordContext(context, record) if context is not None else None
                outside = sessions.RecordOutside(outside, record)
        admission = Admission(self.quiet, lines, context, observers, outside=outside)
        admission.swap(policies)
        return admission


def _say_internal_errors(line: bytes) -> None:
    """What a policy did wrong is said by the commands. What edged did wrong is said here, with its traceback."""
    if b'msg="internal error"' in line:
        write_stderr(line)


@asynccontextmanager
async def open_evaluator(config: ToolConfig, *, cluster: bool = False) -> AsyncIterator[Evaluator]:
    """`cluster`: connect to the one that the kubeconfig names. Raises ConfigError."""
    limits = config.engine
    engine = Engine(limits.kind, limits.guests_memory_mib, memory_limit_mib=limits.memory_limit_mib)
    quiet = Logger(LogStyle(level="error"), write=_say_internal_errors)
    async with AsyncExitStack() as stack:
        stack.callback(engine.close)
        say = stack.enter_context(progress())
        compiler = Compiler(engine, Path(config.node.cache_dir), on_progress=partial(told_compiling, say))
        modules = Modules(config.registry, Path(config.node.state_dir), quiet, partial(told_fetching, say))
        context = await _connected(config.kubernetes, stack) if cluster else None
        yield Evaluator(config, engine, compiler, modules, quiet, context, say)


async def _connected(kubernetes: KubernetesConfig, stack: AsyncExitStack) -> ClusterContext:
    """What policies may read of the cluster, until `stack` ends. The client is imported only here."""
    from edged.admission.host.context import ClusterContext
    from edged.kube.informers import Informers
    from edged.kube.kubeconfig import open_client

    client = await open_client(kubernetes)
    stack.push_async_callback(client.aclose)
    informers = Informers(client, log=Logger())
    nursery = await stack.enter_async_context(trio.open_nursery())
    stack.callback(nursery.cancel_scope.cancel)
    await nursery.start(informers.run)
    return ClusterContext(client, informers, Logger())
