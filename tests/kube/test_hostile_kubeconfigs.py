"""Kubeconfigs that no one should write: a command says what is wrong, and the daemon keeps its last session."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio
import yaml

from edged.errors import ConfigError, EdgedError
from edged.kube.client import ApiClient, Session
from edged.kube.kubeconfig import ClientSource, Location, open_session
from edged.process.files import FilesRead
from edged.telemetry.logs import Logger, LogStyle
from tests.hostile_values import DATES, STRINGS, described, hostile_bytes, mutations, texts
from tests.kube.kubeconfigs import at, config, write
from tests.kube.support import run

USERS: dict[str, dict[str, Any]] = {
    "token": {"token": "t"},
    "file": {"tokenFile": "token"},
    "basic": {"username": "u", "password": "p"},
    "exec": {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1", "command": "true", "args": ["a"],
            "env": [{"name": "a", "value": "b"}], "installHint": "h",
        }
    },
    "certificate": {"client-certificate-data": "YQ==", "client-key-data": "YQ=="},
}  # fmt: skip


def opened_or_refused(path: Path) -> Session | None:
    """What a command gets."""
    try:
        return open_session(at(path), FilesRead(waiting=True))
    except ConfigError as error:
        assert 0 < len(str(error)) < 20_000
        return None


@pytest.mark.parametrize("user", USERS)
def test_whatever_stands_in_it_is_a_session_or_a_configuration_error(tmp_path: Path, user: str) -> None:
    (tmp_path / "token").write_text("t")
    valid = config("https://127.0.0.1:6443", **USERS[user])
    path, good = tmp_path / "config", 0
    for place, broken in mutations(valid, Random(1), each=12, yaml=True):
        try:
            path.write_text(yaml.safe_dump(broken, allow_unicode=True))
        except (yaml.YAMLError, RecursionError, ValueError):
            continue  # YAML has no text for it
        try:
            good += opened_or_refused(path) is not None
        except Exception as error:
            raise AssertionError(described(place, broken)) from error
    assert good > 20 or user == "certificate"


def test_whatever_text_it_is_it_is_a_session_or_a_configuration_error(tmp_path: Path) -> None:
    valid, path = config("http://127.0.0.1:1", token="t"), tmp_path / "config"
    for name, text in [*hostile_bytes(valid), *((described(place), text) for place, text in texts(valid, Random(1)))]:
        path.write_bytes(text)
        try:
            opened_or_refused(path)
        except Exception as error:
            raise AssertionError(name) from error


ODD_SERVERS = ["http://[::1/", "https://[", "http://", "https://a..b", "http://a:99999", "http://a:b"]


@pytest.mark.parametrize("server", [*ODD_SERVERS, *STRINGS], ids=lambda server: repr(server)[:30])
def test_servers_that_are_none(tmp_path: Path, server: str) -> None:
    """What cannot be dialled fails the request, where it does not fail the file."""
    session = opened_or_refused(write(tmp_path / "config", config(server, token="t")))

    async def main() -> None:
        assert session is not None
        client = ApiClient(session)
        with pytest.raises(EdgedError):
            await client.request("GET", "/version", timeout_s=3.0)
        await client.aclose()

    if session is not None:
        run(main)


@pytest.mark.parametrize("field", ["clusters", "contexts", "users", "current-context"])
@pytest.mark.parametrize("value", [*DATES, 5, True, "x", {"a": 1}, [None], [[]], ["a"], [{"name": 5}], [{"name": []}]])
def test_sections_of_other_types(tmp_path: Path, field: str, value: object) -> None:
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump({**config("http://127.0.0.1:1", token="t"), field: value}))

    with pytest.raises(ConfigError):
        open_session(at(path), FilesRead(waiting=True))


@pytest.mark.parametrize("field", ["tokenFile", "client-certificate", "client-key"])
@pytest.mark.parametrize("name", ["\0", "a\0b", "x" * 5000, "\n", "..", "/", "/dev/zero", "pipe", "x"])
def test_files_that_are_none(tmp_path: Path, field: str, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "x").mkdir()
    path = write(tmp_path / "config", config("https://127.0.0.1:1", **{field: name}))

    async def main() -> None:
        with trio.fail_after(5):
            try:
                session = open_session(at(path), FilesRead())
            except ConfigError:
                return
            with pytest.raises(EdgedError):
                await session.authorization()
            await session.retire()

    run(main)


def test_the_daemon_keeps_its_session_through_all_of_it(tmp_path: Path) -> None:
    lines: list[str] = []
    log = Logger(LogStyle(journal=True), write=lambda line: lines.append(line.decode()))
    good, path = config("http://127.0.0.1:1", token="t"), tmp_path / "config"
    others = [broken for _, broken in mutations(good, Random(2), each=1)]

    async def main() -> None:
        write(path, good)
        source = ClientSource(Location(str(path)), log=log)
        await source._look()
        session = source.client.session
        for _, text in hostile_bytes(good):
            path.write_bytes(text)
            await source._look()
        for other in others[:100]:
            with open(path, "w") as file:
                yaml.safe_dump(other, file)
            await source._look()
            assert source.client.configured
        write(path, good)
        await source._look()
        assert source.problem == "" and source.client.server == session.server
        await source.client.aclose()

    run(main, within_s=60.0)
    assert not [line for line in lines if "internal error" in line]
