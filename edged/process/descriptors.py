"""How many files and sockets this process may have open. Called once by edged/daemon, at start."""

from __future__ import annotations

import resource

ENOUGH = 65536
"""More would serve nothing, and where there is no limit Python could not name the number."""


def raise_limit() -> int:
    """Make the soft limit as large as the hard one allows; what it is now. Most systems give 1024 at first, for the
    sake of programs that use select(2)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return ENOUGH if soft == resource.RLIM_INFINITY else min(soft, ENOUGH)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted
