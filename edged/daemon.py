"""The one place that wires: builds every object, opens the nurseries, orders start and shutdown.

    base       what all lean on: Kubernetes connection, informers, certificates, watchdog, status socket
      work     loops that write: registration, the scheduler
        intake the listeners

Start: bind sockets first (callers queue instead of being refused), load policies, serve, register, say READY.
Stop: unregister nothing (the API server must not fall open because a node restarts), stop accepting, let requests
under way finish for `node.drain_s`, then stop what the rest leans on.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

from edged import config as configuration
from edged.admission.config import AdmissionConfig
from edged.admission.endpoint.registration import Registration, State
from edged.admission.endpoint.registration_modes import make_registration, owner_identity
from edged.admission.endpoint.routes import Routes
from edged.admission.host import arrivals
from edged.admission.host.admission import Admission
from edged.admission.host.context import ClusterContext
from edged.admission.host.observers import Observer
from edged.admission.host.outside import HostCapabilities
from edged.admission.host.policy import Group, Policy, PolicySet
from edged.admission.host.policy_loader import PolicyLoader
from edged.admission.host.policy_metrics import PolicyMetrics
from edged.admission.host.review_watch import ReviewWatch
from edged.admission.resources.custom_resources import CustomResources
from edged.admission.resources.resource_reviews import ResourceReviews
from edged.admission.rules.webhooks import Target
from edged.config import Config
from edged.errors import ConfigError, EdgedError
from edged.http import listener as http
from edged.http.connection import Limits
from edged.http.messages import Request
from edged.kube.informers import Informers
from edged.kube.kubeconfig import ClientSource, Location
from edged.kube.values.names import GroupVersionResource, NamespacedName
from edged.process import status_socket as status
from edged.process import systemd
from edged.registry.modules import Modules
from edged.telemetry.health import Health, Probes
from edged.telemetry.logs import GuestLines, Logger, LogStyle, is_journal
from edged.telemetry.metrics import Registry, internal_error_metrics, process_metrics
from edged.tls.certificates import serving_names
from edged.tls.serving_certificate import Certificates
from edged.wasm.compile import Compiler
from edged.wasm.engine import Engine

if TYPE_CHECKING:
    from edged.admission.audit.auditor import Auditor
    from edged.admission.host.traces import Traces
    from edged.scheduling.run.scheduler import Scheduler
    from edged.scheduling.run.scheduling import Scheduling

NODES = GroupVersionResource("", "v1", "nodes")
BEAT_S = 1.0
RESOURCES_S = 5.0  # how long the first registration waits to learn which custom resources there are
ANNOUNCE_S = 120.0


def logger(config: Config) -> Logger:
    """The process's logger, as configured."""
    observability = config.observability
    return Logger(LogStyle(observability.log_format, observability.log_level, is_journal()))


class Daemon:
    """One edged process. `config_path` is read again on reload; None (tests) keeps the configuration."""

    def __init__(self, config: Config, config_path: str | None, log: Logger) -> None:
        self.config = config
        self.config_path = config_path
        self.log = log
        self.lines = GuestLines(log)
        engine = config.engine
        self.engine = Engine(engine.kind, engine.guests_memory_mib, memory_limit_mib=engine.memory_limit_mib)
        self.compiler = Compiler(self.engine, Path(config.node.cache_dir), on_progress=self._say_compiling)
        self.source = ClientSource(Location(config.kubernetes.kubeconfig, config.kubernetes.context))
        self.informers = Informers(self.source.client)
        self.context = ClusterContext(self.source.client, self.informers)
        self.registry = Registry()
        process_metrics(self.registry)
        internal_error_metrics(self.registry, log.internal_errors)
        self.registration: Registration | None = None
        self.modules = Modules(config.registry, Path(config.node.state_dir), log)
        self.outside = HostCapabilities(lambda: self.modules)
        self.resources: CustomResources | None = None
        self._configured: PolicySet = {}  # the policies of the configuration file
        self.traces = make_traces(config, log)
        self.review_watch = ReviewWatch()
        self.admission = Admission(log, self.lines, self.context, self._observers(), self._is_retired, self.outside)
        self.auditor: Auditor | None = None
        self.scheduling: Scheduling | None = None
        self.probes = Probes()
        self.certificates: Certificates | None = None
        self.listener: http.Listener | None = None
        self.reload_error = ""
        self.reloads = 0
        self.started_at = time.time()
        self.ready = False
        self._beat_at = 0.0
        self._reloading = trio.Lock()

    # --- start and stop

    async def run(
        self, stop: Callable[[], Any], *, task_status: trio.TaskStatus[Daemon] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Until `stop()` returns. `started` when everything that is enabled answers."""
        notify = systemd.notifier()
        interval = systemd.watchdog_interval_s()
        inherited = systemd.inherited_sockets()
        async with AsyncExitStack() as stack:
            stack.callback(self.engine.close)
            stack.callback(notify.close)
            admission = self.config.admission
            sockets = inherited.get("admission") or (http.bind(admission.listen) if admission else [])
            for socket in sockets:
                stack.callback(socket.close)
            async with trio.open_nursery() as base:
                if interval is not None:
                    base.start_soon(systemd.watchdog, notify, interval, self._is_alive)
                await base.start(self.source.run)
                await base.start(self.informers.run)
                base.start_soon(self._serve_status)
                if self.traces is not None:
                    self.traces.measure(self.registry)
                    base.start_soon(self.traces.run)
                base.start_soon(self._beat)
                async with trio.open_nursery() as work:
                    async with trio.open_nursery() as intake:
                        await self._start_health(intake)
                        if admission is not None:
                            await self._start_admission(admission, sockets, base, work, intake)
                        await self._start_scheduler(work)
                        settle_memory()
                        self.ready = True
                        notify.ready("serving")
                        self.log.info("ready", elapsed_ms=round((time.time() - self.started_at) * 1000))
                        task_status.started(self)
                        base.start_soon(self._reload_on_hangup, notify)
                        await stop()
                        self.ready = False
                        notify.stopping("draining")
                        self.log.info("stopping")
                        if self.listener is not None and not await self.listener.drain(self.config.node.drain_s):
                            self.log.warning("requests under way were cut off", after_s=self.config.node.drain_s)
                        intake.cancel_scope.cancel()
                    work.cancel_scope.cancel()
                base.cancel_scope.cancel()

    async def _start_health(self, intake: trio.Nursery) -> None:
        address = self.config.observability.listen
        if not address:
            return
        health = Health(self.probes, self.registry)
        self.probes.ready["policies"] = lambda: "" if self.ready else "not loaded yet"
        await intake.start(http.Listener(http.bind(address), health).serve)

    async def _start_admission(
        self,
        admission: AdmissionConfig,
        sockets: list[Any],
        base: trio.Nursery,
        work: trio.Nursery,
        intake: trio.Nursery,
    ) -> None:
        self.certificates = Certificates(
            admission.tls,
            serving_names(admission.dialled, admission.listen),
            admission.client_certificates,
            Path(self.config.node.state_dir),
            self.log,
            self._announce_certificates,
        )
        tls = await self.certificates.load()
        base.start_soon(self.certificates.run)
        self._configured = await self.loader().load((*admission.policy, *admission.group), fetch=False)
        reviews = await self._start_resources(admission)
        self.admission.swap(self._all_policies())
        self.listener = http.Listener(
            sockets,
            Routes(self.admission, reviews),
            tls=tls.context,
            limits=Limits(in_flight=Limits().connections),  # each policy has a limit of its own
            on_handler_error=self._say_handler_error,
            on_connection_error=lambda peer, error: self.log.debug("connection failed", peer=peer, error=str(error)),
        )
        await intake.start(self.listener.serve)
        self.probes.probe_tls(intake, self.listener.addresses[0])
        target = Target(
            url=admission.dialled,
            ca_bundle=b"",
            owner=owner_identity(self.config.node.name),
            timeout_s=admission.webhook_timeout_s,
            include_system=admission.include_system,
        )
        self.registration = make_registration(
            admission.register,
            target,
            self._say_registration,
            client=self.source.client,
            static_dir=Path(admission.static_dir) if admission.static_dir else None,
        )
        work.start_soon(self._run_registration, self.registration)
        work.start_soon(arrivals.run, self)
        base.start_soon(self.outside.run)
        if self.resources is not None:
            work.start_soon(self.resources.run)
        self._start_audits(admission, work)

    def _start_audits(self, admission: AdmissionConfig, work: trio.Nursery) -> None:
        from edged.admission.audit.auditor import Auditor

        self.auditor = Auditor(self.source.client, self.admission, admission, self.log)
        self.auditor.measure(self.registry)
        work.start_soon(self.auditor.run)

    async def _start_resources(self, admission: AdmissionConfig) -> ResourceReviews | None:
        """Custom resources as the other source of policies, with what was served before the last stop."""
        if not admission.policy_server:
            return None
        self.resources = CustomResources(
            admission,
            self.config.engine.wall_timeout_s,
            Path(self.config.node.state_dir),
            self.source.client,
            self.informers,
            self,
            self.log,
            lambda: rfc3339(time.time()),
        )
        await self.resources.start()
        return ResourceReviews(admission.policy_server, self.log)

    async def _run_registration(self, registration: Registration) -> None:
        """Nothing is registered before it is known which custom resources there are: what a former life registered
        for them would be withdrawn, and come back a moment later."""
        if self.resources is not None and self.source.client.configured:
            with trio.move_on_after(RESOURCES_S):
                await self.resources.wait_known()
        self._register()
        await registration.run()

    # --- policies of both sources: the configuration file's go first

    def _all_policies(self) -> PolicySet:
        resources = self.resources.policies if self.resources is not None else {}
        return {**resources, **self._configured}

    def swap(self) -> None:
        """Serve what both sources have now, then have it registered."""
        self.admission.swap(self._all_policies())
        self._register()

    def served(self) -> PolicySet:
        """What answers now."""
        return self.admission.policies

    def configured_names(self) -> set[str]:
        """Names that the configuration file has taken."""
        return set(self._configured)

    def configured(self) -> PolicySet:
        """The policies of the configuration file."""
        return self._configured

    def replace(self, old: Policy | Group, new: Policy | Group) -> None:
        """Serve another version of one of the configuration file's."""
        self._configured = {name: new if policy is old else policy for name, policy in self._configured.items()}
        self.swap()

    def loader(self) -> PolicyLoader:
        """Loads policies as the configuration says now."""
        return self._loader(self.config, self.modules)

    def _loader(self, config: Config, modules: Modules) -> PolicyLoader:
        allow_secrets = config.admission is not None and config.admission.allow_secrets
        return PolicyLoader(
            config.engine, self.compiler, self.lines, self.log, modules, allow_secrets=allow_secrets
        )

    def _observers(self) -> tuple[Observer, ...]:
        """What is told of every evaluation."""
        server = self.config.admission.policy_server if self.config.admission else ""
        metrics = PolicyMetrics(self.registry, lambda: self.admission.policies.values(), server)
        return (metrics, self.review_watch) if self.traces is None else (metrics, self.review_watch, self.traces)

    def _register(self) -> None:
        """Tell the registration what is served now."""
        if self.registration is not None and self.certificates is not None:
            specs = [policy.webhook() for policy in self._configured.values()]
            if self.resources is not None:
                specs += self.resources.specs()
            self.registration.update(specs, self.certificates.bundle)

    async def _announce_certificates(self) -> None:
        """Let the API server know whom to trust before it is shown the new certificate. One that cannot be told calls
        nobody meanwhile, so there is an end to waiting."""
        self._register()
        if self.registration is not None:
            with trio.move_on_after(ANNOUNCE_S):
                await self.registration.heard()

    def _is_retired(self, name: str) -> bool:
        return self.registration is not None and self.registration.is_retired(name)

    async def _start_scheduler(self, work: trio.Nursery) -> None:
        """Profiles are loaded before anything is scheduled; a scheduler that lacks a plugin does not run at all."""
        config = self.config.scheduler
        if config is None:
            return
        # Imported here: a node without the scheduler does not pay for it.
        from edged.scheduling.run.plugins import PluginLoader
        from edged.scheduling.run.scheduling import Scheduling

        self.scheduling = Scheduling(
            config,
            self.config.node.name,
            PluginLoader(self.config.engine, self.compiler, self.lines, self.modules),
            self.source.client,
            self.informers,
            self.log,
            self.registry,
        )
        await self.scheduling.start(work)

    @property
    def scheduler(self) -> Scheduler | None:
        """The one of the present term; None while there is none."""
        return self.scheduling.scheduler if self.scheduling is not None else None

    async def _beat(self) -> None:
        """Notes that the event loop runs and that guest calls get their turns: what the watchdog asks for."""
        turnstile = self.engine.slices.used
        while True:
            await turnstile.enter(0)
            turnstile.leave()
            self._beat_at = trio.current_time()
            self.engine.idle.look()
            await trio.sleep(BEAT_S)

    def _is_alive(self) -> bool:
        return trio.current_time() - self._beat_at < 10 * BEAT_S

    # --- reload

    async def _reload_on_hangup(self, notify: systemd.Notifier) -> None:
        with trio.open_signal_receiver(signal.SIGHUP) as hangups:
            async for _ in hangups:
                notify.reloading()
                await self.reload()
                notify.ready(self.reload_error or "serving")

    async def reload(self) -> bool:
        """Read the configuration again. A new set of policies is taken whole, or the last good one is kept."""
        async with self._reloading:
            try:
                await self._reload()
            except EdgedError as error:
                self.reload_error = str(error)
                self.log.error("reload failed, going on as before", error=self.reload_error)
                return False
            self.reload_error = ""
            self.reloads += 1
            self.log.info("reloaded", policies=len(self.admission.policies))
            return True

    async def _reload(self) -> None:
        fresh = configuration.load(self.config_path) if self.config_path else self.config
        fixed = needs_restart(self.config, fresh)
        if fixed:
            raise ConfigError(f"these keys take effect only after a restart: {', '.join(fixed)}")
        modules = self.modules
        if fresh.registry != self.config.registry:
            modules = Modules(fresh.registry, Path(fresh.node.state_dir), self.log)
        if fresh.admission is None:
            await self._reload_scheduler(fresh, modules)
            self.config, self.modules = fresh, modules
            return
        loader = self._loader(fresh, modules)
        policies = await loader.load((*fresh.admission.policy, *fresh.admission.group), self.admission.policies)
        broken = [f"{policy.name}: {policy.error}" for policy in policies.values() if policy.error]
        if broken:
            raise ConfigError("policies do not load: " + "; ".join(broken))
        await self._reload_scheduler(fresh, modules)
        self.config, self.modules = fresh, modules
        self._configured = policies
        self.swap()
        if self.resources is not None:
            self.resources.reload()

    async def _reload_scheduler(self, fresh: Config, modules: Modules) -> None:
        if self.scheduling is not None and self.scheduler is not None and fresh.scheduler is not None:
            from edged.scheduling.run.plugins import PluginLoader

            loader = PluginLoader(fresh.engine, self.compiler, self.lines, modules)
            await self.scheduling.reload(fresh.scheduler, loader)

    # --- status

    async def _serve_status(self) -> None:
        try:
            operations = {"status": lambda _request: self.describe(), "why": self._why}
            long_operations = {"audit": self._audit, "reviews": self._reviews}
            await status.serve(self.config.node.socket, operations, self.log, long_operations=long_operations)
        except ConfigError as error:
            self.log.warning("no status socket", error=str(error))

    def _why(self, request: dict[str, Any]) -> dict[str, Any]:
        """The last scheduling attempt at a Pod: request key `pod` is NAMESPACE/NAME; none: whom it can tell of."""
        if self.scheduler is None:
            reason = self.scheduling.error if self.scheduling is not None else "[scheduler] is not configured"
            return {"error": f"the scheduler does not run: {reason}"}
        elector = self.scheduling.elector if self.scheduling is not None else None
        if elector is not None and not elector.leads():
            return {"error": f"this edged does not lead: {elector.holder or 'nobody'} holds {elector.name}, ask there"}
        if "pod" not in request:
            return {"pods": self.scheduler.remembered()}
        namespace, _, name = str(request["pod"]).partition("/")
        found = self.scheduler.why(NamespacedName(namespace, name))
        return found or {"error": f"there is no pod {request['pod']!r}, and no attempt at one is remembered"}

    async def _reviews(self, request: dict[str, Any], tell: status.Send) -> dict[str, Any]:
        """Reviews of a policy as they come; what it may be asked for is edged/cli/reviews.py's."""
        return await self.review_watch.watch(request, tell, self.admission.policies)

    async def _audit(self, request: dict[str, Any], tell: status.Send) -> dict[str, Any]:
        """An audit on demand; what it may be asked for is edged/cli/audit.py's."""
        if self.auditor is None:
            return {"error": "[admission] is not configured: there are no policies to audit with"}
        return await self.auditor.on_demand(request, tell)

    def describe(self) -> dict[str, Any]:
        """What `edged status` shows."""
        policies = {
            name: {
                "mode": policy.config.mode,
                "state": "failed" if policy.error else "loaded",
                "error": policy.error or "",
                "digest": ", ".join(policy.digests),
                **{key: getattr(counters, key) for key in counters.__slots__},
            }
            for name, policy in self.admission.policies.items()
            if (counters := self.admission.decisions.counters[name])
        }
        return {
            "ready": self.ready,
            "uptime_s": round(time.time() - self.started_at, 1),
            "memory_kib": status.memory_kib(),
            "policies": policies,
            "rejections": list(self.admission.decisions.rejections),
            "reloads": self.reloads,
            "reload_error": self.reload_error,
            "certificate_error": self.certificates.error if self.certificates else "",
            "kubernetes": {"server": self.source.client.server, "configured": self.source.client.configured},
            "registration": self._describe_registration(),
            "custom_resources": self.resources.describe() if self.resources is not None else {},
            "audit": self.auditor.describe() if self.auditor is not None else {},
            "scheduler": self._describe_scheduler(),
            "internal_errors": self.log.internal_errors.describe(),
        }

    def _describe_registration(self) -> dict[str, Any]:
        if self.registration is None:
            return {"mode": "off"}
        state = self.registration.state
        return {
            "mode": state.mode,
            "phase": state.phase,
            "message": state.message,
            "policies": list(state.policies),
            "problems": dict(state.problems),
        }

    def _describe_scheduler(self) -> dict[str, Any]:
        return self.scheduling.describe() if self.scheduling is not None else {}

    # --- what is said

    def _say_registration(self, state: State) -> None:
        if self.resources is not None:
            self.resources.wake()
        level = "info" if state.phase in ("registered", "off", "pending") else "warning"
        fields = {"mode": state.mode, "phase": state.phase, "policies": len(state.policies)}
        if state.message:
            fields["message"] = state.message
        self.log.log(level, "registration", fields)

    def _say_compiling(self, event: str, what: str) -> None:
        if event == "discarded":
            self.log.warning("compiled module discarded", reason=what)
        elif event != "cached":
            self.log.info(event, module=what)

    def _say_handler_error(self, request: Request, error: Exception) -> None:
        self.log.error("request failed", path=request.path, error=f"{type(error).__name__}: {error}")


def make_traces(config: Config, log: Logger) -> Traces | None:
    """None where nobody wants traces. Variables that make no sense cost the traces, never admission."""
    endpoint = config.observability.otlp_endpoint
    if not endpoint and not any(name.startswith("OTEL_EXPORTER_OTLP_") for name in os.environ):
        return None
    # Imported here: a node without traces does not pay for them.
    from edged.admission.host import traces
    from edged.telemetry import otlp_settings as settings

    try:
        found = settings.read(endpoint, os.environ)
        return traces.Traces(found, log) if found is not None else None
    except ConfigError as error:
        log.error("no traces", error=str(error))
        return None


def rfc3339(seconds: float) -> str:
    """Unix time as Kubernetes writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def settle_memory() -> None:
    """What start needed is over: free it, let the collector forget the rest, and give free pages back."""
    gc.collect()
    gc.freeze()
    with suppress(AttributeError):  # glibc has it, other C libraries need it less
        ctypes.CDLL(None).malloc_trim(0)


def needs_restart(old: Config, new: Config) -> list[str]:
    """Keys that differ and cannot change while the process runs."""
    changed = [
        name
        for name in ("node", "kubernetes", "engine", "observability")
        if getattr(old, name) != getattr(new, name)
    ]
    if (old.scheduler is None) != (new.scheduler is None):
        changed.append("scheduler")
    elif old.scheduler is not None and new.scheduler is not None:
        changed += [
            f"scheduler.{key}"
            for key in old.scheduler.__slots__
            if key != "plugin" and getattr(old.scheduler, key) != getattr(new.scheduler, key)
        ]
    if (old.admission is None) != (new.admission is None):
        changed.append("admission")
    elif old.admission is not None and new.admission is not None:
        same = replace(new.admission, policy=old.admission.policy, group=old.admission.group)
        changed += [
            f"admission.{key}" for key in old.admission.__slots__ if getattr(old.admission, key) != getattr(same, key)
        ]
    return changed


async def until_terminated() -> None:
    """Returns at SIGTERM or SIGINT."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            return
