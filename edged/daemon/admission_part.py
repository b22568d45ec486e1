"""Admission as part of the process: builds it from the configuration, and starts its tasks in the right nurseries."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from edged.admission.config import AdmissionConfig
from edged.admission.endpoint.manifest_reader import ManifestReader
from edged.admission.endpoint.object_reviews import ObjectReviews
from edged.admission.endpoint.policy_reviews import PolicyReviews
from edged.admission.endpoint.registration import Registration, State
from edged.admission.endpoint.registration_modes import make_registration, owner_identity
from edged.admission.endpoint.shared_reviews import SharedReviews
from edged.admission.host.admission import Admission
from edged.admission.host.context import ClusterContext
from edged.admission.host.observers import Observer
from edged.admission.host.outside import HostCapabilities
from edged.admission.host.policy_metrics import PolicyMetrics
from edged.admission.host.preinitialization import Preinitialization
from edged.admission.host.review_watch import ReviewWatch
from edged.admission.host.working_memory import WorkingMemory
from edged.admission.resources.custom_resources import CustomResources
from edged.admission.resources.resource_configs import limits_of
from edged.admission.resources.resource_reviews import ResourceReviews
from edged.admission.rules.webhooks import Target
from edged.daemon.base import Base
from edged.daemon.served_policies import ServedPolicies
from edged.daemon.timestamps import rfc3339
from edged.errors import ConfigError
from edged.http.connection import Limits
from edged.http.health import Probes
from edged.http.listener import Listener, capacity
from edged.http.messages import MessageLimits
from edged.http.refusals import Refusals
from edged.http.routes import Routes
from edged.kube.direct import DirectClient
from edged.process.descriptors import raise_limit
from edged.telemetry.logs import Logger
from edged.tls.certificates import serving_names
from edged.tls.contexts import ServerTls
from edged.tls.serving_certificate import Certificates

if TYPE_CHECKING:
    from edged.admission.audit.auditor import Auditor
    from edged.admission.host.traces import Traces


class AdmissionPart:
    """`listener` and `auditor` are None until `start`, which is called only where [admission] is configured."""

    def __init__(self, base: Base) -> None:
        config = base.config
        self._base = base
        self._log = base.log
        self._outside = HostCapabilities(lambda: base.modules, base.log)
        self._refusals = Refusals(base.log)
        self._refusals.measure(base.metrics)
        self.traces = make_traces(config.observability.otlp_endpoint, base.log)
        self.review_watch = ReviewWatch()
        self._preinitialization = Preinitialization(base.log)
        self._context = ClusterContext(base.client, base.informers, base.log)
        self.admission = Admission(
            base.log,
            base.lines,
            self._context,
            self._observers(config.admission.policy_server if config.admission else ""),
            lambda name: self.policies.is_retired(name),
            self._outside,
            WorkingMemory(config.engine.guests_memory_mib),
        )
        self.policies = ServedPolicies(self.admission, lambda: base.policy_loader(base.config, base.modules))
        self.listener: Listener | None = None
        self.auditor: Auditor | None = None
        self.first_revision = 0
        """Of the registration: the first one with all policies that a start loads. 0 until then."""

    def _observers(self, policy_server: str) -> tuple[Observer, ...]:
        """What is told of every evaluation."""
        metrics = PolicyMetrics(self._base.metrics, lambda: self.admission.policies.values(), policy_server)
        traces = () if self.traces is None else (self.traces,)
        return (metrics, self.review_watch, self._preinitialization, *traces)

    async def start(
        self,
        config: AdmissionConfig,
        sockets: Sequence[socket.socket],
        probes: Probes,
        *,
        base: trio.Nursery,
        work: trio.Nursery,
        intake: trio.Nursery,
    ) -> None:
        """Listen, then load policies, and register each as soon as it is served. Returns when all are loaded or have a
        reason why not. Raises ConfigError."""
        tls = await self._start_certificates(config, base)
        self.policies.expect((*config.policy, *config.group))
        reviews = self._make_resources(config)
        self.policies.swap()
        self.policies.registration = self._registration(config)
        self.policies.register()  # it knows who shares webhooks, which may be called at once
        self.listener = self._listener(config, sockets, tls, reviews)
        await intake.start(self.listener.serve)
        probes.probe_tls(intake, self.listener.addresses[0])
        work.start_soon(self.policies.registration.run)
        base.start_soon(self._outside.run)
        base.start_soon(self._context.run)
        await self._load(config)
        self.first_revision = self.policies.registration.revision
        work.start_soon(self.policies.run, self._log)
        base.start_soon(self._preinitialization.run)
        if self.policies.resources is not None:
            work.start_soon(self.policies.resources.run)
            if not self.policies.resources.is_settled:
                work.start_soon(self.policies.register_resources, self.policies.resources)
        self._start_audits(config, work)

    async def _load(self, config: AdmissionConfig) -> None:
        """The configuration file's first: what is compiled for others would give way to it."""
        await self.policies.load((*config.policy, *config.group))
        if self.policies.resources is not None:
            await self.policies.resources.start()
        self.policies.swap()

    def run_traces(self, nursery: trio.Nursery) -> None:
        """Send traces from now on, where they are wanted."""
        if self.traces is not None:
            self.traces.measure(self._base.metrics)
            nursery.start_soon(self.traces.run)

    async def drain(self, seconds: float) -> None:
        """Take no new requests, and let those under way finish."""
        self.policies.load_no_more()
        if self.listener is not None and not await self.listener.drain(seconds):
            self._log.warning("requests under way were cut off", after_s=seconds)

    async def _start_certificates(self, config: AdmissionConfig, nursery: trio.Nursery) -> ServerTls:
        self.policies.certificates = Certificates(
            config.tls,
            serving_names(config.dialled, config.listen),
            config.client_certificates,
            self._base.state_dir,
            self._log,
            self.policies.announce_certificates,
        )
        tls = await self.policies.certificates.load()
        nursery.start_soon(self.policies.certificates.run)
        return tls

    def _make_resources(self, config: AdmissionConfig) -> ResourceReviews | None:
        """Custom resources as the other source of policies, with what was served before the last stop."""
        if not config.policy_server:
            return None
        self.policies.resources = CustomResources(
            config.policy_server,
            limits_of(config, self._base.config.engine.wall_timeout_s),
            self._base.state_dir,
            self._base.client,
            self._base.informers,
            self.policies,
            self._log,
            lambda: rfc3339(time.time()),
        )
        self.policies.resources.recall()
        return ResourceReviews(
            config.policy_server, self._log, self.admission.memory.budget,
            include_system=config.include_system, static=config.register == "static",
        )

    def _listener(
        self, config: AdmissionConfig, sockets: Sequence[socket.socket], tls: ServerTls, reviews: ResourceReviews | None
    ) -> Listener:
        policy_reviews = PolicyReviews(self.admission, self._log, config.webhook_timeout_s)
        shared_reviews = SharedReviews(
            self.admission,
            self._log,
            self.policies.members,
            config.webhook_timeout_s,
            include_system=config.include_system,
        )
        routes = {**policy_reviews.routes(), **shared_reviews.routes()}
        if reviews is not None:
            routes |= ObjectReviews(reviews, self._log).routes()
        return Listener(
            sockets,
            self._refusals.counting(Routes(routes)),
            tls=tls.context,
            limits=listener_limits(config, raise_limit()),
            log=self._log,
            refusals=self._refusals,
            is_behind=self._base.engine.slices.is_behind,
            patience=lambda request: min(policy_reviews.patience(request), shared_reviews.patience(request)),
        )

    def _registration(self, config: AdmissionConfig) -> Registration:
        target = Target(
            url=config.dialled,
            ca_bundle=b"",
            owner=owner_identity(self._base.config.node.name),
            timeout_s=config.webhook_timeout_s,
            include_system=config.include_system,
            name=config.registration_name,
            is_sharing=config.is_sharing,
        )
        return make_registration(
            config.register,
            target,
            self._say_registration,
            self._log,
            client=self._base.client,
            static_dir=Path(config.static_dir) if config.static_dir else None,
            state_dir=self._base.state_dir,
            reader=self._manifest_reader(config.static_api_server) if config.register == "static" else None,
        )

    def _manifest_reader(self, server: str) -> ManifestReader:
        """Asks the API server that reads the manifests: the one at `server`, else the kubeconfig's."""
        client = self._base.client
        return ManifestReader(DirectClient(client, server) if server else client, is_named=bool(server))

    def _start_audits(self, config: AdmissionConfig, nursery: trio.Nursery) -> None:
        from edged.admission.audit.auditor import Auditor

        self.auditor = Auditor(self._base.client, self.admission, config, self._log)
        self.auditor.measure(self._base.metrics)
        nursery.start_soon(self.auditor.run)

    def _say_registration(self, state: State) -> None:
        if self.policies.resources is not None:
            self.policies.resources.wake()
        level = "info" if state.phase in ("registered", "off", "pending") and not state.message else "warning"
        fields = {"mode": state.mode, "phase": state.phase, "policies": len(state.policies)}
        if state.waiting:
            fields["waiting"] = len(state.waiting)
        if state.message:
            fields["message"] = state.message
        self._log.log(level, "registration", fields)


def listener_limits(config: AdmissionConfig, descriptors: int) -> Limits:
    """What the listener grants, in a process that may open so many files."""
    connections, places = capacity(descriptors)
    return Limits(
        message=MessageLimits(body_bytes=config.max_review_mib << 20),
        connections=connections,
        places=places,
        in_flight=max(1, places // 4),  # each policy has a limit of its own
    )


def make_traces(endpoint: str, log: Logger) -> Traces | None:
    """None where nobody wants traces. Variables that make no sense cost the traces, never admission."""
    if not endpoint and not any(name.startswith("OTEL_EXPORTER_OTLP_") for name in os.environ):
        return None
    # Imported here: a node without traces does not pay for them.
    from edged.admission.host import traces
    from edged.telemetry import otlp_settings

    try:
        settings = otlp_settings.read(endpoint, os.environ)
        return traces.Traces(settings, log) if settings is not None else None
    except ConfigError as error:
        log.error("no traces", error=str(error))
        return None
