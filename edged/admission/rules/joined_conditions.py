"""The conditions of several modules as one list, for the webhook that their policies share. Pure.

The shared webhook has to be called where any member wants to be. A member's list holds where all of it is true: that is
`a && b` in CEL. The joined condition is `(a && b) || (c)`: true exactly where one member's list is all true.

What errors do. For a list the API server says: one that is false skips the call; else one that failed is the failure
policy's (Fail: the request is refused; Ignore: no call); else it calls. CEL's operators say the same of values: false
wins over an error in `&&`, true wins over it in `||`. So the joined condition is
  - true where one list is all true, whatever failed in others. A member whose own condition failed is then asked, where
    it alone would have been refused or skipped for: its policy decides, and nothing passes unasked;
  - an error where no list is all true and one has an error and nothing false: as that member alone;
  - false where every list has something false: no member would have been called.

One error is not like that: an object so large that the expression costs more than the API server allows ends all of it,
whatever the other terms say. Under Fail the request is refused; for webhooks with Ignore conditions that differ are not
joined (shared_webhooks.py), because then one member's costly condition would let pass what another one refuses.

A member that is asked although its own condition is false allows, or the condition is wrong (docs/match-conditions.md).
That holds for modules' conditions alone: what a user wrote has to be equal for all members, and stands beside the
joined one. Called by shared_webhooks.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from edged.admission.rules.module_conditions import MOST_CHARACTERS, MOST_COST, PREFIX, Condition

NAME: Final = f"{PREFIX}any"


def joined_conditions(members: Sequence[Sequence[Condition]]) -> list[dict[str, str]] | None:
    """One list that is true where any member's is. [] where one of them has none: it is asked about everything. None
    where they cannot be joined: together they are too long, or cost the API server too much, for one expression."""
    from edged.kube.values.cel_cost import estimate
    from edged.kube.values.cel_types import judge

    if not all(members):
        return []
    different = dict.fromkeys(tuple(each["expression"] for each in member) for member in members)
    if len(different) == 1:
        return [dict(each) for each in members[0]]
    whole = " || ".join(_all_of(expressions) for expressions in sorted(different))
    if len(whole) > MOST_CHARACTERS or judge(whole).kind != "fine" or estimate(whole) > MOST_COST:
        return None
    return [{"name": NAME, "expression": whole}]


def _all_of(expressions: Sequence[str]) -> str:
    from edged.kube.values.cel_names import enclosed

    enclosing = [enclosed(each) for each in expressions]
    return enclosing[0] if len(enclosing) == 1 else f"({' && '.join(enclosing)})"
