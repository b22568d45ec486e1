"""The edged.toml that `edged init` writes where there is none. Pure.

Only what differs from a default stands in it; the default places of files are the ones of the systemd unit.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from edged.cli.installation.layout import Layout
from edged.json_text import dumps
from edged.toml.reader import is_dns_subdomain

Part = Literal["admission", "scheduler"]
HEAD = """\
# Written by `edged init`. Change it as you like: `edged init` keeps this file, and brings rights, webhook objects and
# the systemd unit up to date with it. `edged check` finds mistakes; `systemctl reload edged` applies changes.
# {reference} has every key.
"""
POLICY = """
# Rejects privileged Pods. More policies: https://artifacthub.io/packages/search?kind=13
[[admission.policy]]
name = "no-privileged"
module = {module}
"""
SCHEDULER = """
[scheduler]
# Pods with this schedulerName are placed by edged.
names = ["edged"]
"""


@dataclass(frozen=True, slots=True)
class Choices:
    """`listen`, `health`: host:port, "" for the default. `reference`: the file with all keys. `node`: "" for the host's
    name."""

    parts: Collection[Part]
    module: str
    reference: str
    listen: str = ""
    health: str = ""
    node: str = ""


def render(layout: Layout, choices: Choices) -> str:
    text = HEAD.format(reference=choices.reference)
    text += _node(layout, choices.node)
    text += f"\n[kubernetes]\nkubeconfig = {_toml(str(layout.kubeconfig))}\n"
    if "admission" in choices.parts:
        text += "\n[admission]\n"
        if choices.listen:
            text += f"listen = {_toml(choices.listen)}\n"
        if layout.static != Layout().static:
            text += f"static_dir = {_toml(str(layout.static))}\n"
        text += POLICY.format(module=_toml(f"file://{choices.module}"))
    if "scheduler" in choices.parts:
        text += SCHEDULER
    if choices.health:
        text += f"\n[observability]\nlisten = {_toml(choices.health)}\n"
    return text


def node_name(host: str) -> str:
    """A name for objects in the cluster where the host's own name cannot be one; "" where it can."""
    if is_dns_subdomain(host):
        return ""
    labels = (re.sub(r"[^a-z0-9]+", "-", label).strip("-") for label in host.lower().split("."))
    return ".".join(label for label in labels if label) or "node"


def _node(layout: Layout, name: str) -> str:
    usual = Layout()
    keys = [("state_dir", layout.state, usual.state), ("cache_dir", layout.cache, usual.cache),
            ("socket", layout.socket, usual.socket)]
    lines = [f"{key} = {_toml(str(path))}\n" for key, path, default in keys if path != default]
    if name:
        lines.insert(0, f"# The host's own name cannot name objects in the cluster.\nname = {_toml(name)}\n")
    return f"\n[node]\n{''.join(lines)}" if lines else ""


def _toml(text: str) -> str:
    return dumps(text).decode()
