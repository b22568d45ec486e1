"""`register = "static"`: two manifest files that the API server reads from disk (from Kubernetes 1.36 on)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import trio

from edged.admission.endpoint.registration import Client, Polling, Refused, State
from edged.admission.endpoint.registration_memory import RegistrationMemory
from edged.admission.rules import webhooks
from edged.admission.rules.webhooks import Target, WebhookConfiguration
from edged.errors import ConfigError, PeerError
from edged.json_text import JsonError, dumps, loads
from edged.process.files import make_folder, remove, write_atomically
from edged.telemetry.logs import Logger

GRACE_S = 150.0  # API servers read manifests about once a minute
HEARD_S = 75.0
FILE_NAME = "edged.json"
MIN_VERSION = (1, 36)


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
    ) -> None:
        super().__init__(target, report, log, memory)
        self._directory = directory
        self._client = client

    async def settle(self) -> None:
        await self._check_version()
        live = [obj for kind in webhooks.FOLDERS if (obj := self._read(self.path(kind))) is not None]
        self._found(live)
        update = self.revision
        specs = webhooks.recall(self._specs or (), live)
        generated = webhooks.generate(specs, self._effective_target(), static=True)
        revision = await self._offer(generated.objects.values())
        changed = False
        for kind, obj in generated.objects.items():
            changed |= self._settle_file(kind, obj)
        self._revisions.went_by(revision, trio.current_time())
        self._settled(update)
        settled_at = trio.current_time() + self.grace_s if changed else self.state.settled_at
        names = tuple(sorted(webhooks.policy_of({"name": name}) for name in generated.policies))
        self._say(State(self.mode, "registered", "", names, generated.problems, settled_at))

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
            live = loads(path.read_bytes())
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
            version = parse_version(await self._client.request("GET", "/version"))
        except PeerError:
            return
        if version < MIN_VERSION:
            raise Refused(f"API server {version[0]}.{version[1]} does not read static manifests; it takes "
                          "1.36 with the feature gate ManifestBasedAdmissionControlConfig, or 1.37")


def parse_version(answer: Mapping[str, Any]) -> tuple[int, int]:
    """`/version` -> (major, minor); distributions write the minor as `36+`. Raises PeerError."""
    numbers = [re.match(r"\d+", str(answer.get(key, ""))) for key in ("major", "minor")]
    if numbers[0] is None or numbers[1] is None:
        raise PeerError("the API server's /version names no major and minor version")
    return int(numbers[0][0]), int(numbers[1][0])
