"""`register = "none"`: the operator registers by hand (`edged webhook render`)."""

from __future__ import annotations

import trio

from edged.admission.endpoint.registration import Registration


class NoRegistration(Registration):
    """Remembers what would be registered, and writes nothing."""

    mode = "none"
    first_phase = "off"

    @property
    def settled_revision(self) -> int:
        """There is nobody to tell: every update counts as told."""
        return self.revision

    @property
    def known_revision(self) -> int:
        return self.revision

    async def run(self) -> None:
        await trio.sleep_forever()

    async def settle(self) -> None:
        return None
