"""What a module may admit: what its manifest declares, within the operator's `admits`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edged.controllers.core.abi import ADMIT
from edged.controllers.core.admits import AdmitWebhook, beyond, bound_of, webhook_of
from edged.controllers.core.manifest import Manifest
from edged.controllers.run.guest import Guest
from edged.errors import GuestError

if TYPE_CHECKING:
    from edged.controllers.run.parts import Parts


def check_export(guest: Guest, manifest: Manifest) -> None:
    """Raises GuestError where the module wants to be asked, and cannot be."""
    if manifest.admits and not guest.has(ADMIT):
        raise GuestError(f"it declares `admits`, and does not export {ADMIT}")


async def webhooks_of(parts: Parts, manifest: Manifest) -> tuple[AdmitWebhook | None, ...]:
    """What the module admits of each entry of the configuration's `admits`; None where it declares nothing of one.
    Without any entry nobody wants it to admit, and it only reconciles. Raises GuestError where it wants to admit more
    than they say, and Refused where the API server does not say which resource a kind
    is."""
    entries = parts.config.admits
    if manifest.admits and not entries:
        parts.say("info", b"it could admit, and the controller has no `admits`: nothing is asked of it")
        return ()
    bounds = [bound_of(rule, each.failure_policy) for each in entries for rule in each.rules]
    found = []
    for admit in manifest.admits:
        served = await parts.requests.served(admit.api_version, admit.kind)
        if problem := beyond(admit, served.resource, bounds):
            raise GuestError(problem)
        found.append((admit, served.resource))
    return tuple(webhook_of(found, each.rules, each.failure_policy) for each in entries)
