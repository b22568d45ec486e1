"""Kubeconfig files for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edged import yaml_text
from edged.kube.client import Session
from edged.kube.kubeconfig import Location, open_session
from edged.process.files import FilesRead


def config(server: str = "http://127.0.0.1:1", *, name: str = "one", **user: Any) -> dict[str, Any]:
    return {
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": server}}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "ns"}}],
    }


def write(path: Path, content: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml_text.dumps(content))
    return path


def at(path: Path, context: str = "") -> Location:
    return Location(str(path), context, environ={})


def opened(location: Location) -> Session:
    return open_session(location, FilesRead())
