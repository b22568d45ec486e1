"""Short ways to send many bodies of one kind: what is refused is asked with `dryRun=All`, and so costs little."""

from __future__ import annotations

from tests.cluster.beside.steps import MERGE, Http, Object, http

DRY = "?dryRun=All"


def body(api_version: str, kind: str, more: Object, name: str = "x") -> Object:
    """An object; `metadata` in `more` is added to its name."""
    metadata = {"name": name, **more.get("metadata", {})}
    return {"apiVersion": api_version, "kind": kind, **more, "metadata": metadata}


def tried(path: str, api_version: str, kind: str, *bodies: Object, name: str = "x") -> tuple[Http, ...]:
    """One POST for each body, none of which is stored."""
    return tuple(http("POST", path + DRY, body(api_version, kind, each, name)) for each in bodies)


def changed(path: str, *patches: Object) -> tuple[Http, ...]:
    """One merge patch of the same object for each of `patches`, none of which is stored."""
    return tuple(http("PATCH", path + DRY, each, MERGE) for each in patches)
