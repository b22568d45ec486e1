"""Keeping the API server told which policies to call. What the ways of `[admission] register` share.

    none      no_registration.py         nothing is written
    dynamic   dynamic_registration.py    two webhook configuration objects
    static    static_registration.py     two manifest files that the API server reads from disk

`edged/daemon` makes one of them with `registration_modes.py: make_registration`, calls `update` *after* a new set of
policies is being served, and runs `run`. The API server may go on calling a removed policy until it goes by something
later (revisions.py): `is_retired` names those policies, and the listener answers "allowed" for them. `state` is what is
true now, for status and readiness.
"""

from __future__ import annotations

import base64
import math
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import field, replace
from typing import Protocol

import trio

from edged.admission.endpoint.memberships import Memberships
from edged.admission.endpoint.registration_memory import RegistrationMemory
from edged.admission.endpoint.revisions import Key, Revisions
from edged.admission.endpoint.split_webhooks import Splits
from edged.admission.rules.kept_webhooks import keeping
from edged.admission.rules.shared_webhooks import hook_name, key_in
from edged.admission.rules.verdict import unexpected
from edged.admission.rules.webhook_objects import Generated, generate
from edged.admission.rules.webhooks import (
    RESOURCE_SUFFIX,
    WEBHOOK_SUFFIX,
    Rules,
    Target,
    WebhookConfiguration,
    WebhookSpec,
    hooks_of,
    recall,
)
from edged.errors import ConfigError, EdgedError
from edged.process.boundary import boundary
from edged.records import dataclass
from edged.telemetry.logs import Logger

POLL_S = 10.0
CALLED_S = 1.0
"""How long whom a shared webhook calls is remembered: what is relied on ends with time."""
MOST_CALLED = 1024
RETRY_MAX_S = 60.0
CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----\s*[A-Za-z0-9+/=][A-Za-z0-9+/=\s]*-----END CERTIFICATE-----")
"""With base64 inside. Nothing else is taken from a live object, whose bundle may hold anything."""


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
    as is known; `webhooks`: by which webhook. `problems`: policy -> why it is not registered. `waiting` (static):
    policy -> why it is not known to be called, though it is written. `settled_at`: when the API server has surely
    noticed (static; trio's clock)."""

    mode: str
    phase: str = "pending"
    message: str = ""
    policies: tuple[str, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)
    waiting: Mapping[str, str] = field(default_factory=dict)
    settled_at: float | None = None
    webhooks: Mapping[str, tuple[str, ...]] = field(default_factory=dict, compare=False)


class Registration(ABC):
    """What the daemon needs of every way: the policies to register, those that retire, and the state."""

    mode = ""
    first_phase = "pending"
    grace_s = 0.0
    """How long a policy is answered that no revision names any more which the API server may go by."""
    heard_s = 0.0
    """How long a healthy API server takes until it goes by what was written."""

    def __init__(
        self, target: Target, report: Callable[[State], None], log: Logger, memory: RegistrationMemory | None = None
    ) -> None:
        """`report` hears of every change of the state. Without `memory` a restart forgets."""
        self.target = target
        self.state = State(self.mode, self.first_phase)
        self._report = report
        self._log = log
        self._memory = memory
        self._specs: tuple[WebhookSpec, ...] | None = None
        self._is_whole = False
        self._wanted: frozenset[str] = frozenset()
        self._revisions = Revisions(self.grace_s)
        self._memberships = Memberships()
        self._splits = Splits()
        self._joined: Generated | None = None
        self._called: dict[str, tuple[WebhookSpec, ...] | None] = {}  # what `members` says, until something changes
        self._called_until = -math.inf
        self._is_compared = False  # with the objects that are there
        self._is_remembered = False
        if memory is not None and (remembered := [key for key in memory.recall() if _is_usable(key)]):
            self._revisions.offer(remembered)
            self._memberships.recall(remembered, memory.policies)
            self._is_remembered = True
        self._objects_before = memory.objects if memory is not None else ()
        self._changed = trio.Event()
        self.revision = 0
        """How often `update` was called."""
        self._settled_revision = 0
        self._known_revision = 0
        self.told_at: float | None = None
        """Unix time at which the API server was last told, or found to be told."""
        self._told = trio.Event()

    # --- for the daemon
    @property
    def settled_revision(self) -> int:
        """The last update that the API server was told of."""
        return self._settled_revision

    @property
    def known_revision(self) -> int:
        """The last update that the API server is known to go by."""
        return self._known_revision

    @property
    def goes_by_earlier(self) -> bool:
        """Whether the API server surely does not go by the last update."""
        return self.settled_revision < self.revision

    def update(self, specs: Sequence[WebhookSpec], ca_bundle: bytes, *, is_whole: bool = True) -> None:
        """These policies are served from now on. Call it once they answer, and before others stop answering. `is_whole`
        False: nobody knows yet which custom resources there are, and what is registered for such stays."""
        self.target = replace(self.target, ca_bundle=ca_bundle)
        self._specs = tuple(specs)
        self._is_whole = is_whole
        self._wanted = frozenset(spec.name for spec in specs)
        self._joined = None
        self._called = {}
        self.revision += 1
        self._wake()

    async def heard(self) -> None:
        """Returns when the API server has surely heard of the last update. Waits for as long as that is not known."""
        revision = self.revision
        while self.known_revision < revision:
            await self._told.wait()
        await trio.sleep(self.heard_s)

    def is_retired(self, name: str) -> bool:
        """Whether a removed policy may still be called. Such a call is answered with "allowed". Until an update is
        whole nobody knows which custom resources there are, so none of theirs is known to be removed."""
        if name in self._wanted:
            return False
        suffixes = (WEBHOOK_SUFFIX, RESOURCE_SUFFIX) if self._is_whole else (WEBHOOK_SUFFIX,)
        now = trio.current_time()
        return any(self._revisions.is_relied_on(f"{name}.{suffix}", now) for suffix in suffixes)

    def members(self, key: str) -> tuple[WebhookSpec, ...] | None:
        """Whom the shared webhook with that key calls, in the order of the last update; None where there is no such
        webhook as far as is known, or where nothing is known yet: a former life may have left one. Besides those that
        are to be in it, it calls whom the API server may believe to be in it: policies that were, by the rules that
        they had there. Of those that are gone nobody is left, and until an update is whole, custom resources are not
        known to be gone."""
        now = trio.current_time()
        if self._specs is None or not (self._is_remembered or self._is_compared):
            return None
        if key not in self._called or self._called_until <= now:
            if self._called_until <= now or len(self._called) > MOST_CALLED:
                self._called, self._called_until = {}, now + CALLED_S
            self._called[key] = self._members(key, now)
        return self._called[key]

    def _members(self, key: str, now: float) -> tuple[WebhookSpec, ...] | None:
        hook = hook_name(key)
        if self._joined is None:
            self._joined = generate(self._known_specs(), self.target)
        joined = {spec.name for spec in self._joined.members.get(hook, ())}
        relied_on = self._memberships.of(hook, lambda each: self._revisions.is_relied_on(each, now))
        if not joined and not relied_on:
            return None
        found = []
        for spec in self._known_specs():
            former = relied_on.pop(spec.name, None)
            if spec.name in joined and (former is not None or spec.name not in self.state.problems):
                found.append(spec)
            elif former is not None:
                found.append(replace(spec, rules=_all_rules(former)))
        if not self._is_whole:
            found += [specs[-1] for _, specs in sorted(relied_on.items()) if not _is_of_the_file(specs)]
        return tuple(found)

    @abstractmethod
    async def run(self) -> None:
        """Register and keep it right, for ever."""

    @abstractmethod
    async def settle(self) -> None:
        """One attempt, now. Raises EdgedError. For commands; the daemon uses `run`."""

    # --- for the ways themselves
    def _generated(self, live: Sequence[WebhookConfiguration], *, static: bool = False) -> Generated:
        """What is to be registered, where `live` is."""
        target, now = self._effective_target(), trio.current_time()
        known = self._memberships.filled(recall(self._specs or (), live), self._revisions.relied_on(now))
        specs, refused = self._splits.applied(known, now)
        generated = generate(specs, target, static=static)
        generated.problems.update(refused)
        return generated if self._is_whole else keeping(generated, live, target)

    def _known_specs(self) -> list[WebhookSpec]:
        """The policies, with the rules that they were last registered with where those are not known now."""
        return self._memberships.filled(self._specs or (), self._revisions.relied_on(trio.current_time()))

    def _found(self, live: Iterable[WebhookConfiguration]) -> None:
        """These objects are there, so the API server may go by them, whoever wrote them: a former life, for one, whose
        CAs may sign what is shown."""
        now = trio.current_time()
        live = list(live)
        there = [key for obj in live for key in _keys_of(obj)]
        if not self._is_compared:
            self._revisions.offer([*self._revisions.relied_on(now), *there, *self._memberships.found(live)])
            self._is_compared = True
            self._called = {}
        elif any(isinstance(key, str) and not self._revisions.is_relied_on(key, now) for key in there):
            self._revisions.offer(there)

    async def _offer(self, desired: Generated, ca_bundle: bytes) -> int:
        """The API server may go by these from now on, besides what it went by; the number of that revision. Call it
        before writing: a write that fails may have been done. `ca_bundle`: the one that they were made with, without
        those of former lives. That of the target may be a later one."""
        names = [hook["name"] for obj in desired.objects.values() for hook in obj["webhooks"]]
        shared = [name for name in names if key_in(name)]
        members = self._memberships.keys({name: desired.members.get(name, ()) for name in shared})
        if not self._is_whole:  # what is kept of them has its members still
            members += [key for name in shared for key in self._memberships.keys_of(name)]
        revision = self._revisions.offer([*names, *members, *_certificates(ca_bundle)])
        self._called = {}
        await self._remember()
        return revision

    async def _remember(self) -> None:
        """For the next life, as far as there is a memory."""
        relied_on = self._revisions.relied_on(trio.current_time())
        self._memberships.keep(relied_on)
        if self._memory is not None:
            self._memory.objects = self._object_names()
            self._memory.policies = self._memberships.encoded()
            await self._memory.remember(relied_on)

    def _object_names(self) -> tuple[str, ...]:
        """Names of the webhook configurations that there may be. Most ways write none, and take away none of a former
        life: `edged webhook remove` does, and must find their names."""
        return self._objects_before

    def _settled(self, update: int) -> None:
        """The API server has been told of that update."""
        self._settled_revision = update
        self.told_at = time.time()

    def _went_by(self, revision: int, update: int) -> None:
        """The API server is known to go by that revision or a later one, and to have been told of that update."""
        self._revisions.went_by(revision, trio.current_time())
        self._known_revision = max(self._known_revision, update)
        told, self._told = self._told, trio.Event()
        told.set()

    def _effective_target(self) -> Target:
        """The target with every CA that may still sign what the API server is shown."""
        relied_on = self._revisions.relied_on(trio.current_time())
        old = [key for key in relied_on if isinstance(key, bytes)]
        return replace(self.target, ca_bundle=join_bundles([self.target.ca_bundle, *old]))

    def _wake(self) -> None:
        self._changed.set()

    def _say(self, state: State) -> None:
        changed = state != self.state
        self.state = state
        self._called = {}
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


def _all_rules(specs: Sequence[WebhookSpec]) -> Rules | None:
    """None: of one of them the rules are not known, so it is asked about everything."""
    rules = [spec.rules for spec in specs]
    return None if None in rules else [rule for each in rules for rule in each or ()]


def _is_of_the_file(specs: Sequence[WebhookSpec]) -> bool:
    """As far as is known: of what cannot be read it may not be."""
    return all(spec.rules is not None and not spec.hook_name for spec in specs)


def _keys_of(obj: WebhookConfiguration) -> list[Key]:
    """Names and CAs of the webhooks in an object as it is."""
    keys: list[Key] = []
    for hook in hooks_of(obj):
        keys.append(str(hook["name"]))
        config = hook.get("clientConfig")
        bundle = config.get("caBundle") if isinstance(config, Mapping) else None
        with suppress(ValueError):
            keys += _certificates(base64.b64decode(bundle if isinstance(bundle, str) else ""))
    return list(dict.fromkeys(keys))


def _certificates(bundle: bytes) -> list[bytes]:
    return [block + b"\n" for block in CERTIFICATE.findall(bundle)]


def _is_usable(key: Key) -> bool:
    """What an earlier version remembered may be no certificate."""
    return isinstance(key, str) or CERTIFICATE.search(key) is not None


def join_bundles(bundles: Iterable[bytes]) -> bytes:
    """PEM bundles -> one with every certificate once, in order."""
    blocks: dict[bytes, None] = {}
    for bundle in bundles:
        certificates = CERTIFICATE.findall(bundle)
        if bundle and not certificates:
            raise ConfigError("the CA bundle for the webhooks holds no certificate")
        blocks.update(dict.fromkeys(certificates))
    return b"".join(block + b"\n" for block in blocks)
