"""`register = "dynamic"`: two webhook configuration objects, kept as they should be.

edged changes only objects with its own owner annotation. Where somebody keeps undoing our own object (two nodes
with one identity, a GitOps tool), corrections stop for CONTESTED_S after CORRECTIONS of them: there is no endless
ping-pong of writes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import trio

from edged.admission.endpoint import api_servers
from edged.admission.endpoint.former_objects import FormerObjects, path_of
from edged.admission.endpoint.registration import Client, Polling, Refused, State
from edged.admission.endpoint.registration_memory import RegistrationMemory
from edged.admission.endpoint.split_webhooks import ROUNDS
from edged.admission.rules import webhook_objects, webhooks
from edged.admission.rules.webhook_objects import Generated
from edged.admission.rules.webhooks import Target, WebhookConfiguration
from edged.errors import PeerError
from edged.kube.values import shapes
from edged.kube.values.shape_checks import checked
from edged.telemetry.logs import Logger

GRACE_S = 30.0  # API servers watch the objects: seconds at most
HEARD_S = 2.0
CORRECTIONS = 3
CORRECTIONS_WITHIN_S = 60.0
CONTESTED_S = 300.0


class WebhooksRefused(PeerError):
    """The API server does not take an object. `webhooks`: by name, those that are the reason."""

    def __init__(self, message: str, webhooks: Mapping[str, str]) -> None:
        super().__init__(message)
        self.webhooks = webhooks


class DynamicRegistration(Polling):
    """`register = "dynamic"`: the two webhook configuration objects."""

    mode = "dynamic"
    grace_s = GRACE_S
    heard_s = HEARD_S

    def __init__(
        self,
        target: Target,
        report: Callable[[State], None],
        log: Logger,
        client: Client,
        memory: RegistrationMemory | None = None,
    ) -> None:
        super().__init__(target, report, log, memory)
        self._client = client
        self._written: dict[str, WebhookConfiguration] = {}  # by kind: the last write
        self._corrections: list[float] = []
        self._contested_until = -math.inf
        former = [name for name in self._objects_before if name != target.name]
        self._former = FormerObjects(former, target.owner, client)

    def _object_names(self) -> tuple[str, ...]:
        return (self.target.name, *self._former.names)

    async def settle(self) -> None:
        await self.check_endpoints()
        live = {kind: await self._get(kind) for kind in webhooks.PLURALS}
        former = await self._former.find()
        for kind, obj in live.items():
            if obj is not None:
                self._check_owner(kind, obj)
        there = [*former, *(obj for obj in live.values() if obj is not None)]
        self._found(there)
        update = self.revision
        for is_last in (*[False] * (ROUNDS - 1), True):
            generated = self._generated(there)
            revision = await self._offer(generated, self.target.ca_bundle)
            try:
                contested = [kind for kind in webhooks.PLURALS if not await self._settle_object(kind, generated, live)]
                break
            except WebhooksRefused as error:
                if not self._splits.learn(generated, error.webhooks, trio.current_time()) or is_last:
                    raise
        problems = generated.problems
        if contested:
            message = "something keeps changing our webhook objects; their managedFields name it"
            self._say(replace(self.state, phase="contested", message=message, problems=problems))
            return
        self._settled(update)
        self._went_by(revision, update)
        if await self._former.retire(former, trio.current_time()):
            await self._remember()
        policies = tuple(generated.policies)
        self._say(State(
            self.mode, "registered", self._former.problem, policies, problems, webhooks=generated.called
        ))  # fmt: skip

    async def prepare(self) -> list[str]:
        """Create the objects without webhooks where they are absent, so that the daemon itself needs no
        right to create any; their kinds. Raises EdgedError."""
        created = []
        for kind, obj in webhook_objects.generate((), self.target).objects.items():
            live = await self._get(kind)
            if live is None:
                await self._put(kind, obj, None)
                created.append(kind)
            else:
                self._check_owner(kind, live)
        return created

    async def remove(self, *, force: bool = False) -> list[str]:
        """Delete the objects that this node owns; with `force`, also those of others. Returns their kinds. Raises
        EdgedError."""
        removed = []
        for kind in webhooks.PLURALS:
            live = await self._get(kind)
            if live is None:
                continue
            if not force:
                self._check_owner(kind, live)
            await self._client.request("DELETE", path_of(kind, self.target.name))
            removed.append(kind)
        return removed

    async def _settle_object(
        self, kind: str, generated: Generated, live: dict[str, WebhookConfiguration | None]
    ) -> bool:
        """False when it is wrong but must stay so, because correcting it has become a fight. Raises WebhooksRefused:
        one webhook that the API server does not take must not keep the others out."""
        desired, there = generated.objects[kind], live[kind]
        is_right = not desired["webhooks"] if there is None else not webhooks.drifted(there, desired)
        if is_right:
            return True
        if not self._may_write(kind, desired):
            return False
        try:
            live[kind] = await self._put(kind, desired, there)
        except PeerError as error:
            refused = webhooks.refused_webhooks(getattr(error, "body", None) or {})
            if getattr(error, "code", 0) != 422 or not refused:
                raise _explained(error) from error
            names = [hook["name"] for hook in desired["webhooks"]]
            found = {names[index]: text for index, text in refused.items() if index < len(names)}
            raise WebhooksRefused(str(error), found) from error
        self._written[kind] = desired
        return True

    async def _put(
        self, kind: str, desired: WebhookConfiguration, live: WebhookConfiguration | None
    ) -> WebhookConfiguration:
        if live is None:
            return await self._client.request("POST", path_of(kind), body=desired)
        path = path_of(kind, desired["metadata"]["name"])
        return await self._client.request("PUT", path, body=webhooks.merged(live, desired))

    def _may_write(self, kind: str, desired: WebhookConfiguration) -> bool:
        """Count corrections of what we wrote ourselves; writes of something new are always allowed."""
        written, now = self._written.get(kind), trio.current_time()
        if written != desired:
            return True
        if now < self._contested_until:
            return False
        self._corrections = [at for at in self._corrections if at > now - CORRECTIONS_WITHIN_S] + [now]
        if len(self._corrections) > CORRECTIONS:
            self._corrections = []
            self._contested_until = now + CONTESTED_S
            return False
        return True

    async def _get(self, kind: str) -> WebhookConfiguration | None:
        try:
            live = await self._client.request("GET", path_of(kind, self.target.name))
            checked(live, shapes.WebhookObject, f"{kind} {self.target.name}")
            return live
        except PeerError as error:
            if getattr(error, "code", 0) == 404:
                return None
            raise _explained(error) from error

    def _check_owner(self, kind: str, live: WebhookConfiguration) -> None:
        owner = webhooks.owner_of(live)
        if owner != self.target.owner:
            raise Refused(
                f"{kind} {self.target.name!r} belongs to {owner or 'somebody else'}, "
                f"not to this node ({self.target.owner}); it is left alone. If that owner is gone, run "
                "`edged webhook remove --force` and register again")

    async def check_endpoints(self) -> None:
        """Refuse a loopback URL unless the only API server runs on this host. Raises Refused, PeerError."""
        if not api_servers.is_loopback_url(self.target.url):
            return
        try:
            slices = await self._client.request("GET", api_servers.ENDPOINTS_PATH, query=api_servers.ENDPOINTS_QUERY)
        except PeerError as error:
            raise _explained(error) from error
        problem = api_servers.loopback_problem(slices, self._client.server)
        if problem:
            raise Refused(
                f"{self.target.url} is a loopback URL, and {problem}: every API server would dial its own "
                'host. Set [admission] url to an address of this node, or use register = "static"')


_OF_INIT = "system:serviceaccount:kube-system:edged-"
"""How the API server names the identity that `edged init` made for a node."""


def _explained(error: PeerError) -> PeerError:
    """A refusal for lack of rights says what to do about it; other errors stay as they are."""
    if getattr(error, "code", 0) != 403:
        return error
    if _OF_INIT in str(error):
        return PeerError(f"{error}; run `edged init`")
    return PeerError(f"{error}; run `edged webhook install` once with administrator rights, and "
                     "`edged rbac render` for what the daemon itself needs")
