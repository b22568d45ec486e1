"""`register = "static"`: two manifest files that the API server reads from disk (from Kubernetes 1.36 on)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import trio

from edged.admission.endpoint.manifest_reader import Answer, folder_on_disk
from edged.admission.endpoint.registration import Client, Polling, Refused, State
from edged.admission.endpoint.registration_memory import RegistrationMemory
from edged.admission.endpoint.split_webhooks import ROUNDS
from edged.admission.endpoint.static_evidence import Evidence
from edged.admission.endpoint.trials import Trials
from edged.admission.rules import manifest_checks, webhooks
from edged.admission.rules.shared_webhooks import key_of
from edged.admission.rules.verdict import unexpected
from edged.admission.rules.webhook_objects import Generated
from edged.admission.rules.webhooks import Target, WebhookConfiguration, WebhookSpec
from edged.errors import ConfigError, PeerError
from edged.json_text import JsonError, dumps, loads
from edged.process.boundary import boundary
from edged.process.files import make_folder, read_file, remove, write_atomically
from edged.telemetry.logs import Logger

GRACE_S = 150.0  # API servers read manifests about once a minute
HEARD_S = 75.0
FILE_NAME = "edged.json"
MOST_BYTES = 64 << 20
"""Of a manifest. Those of edged are far smaller."""
MIN_VERSION = (1, 36)
ASK_AFTER_S = 0.5
"""How long after a change the API server is asked; while it does not go by that, the pauses double."""
ASK_WAITING_S = 30.0
ASK_AGAIN_S = 300.0
"""How often an API server is asked that goes by everything: it may have been started without its folders."""


class Reader(Protocol):
    """Asks the API server that reads the folders (manifest_reader.py)."""

    @property
    def host(self) -> str: ...
    @property
    def is_named(self) -> bool: ...
    async def ask(self) -> Answer: ...
    async def aclose(self) -> None: ...


class StaticRegistration(Polling):
    """`register = "static"`: two manifest files that the API server reads from disk."""

    mode = "static"
    grace_s = GRACE_S
    heard_s = HEARD_S

    def __init__(
        self,
        target: Target,
        report: Callable[[State], None],
        log: Logger,
        directory: Path,
        client: Client | None = None,
        memory: RegistrationMemory | None = None,
        reader: Reader | None = None,
    ) -> None:
        """Without `reader` nobody can say what the API server goes by; what was written is then taken for read."""
        super().__init__(target, report, log, memory)
        self._directory = directory
        self._client = client
        self._trials = Trials(client, target.owner)
        self._reader = reader
        self._evidence: Evidence | None = None
        if reader is not None:
            self._evidence = Evidence(str(directory), reader.host, is_named=reader.is_named)
            self.heard_s = 0.0  # there is evidence
        self._rewritten = trio.Event()

    async def run(self) -> None:
        if self._evidence is None or self._reader is None:
            return await super().run()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._confirm, self._evidence, self._reader)
                await super().run()
        finally:
            with trio.move_on_after(1, shield=True):
                await self._reader.aclose()

    async def settle(self) -> None:
        await self._check_version()
        there = {kind: obj for kind in webhooks.FOLDERS if (obj := self._read(self.path(kind))) is not None}
        live = list(there.values())
        is_first = not self._is_compared
        self._found(live)
        for kind in webhooks.FOLDERS if is_first else ():
            self._look(kind, there.get(kind, {}), self._revisions.last)
        update = self.revision
        own = self.target.ca_bundle  # an update may bring another one while the API server is asked
        generated = await self._tried(live)
        revision = await self._offer(generated, own)
        changed = False
        for kind, obj in generated.objects.items():
            changed |= self._settle_file(kind, obj)
            changed |= self._look(kind, obj, revision, generated)
            if changed:
                self._rewritten.set()
        self._settled(update)
        if self._evidence is None or self._evidence.is_current:
            self._went_by(revision, update)
        settled_at = trio.current_time() + self.grace_s if changed else self.state.settled_at
        policies, problems = tuple(generated.policies), generated.problems
        state = State(self.mode, "registered", "", policies, problems, settled_at=settled_at, webhooks=generated.called)
        self._say(self._with_evidence(state))

    # --- what the API server goes by
    @property
    def goes_by_earlier(self) -> bool:
        return super().goes_by_earlier or (self._evidence is not None and self._evidence.is_behind)

    async def _confirm(self, evidence: Evidence, reader: Reader) -> None:
        """Ask the API server for ever: often after a change, then now and then."""
        pause_s = ASK_AFTER_S
        while True:
            with trio.move_on_after(pause_s):
                await self._rewritten.wait()
            if self._rewritten.is_set():
                self._rewritten = trio.Event()
                pause_s = ASK_AFTER_S
                await trio.sleep(ASK_AFTER_S)  # it hears of a change at once, but for what its node keeps it from
            if self._settled_revision:
                with boundary(self._log, "write", "registration's evidence") as unit:
                    await self._ask(evidence, reader)
                if unit.error is not None:
                    evidence.went_wrong(unexpected(unit.error))
            pause_s = ASK_AGAIN_S if evidence.is_current else min(2 * pause_s, ASK_WAITING_S)

    async def _ask(self, evidence: Evidence, reader: Reader) -> None:
        update = self._settled_revision
        evidence.asking()
        try:
            answer = await reader.ask()
        except PeerError as error:
            evidence.went_wrong(str(error))
        else:
            evidence.heard(answer.loaded, answer.server, is_direct=answer.is_direct, now=time.time())
            if evidence.revision:
                self._went_by(evidence.revision, update if evidence.is_current else 0)
        if self.state.phase in ("registered", self.first_phase):
            self._say(self._with_evidence(replace(self.state, phase="registered")))
        else:  # what keeps the files from being right is the greater problem
            self._say(replace(self.state, waiting=evidence.waiting()))

    def _with_evidence(self, state: State) -> State:
        """The state, and what is known of the API server besides. Until it was asked once nothing is said of it."""
        evidence = self._evidence
        if evidence is None:
            return state
        if not evidence.is_asked:
            return replace(state, phase=self.first_phase, waiting=evidence.waiting())
        is_fresh = not evidence.is_current and not evidence.problem
        settled_at = state.settled_at if is_fresh else None
        return replace(state, message=evidence.problem, waiting=evidence.waiting(), settled_at=settled_at)

    def _look(
        self, kind: str, obj: WebhookConfiguration, revision: int, generated: Generated | None = None
    ) -> bool:
        """Take note of a folder as it is, which holds this object; whether that is news. `generated`: what it was made
        of, where it is from this life."""
        if self._evidence is None:
            return False
        was_current = self._evidence.is_current
        folder = self.path(kind).parent
        try:
            on_disk = folder_on_disk(folder)
        except OSError as error:
            raise ConfigError(f"{error.filename or folder}: {error.strerror}") from error
        hooks = webhooks.hooks_of(obj)
        members = generated.members if generated is not None else {}
        wanted = {spec.name: (name, webhooks.rules_of(spec))
                  for name in (str(hook["name"]) for hook in hooks) for spec in members.get(name, ())}
        self._evidence.wrote(kind, on_disk, revision, hooks, wanted)
        return was_current and not self._evidence.is_current

    async def _tried(self, live: list[WebhookConfiguration]) -> Generated:
        """Without the webhooks that the API server does not take, or may not take and cannot be asked about: one of
        them in a manifest, and it does not start. A shared one that it does not take is split, and all are tried
        again."""
        for is_last in (*[False] * (ROUNDS - 1), True):
            generated = self._generated(live, static=True)
            left_out = await self._trials.left_out(generated.objects, manifest_checks.remembered(live))
            refused = self._trials.refused(generated.objects)
            split = {name: why for name, why in refused.items() if 
                     any(self._may_share(spec) for spec in generated.members.get(name, ()))}
            if is_last or not split:
                break
            self._splits.learn(generated, split, trio.current_time())
        objects, problems = {}, dict(generated.problems)
        for kind, obj in generated.objects.items():
            kept = [hook for hook in obj["webhooks"] if hook["name"] not in left_out]
            tried = {}
            for hook in kept:
                await trio.lowlevel.checkpoint()  # looking at conditions takes time, and there may be many
                tried[hook["name"]] = manifest_checks.tried_conditions(hook)
            objects[kind] = manifest_checks.remembering({**obj, "webhooks": kept}, tried)
        problems.update({spec.name: why for name, why in left_out.items() for spec in generated.members.get(name, ())})
        members = {name: called for name, called in generated.members.items() if name not in left_out}
        return Generated(objects, problems, members=members)

    def _may_share(self, spec: WebhookSpec) -> bool:
        """Whether the policy would share a webhook, unless its former one had been split."""
        return key_of(replace(spec, is_own=False), self.target) is not None

    def remove(self, *, force: bool = False) -> list[Path]:
        """Delete the files that this node owns; with `force`, also those of others. Raises EdgedError."""
        removed = []
        for path in map(self.path, webhooks.FOLDERS):
            if not force:
                self._read(path)
            try:
                if remove(path):
                    removed.append(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise ConfigError(f"{path}: {error.strerror}") from error
        return removed

    def path(self, kind: str) -> Path:
        """Where the manifest of a kind goes."""
        return self._directory / webhooks.FOLDERS[kind] / FILE_NAME

    def _settle_file(self, kind: str, desired: WebhookConfiguration) -> bool:
        """Whether the file had to be changed. No webhooks: no file, since an object without any says
        nothing."""
        path = self.path(kind)
        live = self._read(path)
        data = dumps(desired, indent=True, newline=True)
        try:
            make_folder(path.parent, 0o755)
            if not desired["webhooks"]:
                return remove(path)
            if live == desired:
                return False
            write_atomically(path, data, 0o644)
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}") from error
        return True

    def _read(self, path: Path) -> WebhookConfiguration | None:
        """The file as an object of ours, None when there is none. Raises Refused for what is not ours."""
        try:
            content = read_file(path, most_bytes=MOST_BYTES)
            if not content.strip(b"\0 \n"):
                return None  # what a power cut leaves of a file; nobody else's manifest is empty
            live = loads(content)
        except FileNotFoundError:
            return None
        except (OSError, JsonError) as error:
            raise Refused(f"{path} cannot be read as a manifest of edged ({error}); move it away") from error
        owner = webhooks.owner_of(live) if isinstance(live, dict) else ""
        if owner != self.target.owner:
            raise Refused(f"{path} belongs to {owner or 'somebody else'}, not to this node "
                          f"({self.target.owner}); it is left alone. If that owner is gone, move the file away or run "
                          "`edged webhook remove --force`")
        return dict(live)

    async def _check_version(self) -> None:
        """Refuse an API server that knows no static manifests. One that does not answer may be about to
        start, and the files must be there before its first request: then they are written."""
        if self._client is None:
            return
        try:
            answer = await self._client.request("GET", "/version")
            version = parse_version(answer)
        except PeerError:
            return
        if self._trials.server_is(str(answer.get("gitVersion") or version)):
            self._splits.forget()
        if version < MIN_VERSION:
            raise Refused(f"API server {version[0]}.{version[1]} does not read static manifests; it takes "
                          "1.36 with the feature gate ManifestBasedAdmissionControlConfig, or 1.37")


def parse_version(answer: Mapping[str, Any]) -> tuple[int, int]:
    """`/version` -> (major, minor); distributions write the minor as `36+`. Raises PeerError."""
    numbers = [re.match(r"\d+", str(answer.get(key, ""))) for key in ("major", "minor")]
    if numbers[0] is None or numbers[1] is None:
        raise PeerError("the API server's /version names no major and minor version")
    return int(numbers[0][0]), int(numbers[1][0])
