"""Remembers what the API server may still go by, so that a daemon that was restarted in the middle of a change goes on
answering for the policies of its former life, and trusts the CAs of that. Used by registration.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from edged.admission.endpoint.revisions import Key
from edged.admission.rules.object_names import OBJECT_NAME
from edged.json_text import JsonError, dumps, loads
from edged.process.remembered_file import RememberedFile
from edged.telemetry.logs import Logger
from edged.toml.reader import is_dns_subdomain

FILE_NAME = "registration.json"
MOST_BYTES = 4 << 20
"""Of the registrations of policies. All webhooks together have less."""


class RegistrationMemory:
    """STATE_DIR/registration.json: names of webhooks and their members, certificates of CAs, and how policies that
    share webhooks were registered. Without it a restart forgets; nothing else depends on it."""

    def __init__(self, state_dir: Path, log: Logger) -> None:
        self._file = RememberedFile(state_dir / FILE_NAME, log, "the registration is")
        self._log = log
        self.objects: tuple[str, ...] = ()
        """Names of the webhook configurations that there may be: after `recall` those of a former life."""
        self.policies: Mapping[str, object] = {}
        """Registrations of policies that share webhooks, as memberships.py encodes them."""

    def recall(self) -> list[Key]:
        """What was remembered last; [] where there is nothing that can be used."""
        try:
            data = self._file.read()
            content = loads(data)
            hooks, certificates = content["webhooks"], content["certificates"]
            keys: list[Key] = [hook for hook in hooks if isinstance(hook, str)]
            keys += [text.encode("ascii") for text in certificates if isinstance(text, str)]
            objects = content.get("objects", [OBJECT_NAME])  # earlier versions had that one
            self.objects = tuple(name for name in objects if isinstance(name, str) and is_dns_subdomain(name))
            policies = content.get("policies")
            self.policies = policies if isinstance(policies, dict) else {}
        except FileNotFoundError:
            return []
        except (OSError, JsonError, KeyError, TypeError, UnicodeEncodeError) as error:
            self._log.warning("the remembered registration cannot be read", file=str(self._file.path), error=str(error))
            return []
        self._file.is_right(data)
        return keys

    async def remember(self, keys: Iterable[Key]) -> None:
        """Write the file, with `objects`, if that changes it."""
        try:
            data = encoded(keys, self.objects, self.policies)
        except ValueError as error:  # what cannot be written as JSON must not keep anybody from registering
            self._file.failed(error)
            return
        await self._file.write(data)


def encoded(keys: Iterable[Key], objects: Iterable[str] = (), policies: Mapping[str, object] | None = None) -> bytes:
    """The file's content. Of registrations more than MOST_BYTES are not kept: what was added first goes first."""
    kept: dict[str, object] = {}
    size = 0
    for name, policy in reversed(list((policies or {}).items())):
        size += len(dumps(policy))
        if size > MOST_BYTES:
            break
        kept[name] = policy
    keys = list(keys)
    hooks = sorted(key for key in keys if isinstance(key, str))
    certificates = [key.decode("ascii") for key in keys if isinstance(key, bytes)]
    return dumps({"webhooks": hooks, "certificates": certificates, "objects": list(objects), "policies": kept})
