"""What a reconcile answered."""

from __future__ import annotations

from edged.controllers.core.codes import RETRY, TERMINAL, Refused
from edged.controllers.core.fields import Fields
from edged.controllers.core.keys import Key, key_of
from edged.errors import GuestError, cut
from edged.json_text import JsonError, loads
from edged.records import dataclass

MOST_ERROR_BYTES = 1024
MOST_MAPPED = 10_000
"""Keys that one change may mean."""


@dataclass(frozen=True, slots=True)
class ReconcileResult:
    """`error` "" is success; a `terminal` error is not tried again before the object changes. `requeue_after_s` None:
    not by time; `requeue_on_sync`: when a watch that was not synced is."""

    requeue_after_s: float | None = None
    requeue_on_sync: bool = False
    error: str = ""
    terminal: bool = False


DONE = ReconcileResult()


def result_of(code: int, body: bytes) -> ReconcileResult:
    """The result of a reconcile that returned `code` and, where that is 0, `body` ("" is success). Raises
    GuestError."""
    if code == 0:
        return _read(body) if body else DONE
    return ReconcileResult(error=f"the reconcile answered {code}{_MEANINGS.get(code, '')}", terminal=code == TERMINAL)


_MEANINGS = {RETRY: " (retry)", TERMINAL: " (terminal)", -3: " (bad input)"}


def mapped_keys(code: int, body: bytes, default_kind: str) -> tuple[Key, ...]:
    """The keys that a module's own mapping answered; "" is none. Raises GuestError."""
    if code:
        raise GuestError(f"the mapping answered {code}")
    if not body:
        return ()
    try:
        value = loads(body, what="the mapping's answer")
    except JsonError as error:
        raise GuestError(str(error)) from None
    items = Fields(value, "the mapping's answer", GuestError).items("keys", most=MOST_MAPPED)
    try:
        return tuple(key_of(each, default_kind, f"the mapping's answer: keys[{n}]") for n, each in enumerate(items))
    except Refused as refused:
        raise GuestError(str(refused)) from None


def _read(body: bytes) -> ReconcileResult:
    try:
        value = loads(body, what="the reconcile's answer")
    except JsonError as error:
        raise GuestError(str(error)) from None
    fields = Fields(value, "the reconcile's answer", GuestError)
    after = fields.whole("requeueAfterMs", 0) / 1000 if fields.has("requeueAfterMs") else None
    on_sync = fields.has("requeueOn") and bool(fields.choice("requeueOn", ("sync",)))
    failure = cut(fields.text("error", "", most=1 << 20), MOST_ERROR_BYTES)
    terminal = fields.flag("terminal")
    if terminal and not failure:
        failure = "terminal, without a reason"
    return ReconcileResult(after, on_sync, failure, terminal)
