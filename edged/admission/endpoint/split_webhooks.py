"""A shared webhook that the API server refuses: who of its members is the reason. Pure: time is an argument.

The members are given webhooks of their own. Those that are refused alone are the culprits: they are left out, with the
API server's words, and the others share a webhook again. If that is refused, too, they keep webhooks of their own for a
while. Used by dynamic_registration.py, which learns of refusals when it writes, and by static_registration.py, which
learns of them by trials.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from edged.admission.rules.webhook_objects import Generated
from edged.admission.rules.webhooks import WebhookSpec

AGAIN_AFTER_S = 600.0
"""What was refused is tried again: another API server may answer by then."""
ROUNDS = 5
"""Together, apart, together without the culprits; and once more if others are refused meanwhile."""


class Splits:
    """`refused`: policies that the API server does not take, and why."""

    def __init__(self) -> None:
        self._refused: dict[str, tuple[WebhookSpec, str, float]] = {}  # spec, why, until
        self._apart: dict[str, float] = {}
        self._rejoined: set[str] = set()

    def forget(self) -> None:
        """Another API server answers."""
        self._refused.clear()
        self._apart.clear()
        self._rejoined.clear()

    def applied(self, specs: Iterable[WebhookSpec], now: float) -> tuple[list[WebhookSpec], dict[str, str]]:
        """What is to be registered, and whom that leaves out. A policy that is registered differently by now is tried
        anew."""
        self._apart = {name: until for name, until in self._apart.items() if until > now}
        self._rejoined &= self._apart.keys() | self._refused.keys()
        kept, left_out = [], {}
        for spec in specs:
            former, why, until = self._refused.get(spec.name, (None, "", 0.0))
            if until > now and former == spec:
                left_out[spec.name] = why
            else:
                kept.append(replace(spec, is_own=True) if spec.name in self._apart else spec)
        return kept, left_out

    def learn(self, generated: Generated, refused: Mapping[str, str], now: float) -> bool:
        """Names of webhooks that were refused, and why; whether that changes what `applied` says."""
        changed = False
        for hook, why in refused.items():
            members = generated.members.get(hook, ())
            if len(members) == 1:
                self._refused[members[0].name] = (self._as_asked(members[0]), why, now + AGAIN_AFTER_S)
            for spec in members if len(members) > 1 else ():
                self._apart[spec.name] = now + AGAIN_AFTER_S
            changed |= bool(members)
        culprits = {members[0].name for hook in refused if len(members := generated.members.get(hook, ())) == 1}
        if culprits & self._apart.keys():
            rest = self._apart.keys() - self._rejoined
            self._rejoined |= rest
            self._apart = {name: until for name, until in self._apart.items() if name not in rest}
        return changed

    def _as_asked(self, spec: WebhookSpec) -> WebhookSpec:
        return replace(spec, is_own=False) if spec.name in self._apart else spec
