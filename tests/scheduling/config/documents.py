"""A KubeSchedulerConfiguration as decoded YAML."""

from __future__ import annotations

from typing import Any

from edged.scheduling.config.document_shapes import API_VERSION


def document(*profiles: dict[str, Any], **top: Any) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": "KubeSchedulerConfiguration",
        "profiles": list(profiles),
        **top,
    }
