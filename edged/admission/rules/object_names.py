"""Names of edged's webhook configurations. Pure, and apart: every command reads a configuration file, which may choose
one, and only few commands need the rules of webhooks."""

from __future__ import annotations

from typing import Final

OBJECT_NAME: Final = "edged"
"""Of the dynamic configurations, where the configuration file chooses no other."""
STATIC_SUFFIX: Final = ".static.k8s.io"
"""Of names in manifests on disk: the API server wants it there, and refuses it elsewhere."""
TRIAL: Final = "edged-trial"
"""How the names of the empty objects begin that manifests are tried in."""
