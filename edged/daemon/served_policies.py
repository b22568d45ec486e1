"""The policies that answer reviews, from all sources: the configuration file, its controllers, and the cluster's custom
resources."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import trio

from edged.admission.config import GroupConfig, PolicyConfig
from edged.admission.endpoint.registration import Registration
from edged.admission.host import arrivals
from edged.admission.host.admission import Admission
from edged.admission.host.policy import Group, Policy, PolicySet
from edged.admission.host.policy_loader import PolicyLoader
from edged.admission.resources.custom_resources import CustomResources
from edged.admission.rules.webhooks import WebhookSpec
from edged.process.boundary import boundary
from edged.telemetry.logs import Logger
from edged.tls.serving_certificate import Certificates
from edged.tls.validity import validity

ANNOUNCE_S = 120.0
"""How long a new certificate waits for an API server of which nobody knows whether it took up the registration."""
LAST_S = 3600.0
"""How long before the end of the present certificate a new one waits no longer."""
LOOK_S = 5.0

SWAP_S = 0.1
"""So long a policy waits for others that are loaded meanwhile, before it is served."""
AGAIN_S = 10.0
"""After an unexpected error."""


class ServedPolicies:
    """Serves one set of policies, the configuration file's before custom resources, and has it registered. What
    controllers admit is a policy here for each of their webhooks.

    `registration`, `certificates` and `resources` are None until admission starts, `resources` also where no
    PolicyServer is served.
    """

    def __init__(
        self, admission: Admission, loader: Callable[[], PolicyLoader], now: Callable[[], float] = time.time
    ) -> None:
        """`loader` gives one that loads as the configuration says now."""
        self.registration: Registration | None = None
        self.certificates: Certificates | None = None
        self.resources: CustomResources | None = None
        self.is_fetching = True
        """Whether modules of the configuration file are being fetched that were not there at the start."""
        self._admission = admission
        self._loader = loader
        self._now = now
        self._configured: PolicySet = {}
        self._controllers: PolicySet = {}
        self._changed = trio.Event()

    def loader(self) -> PolicyLoader:
        return self._loader()

    def served(self) -> PolicySet:
        """What answers now."""
        return self._admission.policies

    def configured(self) -> PolicySet:
        """The policies of the configuration file."""
        return self._configured

    def configured_names(self) -> set[str]:
        """Names that the configuration file has taken."""
        return {*self._configured, *self._controllers}

    def of_controllers(self) -> PolicySet:
        """What controllers admit."""
        return self._controllers

    def admit(self, policies: PolicySet) -> None:
        """Serve these as the controllers'."""
        self._controllers = policies
        self.swap()

    def configure(self, policies: PolicySet) -> None:
        """Serve these as the configuration file's."""
        self._configured = policies
        self._changed.set()
        self.swap()

    def expect(self, configs: Sequence[PolicyConfig | GroupConfig]) -> None:
        """The configuration file's policies before they are loaded: who asks for one waits until it is there."""
        loader = self._loader()
        self.configure({config.name: loader.loading(config) for config in configs})

    async def load(self, configs: Sequence[PolicyConfig | GroupConfig]) -> None:
        """Load them, and serve and register each as soon as it is loaded."""
        loaded = trio.Event()
        taken: PolicySet = {}

        def take(policy: Policy | Group) -> None:
            taken[policy.name] = policy
            loaded.set()

        async def serve() -> None:
            nonlocal loaded
            while True:
                await loaded.wait()
                loaded = trio.Event()
                self.configure({**self._configured, **taken})
                await trio.sleep(SWAP_S)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            policies = await self._loader().load(configs, fetch=False, take=take)
            nursery.cancel_scope.cancel()
        self.configure(policies)

    def load_no_more(self) -> None:
        """A start that loads policies was ended: who waits for one hears that it is not there. Nothing is registered
        anew."""
        for policy in self.served().values():
            policy.is_loading = False
        self._admission.swap(self.served())

    @property
    def progress(self) -> str:
        """How far a start is with loading; "" when it is not, or not any more."""
        policies = [*self._configured.values(), *(self.resources.policies.values() if self.resources else ())]
        left = sum(policy.is_loading for policy in policies)
        return f"{len(policies) - left} of {len(policies)} policies are loaded" if left else ""

    async def run(self, log: Logger) -> None:
        """For ever: load what could not be loaded yet, after the start and after each reload."""
        while True:
            changed = self._next_change()
            with boundary(log, "load", "configured policies") as unit:
                await arrivals.run(self, log, self._next_change)
            if unit.error is None:
                await changed.wait()
            else:
                await trio.sleep(AGAIN_S)

    def _next_change(self) -> trio.Event:
        """Set when other policies are configured from now on."""
        if self._changed.is_set():
            self._changed = trio.Event()
        return self._changed

    def tried_all(self) -> None:
        """Every module was fetched, or there is a reason why not."""
        self.is_fetching = False

    def replace(self, old: Policy | Group, new: Policy | Group) -> None:
        """Serve another version of one of the configuration file's."""
        self.configure({name: new if policy is old else policy for name, policy in self._configured.items()})

    def swap(self) -> None:
        """Serve what all sources have now, then have it registered."""
        resources = self.resources.policies if self.resources is not None else {}
        self._admission.swap({**resources, **self._controllers, **self._configured})
        self.register()

    def register(self) -> None:
        """Tell the registration what is served now."""
        if self.registration is not None and self.certificates is not None:
            specs = [policy.webhook() for policy in (*self._configured.values(), *self._controllers.values())]
            is_whole = self.resources is None or self.resources.is_settled
            if self.resources is not None:
                specs += sorted(self.resources.specs(), key=lambda spec: spec.name)
            self.registration.update(specs, self.certificates.bundle, is_whole=is_whole)

    async def register_resources(self, resources: CustomResources) -> None:
        """Once it is known which custom resources there are, what a former life registered for others is withdrawn."""
        await resources.wait_settled()
        self.register()

    async def announce_certificates(self) -> None:
        """Let the API server know whom to trust before it is shown the new certificate. One that surely was not told,
        or refused what it was told, would take the new one for a stranger's: then the present one stays while it is
        valid."""
        self.register()
        registration = self.registration
        if registration is None:
            return
        with trio.move_on_after(ANNOUNCE_S) as waited:
            await registration.heard()
        while waited.cancelled_caught and registration.goes_by_earlier and self._left_s() > LAST_S:
            with trio.move_on_after(LOOK_S) as waited:
                await registration.heard()

    def _left_s(self) -> float:
        """For how long the certificate that is shown is valid."""
        tls = self.certificates.tls if self.certificates is not None else None
        times = validity(tls.certificate) if tls is not None else None
        return times[1] - self._now() if times is not None and times[0] <= self._now() else 0.0

    def members(self, key: str) -> Sequence[WebhookSpec] | None:
        """Whom the shared webhook with that key calls, in order; None: there is no such webhook."""
        return self.registration.members(key) if self.registration is not None else None

    def is_retired(self, name: str) -> bool:
        """Whether the API server may still call a policy of that name which is not served any more."""
        return self.registration is not None and self.registration.is_retired(name)
