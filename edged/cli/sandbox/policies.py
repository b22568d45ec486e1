"""--policies of `edged sandbox`: the daemon beside it, with the user's configuration and nothing of the user's node.

The daemon runs from a copy of the configuration that leads to the sandbox, with ports, state and socket of its own: an
edged that is installed on the same machine, and its cluster, are never touched.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import trio

from edged import config as configuration
from edged.cli.demo.stage import free_port
from edged.cli.own_process import own_process
from edged.cli.status_client import ask
from edged.errors import ConfigError, PeerError
from edged.json_text import dumps
from edged.process.files import write_atomically
from edged.toml.tables import read_tables

if TYPE_CHECKING:
    from edged.sandbox.server import Sandbox

_START_S: Final = 600.0
_SETTLED_S: Final = 60.0
_EVERY_S: Final = 0.1


@asynccontextmanager
async def daemon(path: Path, server: Sandbox, nursery: trio.Nursery) -> AsyncIterator[None]:
    """A daemon whose policies are in force from the block's begin to its end. Raises ConfigError: the configuration, a
    policy that cannot be loaded, or a daemon that ended."""
    configuration.load(path)  # what is wrong is told with the user's file and lines
    with tempfile.TemporaryDirectory(prefix="edged-sandbox-") as name:
        folder = Path(name)
        server.write_kubeconfig(folder / "kubeconfig")
        own = folder / "edged.toml"
        write_atomically(own, _toml(_led_to(read_tables(path.read_text()), folder)).encode(), 0o600)
        async with own_process("run", "--config", str(own)) as process:
            await _until_in_force(process, str(folder / "edged.sock"))
            nursery.start_soon(_watch_over, process)
            yield


def _led_to(tables: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The configuration with the sandbox as its cluster and everything that is the node's own elsewhere."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edged" / "sandbox"
    own: dict[str, dict[str, Any]] = {
        "node": {"state_dir": str(folder / "state"), "cache_dir": str(cache), "socket": str(folder / "edged.sock"),
                 "drain_s": 1},
        "kubernetes": {"kubeconfig": str(folder / "kubeconfig"), "context": ""},
        "observability": {"listen": ""},
    }  # fmt: skip
    if "admission" in tables:
        own["admission"] = {"listen": f"127.0.0.1:{free_port()}", "register": "dynamic"}
    return {**tables, **{name: {**tables.get(name, {}), **values} for name, values in own.items()}}


async def _until_in_force(process: trio.Process, socket: str) -> None:
    """Raises ConfigError: with what `edged status --check` would name if that does not go away."""
    problems: list[str] = ["it does not answer"]
    deadline = trio.current_time() + _START_S
    while trio.current_time() < deadline:
        if process.poll() is not None:
            raise ConfigError(f"edged ended with code {process.returncode} before its policies were in force")
        report = await trio.to_thread.run_sync(_asked, socket)
        if report is not None:
            problems = [each["text"] for each in report["protection"]["problems"]]
            broken = _broken(report)
            if broken:
                raise ConfigError("; ".join(broken))
            if report.get("ready"):
                if not problems:
                    return
                deadline = min(deadline, trio.current_time() + _SETTLED_S)
        await trio.sleep(_EVERY_S)
    raise ConfigError(f"the policies are not in force: {'; '.join(problems)}")


def _asked(socket: str) -> dict[str, Any] | None:
    """The daemon's status; None while it does not answer."""
    try:
        return ask(socket, "status")
    except PeerError:
        return None


def _broken(report: dict[str, Any]) -> list[str]:
    """Policies that will not come into force by waiting."""
    policies = report.get("policies") or {}
    return [f"{name}: {each['error']}" for name, each in policies.items()
            if each.get("error") and each.get("state") != "loading"]  # fmt: skip


async def _watch_over(process: trio.Process) -> None:
    """Raises ConfigError when the daemon ends by itself: without it the policies are not what they seem to be."""
    if (code := await process.wait()) not in (0, -15):
        raise ConfigError(f"edged ended with code {code}")


def _toml(tables: dict[str, Any]) -> str:
    """As TOML again: a table for each section, everything in it as inline values."""
    lines = []
    for name, value in tables.items():
        if isinstance(value, dict):
            lines += [f"[{_text(name)}]", *(f"{_text(key)} = {_value(inner)}" for key, inner in value.items())]
        else:
            lines.insert(0, f"{_text(name)} = {_value(value)}")  # above all tables, whose it would be below them
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(key)} = {_value(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return _text(value) if isinstance(value, str) else str(value)


def _text(value: str) -> str:
    """A JSON text is a TOML text but for the character DEL."""
    return dumps(value).decode().replace("\x7f", "\\u007f")
