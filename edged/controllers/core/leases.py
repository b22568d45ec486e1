"""The names of the Leases that decide which daemon runs a controller. Pure."""

from __future__ import annotations

from typing import Final

NAMESPACE: Final = "kube-system"
SHARED: Final = "edged-controllers"
"""Of all elected controllers of a daemon that have none of their own."""


def lease_of(controller: str, election: bool | str) -> str:
    """The name of the Lease for a controller with that `leader_election`; "" where every daemon runs it."""
    if election == "own":
        return f"edged-controller-{controller}"
    return SHARED if election else ""
