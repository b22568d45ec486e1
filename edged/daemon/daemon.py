"""One edged process from start to stop: opens the nurseries and orders what begins and ends when.

    base       what all lean on: Kubernetes connection, informers, certificates, watchdog, status socket
      work     loops that write: registration, the scheduler
        intake the listeners

Start: bind sockets first (callers queue instead of being refused), listen, load policies, serve and register each as
soon as it is loaded, say READY. Who asks for a policy that is being loaded waits.
Stop: unregister nothing (the API server must not fall open because a node restarts), stop accepting, let requests
under way finish for `node.drain_s`, then stop what the rest leans on.
"""

from __future__ import annotations

import ctypes
import gc
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import trio

from edged.config import Config
from edged.daemon import contact_check
from edged.daemon.base import Base
from edged.daemon.health import DaemonHealth
from edged.daemon.health_metrics import health_metrics
from edged.daemon.heartbeat import Heartbeat
from edged.daemon.operations import Operations
from edged.daemon.reload import Reload
from edged.errors import ConfigError
from edged.http import listener as http
from edged.http.health import Health, Probes
from edged.http.lookups import Resolver
from edged.process import status_socket, systemd
from edged.process.boundary import boundary
from edged.telemetry.logs import Logger, LogStyle, is_journal
from edged.wasm.compile import CompileLimits

if TYPE_CHECKING:
    from edged.daemon.admission_part import AdmissionPart
    from edged.daemon.controller_admission import ControllerAdmission
    from edged.daemon.controllers_part import ControllersPart
    from edged.scheduling.run.scheduling import Scheduling

Stop = AbstractContextManager[Callable[[], Awaitable[object]]]
STATUS_AGAIN_S = 30.0
SHOW_S = 5.0
EXTEND_S = CompileLimits().wall_s + 30.0
"""How long systemd waits for one module to be compiled: a restart would begin anew, and end in the same way."""


def logger(config: Config) -> Logger:
    """The process's logger, as configured."""
    observability = config.observability
    return Logger(LogStyle(observability.log_format, observability.log_level, is_journal()))


class Daemon:
    """One edged process. `config_path` is read again on reload; None (tests) keeps the configuration."""

    def __init__(self, config: Config, config_path: str | None, log: Logger) -> None:
        self._log = log
        self._base = Base(config, log)
        self._heartbeat = Heartbeat(self._base.engine, log)
        self._admission = _admission_part(self._base)
        self._scheduling: Scheduling | None = None
        self._controllers: ControllersPart | None = None
        policies = self._admission.policies if self._admission is not None else None
        self._reload = Reload(self._base, policies, config_path)
        self._health = DaemonHealth(self._base, self._admission, self._reload)
        self._operations = Operations(self._base, self._admission, self._reload, self._health)
        self._probes = Probes(log)
        health_metrics(self._base.metrics, self._health)

    async def run(
        self, stop: Callable[[], Stop], *, task_status: trio.TaskStatus[Daemon] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Until what `stop` gives returns; `stop` is entered before anybody hears that the process is ready. `started`
        when everything that is enabled answers."""
        notify = systemd.notifier()
        if notify.error:
            self._log.error("systemd hears nothing of this process", error=notify.error)
        interval = systemd.watchdog_interval_s()
        inherited = systemd.inherited_sockets()
        admission = self._base.config.admission
        trio.socket.set_custom_hostname_resolver(Resolver())
        async with AsyncExitStack() as stack:
            hangups = stack.enter_context(trio.open_signal_receiver(signal.SIGHUP))
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # blocked since the process began
            stack.callback(self._base.engine.close)
            stack.callback(notify.close)
            sockets = inherited.get("admission") or (
                http.bind(admission.listen, "[admission] listen") if admission else []
            )
            for bound in sockets:
                stack.callback(bound.close)
            async with trio.open_nursery() as base:
                if interval is not None:
                    base.start_soon(systemd.watchdog, notify, interval, self._heartbeat.is_alive, self._log)
                await base.start(self._base.source.run)
                await base.start(self._base.informers.run)
                base.start_soon(self._serve_status)
                if self._admission is not None:
                    self._admission.run_traces(base)
                base.start_soon(self._heartbeat.run)
                base.start_soon(contact_check.run, self._base.client, self._log)
                async with trio.open_nursery() as work:
                    async with trio.open_nursery() as intake:
                        self._base.progressed = partial(self._go_on_starting, notify)

                        async def serve() -> None:
                            await self._start(sockets, base, work, intake)
                            self._say_ready(notify)
                            base.start_soon(self._show_protection, notify)
                            task_status.started(self)
                            base.start_soon(self._reload.on_hangup, hangups, notify)

                        with stop() as told:
                            async with trio.open_nursery() as serving:
                                serving.start_soon(serve)
                                await told()  # also while modules are compiled: others answer by then
                                serving.cancel_scope.cancel()
                        await self._drain(notify)
                        intake.cancel_scope.cancel()
                    work.cancel_scope.cancel()
                base.cancel_scope.cancel()

    async def _start(
        self, sockets: Sequence[socket.socket], base: trio.Nursery, work: trio.Nursery, intake: trio.Nursery
    ) -> None:
        config = self._base.config
        self._health.probe(self._probes)
        if config.observability.listen:
            health = Health(self._probes, self._log, self._base.metrics)
            bound = http.bind(config.observability.listen, "[observability] listen")
            await intake.start(http.Listener(bound, health, log=self._log).serve)
        admits = self._admits() if config.controller else None
        if admits is not None:  # before anything is registered: what a former life registered of them stays
            admits.expect(config.controller)
        if self._admission is not None and config.admission is not None:
            await self._admission.start(
                config.admission, sockets, self._probes, base=base, work=work, intake=intake
            )
        await self._start_scheduler(config, work)
        if config.controller:
            self._begin_controllers(work, admits)
        self._reload.begin_controllers = lambda: self._begin_controllers(work, self._admits())
        settle_memory()

    async def _start_scheduler(self, config: Config, work: trio.Nursery) -> None:
        """Profiles are loaded before anything is scheduled; a scheduler that lacks a plugin does not run at all."""
        if config.scheduler is None:
            return
        # Imported here: a node without the scheduler does not pay for it.
        from edged.scheduling.run.scheduling import Scheduling

        base = self._base
        self._scheduling = Scheduling(
            config.scheduler,
            config.node.name,
            base.plugin_loader(config, base.modules),
            base.client,
            base.informers,
            self._log,
            base.metrics,
        )
        self._reload.scheduling = self._operations.scheduling = self._scheduling
        await self._scheduling.start(work)

    def _admits(self) -> ControllerAdmission | None:
        """What joins controllers that admit to admission; None where there is none."""
        if self._admission is None:
            return None
        # Imported here: a node without both does not pay for it.
        from edged.daemon.controller_admission import ControllerAdmission

        return ControllerAdmission(self._admission.policies.admit)

    def _begin_controllers(self, work: trio.Nursery, admits: ControllerAdmission | None) -> ControllersPart:
        """Those of the configuration in force. Their modules are loaded in the background: nobody waits for them."""
        # Imported here: a node without controllers does not pay for them.
        from edged.daemon.controllers_part import ControllersPart

        part = self._controllers = ControllersPart(self._base, work, admits)
        self._reload.controllers = self._operations.controllers = part
        part.start()
        return part

    async def _serve_status(self) -> None:
        """Without the socket everything else goes on; where it breaks, another one takes its place a while later."""
        path = self._base.config.node.socket
        while True:
            with boundary(self._log, "status socket", path):
                try:
                    await status_socket.serve(path, self._operations.table(), self._log)
                except ConfigError as error:
                    self._log.warning("no status socket", error=str(error))
                    return
            await trio.sleep(STATUS_AGAIN_S)

    def _go_on_starting(self, notify: systemd.Notifier) -> None:
        notify.extend_start(EXTEND_S, self._health.starting())

    def _say_ready(self, notify: systemd.Notifier) -> None:
        self._base.progressed = lambda: None
        self._health.is_serving = True
        notify.ready("serving")
        self._log.info("ready", elapsed_ms=round((time.time() - self._operations.started_at) * 1000))

    async def _show_protection(self, notify: systemd.Notifier) -> None:
        """`systemctl status` shows the sentence that `edged status` begins with."""
        said = ""
        while self._health.is_serving:
            with boundary(self._log, "check", "protection"):
                sentence = self._health.protection().sentence
                if sentence != said:
                    notify.status(sentence)
                    said = sentence
            await trio.sleep(SHOW_S)

    async def _drain(self, notify: systemd.Notifier) -> None:
        self._health.is_serving = False
        notify.stopping("draining")
        self._log.info("stopping")
        seconds, reviews = self._base.config.node.drain_s, trio.Event()
        async with trio.open_nursery() as nursery:
            if self._controllers is not None:
                nursery.start_soon(self._controllers.drain, seconds, reviews)
            if self._admission is not None:
                await self._admission.drain(seconds)
            reviews.set()


def _admission_part(base: Base) -> AdmissionPart | None:
    """None where nothing is admitted."""
    if base.config.admission is None:
        return None
    # Imported here: a node without admission does not pay for it.
    from edged.daemon.admission_part import AdmissionPart

    return AdmissionPart(base)


def settle_memory() -> None:
    """What start needed is over: free it, let the collector forget the rest, and give free pages back."""
    gc.collect()
    gc.freeze()
    with suppress(AttributeError):  # glibc has it, other C libraries need it less
        ctypes.CDLL(None).malloc_trim(0)


@contextmanager
def termination() -> Iterator[Callable[[], Awaitable[object]]]:
    """What it gives returns at SIGTERM or SIGINT. From then on SIGTERM is ignored: another one would cut off what is
    being drained. Another SIGINT ends the process at once, as whoever presses Ctrl-C twice expects."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        yield signals.__anext__
        # trio raises again what came twice, when handlers are as they were before.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
