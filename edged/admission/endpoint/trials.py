"""Asks the API server whether it takes webhooks, before they are written where one that it does not take does harm.

Names of manifests are refused over REST, so `edged webhook install` (or `edged init`) makes an empty
ValidatingWebhookConfiguration and a MutatingWebhookConfiguration of another name. The daemon may `update` them by that
name, and does so as a dry run only. What to try and how answers are read is in admission/rules/manifest_checks.py.
Used by static_registration.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import trio

from edged.admission.endpoint.registration import Client
from edged.admission.rules import manifest_checks, webhooks
from edged.admission.rules.webhooks import Webhook, WebhookConfiguration
from edged.errors import PeerError

DRY_RUN = {"dryRun": "All"}
ANSWER_S = 6.0
"""One trial. What is not answered in time is tried alone, after all others."""
WITHIN_S = 20.0
"""All trials of one settlement. What is not decided then is tried with the next one."""
AGAIN_AFTER_S = 600.0
"""A refused webhook is tried again: another API server may have answered."""
FAILED_AGAIN_S = 30.0
"""A webhook is tried again at which the API server failed: its etcd may have been slow, or the webhook is too much for
it. That is no refusal."""
ATTEMPTS = 3
_ABOUT_THE_CONTENT = (400, 413, 422)
"""Codes of answers that a webhook has caused. 500 is one that it may have caused; others say that nothing can be tried
at present."""


async def prepare(client: Client, owner: str) -> list[tuple[str, str]]:
    """Make this node's objects for trials, with an administrator's rights; rows to print. Raises PeerError."""
    rows = []
    for obj in manifest_checks.trial_objects(owner):
        kind, name = obj["kind"], obj["metadata"]["name"]
        path = manifest_checks.trial_path(kind, name)
        try:
            live = await client.request("GET", path)
        except PeerError as error:
            if getattr(error, "code", 0) != 404:
                raise
            await client.request("POST", path.rpartition("/")[0], body=obj)
            rows.append(("created", f"{kind} {name}"))
            continue
        if webhooks.owner_of(live) != owner:
            there = webhooks.owner_of(live) or "somebody else"
            raise PeerError(f"{kind} {name!r} belongs to {there}, not to this node ({owner}): delete it if that "
                            "owner is gone, or give this node another [node] name")
        rows.append(("unchanged", f"{kind} {name}"))
    return rows


async def remove(client: Client, owner: str, *, force: bool = False) -> list[str]:
    """Delete this node's objects for trials; with `force`, also somebody else's of that name. What was deleted. Raises
    PeerError."""
    removed = []
    for kind in webhooks.PLURALS:
        name = manifest_checks.trial_name(owner)
        path = manifest_checks.trial_path(kind, name)
        try:
            live = await client.request("GET", path)
        except PeerError as error:
            if getattr(error, "code", 0) != 404:
                raise
            continue
        if force or webhooks.owner_of(live) == owner:
            await client.request("DELETE", path)
            removed.append(f"{kind} {name}")
    return removed


class NotAnswered(PeerError):
    """An API server that answers other requests does not answer a trial."""


class Failed(PeerError):
    """An API server that answers other requests says to a trial that it has an error of its own (500)."""


class Trials:
    """What is known of webhooks by their digests. `owner`: this node's, which names the objects."""

    def __init__(self, client: Client | None, owner: str) -> None:
        self._client = client
        self._name = manifest_checks.trial_name(owner)
        self._taken: set[str] = set()
        self._refused: dict[str, tuple[str, float]] = {}  # digest -> (why, when to try again)
        self._undecided: dict[str, tuple[str, float]] = {}  # the same: tried alone, it was not answered, or with 500
        self._version = ""

    def server_is(self, version: str) -> bool:
        """The API server's version; whether it is news: what another one said does not hold for it."""
        is_news = bool(version) and version != self._version
        if is_news:
            self._taken.clear()
            self._refused.clear()
            self._undecided.clear()
            self._version = version
        return is_news

    async def left_out(
        self, objects: Mapping[str, WebhookConfiguration], remembered: frozenset[str]
    ) -> dict[str, str]:
        """Name of the webhook -> why it must not be written. `remembered`: conditions that were taken before."""
        why_not = await self.try_all(objects)
        found = self.refused(objects)
        for name, (_, hook) in _by_digest(objects).items():
            await trio.lowlevel.checkpoint()  # looking at conditions takes time, and there may be many
            known = name in self._taken or name in self._refused
            if text := manifest_checks.excessive(hook):
                found[hook["name"]] = text
            elif not known and (text := manifest_checks.waiting(hook, remembered)):
                why = self._undecided[name][0] if name in self._undecided else why_not
                found[hook["name"]] = f"{text}. It waits until the API server has tried it: {why}"
        return found

    async def try_all(self, objects: Mapping[str, WebhookConfiguration]) -> str:
        """Try what is not known yet. Why not all could be decided; "" where all were."""
        hooks = _by_digest(objects)
        self._forget_all_but(hooks)
        why_not = await self._try_unknown(hooks)
        return why_not or next((why for why, _ in self._undecided.values()), "")

    def refused(self, objects: Mapping[str, WebhookConfiguration]) -> dict[str, str]:
        """Name of the webhook -> why the API server does not take it."""
        return {hook["name"]: f"the API server does not take it: {self._refused[name][0]}"
                for name, (_, hook) in _by_digest(objects).items() if name in self._refused}

    def _forget_all_but(self, hooks: Mapping[str, object]) -> None:
        now = trio.current_time()
        self._taken &= hooks.keys()
        self._refused = {name: known for name, known in self._refused.items() if name in hooks and known[1] > now}
        self._undecided = {name: known for name, known in self._undecided.items() if name in hooks and known[1] > now}

    async def _try_unknown(self, hooks: Mapping[str, tuple[str, Webhook]]) -> str:
        """Why not all could be tried; "" where all were."""
        if self._client is None:
            return "no API server is configured"
        try:
            with trio.fail_after(WITHIN_S):
                for kind in webhooks.FOLDERS:
                    known = self._taken | self._refused.keys() | self._undecided.keys()
                    unknown = [hook for name, (of, hook) in hooks.items() if of == kind and name not in known]
                    await self._try(kind, [hook for hook in unknown if not await _is_excessive(hook)])
        except PeerError as error:
            return self._explained(error)
        except trio.TooSlowError:
            return f"it did not answer all trials within {WITHIN_S:g} s"
        return ""

    async def _try(self, kind: str, hooks: Sequence[Webhook]) -> None:
        """Decide on each of them. Raises PeerError: nothing can be tried at present."""
        waiting = manifest_checks.chunks(hooks)[::-1]
        while waiting:
            chunk = waiting.pop()
            try:
                refused = await self._ask(kind, chunk)
            except NotAnswered:
                if len(chunk) == 1:
                    self._leave(kind, chunk[0], f"it did not answer within {ANSWER_S:g} s", AGAIN_AFTER_S)
                else:
                    waiting[:0] = [[hook] for hook in reversed(chunk)]
                continue
            except Failed as error:
                if len(chunk) == 1:
                    self._leave(kind, chunk[0], str(error), FAILED_AGAIN_S)
                else:
                    waiting += _halves(chunk)
                continue
            if refused is None:
                self._taken.update(manifest_checks.digest(kind, hook) for hook in chunk)
            elif len(chunk) == 1:
                self._refuse(kind, chunk[0], next(iter(refused.values())))
            elif guilty := {number: text for number, text in refused.items() if number >= 0}:
                for number, text in guilty.items():
                    self._refuse(kind, chunk[number], text)
                rest = [hook for number, hook in enumerate(chunk) if number not in guilty]
                waiting += [rest] if rest else []
            else:
                waiting += _halves(chunk)

    def _refuse(self, kind: str, hook: Webhook, why: str) -> None:
        self._refused[manifest_checks.digest(kind, hook)] = why, trio.current_time() + AGAIN_AFTER_S

    def _leave(self, kind: str, hook: Webhook, why: str, again_after_s: float) -> None:
        """Nothing is known of it: it is written if it needs no trial."""
        self._undecided[manifest_checks.digest(kind, hook)] = why, trio.current_time() + again_after_s

    async def _ask(self, kind: str, hooks: Sequence[Webhook]) -> dict[int, str] | None:
        """Which of the webhooks are refused, and why: {-1: why} where it is not known which; None where none is. Raises
        NotAnswered and Failed, about an API server that answers other requests; and PeerError. A conflict is tried
        again at once, and a failure of one webhook alone."""
        for attempt in range(ATTEMPTS):
            live = await self._live(kind)
            try:
                with trio.fail_after(ANSWER_S):
                    await self._dry_run(kind, manifest_checks.trial_object(live, hooks))
            except trio.TooSlowError:
                await self._live(kind)
                raise NotAnswered from None
            except PeerError as error:
                code = getattr(error, "code", 0)
                is_last = attempt + 1 == ATTEMPTS
                if not is_last and (code == 409 or (code == 500 and len(hooks) == 1)):
                    continue
                if code == 0:
                    await self._live(kind)
                    raise NotAnswered from error
                if code == 500:
                    await self._live(kind)
                    raise Failed(manifest_checks.reason(str(error))) from error
                if code not in _ABOUT_THE_CONTENT:
                    raise
                body = getattr(error, "body", None)
                found = manifest_checks.refusals(body, len(hooks)) if code == 422 and isinstance(body, Mapping) else {}
                return found or {-1: manifest_checks.reason(str(error))}
            return None
        raise AssertionError("unreachable")

    async def _dry_run(self, kind: str, obj: WebhookConfiguration) -> None:
        """The only write of edged to these objects, and none: the API server is told to change nothing."""
        assert self._client is not None
        await self._client.request("PUT", manifest_checks.trial_path(kind, self._name), query=DRY_RUN, body=obj)

    async def _live(self, kind: str) -> WebhookConfiguration:
        """The object as it is. Raises PeerError: also where it is not empty, since conditions that are in it already
        would not be looked at."""
        assert self._client is not None
        live = await self._client.request("GET", manifest_checks.trial_path(kind, self._name))
        if live.get("webhooks") or not isinstance(live.get("metadata"), dict):
            raise PeerError(f"{kind} {self._name!r} is not empty: delete it, and run `edged webhook install`")
        return live

    def _explained(self, error: PeerError) -> str:
        code = getattr(error, "code", 0)
        if code == 404:
            return f"there are no webhook configurations {self._name!r} to try it in; `edged init` or " \
                   "`edged webhook install` makes them"
        if code == 403:
            return f"edged may not try it ({manifest_checks.reason(str(error))}); `edged init`, or " \
                   "`edged rbac render`, gives it the right"
        return manifest_checks.reason(str(error))


async def _is_excessive(hook: Webhook) -> bool:
    await trio.lowlevel.checkpoint()  # as above
    return bool(manifest_checks.excessive(hook))


def _halves(chunk: list[Webhook]) -> list[list[Webhook]]:
    """The first one last: it is tried next."""
    half = len(chunk) // 2
    return [chunk[half:], chunk[:half]]


def _by_digest(objects: Mapping[str, WebhookConfiguration]) -> dict[str, tuple[str, Webhook]]:
    """Each webhook with its kind."""
    return {manifest_checks.digest(kind, hook): (kind, hook) for kind, obj in objects.items()
            for hook in obj["webhooks"]}
