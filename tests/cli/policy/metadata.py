"""Metadata of a policy, for tests that write it."""

from __future__ import annotations

RULE = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
PLAIN = {"rules": [RULE], "mutating": False, "annotations": {"io.kubewarden.policy.title": "t"}}
