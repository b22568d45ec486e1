"""What a module says of itself at set-up: the kind that it is for, its watches, what it admits, how it is run."""

from __future__ import annotations

from edged.controllers.core.admits import Admit, admit_of
from edged.controllers.core.declarations import MOST_NAME, KeyMapping, WatchDeclaration, api_version_of, declaration_of
from edged.controllers.core.fields import Fields
from edged.errors import GuestError
from edged.json_text import JsonError, loads
from edged.records import dataclass

MOST_WATCHES, MOST_ADMITS, MOST_CONCURRENCY = 64, 64, 16
BASE_MS, LONGEST_MS = 5, 1_000_000
FOR = "for"
"""The id of the watch that is made for the manifest's `for`."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """`for_`: apiVersion and kind, or None. `watches` has one with the keys of that kind in any case.
    `unconditional_updates`: an update may leave out the resourceVersion."""

    for_: tuple[str, str] | None
    watches: tuple[WatchDeclaration, ...]
    admits: tuple[Admit, ...]
    concurrency: int
    base_backoff_s: float
    longest_backoff_s: float
    snapshot: bool
    unconditional_updates: bool

    @property
    def kind(self) -> str:
        """Of keys that do not say theirs; "" where there is none."""
        return self.for_[1] if self.for_ else ""

    def api_version_of(self, kind: str) -> str:
        """The apiVersion of a kind that the module is for or watches; "" for others."""
        if self.for_ and self.for_[1] == kind:
            return self.for_[0]
        return next((each.api_version for each in self.watches if each.kind == kind), "")


def manifest_of(data: bytes) -> Manifest:
    """What `setup` answered. Raises GuestError naming the field."""
    try:
        value = loads(data, what="the manifest")
    except JsonError as error:
        raise GuestError(str(error)) from None
    fields = Fields(value, "", _complaint)
    for_ = _for(fields)
    base, longest = _backoff(fields)
    return Manifest(
        for_=for_,
        watches=_watches(fields, for_),
        admits=tuple(admit_of(each) for each in fields.each("admits", most=MOST_ADMITS)),
        concurrency=fields.whole("concurrency", 1, least=1, most=MOST_CONCURRENCY),
        base_backoff_s=base,
        longest_backoff_s=longest,
        snapshot=fields.flag("snapshot"),
        unconditional_updates=fields.flag("unconditionalUpdates"),
    )


def _complaint(message: str) -> GuestError:
    return GuestError(f"the manifest: {message}")


def _for(fields: Fields) -> tuple[str, str] | None:
    if not fields.has("for"):
        return None
    given = fields.inner("for")
    return api_version_of(given), given.text("kind", most=MOST_NAME)


def _backoff(fields: Fields) -> tuple[float, float]:
    if not fields.has("backoff"):
        return BASE_MS / 1000, LONGEST_MS / 1000
    given = fields.inner("backoff")
    base = given.whole("baseMs", BASE_MS, least=1, most=LONGEST_MS)
    longest = given.whole("maxMs", LONGEST_MS, least=1, most=LONGEST_MS)
    if longest < base:
        raise given.wrong("maxMs", f"is below baseMs, {base}")
    return base / 1000, longest / 1000


def _watches(fields: Fields, for_: tuple[str, str] | None) -> tuple[WatchDeclaration, ...]:
    values = fields.items("watches", most=MOST_WATCHES)
    watches = [declaration_of(each, f"watches[{n}]", _complaint) for n, each in enumerate(values)]
    if for_ and not any(each.kind == for_[1] and each.maps_to_self() for each in watches):
        watches.insert(0, WatchDeclaration(FOR, *for_, mappings=(KeyMapping("self", for_[1]),)))
    known = {each.id: each for each in watches}
    if len(known) < len(watches):
        twice = next(each.id for n, each in enumerate(watches) if each.id in {w.id for w in watches[:n]})
        raise fields.wrong("watches", f'two have the id "{twice}"')
    return tuple(watches)
