"""Times as Kubernetes writes them."""

from __future__ import annotations

import time


def rfc3339(seconds: float) -> str:
    """Of Unix seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
