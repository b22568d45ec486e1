"""Credentials for registries, from docker's `config.json` and the helper programs that it names.

The lookup key is the registry's host with its port. If a lookup fails for any reason, edged sends no credentials, as
Kubewarden does: a registry that needs some answers 401, and the returned warning says what failed. Source: docker's
configuration file and its credential helper protocol.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edged.errors import ConfigError
from edged.json_text import JsonError, loads
from edged.process import children
from edged.process.files import read_file
from edged.registry.reference import DEFAULT_HOST, HUB_CREDENTIALS

HELPER_S = 10.0


@dataclass(frozen=True, slots=True)
class Login:
    """Basic credentials."""

    username: str
    password: str

    def header(self) -> str:
        """Value of an Authorization header."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


def folder_of(configured: str, environment: Mapping[str, str]) -> Path:
    """Where config.json is looked for."""
    return Path(configured or environment.get("DOCKER_CONFIG") or Path(environment.get("HOME") or "/root") / ".docker")


async def find(folder: Path, host: str) -> tuple[Login | None, str]:
    """(credentials or None for anonymous, a warning or "")."""
    try:
        config = _read(folder / "config.json")
    except ConfigError as error:
        return None, str(error)
    key = HUB_CREDENTIALS if host == DEFAULT_HOST else host
    helper = _helper(config, key)
    if helper:
        return await _ask(helper, key)
    entry = _entry(config, key)
    return (None, "") if entry is None else _login(entry, f"{folder / 'config.json'}: auths.{key}")


def _read(path: Path) -> dict[str, Any]:
    try:
        document = loads(read_file(path))
    except FileNotFoundError:
        return {}
    except (OSError, JsonError) as error:
        raise ConfigError(f"{path}: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: not an object")
    return document


def _helper(config: Mapping[str, object], key: str) -> str:
    helpers = config.get("credHelpers")
    name = (helpers.get(key) if isinstance(helpers, dict) else None) or config.get("credsStore") or ""
    return name if isinstance(name, str) else ""


def _entry(config: Mapping[str, object], key: str) -> dict[str, Any] | None:
    auths = config.get("auths")
    if not isinstance(auths, dict):
        return None
    for name in (key, f"https://{key}", f"https://{key}/", f"http://{key}"):
        if isinstance(auths.get(name), dict):
            found: dict[str, Any] = auths[name]
            return found
    return None


def _login(entry: Mapping[str, object], where: str) -> tuple[Login | None, str]:
    if entry.get("identitytoken"):
        return None, f"{where}: identity tokens are not supported; continuing without credentials"
    encoded = entry.get("auth")
    if isinstance(encoded, str) and encoded:
        try:
            username, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None, f"{where}: auth is not the base64 of USER:PASSWORD; continuing without credentials"
        return (Login(username, password.rstrip("\0")), "") if colon else (None, f"{where}: auth lacks a colon")
    user, secret = entry.get("username"), entry.get("password")
    if isinstance(user, str) and isinstance(secret, str):
        return Login(user, secret), ""
    return None, ""


async def _ask(helper: str, key: str) -> tuple[Login | None, str]:
    """`docker-credential-HELPER get`, with the host on its stdin."""
    program = f"docker-credential-{helper}"
    if os.sep in helper:
        return None, f"credential helper {helper!r} is not the name of a program"
    try:
        ended = await children.run([program, "get"], within_s=HELPER_S, stdin=key.encode())
    except children.ChildFailed as error:
        return None, f"{program}: {error}; continuing without credentials"
    try:
        answer = loads(ended.output)
        user, secret = answer["Username"], answer["Secret"]
        if not isinstance(user, str) or not isinstance(secret, str):
            raise TypeError
    except (JsonError, KeyError, TypeError):
        said = (ended.output or ended.errors).decode(errors="replace").strip()[:200]
        return None, f"{program}: no credentials for {key} ({said}); continuing without"
    if user == "<token>":
        return None, f"{program}: identity tokens are not supported; continuing without credentials"
    return Login(user, secret), ""
