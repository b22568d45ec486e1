"""Keeping the API server told which policies to call. What the ways of `[admission] register` share.

    none      no_registration.py         nothing is written
    dynamic   dynamic_registration.py    two webhook configuration objects
    static    static_registration.py     two manifest files that the API server reads from disk

`edged/daemon` makes one of them with `registration_modes.py: make_registration`, calls `update` *after* a new set of
policies is being served, and runs `run`. The API server may go on calling a removed policy until it has noticed:
`is_retired` names those policies, and the listener answers "allowed" for them. `state` is what is true now, for status
and readiness.
"""

from __future__ import annotations

import math
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

import trio

from edged.admission.rules.verdict import unexpected
from edged.admission.rules.webhooks import Target, WebhookConfiguration, WebhookSpec
from edged.errors import ConfigError, EdgedError
from edged.process.boundary import boundary
from edged.telemetry.logs import Logger

POLL_S = 10.0
RETRY_MAX_S = 60.0
CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
Key = TypeVar("Key")


class Client(Protocol):
    """What is needed of the API client (edged/kube/client.py)."""

    @property
    def server(self) -> str:
        """URL of the API server, "" while there is none."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: WebhookConfiguration | None = None,
    ) -> WebhookConfiguration:
        """One request; raises PeerError, with `code` and `body` where a Status came back."""


class Refused(EdgedError):
    """Registering would do harm, or would take what belongs to somebody else. Tried again with every poll."""


@dataclass(frozen=True, slots=True)
class State:
    """`phase`: off, pending, registered, refused, contested, failing. `policies`: what the API server calls now, as far
    as is known. `problems`: policy -> why it is not registered. `settled_at`: when the API server has surely noticed
    (static; trio's clock), else None."""

    mode: str
    phase: str = "pending"
    message: str = ""
    policies: tuple[str, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)
    settled_at: float | None = None


class Registration(ABC):
    """What the daemon needs of every way: the policies to register, those that retire, and the state."""

    mode = ""
    first_phase = "pending"
    grace_s = 0.0
    """How long the API server may go on calling a policy after it was told that it is gone."""
    heard_s = 0.0
    """How long a healthy API server takes until it goes by what was written."""

    def __init__(self, target: Target, report: Callable[[State], None], log: Logger) -> None:
        """`report` hears of every change of the state."""
        self.target = target
        self.state = State(self.mode, self.first_phase)
        self._report = report
        self._log = log
        self._specs: tuple[WebhookSpec, ...] | None = None
        self._retired: dict[str, float] = {}
        self._old_bundles: dict[bytes, float] = {}
        self._changed = trio.Event()
        self.revision = 0
        """How often `update` was called."""
        self._settled_revision = 0
        self.told_at: float | None = None
        """Unix time at which the API server was last told, or found to be told."""
        self._told = trio.Event()

    # --- for the daemon
    @property
    def settled_revision(self) -> int:
        """The last update that the API server was told of."""
        return self._settled_revision

    def update(self, specs: Sequence[WebhookSpec], ca_bundle: bytes) -> None:
        """These policies are served from now on. Call it once they answer, and before others stop answering."""
        self._retire(spec.name for spec in self._specs or () if spec.rules != ())
        if self.target.ca_bundle and self.target.ca_bundle != ca_bundle:
            self._old_bundles[self.target.ca_bundle] = math.inf
        self._old_bundles.pop(ca_bundle, None)
        self.target = replace(self.target, ca_bundle=ca_bundle)
        self._specs = tuple(specs)
        self.revision += 1
        for spec in specs:
            self._retired.pop(spec.name, None)
        self._wake()

    async def heard(self) -> None:
        """Returns when the API server has surely heard of the last update. Waits for as long as it cannot be told."""
        revision = self.revision
        while self.settled_revision < revision:
            await self._told.wait()
        await trio.sleep(self.heard_s)

    def is_retired(self, name: str) -> bool:
        """Whether a removed policy may still be called. Such a call is answered with "allowed"."""
        return self._retired.get(name, -math.inf) > trio.current_time()

    @abstractmethod
    async def run(self) -> None:
        """Register and keep it right, for ever."""

    @abstractmethod
    async def settle(self) -> None:
        """One attempt, now. Raises EdgedError. For commands; the daemon uses `run`."""

    # --- for the ways themselves
    def _retire(self, names: Iterable[str]) -> None:
        """The API server may call these until further notice."""
        if self.grace_s:
            self._retired.update({name: math.inf for name in names})

    def _settled(self, revision: int) -> None:
        """The API server has been told of that update: from now on the grace periods run."""
        self._settled_revision = revision
        self.told_at = time.time()
        told, self._told = self._told, trio.Event()
        told.set()
        now = trio.current_time()
        self._retired = _count_down(self._retired, now, self.grace_s)
        self._old_bundles = _count_down(self._old_bundles, now, self.grace_s)

    def _effective_target(self) -> Target:
        """The target with every CA that may still sign what the API server is shown."""
        now = trio.current_time()
        old = [bundle for bundle, deadline in self._old_bundles.items() if deadline > now]
        return replace(self.target, ca_bundle=join_bundles([self.target.ca_bundle, *old]))

    def _wake(self) -> None:
        self._changed.set()

    def _say(self, state: State) -> None:
        changed = state != self.state
        self.state = state
        if changed:
            self._report(state)


class Polling(Registration):
    """Settles at once after `update`, and every POLL_S to notice what others changed. Backs off on errors."""

    async def run(self) -> None:
        failures = 0
        while True:
            self._changed = trio.Event()
            delay_s = POLL_S
            if self._specs is not None:
                with boundary(self._log, "write", "registration") as unit:
                    try:
                        await self.settle()
                        failures = 0
                    except Refused as error:
                        self._say(replace(self.state, phase="refused", message=str(error)))
                    except EdgedError as error:
                        failures += 1
                        delay_s = _pause_s(failures)
                        self._say(replace(self.state, phase="failing", message=str(error)))
                if unit.error is not None:
                    failures += 1
                    delay_s = RETRY_MAX_S if unit.is_stubborn else _pause_s(failures)
                    with boundary(self._log, "write", "registration's state"):
                        self._say(replace(self.state, phase="failing", message=unexpected(unit.error)))
            with trio.move_on_after(delay_s):
                await self._changed.wait()


def _pause_s(failures: int) -> float:
    """How long to wait after so many failures in a row."""
    return min(2.0 ** min(failures - 1, 16), RETRY_MAX_S)


def _count_down(deadlines: dict[Key, float], now: float, grace_s: float) -> dict[Key, float]:
    """Start the grace periods that have not begun, forget those that are over."""
    begun = {key: min(deadline, now + grace_s) for key, deadline in deadlines.items()}
    return {key: deadline for key, deadline in begun.items() if deadline > now}


def join_bundles(bundles: Iterable[bytes]) -> bytes:
    """PEM bundles -> one with every certificate once, in order."""
    blocks: dict[bytes, None] = {}
    for bundle in bundles:
        certificates = CERTIFICATE.findall(bundle)
        if bundle and not certificates:
            raise ConfigError("the CA bundle for the webhooks holds no certificate")
        blocks.update(dict.fromkeys(certificates))
    return b"".join(block + b"\n" for block in blocks)
