"""How old what a policy is told of the cluster may be: `context_max_age_s`. Called for each list, and for the document
of a Rego policy."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from edged.errors import PeerError

if TYPE_CHECKING:
    from edged.kube.informers import Informer


class ContextTooOld(PeerError):
    """The policy must not answer from this: a verdict from old data would be a guess."""


def check_age(informer: Informer, api_version: str, kind: str, max_age_s: float) -> None:
    """Raise ContextTooOld where the server has not proved for so long that this is what it has. Whoever sets a bound
    makes the watch be renewed twice within it: a quiet one proves itself only once a minute."""
    if not math.isfinite(max_age_s):
        return
    informer.prove_within(max_age_s / 2)
    age_s = informer.age_s()
    if age_s > max_age_s:
        why = informer.problem or "the API server has not been heard of since"
        raise ContextTooOld(
            f"what is known of {api_version} {kind} may be {age_s:.0f} s old, more than context_max_age_s = "
            f"{max_age_s:g} of this policy: {why}"
        )
