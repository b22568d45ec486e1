"""The configuration files of the daemons that run a virtual network. Pure."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

TREE = Path(__file__).resolve().parents[3]
MODULES = TREE / "modules" / "controllers"
GROUP = "network.edged.dev"
CONTROL = ("kos-subnets", "kos-ipam")
_EVENTS = {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]}
_CONTROLLERS: Mapping[str, tuple[dict[str, Any], list[tuple[list[str], list[str]]]]] = {
    "kos-subnets": ({}, [
        (["subnets"], ["list", "watch"]), (["subnets/status"], ["update"]), (["iplocks"], ["list"]),
    ]),
    "kos-ipam": ({"config": {"graceMs": 500}}, [
        (["subnets", "networkattachments"], ["get", "list", "watch"]), (["networkattachments/status"], ["update"]),
        (["iplocks"], ["get", "list", "watch", "create", "delete"]),
    ]),
    "kos-agent": ({"extensions": ["netfabric"]}, [
        (["networkattachments"], ["get", "list", "watch"]), (["networkattachments/status"], ["update"]),
    ]),
}  # fmt: skip


def configuration(
    name: str, folder: Path, kubeconfig: Path, modules: Collection[str], settings: Mapping[str, object],
    fabric: Path | None = None,
) -> str:  # fmt: skip
    """Of the daemon on the node `name`. `settings`: of each controller. `fabric`: the socket of its helper."""
    state, cache_dir = folder / name, _compiled()
    node = {"name": name, "state_dir": state, "cache_dir": cache_dir, "socket": state / "socket"}
    lines = ["[node]", *(f"{key} = {json.dumps(str(value))}" for key, value in node.items())]
    lines += ["[kubernetes]", f"kubeconfig = {json.dumps(str(kubeconfig))}", "[observability]", 'listen = ""']
    if fabric is not None:
        lines += ["[fabric]", 'backend = "linux"', f"socket = {json.dumps(str(fabric))}"]
    for module in modules:
        own, rules = _CONTROLLERS[module]
        allow = [{"apiGroups": [GROUP], "resources": what, "verbs": verbs} for what, verbs in rules]
        table: dict[str, object] = {
            "name": module, "module": f"file://{MODULES / module / module}.wasm", "leader_election": False,
            "api_calls_per_s": 500.0, "allow": [*allow, _EVENTS], **own, **settings,
        }  # fmt: skip
        lines += ["[[controller]]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def kubeconfig(url: str, token: str) -> str:
    """For one server and one user."""
    return json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "it",
        "clusters": [{"name": "it", "cluster": {"server": url}}], "users": [{"name": "it", "user": {"token": token}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    })  # fmt: skip


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value)


@cache
def _compiled() -> str:
    """One folder of compiled modules for the whole test process."""
    _keep.append(tempfile.TemporaryDirectory(prefix="edged-modules-"))
    return _keep[-1].name


_keep: list[tempfile.TemporaryDirectory[str]] = []
